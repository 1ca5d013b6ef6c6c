//! Manifests and indexes: what is in an image, by digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::media;
use crate::digest::Digest;
use crate::fault::{PackageFault, Result};

/// LIMIT: bytes of a manifest or index, as the distribution specification advises registries.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// LIMIT: layers of an image, images of an index.
const PARTS_MAX: usize = 1_000;

/// Annotations of a manifest or a part of one.
pub type Annotations = BTreeMap<String, String>;

/// A part of an image: of which kind, which, and how large.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    /// As written: parts that nobody reads may have digests of any kind.
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<Annotations>,
}

/// For which machine an image of an index is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Platform {
    pub(crate) architecture: String,
    pub(crate) os: String,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    pub(crate) media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<Annotations>,
}

/// Several manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    pub(crate) media_type: String,
    pub(crate) manifests: Vec<Descriptor>,
}

/// Either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Manifest(Box<Manifest>),
    Index(Index),
}

/// What a document may have of both kinds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u32>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<Annotations>,
}

impl Descriptor {
    /// Of these bytes.
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            artifact_type: None,
            platform: None,
            annotations: None,
        }
    }

    pub(crate) fn digest(&self) -> Result<Digest> {
        Digest::parse(&self.digest)
    }
}

impl Document {
    /// Reads a document, whose kind its content decides.
    ///
    /// One that could be read as either kind is refused: a scanner and a gateway would see different images (CVE-2021-41190).
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MANIFEST_BYTES_MAX {
            return Err(PackageFault::TooLarge {
                what: String::from("the manifest"),
                bytes_max: MANIFEST_BYTES_MAX,
            });
        }
        let broken = |why: &str| Err(PackageFault::Manifest(why.to_owned()));
        let raw: Raw = serde_json::from_slice(bytes).map_err(|why| PackageFault::Manifest(why.to_string()))?;
        let kind = raw.media_type.as_deref();
        let document = match (raw.config, raw.layers, raw.manifests) {
            (None, None, Some(manifests))
                if ![Some(media::OCI_MANIFEST), Some(media::DOCKER_MANIFEST)].contains(&kind) =>
            {
                Self::Index(Index {
                    schema_version: 2,
                    media_type: raw.media_type.unwrap_or_else(|| media::OCI_INDEX.to_owned()),
                    manifests,
                })
            }
            (Some(config), Some(layers), None)
                if ![Some(media::OCI_INDEX), Some(media::DOCKER_LIST)].contains(&kind) =>
            {
                Self::Manifest(Box::new(Manifest {
                    schema_version: 2,
                    media_type: raw.media_type,
                    artifact_type: raw.artifact_type,
                    config,
                    layers,
                    subject: raw.subject,
                    annotations: raw.annotations,
                }))
            }
            (None, None, None) => return broken("it is of docker's first schema, or of no schema known here"),
            _ => return broken("it is a manifest and an index at once, or neither whole"),
        };
        let parts = match &document {
            Self::Manifest(manifest) => manifest.layers.len(),
            Self::Index(index) => index.manifests.len(),
        };
        match raw.schema_version {
            _ if parts > PARTS_MAX => broken("it has more than 1000 parts"),
            Some(2) => Ok(document),
            _ => broken("its schema version is not 2"),
        }
    }
}

impl Manifest {
    /// The media type under which it is stored.
    pub(crate) fn kind(&self) -> &str {
        self.media_type.as_deref().unwrap_or(media::OCI_MANIFEST)
    }
}

impl Index {
    /// The image in it that may be a plugin: for WebAssembly, else for Linux on the machine where most are built, else the only one.
    /// What a builder attaches to its images has the platform `unknown`.
    pub(crate) fn choose(&self) -> Result<&Descriptor> {
        let images: Vec<&Descriptor> = self.manifests.iter().filter(|part| is_image(part)).collect();
        let wanted = |architecture: &str, os: Option<&str>| {
            let fits =
                |platform: &Platform| platform.architecture == architecture && os.is_none_or(|os| platform.os == os);
            images
                .iter()
                .copied()
                .find(|part| part.platform.as_ref().is_some_and(fits))
        };
        let only = || match images.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        wanted("wasm", None)
            .or_else(|| wanted("amd64", Some("linux")))
            .or_else(only)
            .ok_or_else(|| {
                PackageFault::Layout(String::from("its index has no image for WebAssembly, and not only one"))
            })
    }
}

fn is_image(part: &Descriptor) -> bool {
    let kind = [media::OCI_MANIFEST, media::DOCKER_MANIFEST].contains(&part.media_type.as_str());
    let unknown = part.platform.as_ref().is_some_and(|platform| platform.os == "unknown");
    kind && !unknown
}

/// JSON that is always the same for the same value.
pub(crate) fn write(value: &impl Serialize) -> Vec<u8> {
    // Structs of texts and numbers have no way to fail.
    serde_json::to_vec(value).unwrap_or_default()
}
