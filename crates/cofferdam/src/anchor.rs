//! Paths of a configuration are meant from its own folder; here they become paths of the process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gate_plan::{AccessLog, CertificateFiles, ClientCertificates, Plan, SignerIdentity, Source};

/// Puts `folder` before every relative path of `plan`.
pub(crate) fn anchor(plan: &mut Plan, folder: &Path) {
    let place = |path: &mut PathBuf| *path = folder.join(&*path);
    let pair = |files: &mut CertificateFiles| {
        place(&mut files.chain);
        place(&mut files.key);
    };
    for listener in &mut plan.listeners {
        let Some(tls) = &mut Arc::make_mut(listener).tls else {
            continue;
        };
        tls.certificates.iter_mut().for_each(pair);
        match &mut tls.client_certificates {
            ClientCertificates::None => {}
            ClientCertificates::Optional { authorities } | ClientCertificates::Required { authorities } => {
                place(authorities)
            }
        }
    }
    for upstream in &mut plan.upstreams {
        let Some(tls) = &mut Arc::make_mut(upstream).tls else {
            continue;
        };
        tls.authorities.iter_mut().for_each(place);
        tls.certificate.iter_mut().for_each(pair);
    }
    for plugin in &mut plan.plugins {
        let plugin = Arc::make_mut(plugin);
        if let Source::Oci { credentials_file, .. } = &mut plugin.source {
            credentials_file.iter_mut().for_each(place);
        }
        plugin.probe.iter_mut().for_each(place);
    }
    for plugin in &mut plan.plugins {
        if plugin.grant.is_some()
            && let Some(grant) = &mut Arc::make_mut(plugin).grant
        {
            crate::granting::anchor(grant, folder);
        }
    }
    plan.grants.file.iter_mut().for_each(place);
    if let Some(signatures) = &mut plan.signatures {
        signatures.trusted_root.iter_mut().for_each(place);
        for signer in &mut signatures.signers {
            if let SignerIdentity::Key(path) = &mut signer.by {
                place(path);
            }
        }
    }
    if let AccessLog::File(path) = &mut plan.access_log {
        place(path);
    }
    plan.logs.each_path(&mut |path| place(path));
    if let Some(tracing) = &mut plan.tracing {
        tracing.each_path(&mut |path| place(path));
    }
    let from = plan.admin.as_mut().and_then(|admin| admin.rollouts_from.as_mut());
    from.into_iter().flat_map(|from| &mut from.folders).for_each(place);
    plan.cache_dir.iter_mut().for_each(place);
    plan.state_dir.iter_mut().for_each(place);
    plan.crash_reports.dir.iter_mut().for_each(place);
    plan.crash_reports.debug_files.iter_mut().for_each(place);
}

/// The name of a folder that belongs to the gateway of `main`.
pub(crate) fn name_of(main: &Path) -> Option<String> {
    let main = std::path::absolute(main).ok()?;
    let key = plug_host::digest(main.as_os_str().as_encoded_bytes());
    key.get(..16).map(str::to_owned)
}
