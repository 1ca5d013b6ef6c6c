//! Images made of modules: the same module gives the same digest, on any day and machine.

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::layout::Layout;
use super::manifest::{self, Annotations, Descriptor, Manifest};
use super::media;
use super::unpack::{MODULE_BYTES_MAX, MODULE_NAME};
use crate::digest::Digest;
use crate::fault::{PackageFault, Result};

/// The annotation with the digest of the module, which manifests else never tell.
pub const MODULE_ANNOTATION: &str = "dev.cofferdam.module.sha256";

/// A manifest with everything that it names.
#[derive(Clone, Debug)]
pub struct Image {
    pub(crate) manifest: Bytes,
    /// Of the manifest, as it stands in an index.
    pub(crate) descriptor: Descriptor,
    pub(crate) blobs: Vec<Blob>,
}

/// A part of an image.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
}

impl Image {
    /// The digest of its manifest, by which it is pinned.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// Bytes of all its parts.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let parts = self.blobs.iter().map(|blob| blob.bytes.len());
        u64::try_from(parts.sum::<usize>().saturating_add(self.manifest.len())).unwrap_or(u64::MAX)
    }

    pub(crate) fn new(manifest: &Manifest, blobs: Vec<Blob>) -> Self {
        let bytes = manifest::write(manifest);
        let mut descriptor = Descriptor::of(manifest.kind(), &bytes);
        descriptor.artifact_type.clone_from(&manifest.artifact_type);
        Self {
            manifest: bytes.into(),
            descriptor,
            blobs,
        }
    }
}

impl Blob {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Digest::of(&bytes),
            bytes,
        }
    }
}

/// Puts a module into an image of this layout.
///
/// # Errors
/// When it is too large to be loaded by anybody, or the layout is one that is only read.
pub fn pack(module: &[u8], layout: Layout, mut annotations: Annotations) -> Result<Image> {
    if u64::try_from(module.len()).unwrap_or(u64::MAX) > MODULE_BYTES_MAX {
        return Err(PackageFault::TooLarge {
            what: String::from("the module"),
            bytes_max: MODULE_BYTES_MAX,
        });
    }
    let digest = Digest::of(module);
    annotations
        .entry(MODULE_ANNOTATION.to_owned())
        .or_insert_with(|| digest.hex());
    let (config, layers) = match layout {
        Layout::Compat => compat(module)?,
        Layout::Solo => solo(module),
        Layout::Cncf => cncf(module, digest),
        Layout::Docker | Layout::Higress => {
            return Err(PackageFault::Layout(format!("the layout `{layout}` is only read")));
        }
    };
    let part = |(media_type, blob): &(&str, Blob)| Descriptor::of(media_type, &blob.bytes);
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: part(&config),
        layers: layers.iter().map(part).collect(),
        subject: None,
        annotations: Some(annotations),
    };
    let blobs = [config].into_iter().chain(layers).map(|(_, blob)| blob).collect();
    Ok(Image::new(&manifest, blobs))
}

/// A configuration and layers, each with its media type.
type Parts = ((&'static str, Blob), Vec<(&'static str, Blob)>);

fn compat(module: &[u8]) -> Result<Parts> {
    let cannot = |why: std::io::Error| PackageFault::Layer(why.to_string());
    let tar = archive(module).map_err(cannot)?;
    // Without a time and a file name, and with a fixed system, the same bytes come out everywhere.
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut gzip, &tar).map_err(cannot)?;
    let layer = gzip.finish().map_err(cannot)?;
    let config = json!({
        "architecture": "wasm",
        "os": "wasi",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar).to_string()] },
    });
    Ok((
        json_blob(media::OCI_CONFIG, &config),
        vec![(media::OCI_LAYER, Blob::new(layer))],
    ))
}

fn archive(module: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(u64::try_from(module.len()).unwrap_or(u64::MAX));
    let mut builder = Builder::new(Vec::new());
    builder.append_data(&mut header, MODULE_NAME, module)?;
    builder.into_inner()
}

fn solo(module: &[u8]) -> Parts {
    let config = json!({ "type": "envoy_proxy" });
    let layers = vec![
        json_blob(media::SOLO_CONFIG, &config),
        (media::SOLO_CONTENT, Blob::new(module.to_vec())),
    ];
    (json_blob(media::OCI_CONFIG, &json!({})), layers)
}

fn cncf(module: &[u8], digest: Digest) -> Parts {
    let config = json!({
        // Its readers want a time; that of packing would give each image another digest.
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": "wasip1",
        "layerDigests": [digest.to_string()],
    });
    let layer = (media::CNCF_CONTENT, Blob::new(module.to_vec()));
    (json_blob(media::CNCF_CONFIG, &config), vec![layer])
}

fn json_blob(media_type: &'static str, value: &Value) -> (&'static str, Blob) {
    (media_type, Blob::new(manifest::write(value)))
}
