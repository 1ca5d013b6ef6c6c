//! Finding upstreams, changing them, and setting them up wrongly.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use gate_plan::{CertificateFiles, ClientTls, EndpointSpec, Upstream as UpstreamSpec};

use super::peer::{Peer, apply, fetch, get, on_worker, send, spec, until};
use super::tls::Authority;
use crate::{UpstreamFault, Upstreams};

fn named(name: &str, aliases: &[&str], endpoints: &[&str]) -> UpstreamSpec {
    let endpoint = |text: &&str| match text.parse() {
        Ok(address) => EndpointSpec::Fixed(address),
        Err(_) => {
            let (host, port) = text.rsplit_once(':').unwrap();
            EndpointSpec::Named {
                host: host.to_owned(),
                port: port.parse().unwrap(),
            }
        }
    };
    UpstreamSpec {
        name: name.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        ..spec(&[])
    }
}

#[test]
fn an_upstream_is_found_under_each_of_its_names() {
    on_worker(async {
        let all = Upstreams::new();
        apply(
            &all,
            &[
                named("api", &["api.static", "outbound|80|v1|api.dns"], &["10.0.0.1:8080"]),
                named("pool-a", &["pool"], &["10.0.1.1:80"]),
                named("pool-b", &["pool", "api"], &["10.0.1.1:8080", "[::1]:9090"]),
                named("openai", &[], &["api.openai.test:443"]),
            ],
        );
        let found = |name| all.find(name).map(|upstream| upstream.name().to_owned());
        let table = [
            ("api", Some("api")),
            ("api.static", Some("api")),
            ("outbound|80|v1|api.dns", Some("api")),
            ("outbound|80||api.dns", None),
            // One upstream of that name: the port says nothing.
            ("outbound|80||api.static", Some("api")),
            ("outbound|9999||pool-a", Some("pool-a")),
            ("outbound|80|v2|pool-a", Some("pool-a")),
            // Several: the port decides.
            ("outbound|80||pool", Some("pool-a")),
            ("outbound|8080||pool", Some("pool-b")),
            ("outbound|81||pool", None),
            ("outbound|443||api.openai.test", Some("openai")),
            ("outbound|80||api.openai.test", None),
            ("outbound|80||", None),
            ("outbound|eighty||pool-a", None),
            ("outbound|80|pool-a", None),
            ("api.openai.test:443", Some("openai")),
            ("API.openai.test:443", Some("openai")),
            ("api.openai.test:80", None),
            ("api.openai.test", None),
            ("10.0.1.1:8080", Some("pool-b")),
            ("[::1]:9090", Some("pool-b")),
            ("nobody", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(found(name).as_deref(), expected, "{name}");
        }
        let fault = all.require("nobody").unwrap_err();
        assert_eq!(
            (fault.code(), fault.flags(), fault.details()),
            ("upstream.unknown", "NC", "cluster_not_found")
        );
        assert_eq!(fault.to_string(), "no upstream is called `nobody`");
        assert_eq!(
            all.iter()
                .map(|upstream| upstream.name().to_owned())
                .collect::<Vec<_>>(),
            ["api", "pool-a", "pool-b", "openai"]
        );
    });
}

#[test]
fn an_unchanged_upstream_keeps_its_connections() {
    on_worker(async {
        let (one, other) = (Peer::counting().await, Peer::counting().await);
        let all = Upstreams::new();
        let api = spec(&[one.address]);
        apply(&all, std::slice::from_ref(&api));
        let before = all.find("api").unwrap();
        fetch(&before, get("/")).await.unwrap();
        apply(
            &all,
            &[
                UpstreamSpec {
                    name: "other".to_owned(),
                    ..spec(&[other.address])
                },
                api,
            ],
        );
        let after = all.find("api").unwrap();
        assert!(Rc::ptr_eq(&before, &after));
        assert!(send(&after, get("/")).await.unwrap().reused);
        assert_eq!(one.accepted(), 1);
    });
}

#[test]
fn a_changed_upstream_starts_anew_but_keeps_its_numbers() {
    on_worker(async {
        let (one, other) = (Peer::counting().await, Peer::counting().await);
        let all = Upstreams::new();
        apply(&all, &[spec(&[one.address])]);
        let before = all.find("api").unwrap();
        fetch(&before, get("/")).await.unwrap();
        let in_flight = send(&before, get("/")).await.unwrap();
        apply(&all, &[spec(&[other.address])]);
        let after = all.find("api").unwrap();
        fetch(&after, get("/")).await.unwrap();
        assert_eq!(other.accepted(), 1);
        assert_eq!(after.stats().requests.get(), 3);

        use http_body_util::BodyExt;
        assert_eq!(in_flight.response.into_body().collect().await.unwrap().to_bytes(), "0");
        drop(in_flight.lease);
        // The old upstream still exists, but no longer pools.
        until(|| after.stats().connections_active.get() == 1).await;
        drop(before);
    });
}

#[test]
fn an_upstream_that_is_gone_lets_its_idle_connections_go() {
    on_worker(async {
        let peer = Peer::counting().await;
        let all = Upstreams::new();
        apply(&all, &[spec(&[peer.address])]);
        let api = all.find("api").unwrap();
        fetch(&api, get("/")).await.unwrap();
        apply(&all, &[]);
        assert!(all.find("api").is_none());
        until(|| api.stats().connections_active.get() == 0).await;
    });
}

#[test]
fn changed_certificate_files_make_a_new_upstream() {
    on_worker(async {
        let folder = tempfile::tempdir().unwrap();
        let authorities = Authority::new().write(folder.path());
        let tls = Some(ClientTls {
            server_name: None,
            authorities: Some(authorities),
            certificate: None,
        });
        let spec = UpstreamSpec {
            tls,
            ..named("api", &[], &["10.0.0.1:443"])
        };
        let all = Upstreams::new();
        apply(&all, std::slice::from_ref(&spec));
        let first = all.find("api").unwrap();
        apply(&all, std::slice::from_ref(&spec));
        assert!(Rc::ptr_eq(&first, &all.find("api").unwrap()));
        Authority::new().write(folder.path());
        apply(&all, &[spec]);
        assert!(!Rc::ptr_eq(&first, &all.find("api").unwrap()));
    });
}

/// What an operator reads when nothing of TLS is right.
#[test]
fn all_setup_faults_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("empty.pem"), "").unwrap();
    std::fs::write(
        at("broken.pem"),
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let own = Authority::new().write_issued(folder.path(), &["a.test"]);
    let stranger = folder.path().join("stranger");
    std::fs::create_dir(&stranger).unwrap();
    let other = Authority::new().write_issued(&stranger, &["b.test"]);
    let trusted = || ClientTls {
        server_name: None,
        authorities: Some(own.chain.clone()),
        certificate: None,
    };
    let with = |name: &str, tls| {
        Arc::new(UpstreamSpec {
            tls: Some(tls),
            ..named(name, &[], &["10.0.0.1:443"])
        })
    };
    let mismatched = CertificateFiles {
        chain: own.chain.clone(),
        key: other.key.clone(),
    };
    let keyless = CertificateFiles {
        chain: own.chain.clone(),
        key: at("empty.pem"),
    };
    let specs = [
        with(
            "absent",
            ClientTls {
                authorities: Some(at("absent.pem")),
                ..trusted()
            },
        ),
        with(
            "empty",
            ClientTls {
                authorities: Some(at("empty.pem")),
                ..trusted()
            },
        ),
        with(
            "broken",
            ClientTls {
                authorities: Some(at("broken.pem")),
                ..trusted()
            },
        ),
        with(
            "keyless",
            ClientTls {
                certificate: Some(keyless),
                ..trusted()
            },
        ),
        with(
            "mismatched",
            ClientTls {
                certificate: Some(mismatched),
                ..trusted()
            },
        ),
        with(
            "misnamed",
            ClientTls {
                server_name: Some("not a name".to_owned()),
                ..trusted()
            },
        ),
        with("good", trusted()),
    ];
    let faults = Upstreams::prepare(&specs).err().unwrap();
    let told: Vec<_> = faults
        .iter()
        .map(|fault| fault.to_string().replace(&shown(folder.path()), "FOLDER"))
        .collect();
    assert_eq!(
        told,
        [
            "upstream `absent`: `FOLDER/absent.pem` cannot be read: No such file or directory (os error 2)",
            "upstream `empty`: `FOLDER/empty.pem` holds no PEM certificate; hint: it begins with `-----BEGIN CERTIFICATE-----`",
            "upstream `broken`: `FOLDER/broken.pem` is not PEM: base64 decode error: InvalidCharacter(33)",
            "upstream `keyless`: `FOLDER/empty.pem` holds no PEM private key: no items found",
            "upstream `mismatched`: its TLS cannot be set up: keys may not be consistent: KeyMismatch",
            "upstream `misnamed`: no certificate can be checked against the name `not a name`; hint: set `tls.server_name`",
        ]
    );
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_prepared_configuration_can_cross_threads() {
    fn sendable<T: Send + Sync>() {}
    sendable::<crate::Prepared>();
    sendable::<UpstreamFault>();
    sendable::<Arc<crate::UpstreamStats>>();
}
