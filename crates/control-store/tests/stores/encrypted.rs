//! Redis and Consul over TLS: an authority of one's own is trusted, and nothing else is.

use std::time::Duration;

use control_store::{Backend, Settings, Tls};
use testkit::consul::Consul;
use testkit::redis::redis_with_tls;
use testkit::tls::{Authority, Identity, in_front_of};

use crate::setting::{
    accept, block, delivered, does_what_stores_do, endpoint, follow, lets_gateways_leave_word, lost, prefix, push,
    settings,
};

/// A server's certificate, a gateway's, and how a gateway trusts them.
fn identities(folder: &std::path::Path) -> (Authority, Identity, Identity, Tls) {
    let authority = Authority::new(folder).unwrap();
    let server = authority.issue("store", &["localhost"]).unwrap();
    let client = authority.issue("gateway", &["gateway"]).unwrap();
    let tls = Tls {
        authorities: Some(authority.file.clone()),
        identity: Some((client.chain.clone(), client.key.clone())),
        server_name: Some(String::from("localhost")),
    };
    (authority, server, client, tls)
}

/// A text comes through it, and not when anything about it is wrong.
fn holds(with: impl Fn(Option<Tls>) -> Settings, tls: &Tls, wrong: &[(Option<Tls>, &str)]) {
    push(&with(Some(tls.clone())), "over TLS");
    let watch = follow(&with(Some(tls.clone())));
    let taken = delivered(&watch);
    assert_eq!(taken.text, "over TLS");
    accept(&watch, &taken);
    for (wrong, said) in wrong {
        let why = lost(&follow(&with(wrong.clone())));
        assert!(why.contains(said), "{wrong:?} gives `{why}`");
    }
}

fn untrusted(tls: &Tls, client: &Identity) -> [(Option<Tls>, &'static str); 3] {
    let elsewhere = Tls {
        server_name: Some(String::from("elsewhere")),
        ..tls.clone()
    };
    let another = Tls {
        authorities: Some(client.chain.clone()),
        ..tls.clone()
    };
    [
        (Some(elsewhere), "refuses this: TLS: "),
        (Some(another), "refuses this: TLS: "),
        (None, ""),
    ]
}

#[test]
fn redis_is_spoken_to_over_tls_with_an_authority_and_a_certificate_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, server, client, tls) = identities(folder.path());
    let redis = block(redis_with_tls(&authority.file, &server));
    let with = |tls: Option<Tls>| {
        settings(
            Backend::Redis(control_store::Redis {
                endpoint: endpoint(redis.address),
                database: 0,
                login: None,
                tls,
            }),
            prefix(),
        )
    };
    let nobody = Tls {
        identity: None,
        ..tls.clone()
    };
    let wrong = [&untrusted(&tls, &client)[..], &[(Some(nobody), "")]].concat();
    holds(with, &tls, &wrong);
    let another = Settings {
        place: control_store::Place::Prefix(String::from("gateways/another")),
        ..with(Some(tls))
    };
    lets_gateways_leave_word(&another);
}

#[test]
fn consul_is_spoken_to_over_tls_with_an_authority_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let (_authority, server, client, tls) = identities(folder.path());
    let consul = Consul::start(None).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let address = runtime
        .block_on(in_front_of(&server, consul.address, &["http/1.1"]))
        .unwrap();
    let with = |tls: Option<Tls>| {
        settings(
            Backend::Consul(control_store::Consul {
                endpoint: endpoint(address),
                token: None,
                datacenter: None,
                tls,
                wait: Duration::from_secs(60),
            }),
            prefix(),
        )
    };
    holds(with, &tls, &untrusted(&tls, &client));
    let another = Settings {
        place: control_store::Place::Prefix(String::from("gateways/another")),
        ..with(Some(tls))
    };
    does_what_stores_do(&another);
}
