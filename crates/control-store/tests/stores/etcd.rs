//! etcd, as Debian packages it.

use std::fs;
use std::time::Instant;

use control_store::{Backend, Board, Endpoint, Login, Place, Secret, Settings, Tls};
use testkit::cut::Line;
use testkit::etcd::{Etcd, cluster, etcd, etcd_with, etcd_with_tls};
use testkit::tls::Authority;

use crate::setting::{
    accept, block, connected, delivered, does_what_stores_do, endpoint, follow, lets_gateways_leave_word,
    lets_one_of_many_win, lost, prefix, push, settings, until,
};

fn backend(endpoints: Vec<Endpoint>) -> control_store::Etcd {
    control_store::Etcd {
        endpoints,
        login: None,
        tls: None,
    }
}

fn of(etcd: &Etcd, place: Place) -> Settings {
    settings(Backend::Etcd(backend(vec![endpoint(etcd.address)])), place)
}

fn key() -> Place {
    Place::Key(String::from("/gateway.yaml"))
}

#[test]
fn etcd_does_what_stores_do() {
    let etcd = block(etcd());
    does_what_stores_do(&of(&etcd, prefix()));
}

#[test]
fn gateways_leave_word_for_each_other() {
    let etcd = block(etcd());
    lets_gateways_leave_word(&of(&etcd, prefix()));
}

#[test]
fn of_those_who_push_at_once_one_wins() {
    let etcd = block(etcd());
    lets_one_of_many_win(&of(&etcd, prefix()));
}

#[test]
fn what_etcdctl_puts_is_delivered_at_once() {
    let etcd = block(etcd());
    etcd.ctl(&["put", "/gateway.yaml", "one"]).unwrap();
    let watch = follow(&of(&etcd, key()));
    assert_eq!(delivered(&watch).text, "one");
    for number in 0..5 {
        let text = format!("text {number}");
        etcd.ctl(&["put", "/gateway.yaml", &text]).unwrap();
        let put = Instant::now();
        assert_eq!(delivered(&watch).text, text);
        println!("delivered {:?} after etcdctl ended", put.elapsed());
    }
    etcd.ctl(&["put", "/gateway.yaml.grants", "matrix"]).unwrap();
    assert_eq!(delivered(&watch).documents["grants"], "matrix");
}

#[test]
fn what_was_compacted_while_nobody_was_connected_is_not_missed() {
    let etcd = block(etcd());
    let line = Line::to(etcd.address).unwrap();
    etcd.ctl(&["put", "/gateway.yaml", "old"]).unwrap();
    let settings = settings(Backend::Etcd(backend(vec![endpoint(line.address)])), key());
    let watch = follow(&settings);
    let old = delivered(&watch);
    accept(&watch, &old);
    line.sever();
    lost(&watch);
    for number in 0..20 {
        etcd.ctl(&["put", "/gateway.yaml", &format!("{number}")]).unwrap();
    }
    etcd.ctl(&["put", "/gateway.yaml", "new"]).unwrap();
    let revision = (old.revision.number + 21).to_string();
    etcd.ctl(&["compact", &revision]).unwrap();
    line.mend();
    assert_eq!(delivered(&watch).text, "new");
    assert_eq!(watch.health().reconnects, 1);
}

#[test]
fn a_line_that_is_cut_without_a_word_is_noticed() {
    let etcd = block(etcd());
    let line = Line::to(etcd.address).unwrap();
    etcd.ctl(&["put", "/gateway.yaml", "old"]).unwrap();
    let settings = settings(Backend::Etcd(backend(vec![endpoint(line.address)])), key());
    let watch = follow(&settings);
    accept(&watch, &delivered(&watch));
    // What comes by the watch shows that there is one.
    etcd.ctl(&["put", "/gateway.yaml", "watched"]).unwrap();
    assert_eq!(delivered(&watch).text, "watched");
    line.cut();
    etcd.ctl(&["put", "/gateway.yaml", "new"]).unwrap();
    let why = lost(&watch);
    assert!(why.contains("says nothing for"), "{why}");
    assert!(!watch.health().connected);
    line.mend();
    assert_eq!(delivered(&watch).text, "new");
}

#[test]
fn a_server_that_was_killed_and_started_again_is_followed_on() {
    let mut etcd = block(etcd());
    let settings = of(&etcd, prefix());
    push(&settings, "one");
    let watch = follow(&settings);
    let one = delivered(&watch);
    block(etcd.kill());
    lost(&watch);
    // What is said meanwhile is written when it is there again.
    let outcome = control_store::Outcome {
        accepted: true,
        errors: Vec::new(),
        generation: 1,
    };
    watch.report(&one.revision, outcome);
    block(etcd.start_again());
    connected(&watch);
    push(&settings, "two");
    assert_eq!(delivered(&watch).text, "two");
    assert!(watch.settled(crate::setting::DEADLINE));
    assert!(
        etcd.ctl(&["get", "gateways/test/status/gw-1"])
            .unwrap()
            .contains("accepted")
    );
}

#[test]
fn a_wrong_password_is_refused_and_a_right_one_is_read_anew() {
    let etcd = block(etcd());
    etcd.ctl(&["put", "/gateway.yaml", "secret"]).unwrap();
    for words in [
        vec!["user", "add", "root:pass"],
        vec!["user", "grant-role", "root", "root"],
        vec!["user", "add", "gw:word"],
        vec!["role", "add", "reader"],
        vec![
            "role",
            "grant-permission",
            "reader",
            "--prefix=true",
            "readwrite",
            "/gateway.yaml",
        ],
        vec!["user", "grant-role", "gw", "reader"],
        vec!["auth", "enable"],
    ] {
        etcd.ctl(&words).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "another\n").unwrap();
    let mut backend = backend(vec![endpoint(etcd.address)]);
    let anonymous = follow(&settings(Backend::Etcd(backend.clone()), key()));
    let why = lost(&anonymous);
    assert!(why.contains("refuses") && why.contains("user name is empty"), "{why}");
    backend.login = Some(Login {
        user: Some(String::from("gw")),
        password: Secret::File(password.clone()),
    });
    let watch = follow(&settings(Backend::Etcd(backend.clone()), key()));
    let why = lost(&watch);
    assert!(why.contains("refuses") && !why.contains("another"), "{why}");
    fs::write(&password, "word\n").unwrap();
    let taken = delivered(&watch);
    assert_eq!(taken.text, "secret");
    accept(&watch, &taken);
    let elsewhere = settings(Backend::Etcd(backend), Place::Key(String::from("/others")));
    let why = lost(&follow(&elsewhere));
    assert!(why.contains("permission denied"), "{why}");
}

#[test]
fn a_token_that_has_run_out_is_had_anew() {
    let etcd = block(etcd_with(&["--auth-token-ttl", "1", "--log-level", "debug"]));
    etcd.ctl(&["put", "/gateway.yaml", "one"]).unwrap();
    for words in [["user", "add", "root:pass"], ["user", "grant-role", "root"]] {
        let words = [&words[..], if words[1] == "grant-role" { &["root"] } else { &[] }].concat();
        etcd.ctl(&words).unwrap();
    }
    etcd.ctl(&["auth", "enable"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "pass").unwrap();
    let login = Login {
        user: Some(String::from("root")),
        password: Secret::File(password),
    };
    let backend = control_store::Etcd {
        login: Some(login),
        ..backend(vec![endpoint(etcd.address)])
    };
    let settings = settings(Backend::Etcd(backend), key());
    // Both have a token each, and are silent for longer than it lives.
    let watch = follow(&settings);
    let one = delivered(&watch);
    accept(&watch, &one);
    let mut board = Board::open(&settings).unwrap();
    board.report(b"first".to_vec()).unwrap();
    // Those of the watch, of who reported on it, and of the board.
    let all_gone = |lines: &[testkit::process::Line]| {
        let gone = lines.iter().filter(|line| line.text.contains("deleted a simple token"));
        (gone.count() >= 3).then_some(())
    };
    block(etcd.process.wait_for(0, crate::setting::DEADLINE, all_gone));
    board.report(b"second".to_vec()).unwrap();
    let reports = board.read().unwrap().reports;
    assert!(matches!(&reports[..], [(_, text)] if text == "second"), "{reports:?}");
    etcd.ctl(&["--user", "root:pass", "put", "/gateway.yaml", "two"])
        .unwrap();
    let two = delivered(&watch);
    assert_eq!(two.text, "two");
    accept(&watch, &two);
}

#[test]
fn a_server_that_wants_certificates_is_shown_one() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path()).unwrap();
    let server = authority.issue("etcd", &["localhost"]).unwrap();
    let client = authority.issue("gateway", &["gateway"]).unwrap();
    let etcd = block(etcd_with_tls(&authority.file, &server));
    let tls = Tls {
        authorities: Some(authority.file.clone()),
        identity: Some((client.chain.clone(), client.key.clone())),
        server_name: Some(String::from("localhost")),
    };
    let with = |tls: Option<Tls>| {
        let backend = control_store::Etcd {
            tls,
            ..backend(vec![endpoint(etcd.address)])
        };
        settings(Backend::Etcd(backend), prefix())
    };
    push(&with(Some(tls.clone())), "over TLS");
    let watch = follow(&with(Some(tls.clone())));
    let taken = delivered(&watch);
    assert_eq!(taken.text, "over TLS");
    accept(&watch, &taken);
    for wrong in [
        None,
        Some(Tls {
            identity: None,
            ..tls.clone()
        }),
        Some(Tls {
            server_name: Some(String::from("elsewhere")),
            ..tls.clone()
        }),
        Some(Tls {
            authorities: Some(client.chain.clone()),
            ..tls
        }),
    ] {
        let why = lost(&follow(&with(wrong.clone())));
        assert!(!why.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_cluster_without_a_leader_is_a_lost_one_and_another_leader_is_found() {
    let mut members = block(cluster(3));
    let endpoints: Vec<Endpoint> = members.iter().map(|member| endpoint(member.address)).collect();
    let settings = settings(Backend::Etcd(backend(endpoints)), prefix());
    push(&settings, "one");
    let watch = follow(&settings);
    accept(&watch, &delivered(&watch));
    let leads = |member: &Etcd| {
        let status = member.ctl(&["endpoint", "status", "-w", "json"]).unwrap();
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        status[0]["Status"]["leader"] == status[0]["Status"]["header"]["member_id"]
    };
    let leader = members.iter().position(leads).unwrap();
    block(members[leader].kill());
    // With two of three there is another leader soon; a push in between may find none.
    until("a push finds the new leader", || {
        let store = control_store::Store::open(&settings);
        store.is_ok_and(|mut store| store.publish(&crate::setting::publication("two")).is_ok())
    });
    assert_eq!(delivered(&watch).text, "two");
    let other = (leader + 1) % 3;
    block(members[other].kill());
    lost(&watch);
    block(members[other].start_again());
    until("a push finds a leader again", || {
        let store = control_store::Store::open(&settings);
        store.is_ok_and(|mut store| store.publish(&crate::setting::publication("three")).is_ok())
    });
    assert_eq!(delivered(&watch).text, "three");
}
