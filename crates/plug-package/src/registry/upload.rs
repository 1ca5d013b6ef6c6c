//! Images, uploaded: parts that are not there yet, then the manifest, then what is attached.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};

use super::client::{Access, Ask, Client, Repository, refused};
use super::download::OCI_SUBJECT;
use crate::digest::Digest;
use crate::fault::{PackageFault, Result};
use crate::image::manifest::{self, Descriptor, Document, Index};
use crate::image::media;
use crate::image::pack::{Blob, Image};
use crate::package::{ATTACHED_MAX, Package};
use crate::reference::Reference;

impl Client {
    /// Uploads a package under a name.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be reached.
    pub async fn push(&self, package: &Package, reference: &Reference) -> Result<()> {
        let repository = Repository {
            reference,
            access: Access::Push,
        };
        let digest = package.image.digest();
        if let Some(pinned) = reference.digest() {
            pinned.verify_digest(digest, "the image")?;
        }
        self.parts(repository, &package.image).await?;
        self.put_manifest(repository, &reference.which(), &package.image)
            .await?;
        self.push_attachments(repository, digest, &package.attached).await
    }

    /// Uploads what is attached to an image that is there.
    pub(crate) async fn push_attachments(
        &self,
        repository: Repository<'_>,
        subject: Digest,
        attached: &[Image],
    ) -> Result<()> {
        let mut unlisted = Vec::new();
        for attached in attached {
            self.parts(repository, attached).await?;
            if !self
                .put_manifest(repository, &attached.digest().to_string(), attached)
                .await?
            {
                unlisted.push(attached.descriptor.clone());
            }
        }
        if unlisted.is_empty() {
            return Ok(());
        }
        self.list(repository, subject, unlisted).await
    }

    /// Uploads an image under a tag.
    pub(crate) async fn push_tagged(&self, repository: Repository<'_>, tag: &str, image: &Image) -> Result<()> {
        self.parts(repository, image).await?;
        self.put_manifest(repository, tag, image).await.map(drop)
    }

    async fn parts(&self, repository: Repository<'_>, image: &Image) -> Result<()> {
        for blob in &image.blobs {
            self.retried(async || self.put_blob(repository, blob).await).await?;
        }
        Ok(())
    }

    async fn put_blob(&self, repository: Repository<'_>, blob: &Blob) -> Result<()> {
        let there = Ask::new(Method::HEAD, self.url(repository, &format!("blobs/{}", blob.digest))?);
        if self.ask(repository, &there).await?.status() == StatusCode::OK {
            return Ok(());
        }
        let begin = Ask::new(Method::POST, self.url(repository, "blobs/uploads/")?);
        let answer = self.ask(repository, &begin).await?;
        if answer.status() != StatusCode::ACCEPTED {
            return Err(answer.fault(begin.what()).await);
        }
        let location = answer
            .response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let location = location.and_then(|location| answer.url.join(location).ok());
        let mut location = location.ok_or_else(|| refused(&answer.url, "says nowhere to upload to"))?;
        self.permit(&location, Some(&answer.url))?;
        location
            .query_pairs_mut()
            .append_pair("digest", &blob.digest.to_string());
        let is_ours = location.origin() == begin.url.origin();
        let kind = HeaderValue::from_static("application/octet-stream");
        let mut ask = Ask::new(Method::PUT, location).header(CONTENT_TYPE, kind);
        ask.body = blob.bytes.clone();
        let progress = Arc::clone(&self.progress);
        ask.counts = Some(Arc::new(move |bytes| progress.moves(bytes)));
        self.progress
            .begins(&blob.digest.to_string(), u64::try_from(blob.bytes.len()).ok());
        let answer = match is_ours {
            true => self.ask(repository, &ask).await,
            // Another server has said by its URL that we may.
            false => self.follow(&ask, None).await,
        };
        self.progress.ends();
        let answer = answer?;
        match answer.status() {
            StatusCode::CREATED => Ok(()),
            _ => Err(answer.fault(ask.what()).await),
        }
    }

    /// Whether the registry knows by itself what the manifest is attached to.
    async fn put_manifest(&self, repository: Repository<'_>, which: &str, image: &Image) -> Result<bool> {
        self.put(repository, which, (&image.descriptor.media_type, &image.manifest))
            .await
    }

    async fn put(&self, repository: Repository<'_>, which: &str, (kind, bytes): (&str, &Bytes)) -> Result<bool> {
        let kind = HeaderValue::from_str(kind).map_err(|why| PackageFault::Manifest(why.to_string()))?;
        let url = self.url(repository, &format!("manifests/{which}"))?;
        let mut ask = Ask::new(Method::PUT, url).header(CONTENT_TYPE, kind);
        ask.body = bytes.clone();
        self.retried(async || {
            let answer = self.ask(repository, &ask).await?;
            match answer.status() {
                StatusCode::CREATED => Ok(answer.response.headers().contains_key(OCI_SUBJECT)),
                _ => Err(answer.fault(ask.what()).await),
            }
        })
        .await
    }

    /// Adds what is attached to the list under the tag that stands in for a registry's own. Two who do so at once may lose one's
    /// entry, as the distribution specification says.
    async fn list(&self, repository: Repository<'_>, subject: Digest, new: Vec<Descriptor>) -> Result<()> {
        let tag = fallback_tag(subject);
        let mut manifests = match self.manifest(repository, &tag).await {
            Ok((_, bytes)) => match Document::read(&bytes)? {
                Document::Index(index) => index.manifests,
                Document::Manifest(_) => return Err(PackageFault::Manifest(format!("`{tag}` is no list"))),
            },
            Err(PackageFault::Status { status: 404, .. }) => Vec::new(),
            Err(fault) => return Err(fault),
        };
        for descriptor in new {
            if !manifests.iter().any(|known| known.digest == descriptor.digest) {
                manifests.push(descriptor);
            }
        }
        if manifests.len() > ATTACHED_MAX {
            return Err(PackageFault::Manifest(format!(
                "more than {ATTACHED_MAX} things are attached"
            )));
        }
        let index = Index {
            schema_version: 2,
            media_type: media::OCI_INDEX.to_owned(),
            manifests,
        };
        let bytes = Bytes::from(manifest::write(&index));
        self.put(repository, &tag, (media::OCI_INDEX, &bytes)).await.map(drop)
    }
}

/// The tag under which a registry without an API for it lists what is attached to an image.
pub(crate) fn fallback_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}
