//! What is attached to an image, found by the registry's own list or by the tag that stands in for it.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Method, StatusCode};

use super::client::{Access, Ask, Client, Repository};
use super::upload::fallback_tag;
use crate::digest::Digest;
use crate::fault::{PackageFault, Result};
use crate::image::attachment::ATTACHMENT_BYTES_MAX;
use crate::image::manifest::{Descriptor, Document, MANIFEST_BYTES_MAX};
use crate::image::media;
use crate::package::ATTACHED_MAX;
use crate::reference::Reference;
use crate::store::{Kept, Store};

/// One thing that is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Of which kind.
    pub kind: String,
    /// The digest of its manifest.
    pub digest: Digest,
}

impl Client {
    /// What is attached to the image of this digest.
    ///
    /// # Errors
    /// When the registry refuses, or its list is broken.
    pub async fn attached(&self, reference: &Reference, image: Digest) -> Result<Vec<Attachment>> {
        let repository = Repository {
            reference,
            access: Access::Pull,
        };
        let url = self.url(repository, &format!("referrers/{image}"))?;
        let ask = Ask::new(Method::GET, url).header(ACCEPT, HeaderValue::from_static(media::OCI_INDEX));
        let answer = self.ask(repository, &ask).await?;
        let bytes = match answer.status() {
            StatusCode::OK => answer.whole("the list of what is attached", MANIFEST_BYTES_MAX).await?,
            _ => match self.manifest(repository, &fallback_tag(image)).await {
                Ok((_, bytes)) => bytes,
                Err(PackageFault::Status { status: 404, .. }) => return Ok(Vec::new()),
                Err(fault) => return Err(fault),
            },
        };
        let Document::Index(index) = Document::read(&bytes)? else {
            return Err(PackageFault::Manifest(String::from(
                "the list of what is attached is no index",
            )));
        };
        let parts = index.manifests.iter().take(ATTACHED_MAX);
        // One whose digest cannot be followed hides no other.
        let attachment = |part: &Descriptor| {
            Some(Attachment {
                kind: part.artifact_type.clone().unwrap_or_default(),
                digest: part.digest().ok()?,
            })
        };
        Ok(parts.filter_map(attachment).collect())
    }

    /// The bytes of something that is attached to `image`.
    ///
    /// # Errors
    /// When it is attached to something else, is broken or too large, or the registry refuses.
    pub async fn attachment(&self, reference: &Reference, of: (Digest, &Attachment), store: &Store) -> Result<Bytes> {
        self.attachment_within(reference, of, (ATTACHMENT_BYTES_MAX, store))
            .await
    }

    pub(crate) async fn attachment_within(
        &self,
        reference: &Reference,
        (image, attachment): (Digest, &Attachment),
        (bytes_max, store): (u64, &Store),
    ) -> Result<Bytes> {
        let repository = Repository {
            reference,
            access: Access::Pull,
        };
        let (_, bytes) = self.manifest(repository, &attachment.digest.to_string()).await?;
        let Document::Manifest(manifest) = Document::read(&bytes)? else {
            return Err(PackageFault::Manifest(String::from("what is attached is an index")));
        };
        let subject = manifest.subject.as_ref().map(|subject| subject.digest.clone());
        if subject != Some(image.to_string()) {
            return Err(PackageFault::Manifest(String::from("it is attached to another image")));
        }
        let [layer] = manifest.layers.as_slice() else {
            return Err(PackageFault::Manifest(String::from(
                "what is attached has not exactly one layer",
            )));
        };
        let digest = layer.digest()?;
        if let Kept::Bytes(bytes) = store.read(&digest, bytes_max) {
            return Ok(bytes.into());
        }
        self.blob(repository, layer, ("what is attached", bytes_max), store)
            .await?;
        match store.read(&digest, bytes_max) {
            Kept::Bytes(bytes) => Ok(bytes.into()),
            Kept::Nothing | Kept::Changed => Err(PackageFault::file(&store.path(&digest), &"it is gone again")),
        }
    }
}
