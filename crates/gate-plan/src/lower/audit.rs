//! What modules must be, and whether the signers among it are there.

use plug_grant::CallSet;

use super::Lowering;
use crate::findings::Draft;
use crate::nearest::nearest;
use crate::plan::{Audit, AuditToolchain};
use crate::wire;

impl Lowering<'_> {
    pub(super) fn audit(&mut self, written: Option<wire::Audit>) -> Option<Audit> {
        let written = written?;
        self.signers_of_audit();
        let imports = written.forbidden_imports.iter().map(|word| word.word.0);
        let wasi = written.forbidden_wasi.iter().map(|word| word.word.0);
        Some(Audit {
            digests: written
                .digests
                .map(|digests| digests.into_iter().map(|digest| digest.word.0).collect()),
            signers: written
                .signers
                .map(|signers| signers.into_iter().map(|signer| signer.word.0).collect()),
            capabilities: written
                .capabilities
                .allow
                .map(|words| words.into_iter().map(|word| word.word).collect()),
            forbidden_capabilities: written.capabilities.forbid.into_iter().map(|word| word.word).collect(),
            forbidden_imports: imports.chain(wasi).fold(CallSet::NONE, CallSet::with),
            exports: written
                .exports
                .map(|names| names.into_iter().map(|name| name.word.0.to_string()).collect()),
            forbidden_exports: written.forbidden_exports.into_iter().map(|name| name.word.0).collect(),
            file_bytes_max: written.size.map(|size| size.word.0),
            toolchains: written
                .toolchains
                .map(|words| words.into_iter().map(toolchain).collect()),
            age_max: written.age.map(|age| age.word),
        })
    }

    fn signers_of_audit(&mut self) {
        let tree = self.tree;
        if tree.at("audit").get("signers").is_some() && tree.get("signatures").is_none() {
            let draft = Draft::error(
                tree.at("audit").key_span("signers"),
                "`audit.signers` says who must have signed, and nothing verifies signatures",
            );
            self.error(draft.help("add `signatures` with these signers, or leave `audit.signers` out"));
            return;
        }
        let known = || {
            let signers = tree.at("signatures").list("signers");
            signers.iter().filter_map(|signer| signer.get("name")?.text())
        };
        for node in tree.at("audit").list("signers") {
            let Some(name) = node.text().filter(|name| !known().any(|known| known == *name)) else {
                continue;
            };
            let draft = Draft::error(node.span, format!("there is no signer with the name `{name}`"));
            let names: Vec<&str> = known().collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "add it under `signatures.signers`".to_owned(),
            };
            self.absent(node, draft.help(help));
        }
    }
}

fn toolchain(written: wire::AuditToolchain) -> AuditToolchain {
    match written {
        wire::AuditToolchain::Rust => AuditToolchain::Rust,
        wire::AuditToolchain::Go => AuditToolchain::Go,
        wire::AuditToolchain::TinyGo => AuditToolchain::TinyGo,
        wire::AuditToolchain::Cpp => AuditToolchain::Cpp,
        wire::AuditToolchain::AssemblyScript => AuditToolchain::AssemblyScript,
        wire::AuditToolchain::Unknown => AuditToolchain::Unknown,
    }
}
