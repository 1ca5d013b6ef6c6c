//! Transport sockets.

use super::any::unwrapped;
use crate::ledger::Cursor;
use crate::yaml::Yaml;

/// TLS towards clients. What cannot be taken over leaves a placeholder: a listener never ends up in the clear.
pub(super) fn server(socket: &Cursor<'_, '_>) -> Option<Yaml> {
    let Some(context) = context(socket, "DownstreamTlsContext")? else {
        let placeholder = pair("FILL-IN.pem", "FILL-IN.key");
        return Some(Yaml::map().with("certificates", Yaml::List(vec![placeholder])));
    };
    let common = context.map("common_tls_context");
    let pairs = common
        .as_ref()
        .map(|common| common.maps("tls_certificates"))
        .unwrap_or_default();
    let mut certificates: Vec<Yaml> = pairs.iter().filter_map(certificate).collect();
    if certificates.is_empty() {
        socket.say(
            "the certificate is in no file",
            "write the files under `tls.certificates`, marked with FILL IN",
        );
        certificates.push(pair("FILL-IN.pem", "FILL-IN.key"));
    }
    let yaml = Yaml::map().with("certificates", Yaml::List(certificates));
    let authorities = common.as_ref().and_then(trusted);
    let required = context.flag("require_client_certificate").unwrap_or(false);
    let key = if required { "required" } else { "optional" };
    let clients = match (authorities, required) {
        (None, false) => None,
        (authorities, _) => {
            let authorities = authorities.unwrap_or_else(|| "FILL-IN-authorities.pem".to_owned());
            Some(Yaml::map().with(key, Yaml::map().with("authorities", authorities)))
        }
    };
    Some(yaml.with_some("client_certificates", clients))
}

/// TLS towards an upstream.
pub(super) fn client(socket: &Cursor<'_, '_>) -> Option<Yaml> {
    let Some(context) = context(socket, "UpstreamTlsContext")? else {
        return Some(Yaml::map());
    };
    let common = context.map("common_tls_context");
    let authorities = common.as_ref().and_then(trusted);
    if authorities.is_none() {
        let hint = "here it is always checked, against the system's authorities unless `tls.authorities` names others";
        socket.say("Envoy does not check the upstream's certificate", hint);
    }
    let own = common
        .as_ref()
        .and_then(|common| common.maps("tls_certificates").iter().find_map(certificate));
    let sni = context.text("sni").filter(|name| !name.is_empty());
    let yaml = Yaml::map().with_some("server_name", sni);
    Some(yaml.with_some("authorities", authorities).with_some("certificate", own))
}

/// None for a socket in the clear; the message of a TLS socket, or none of a socket of another kind, for which TLS stands.
fn context<'d, 'l>(socket: &Cursor<'d, 'l>, wanted: &str) -> Option<Option<Cursor<'d, 'l>>> {
    let name = socket.text("name").unwrap_or_default();
    let typed = socket.map("typed_config").map(unwrapped);
    match typed {
        Some((kind, context)) if kind == wanted => Some(Some(context)),
        Some(("RawBuffer", _)) => None,
        None if name.ends_with("raw_buffer") => None,
        _ => {
            let hint = "`tls` was written in its place, so that nothing goes in the clear unseen";
            socket.leave_out(format!("the transport socket `{name}` has no counterpart"), hint);
            Some(None)
        }
    }
}

fn file(parent: &Cursor<'_, '_>, key: &str) -> Option<String> {
    parent.map(key)?.text("filename").map(str::to_owned)
}

fn certificate(written: &Cursor<'_, '_>) -> Option<Yaml> {
    let chain = file(written, "certificate_chain")?;
    let key = file(written, "private_key")?;
    Some(pair(&chain, &key))
}

fn pair(chain: &str, key: &str) -> Yaml {
    Yaml::map().with("chain", chain).with("key", key)
}

fn trusted(common: &Cursor<'_, '_>) -> Option<String> {
    file(&common.map("validation_context")?, "trusted_ca")
}
