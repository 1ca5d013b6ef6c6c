//! Signatures without a key: a certificate says who signed, and a log says when. Offline, by authorities and logs that the operator pinned.

use std::fmt;
use std::sync::Arc;

use sigstore_verify::trust_root::TrustedRoot as Root;
use sigstore_verify::types::{Artifact, ArtifactDigest, Bundle, Sha256Hash};
use sigstore_verify::{VerificationPolicy, Verifier};

use super::bundle::{self, Claimed};
use super::examine::Subject;
use crate::fault::{PackageFault, Result};

/// LIMIT: bytes of a file with authorities and logs.
pub const TRUSTED_ROOT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Authorities and logs, as `trusted_root.json` of Sigstore has them.
#[derive(Clone)]
pub struct TrustedRoot(Arc<Root>);

/// Whom a certificate must name, and who must have vouched for it.
#[derive(Clone, Debug)]
pub struct Keyless {
    /// The identity, letter for letter: a mail address, or the URI of a workflow.
    pub identity: String,
    /// Who vouched for it.
    pub issuer: String,
    /// Whose certificates and logs are believed.
    pub root: TrustedRoot,
}

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TrustedRoot")
    }
}

impl TrustedRoot {
    /// Reads it.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let broken = |why: String| PackageFault::Key(format!("the trusted root is not understood: {why}"));
        let text = std::str::from_utf8(json).map_err(|why| broken(why.to_string()))?;
        let root = Root::from_json(text).map_err(|why| broken(why.to_string()))?;
        Verifier::new(&root).map_err(|why| broken(why.to_string()))?;
        if root.certificate_authorities.is_empty() {
            return Err(broken(String::from("it names no authority")));
        }
        Ok(Self(Arc::new(root)))
    }
}

/// Whether a certificate for this identity signed this plugin, and who vouched for that.
pub(super) fn verify(bytes: &[u8], subject: &Subject<'_>, keyless: &Keyless) -> std::result::Result<String, String> {
    let claimed = bundle::claims(bytes, subject)?;
    let text = std::str::from_utf8(bytes).map_err(|why| why.to_string())?;
    let bundle = Bundle::from_json(text).map_err(|why| format!("it is not understood: {why}"))?;
    let artifact = match claimed {
        Claimed::Module => Artifact::from_blob(subject.module),
        Claimed::Image(image) => {
            let image = Sha256Hash::try_from(image.bytes().as_slice()).map_err(|why| why.to_string())?;
            Artifact::from_digest(ArtifactDigest::sha256(image))
        }
    };
    let policy = VerificationPolicy::new(keyless.identity.as_str(), keyless.issuer.as_str());
    let verifier = Verifier::new(&keyless.root.0).map_err(|why| why.to_string())?;
    verifier
        .verify(artifact, &bundle, &policy)
        .map_err(|why| why.to_string())?;
    Ok(format!("{}, for whom {} vouches", keyless.identity, keyless.issuer))
}
