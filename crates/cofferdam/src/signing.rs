//! Whether a plugin is signed by one who may sign it, and whether that one may give it what it needs.

use std::path::{Path, PathBuf};

use gate_plan::SignerIdentity;
use plug_abi::Capability;
use plug_grant::Grant;
use plug_package::{
    Digest, Document, KEY_BYTES_MAX, Keyless, PublicKey, Reference, Signed, Subject, TRUSTED_ROOT_BYTES_MAX, Trust,
    TrustedRoot, examine, read_file,
};

/// Those who may sign, with the keys that make them known.
pub(crate) struct Signers {
    pub(crate) enforced: bool,
    known: Vec<Known>,
}

struct Known {
    plan: gate_plan::Signer,
    trust: Trust,
}

/// A plugin whose signatures are looked at.
pub(crate) struct Candidate<'a> {
    pub(crate) module: &'a [u8],
    /// Where its image is, and the digest of it.
    pub(crate) image: Option<(&'a Reference, Digest)>,
    pub(crate) documents: &'a [Document],
    /// What it will be granted; everything when absent.
    pub(crate) grant: Option<&'a Grant>,
}

/// What one signer has to do with a plugin.
pub(crate) struct Outcome {
    pub(crate) signer: String,
    /// Its signature, or why none of those that were found is one of its own.
    pub(crate) signed: Result<Signed, Vec<String>>,
    /// What the module needs, and a signature of this one does not give.
    pub(crate) beyond: Vec<Capability>,
}

impl Outcome {
    /// Whether the plugin may run because of it.
    pub(crate) fn is_enough(&self) -> bool {
        self.signed.is_ok() && self.beyond.is_empty()
    }

    /// Why it does not, for people.
    pub(crate) fn reason(&self) -> String {
        let words = |capabilities: &[Capability]| {
            let words: Vec<String> = capabilities.iter().map(|word| format!("`{}`", word.word())).collect();
            words.join(", ")
        };
        match &self.signed {
            Ok(_) => format!(
                "`{}` signed it, and may not give it {}",
                self.signer,
                words(&self.beyond)
            ),
            Err(reasons) if reasons.is_empty() => format!("no signature of `{}` was found", self.signer),
            Err(reasons) => format!("none is of `{}`: {}", self.signer, reasons.join(", ")),
        }
    }
}

impl Signers {
    /// Reads the keys that a plan names.
    pub(crate) fn open(plan: &gate_plan::Signatures) -> Result<Self, Vec<String>> {
        let root = plan.trusted_root.as_deref().map(root).transpose();
        let root = root.map_err(|why| vec![why])?;
        let mut wrong = Vec::new();
        let mut known = Vec::new();
        for signer in &plan.signers {
            match trust(signer, root.as_ref()) {
                Ok(trust) => known.push(Known {
                    plan: signer.clone(),
                    trust,
                }),
                Err(why) => wrong.push(format!("signer `{}`: {why}", signer.name)),
            }
        }
        match wrong.is_empty() {
            true => Ok(Self {
                enforced: plan.enforced,
                known,
            }),
            false => Err(wrong),
        }
    }

    /// What each signer has to do with it.
    pub(crate) fn outcomes(&self, candidate: &Candidate<'_>) -> Vec<Outcome> {
        let subject = Subject {
            image: candidate.image.map(|(_, image)| image),
            module: candidate.module,
        };
        let needs = needs(candidate.module, candidate.grant);
        let outcome = |known: &Known| {
            let signed = match may_sign(&known.plan, candidate) {
                Ok(()) => examine(&subject, candidate.documents, &known.trust),
                Err(why) => Err(vec![why]),
            };
            let given = known.plan.capabilities.as_ref();
            let beyond = needs
                .iter()
                .filter(|need| given.is_some_and(|given| !given.contains(need)));
            Outcome {
                signer: known.plan.name.clone(),
                signed,
                beyond: beyond.copied().collect(),
            }
        };
        self.known.iter().map(outcome).collect()
    }

    /// The signer because of whom it may run, or why it may not.
    pub(crate) fn judge(&self, candidate: &Candidate<'_>) -> Result<(String, Signed), String> {
        let outcomes = self.outcomes(candidate);
        let mut reasons = Vec::new();
        let nobodys = outcomes
            .iter()
            .all(|outcome| matches!(&outcome.signed, Err(why) if why.is_empty()));
        for outcome in outcomes {
            let is_enough = outcome.is_enough();
            match outcome.signed {
                Ok(signed) if is_enough => return Ok((outcome.signer, signed)),
                _ => reasons.push(outcome.reason()),
            }
        }
        let hint = match nobodys {
            true => "; hint: `cofferdam plugin sign` signs it",
            false => "",
        };
        Err(format!(
            "`signatures` does not let it run: {}{hint}",
            reasons.join("; ")
        ))
    }
}

/// Files with which a plan's signatures are judged, for noticing changes.
pub(crate) fn files(plan: &gate_plan::Plan) -> Vec<PathBuf> {
    let Some(signatures) = &plan.signatures else {
        return Vec::new();
    };
    let keys = signatures.signers.iter().filter_map(|signer| match &signer.by {
        SignerIdentity::Key(file) => Some(file.clone()),
        SignerIdentity::Keyless { .. } => None,
    });
    keys.chain(signatures.trusted_root.clone()).collect()
}

fn root(file: &Path) -> Result<TrustedRoot, String> {
    let bytes = read_file(file, TRUSTED_ROOT_BYTES_MAX).map_err(|why| format!("trusted root: {why}"))?;
    TrustedRoot::parse(&bytes).map_err(|why| format!("trusted root `{}`: {why}", file.display()))
}

fn trust(signer: &gate_plan::Signer, root: Option<&TrustedRoot>) -> Result<Trust, String> {
    match &signer.by {
        SignerIdentity::Key(file) => {
            let pem = read_file(file, KEY_BYTES_MAX).map_err(|why| why.to_string())?;
            let key = PublicKey::parse(&pem).map_err(|why| format!("`{}`: {why}", file.display()))?;
            Ok(Trust::Key(key))
        }
        SignerIdentity::Keyless { identity, issuer } => {
            let root = root.ok_or("there is no trusted root, so nobody knows whose certificates count")?;
            Ok(Trust::Keyless(Keyless {
                identity: identity.clone(),
                issuer: issuer.clone(),
                root: root.clone(),
            }))
        }
    }
}

fn may_sign(signer: &gate_plan::Signer, candidate: &Candidate<'_>) -> Result<(), String> {
    let Some(images) = &signer.images else { return Ok(()) };
    let Some((reference, _)) = candidate.image else {
        return Err(String::from("it may sign images only, and this is none"));
    };
    let repository = format!("{}/{}", reference.host(), reference.repository());
    match images.iter().any(|pattern| pattern.matches(&repository)) {
        true => Ok(()),
        false => Err(format!("it may not sign `{repository}`")),
    }
}

/// What a module can do by what it imports, or of that what its grant lets through. Of one that is not understood nobody knows, so it may
/// be everything.
fn needs(module: &[u8], grant: Option<&Grant>) -> Vec<Capability> {
    let Ok(facts) = plug_audit::audit(module) else {
        return Capability::ALL.to_vec();
    };
    if let Some(grant) = grant.filter(|grant| !grant.only_reports()) {
        return crate::granting::needs(&facts, grant);
    }
    let imported = facts.imports.iter().map(plug_audit::Import::capability);
    let mut needs: Vec<Capability> = imported.flat_map(|word| [&[word], within(word)].concat()).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// What else comes with a capability: foreign functions write into bodies and evaluate expressions over properties, and among properties
/// are all headers.
fn within(capability: Capability) -> &'static [Capability] {
    match capability {
        Capability::ForeignFunctions => &[Capability::Bodies, Capability::Properties, Capability::Headers],
        Capability::Properties => &[Capability::Headers],
        _ => &[],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_may_need_everything() {
        assert_eq!(needs(b"\0asm\x01\0\0\0\xff", None), Capability::ALL);
        assert_eq!(needs(b"", None), Capability::ALL);
    }

    #[test]
    fn what_comes_with_a_capability_is_needed_too() {
        let importing = |name: &str, type_: &str| {
            let text = format!(
                r#"(module (import "env" "{name}" (func (param {type_}) (result i32)))
                    (memory (export "memory") 1)
                    (func (export "proxy_abi_version_0_2_1"))
                    (func (export "malloc") (param i32) (result i32) i32.const 0))"#
            );
            needs(&wat::parse_str(text).unwrap(), None)
        };
        assert_eq!(
            importing("proxy_get_property", "i32 i32 i32 i32"),
            [Capability::Headers, Capability::Properties]
        );
        assert_eq!(
            importing("proxy_call_foreign_function", "i32 i32 i32 i32 i32 i32"),
            [
                Capability::Headers,
                Capability::Bodies,
                Capability::Properties,
                Capability::ForeignFunctions
            ]
        );
        assert_eq!(importing("proxy_log", "i32 i32 i32"), [Capability::Log]);
    }
}
