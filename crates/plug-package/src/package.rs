//! A plugin's image with what is attached to it, and the folder in which both lie on a disk (OCI image layout).

use std::fs;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use serde_json::json;

use crate::digest::Digest;
use crate::fault::{PackageFault, Result};
use crate::image::attachment::ATTACHMENT_BYTES_MAX;
use crate::image::layout::{self, Layout};
use crate::image::manifest::{self, Annotations, Descriptor, Document, Index, MANIFEST_BYTES_MAX, Manifest};
use crate::image::media;
use crate::image::pack::{Blob, Image};
use crate::image::unpack;

/// LIMIT: things attached to one image.
pub(crate) const ATTACHED_MAX: usize = 100;
/// The tag of an image in a folder, so that tools find it among what is attached.
const TAG_IN_FOLDER: &str = "latest";
/// The annotation with the tag.
const TAG_ANNOTATION: &str = "org.opencontainers.image.ref.name";

/// A plugin's image with what is attached to it.
#[derive(Clone, Debug)]
pub struct Package {
    /// The plugin's image.
    pub image: Image,
    /// How the module lies in it.
    pub layout: Layout,
    /// The digest of the module.
    pub module: Digest,
    /// What is attached.
    pub attached: Vec<Image>,
}

impl Package {
    /// The digests of all parts, manifests left out.
    pub fn parts(&self) -> impl Iterator<Item = Digest> {
        let images = [&self.image].into_iter().chain(&self.attached);
        images.flat_map(|image| image.blobs.iter().map(|blob| blob.digest))
    }

    /// Writes it into a folder that is empty or not there.
    ///
    /// # Errors
    /// When the folder has something in it, or the disk refuses.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let failed = |why: std::io::Error| PackageFault::file(folder, &why);
        let blobs = folder.join("blobs").join("sha256");
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(PackageFault::file(folder, &"the folder is not empty"));
        }
        fs::create_dir_all(&blobs).map_err(failed)?;
        let mut manifests = Vec::new();
        for image in [&self.image].into_iter().chain(&self.attached) {
            for blob in &image.blobs {
                fs::write(blobs.join(blob.digest.hex()), &blob.bytes).map_err(failed)?;
            }
            fs::write(blobs.join(image.digest().hex()), &image.manifest).map_err(failed)?;
            manifests.push(image.descriptor.clone());
        }
        if let Some(first) = manifests.first_mut() {
            let tag = (TAG_ANNOTATION.to_owned(), TAG_IN_FOLDER.to_owned());
            first.annotations = Some(Annotations::from([tag]));
        }
        let index = Index {
            schema_version: 2,
            media_type: media::OCI_INDEX.to_owned(),
            manifests,
        };
        fs::write(folder.join("index.json"), manifest::write(&index)).map_err(failed)?;
        let version = manifest::write(&json!({ "imageLayoutVersion": "1.0.0" }));
        fs::write(folder.join("oci-layout"), version).map_err(failed)
    }

    /// Reads a folder, whoever wrote it, and all that its plugin's image needs.
    ///
    /// # Errors
    /// When it is no such folder, when it holds no plugin, or when a part is missing or another than its digest says.
    pub fn read(folder: &Path) -> Result<Self> {
        read_file(&folder.join("oci-layout"), 4096)?;
        let index = read_file(&folder.join("index.json"), MANIFEST_BYTES_MAX)?;
        let Document::Index(index) = Document::read(&index)? else {
            return Err(PackageFault::Manifest(String::from("`index.json` is no index")));
        };
        if index.manifests.len() > ATTACHED_MAX {
            return Err(PackageFault::Manifest(format!(
                "`index.json` has more than {ATTACHED_MAX} images"
            )));
        }
        let mut plugins = Vec::new();
        let mut attached = Vec::new();
        for part in &index.manifests {
            let (image, manifest) = read_image(folder, part)?;
            match manifest.subject {
                Some(_) => attached.push(image),
                None => plugins.push((image, manifest)),
            }
        }
        let mut plugins = plugins.into_iter();
        let (Some((image, manifest)), None) = (plugins.next(), plugins.next()) else {
            return Err(PackageFault::Layout(String::from(
                "the folder has no image, or more than one",
            )));
        };
        let (layout, layer) = layout::choose(&manifest)?;
        let layer = layer.digest()?;
        let blob = image.blobs.iter().find(|blob| blob.digest == layer);
        let blob = blob.ok_or_else(|| PackageFault::Layout(String::from("its layer is missing")))?;
        let module = unpack::layer(&blob.bytes, layout.form())?;
        Ok(Self {
            module: Digest::of(&module),
            image,
            layout,
            attached,
        })
    }
}

fn read_image(folder: &Path, part: &Descriptor) -> Result<(Image, Manifest)> {
    let bytes = read_blob(folder, part, MANIFEST_BYTES_MAX)?;
    let Document::Manifest(manifest) = Document::read(&bytes)? else {
        return Err(PackageFault::Layout(String::from(
            "the folder has an index within its index: choose one image of it",
        )));
    };
    let mut blobs: Vec<Blob> = Vec::new();
    for part in [&manifest.config].into_iter().chain(&manifest.layers) {
        let bytes = read_blob(folder, part, ATTACHMENT_BYTES_MAX)?;
        let blob = Blob::new(bytes);
        if !blobs.iter().any(|known| known.digest == blob.digest) {
            blobs.push(blob);
        }
    }
    let mut descriptor = Descriptor::of(manifest.kind(), &bytes);
    descriptor.artifact_type.clone_from(&manifest.artifact_type);
    let image = Image {
        manifest: bytes,
        descriptor,
        blobs,
    };
    Ok((image, *manifest))
}

fn read_blob(folder: &Path, part: &Descriptor, bytes_max: u64) -> Result<Bytes> {
    let digest = part.digest()?;
    let path = folder.join("blobs").join("sha256").join(digest.hex());
    let bytes = read_file(&path, bytes_max)?;
    digest.verify(&bytes, &format!("`{}`", path.display()))?;
    Ok(bytes.into())
}

/// Reads a file up to so many bytes.
///
/// # Errors
/// When it cannot be read, or is larger.
pub fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let failed = |why: std::io::Error| PackageFault::file(path, &why);
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(PackageFault::TooLarge {
            what: format!("`{}`", path.display()),
            bytes_max,
        });
    }
    Ok(bytes)
}
