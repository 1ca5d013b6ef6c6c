//! What travels with an image without being in it: debug file, bill of materials, provenance, check report. Each is an image of its
//! own whose subject is the plugin's, as the OCI image specification 1.1 has it.

use bytes::Bytes;
use serde_json::Value;

use super::manifest::{Annotations, Descriptor, Manifest};
use super::media;
use super::pack::{Blob, Image};
use crate::fault::{PackageFault, Result};

/// LIMIT: bytes of an attachment.
pub const ATTACHMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// The module with its debug information.
    DebugFile,
    /// A bill of materials: SPDX or CycloneDX, as JSON.
    Sbom,
    /// How it was built: an in-toto statement, a DSSE envelope or a Sigstore bundle, as JSON.
    Provenance,
    /// What `cofferdam plugin check` said.
    CheckReport,
}

/// Makes the image that carries an attachment.
///
/// # Errors
/// When the bytes are not of a kind that belongs there, or too many.
pub fn attach(subject: &Image, what: Attached, bytes: Bytes, title: &str) -> Result<Image> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > ATTACHMENT_BYTES_MAX {
        return Err(PackageFault::TooLarge {
            what: format!("`{title}`"),
            bytes_max: ATTACHMENT_BYTES_MAX,
        });
    }
    let kind = kind(what, &bytes).ok_or_else(|| PackageFault::Attachment(format!("`{title}` {}", wanted(what))))?;
    let mut layer = Descriptor::of(&kind, &bytes);
    layer.annotations = Some(Annotations::from([(
        String::from("org.opencontainers.image.title"),
        title.to_owned(),
    )]));
    let empty = Blob::new(&b"{}"[..]);
    let mut of = subject.descriptor.clone();
    (of.annotations, of.artifact_type) = (None, None);
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        artifact_type: Some(kind),
        config: Descriptor::of(media::OCI_EMPTY, &empty.bytes),
        layers: vec![layer],
        subject: Some(of),
        annotations: None,
    };
    Ok(Image::new(&manifest, vec![empty, Blob::new(bytes)]))
}

fn kind(what: Attached, bytes: &[u8]) -> Option<String> {
    if what == Attached::DebugFile {
        return bytes.starts_with(b"\0asm").then(|| media::DEBUG_FILE.to_owned());
    }
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let has = |key: &str| value.get(key).is_some();
    let kind = match what {
        Attached::Sbom if has("spdxVersion") => media::SPDX,
        Attached::Sbom if has("bomFormat") => media::CYCLONEDX,
        Attached::Provenance if has("payloadType") && has("signatures") => media::DSSE,
        Attached::Provenance if has("_type") => media::IN_TOTO,
        Attached::Provenance => {
            let bundle = value.get("mediaType")?.as_str()?;
            bundle.starts_with(media::SIGSTORE_BUNDLE).then_some(bundle)?
        }
        Attached::CheckReport => media::CHECK_REPORT,
        Attached::Sbom | Attached::DebugFile => return None,
    };
    Some(kind.to_owned())
}

fn wanted(what: Attached) -> &'static str {
    match what {
        Attached::DebugFile => "is no module",
        Attached::Sbom => "is no bill of materials: SPDX or CycloneDX as JSON is",
        Attached::Provenance => {
            "is no provenance: an in-toto statement, a DSSE envelope or a Sigstore bundle as JSON is"
        }
        Attached::CheckReport => "is no JSON",
    }
}
