//! `signatures`: who may sign plugins, and what a plugin of theirs may do.

use plug_abi::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::word::{FilePath, ImagePattern, Label, Written};

/// Who may sign plugins. Where it stands, each plugin needs a signature that holds, of a signer who may sign it, over the image or the module
/// that is loaded; all are judged again at each load, without asking a registry for those that were had before.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signatures {
    /// What becomes of a plugin without one: `enforce` refuses it, so that it goes on as it was or does not run, `warn` loads it and says so.
    #[serde(default)]
    pub(crate) mode: SignatureMode,
    /// Authorities and logs behind signatures without a key, as Sigstore's `trusted_root.json` has them. It is read from this file alone: no
    /// log and no authority is ever asked. For `keyless`.
    pub(crate) trusted_root: Option<Written<FilePath>>,
    /// Who may sign; at least one.
    pub(crate) signers: Vec<Signer>,
}

/// What becomes of a plugin without a signature that holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SignatureMode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is loaded, with a warning.
    Warn,
}

/// One who may sign: by a `key`, or `keyless`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signer {
    /// Unique name.
    pub(crate) name: Written<Label>,
    /// File of the public key, as cosign and OpenSSL write it (`BEGIN PUBLIC KEY`): ECDSA on P-256 or P-384, Ed25519, RSA, SM2.
    pub(crate) key: Option<Written<FilePath>>,
    /// Whom a certificate must name instead.
    pub(crate) keyless: Option<KeylessSigner>,
    /// What plugins with this signature may do: words such as `headers` and `http_call`, as `cofferdam plugin inspect` shows what a module
    /// imports. A module that needs more is refused. Default: everything.
    pub(crate) capabilities: Option<Vec<Written<Capability>>>,
    /// Repositories whose images it may sign: `registry.example.com/team/plugin`, or `registry.example.com/team/*` with all that is below.
    /// Where it stands, plugins from files and URLs are not its own. Default: everything.
    pub(crate) images: Option<Vec<Written<ImagePattern>>>,
}

/// Whom a certificate must name, letter for letter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeylessSigner {
    /// Who signed: a mail address, or the URI of a workflow.
    pub(crate) identity: String,
    /// Who vouched for that, such as `https://token.actions.githubusercontent.com`.
    pub(crate) issuer: String,
}
