//! Who may sign plugins.

use std::path::PathBuf;

use crate::word::ImagePattern;

/// Whose signature plugins must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    /// Whether a plugin without one is refused.
    pub enforced: bool,
    /// File of the authorities and logs behind signatures without a key.
    pub trusted_root: Option<PathBuf>,
    /// Who may sign.
    pub signers: Vec<Signer>,
}

/// One who may sign plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Its name.
    pub name: String,
    /// How it is known.
    pub by: SignerIdentity,
    /// What plugins of its may do; everything when absent.
    pub capabilities: Option<Vec<plug_abi::Capability>>,
    /// Repositories whose images it may sign; whatever is loaded when absent.
    pub images: Option<Vec<ImagePattern>>,
}

/// How a signer is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerIdentity {
    /// By the file of its public key.
    Key(PathBuf),
    /// By what a certificate says of it.
    Keyless {
        /// Who signed.
        identity: String,
        /// Who vouched for it.
        issuer: String,
    },
}
