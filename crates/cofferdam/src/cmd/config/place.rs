//! Which store is meant: the one that a gateway's file names, or one by its address.

use std::path::Path;
use std::time::Duration;

use control_store::{Backend, Consul, Endpoint, Etcd, Listener, Place, Redis, Settings};

use crate::stores::{clock, machine_name};

/// The store that `--store` names.
pub(super) fn settings(named: &str) -> Result<Settings, String> {
    let Some((scheme, rest)) = named.split_once("://") else {
        return of_file(Path::new(named));
    };
    let (hosts, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if prefix.is_empty() {
        return Err(format!(
            "error: `{named}` names no prefix\nhint: write `{scheme}://{hosts}/PREFIX`"
        ));
    }
    if hosts.contains('@') {
        return Err(String::from(
            "error: an address holds no user and no password\nhint: `--store FILE` names a gateway's file, which says where the password stands",
        ));
    }
    let endpoints: Vec<Endpoint> = hosts.split(',').map(endpoint).collect::<Result<_, _>>()?;
    let one = || match endpoints.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(format!("error: {scheme} has one address, not `{hosts}`")),
    };
    let backend = match scheme {
        "etcd" => Backend::Etcd(Etcd {
            endpoints: endpoints.clone(),
            login: None,
            tls: None,
        }),
        "consul" => Backend::Consul(Consul {
            endpoint: one()?,
            token: None,
            datacenter: None,
            tls: None,
            wait: Duration::from_secs(60),
        }),
        "redis" => Backend::Redis(Redis {
            endpoint: one()?,
            database: 0,
            login: None,
            tls: None,
        }),
        other => {
            return Err(format!(
                "error: there is no store `{other}`\nhint: etcd, consul and redis have addresses"
            ));
        }
    };
    Ok(Settings {
        backend,
        place: Place::Prefix(prefix.to_owned()),
        node: machine_name(),
        folder: ".".into(),
        signed_by: None,
        reconcile: Duration::from_secs(300),
        clock,
        listener: Listener::default(),
    })
}

fn of_file(file: &Path) -> Result<Settings, String> {
    let found = crate::feed::settings(file).map_err(|wrong| wrong.texts.join("\n"))?;
    found.ok_or_else(|| {
        format!(
            "error: `{}` names no store\nhint: it is a configuration; a file with `store` is wanted, or an address such as `etcd://HOST:PORT/PREFIX`",
            file.display()
        )
    })
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let found = text
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = found.ok_or_else(|| format!("error: `{text}` is no address with a port"))?;
    Ok(Endpoint {
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
    })
}
