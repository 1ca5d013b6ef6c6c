//! Signatures in registries and beside files on servers: found, kept in the store, and put where cosign looks for them.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use url::Url;

use super::attached::Attachment;
use super::client::{Access, Client, Repository};
use super::download::Download;
use crate::digest::Digest;
use crate::fault::{PackageFault, Result};
use crate::image::manifest::{self, Annotations, Descriptor, Document as Parts, Manifest};
use crate::image::media;
use crate::image::pack::{Blob, Image};
use crate::reference::Reference;
use crate::sign::document::{self, Document, Form, SIGNATURE_BYTES_MAX, SIGNATURES_MAX};
use crate::store::{Kept, Store};

/// Where cosign's older form has the signature of its payload.
const SIMPLE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// LIMIT: bytes of all signatures of one plugin, as they are kept.
const KEPT_BYTES_MAX: u64 = 2 * SIGNATURE_BYTES_MAX * (2 * SIGNATURES_MAX as u64);

/// Where signatures are looked for.
#[derive(Clone, Copy, Debug)]
pub enum Signatures<'a> {
    /// Of an image: attached to it, and under cosign's tag.
    Image(&'a Reference, Digest),
    /// Of a file on a server: beside it.
    File(&'a Url, Digest),
}

impl Signatures<'_> {
    fn name(&self) -> String {
        match self {
            Self::Image(reference, image) => {
                format!("signatures {}/{} {image}", reference.host(), reference.repository())
            }
            Self::File(url, module) => format!("signatures {url} {module}"),
        }
    }

    /// Those that were had before; none when there were none.
    #[must_use]
    pub fn kept(&self, store: &Store) -> Vec<Document> {
        let Some((digest, _)) = store.pointer(&self.name()) else {
            return Vec::new();
        };
        match store.read(&digest, KEPT_BYTES_MAX) {
            Kept::Bytes(blob) => document::read(&blob).unwrap_or_default(),
            Kept::Nothing | Kept::Changed => Vec::new(),
        }
    }

    /// Asks for them, and keeps what comes.
    ///
    /// # Errors
    /// When the registry or server cannot be asked, or it takes longer than that.
    pub async fn fetch(&self, client: &Client, store: &Store, time_max: Duration) -> Result<Vec<Document>> {
        let fetching = async {
            match self {
                Self::Image(reference, image) => client.signatures(reference, *image, store).await,
                Self::File(url, _) => client.signatures_beside(url, store).await,
            }
        };
        let found = timeout(time_max, fetching)
            .await
            .unwrap_or(Err(PackageFault::Late(time_max)))?;
        if !found.is_empty() {
            store.point(&self.name(), store.keep(&document::write(&found))?)?;
        }
        Ok(found)
    }
}

impl Client {
    /// What is signed of an image. One signature that is broken does not hide another.
    async fn signatures(&self, reference: &Reference, image: Digest, store: &Store) -> Result<Vec<Document>> {
        // A place that cannot be asked is none without signatures: what it has might be the one that counts.
        let attached = self.attached_signatures(reference, image, store).await?;
        let simple = self.simple(reference, image, store).await?;
        Ok([attached, simple].concat())
    }

    /// Those that are attached.
    async fn attached_signatures(&self, reference: &Reference, image: Digest, store: &Store) -> Result<Vec<Document>> {
        let mut found = Vec::new();
        let attached = self.attached(reference, image).await?;
        let kinds = attached
            .iter()
            .filter_map(|attachment| Some((form(attachment)?, attachment)));
        for (form, attachment) in kinds.take(SIGNATURES_MAX) {
            match self
                .attachment_within(reference, (image, attachment), (SIGNATURE_BYTES_MAX, store))
                .await
            {
                Ok(bytes) => found.push(Document::new(form, bytes)),
                Err(fault) if fault.may_pass() => return Err(fault),
                Err(_) => {}
            }
        }
        Ok(found)
    }

    /// Those under cosign's tag.
    async fn simple(&self, reference: &Reference, image: Digest, store: &Store) -> Result<Vec<Document>> {
        let repository = Repository {
            reference,
            access: Access::Pull,
        };
        let mut found = Vec::new();
        let Some(manifest) = self.simple_manifest(repository, image).await? else {
            return Ok(found);
        };
        for layer in manifest
            .layers
            .iter()
            .filter(|layer| layer.media_type == media::SIMPLE_SIGNING)
            .take(SIGNATURES_MAX)
        {
            let Ok(digest) = layer.digest() else { continue };
            let had = self
                .blob(repository, layer, ("a signature", SIGNATURE_BYTES_MAX), store)
                .await;
            match had {
                Ok(()) => {}
                Err(fault) if fault.may_pass() => return Err(fault),
                Err(_) => continue,
            }
            if let Kept::Bytes(bytes) = store.read(&digest, SIGNATURE_BYTES_MAX) {
                found.push(Document {
                    form: Form::Simple,
                    bytes: bytes.into(),
                    beside: layer
                        .annotations
                        .as_ref()
                        .and_then(|known| known.get(SIMPLE_ANNOTATION).cloned()),
                });
            }
        }
        Ok(found)
    }

    async fn simple_manifest(&self, repository: Repository<'_>, image: Digest) -> Result<Option<Manifest>> {
        let bytes = match self.manifest(repository, &simple_tag(image)).await {
            Ok((_, bytes)) => bytes,
            Err(PackageFault::Status { status: 404, .. }) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        match Parts::read(&bytes)? {
            Parts::Manifest(manifest) => Ok(Some(*manifest)),
            Parts::Index(_) => Ok(None),
        }
    }

    /// Those beside a file: a Sigstore bundle, or the signature alone.
    async fn signatures_beside(&self, url: &Url, store: &Store) -> Result<Vec<Document>> {
        let mut found = Vec::new();
        for (form, ending) in [(Form::Bundle, ".sigstore.json"), (Form::Raw, ".sig")] {
            let mut beside = url.clone();
            beside.set_path(&format!("{}{ending}", url.path()));
            let download = Download {
                repository: None,
                url: beside,
                promised: None,
                bytes_max: SIGNATURE_BYTES_MAX,
                what: "a signature",
            };
            match self.download(&download, store).await {
                Ok(digest) => {
                    if let Kept::Bytes(bytes) = store.read(&digest, SIGNATURE_BYTES_MAX) {
                        found.push(Document::new(form, bytes.into()));
                    }
                }
                Err(PackageFault::Status { status, .. }) if (400..500).contains(&status) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(found)
    }

    /// The digest behind a name, as a signature names it.
    ///
    /// # Errors
    /// When the registry refuses, or has no such image.
    pub async fn resolve(&self, reference: &Reference) -> Result<Digest> {
        let repository = Repository {
            reference,
            access: Access::Pull,
        };
        Ok(self.manifest(repository, &reference.which()).await?.0)
    }

    /// Puts a signature of an image where its form has its place.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn push_signature(&self, reference: &Reference, image: Digest, signature: &Document) -> Result<()> {
        let repository = Repository {
            reference,
            access: Access::Push,
        };
        match signature.form {
            Form::Bundle => {
                let kind = (crate::sign::BUNDLE, bundle_annotations());
                self.push_attached(repository, image, (kind, signature)).await
            }
            Form::Envelope => {
                let kind = (media::SM2_SIGNATURE, Annotations::new());
                self.push_attached(repository, image, (kind, signature)).await
            }
            Form::Simple => self.push_simple(repository, image, signature).await,
            Form::Raw | Form::Module => Err(PackageFault::Signature(String::from(
                "a signature of a file has no place in a registry",
            ))),
        }
    }

    async fn push_attached(
        &self,
        repository: Repository<'_>,
        image: Digest,
        ((kind, annotations), signature): ((&str, Annotations), &Document),
    ) -> Result<()> {
        let (_, bytes) = self.manifest(repository, &image.to_string()).await?;
        let media_type = match Parts::read(&bytes)? {
            Parts::Manifest(manifest) => manifest.kind().to_owned(),
            Parts::Index(index) => index.media_type,
        };
        let empty = Blob::new(&b"{}"[..]);
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::OCI_MANIFEST.to_owned()),
            artifact_type: Some(kind.to_owned()),
            config: Descriptor::of(media::OCI_EMPTY, &empty.bytes),
            layers: vec![Descriptor::of(kind, &signature.bytes)],
            subject: Some(Descriptor::of(&media_type, &bytes)),
            annotations: (!annotations.is_empty()).then_some(annotations),
        };
        let attached = Image::new(&manifest, vec![empty, Blob::new(signature.bytes.clone())]);
        self.push_attachments(repository, image, &[attached]).await
    }

    /// Adds to what is under cosign's tag. Two who do so at once may lose one's, as with cosign.
    async fn push_simple(&self, repository: Repository<'_>, image: Digest, signature: &Document) -> Result<()> {
        let known = self.simple_manifest(repository, image).await?;
        let mut layers = known.map(|manifest| manifest.layers).unwrap_or_default();
        let mut layer = Descriptor::of(media::SIMPLE_SIGNING, &signature.bytes);
        let beside = signature.beside.clone().unwrap_or_default();
        layer.annotations = Some(Annotations::from([(SIMPLE_ANNOTATION.to_owned(), beside)]));
        if !layers.contains(&layer) {
            layers.push(layer);
        }
        let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
        let config = json!({
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": digests },
        });
        let config = Blob::new(manifest::write(&config));
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::of(media::OCI_CONFIG, &config.bytes),
            layers,
            subject: None,
            annotations: None,
        };
        let written = Image::new(&manifest, vec![config, Blob::new(signature.bytes.clone())]);
        self.push_tagged(repository, &simple_tag(image), &written).await
    }
}

fn form(attachment: &Attachment) -> Option<Form> {
    match attachment.kind.as_str() {
        media::SM2_SIGNATURE => Some(Form::Envelope),
        kind if kind.starts_with(media::SIGSTORE_BUNDLE) => Some(Form::Bundle),
        _ => None,
    }
}

/// What cosign writes beside a bundle, so that others find the right one without opening each.
fn bundle_annotations() -> Annotations {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Annotations::from([
        pair("dev.sigstore.bundle.content", "dsse-envelope"),
        pair("dev.sigstore.bundle.predicateType", crate::sign::COSIGN_SIGN),
    ])
}

fn simple_tag(image: Digest) -> String {
    format!("sha256-{}.sig", image.hex())
}
