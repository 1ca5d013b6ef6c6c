//! A folder as a store, and what holds for every store: half-written bundles, digests, signatures.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use control_store::{Backend, Call, Current, Listener, Place, Pointer, Publication, Settings, Store};
use parking_lot::Mutex;
use plug_package::{Digest, PrivateKey, sign_beside};
use tempfile::TempDir;
use testkit::registry::openssl;

use crate::setting::{
    accept, delivered, does_what_stores_do, follow, lets_gateways_leave_word, lets_one_of_many_win, prefix,
    publication, push, settings, untaken, until, write,
};

fn store() -> (TempDir, Settings) {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Backend::Folder(folder.path().to_owned()), prefix());
    (folder, settings)
}

#[test]
fn a_folder_does_what_stores_do() {
    let (_folder, settings) = store();
    does_what_stores_do(&settings);
}

#[test]
fn gateways_leave_word_for_each_other() {
    let (_folder, settings) = store();
    lets_gateways_leave_word(&settings);
}

#[test]
fn of_those_who_push_at_once_one_wins() {
    let (_folder, settings) = store();
    lets_one_of_many_win(&settings);
}

#[test]
fn each_call_is_told_with_its_key_and_no_value() {
    let (_folder, mut settings) = store();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    settings.listener = Listener::new(move |call: &Call<'_>| {
        let told = format!(
            "{} {} {} {}: {:?}",
            call.system, call.verb, call.key, call.keys, call.came
        );
        hear.lock().push(told);
    });
    let mut store = Store::open(&settings).unwrap();
    store.publish(&publication("one")).unwrap();
    let wrote = heard.lock().join("\n");
    assert_eq!(
        wrote.lines().next(),
        Some("folder open  0: Ok"),
        "what was told:\n{wrote}"
    );
    assert!(wrote.contains("folder read gateways/test/current 1: Ok"), "{wrote}");
    assert!(wrote.contains("folder write gateways/test/"), "{wrote}");
    assert!(!wrote.contains("one"), "{wrote}");
}

#[test]
fn a_plain_file_behind_the_links_of_a_config_map_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for version in ["..v1", "..v2"] {
        write(&at(version).join("gateway.yaml"), version);
    }
    symlink("..v1", at("..data")).unwrap();
    symlink("..data/gateway.yaml", at("gateway.yaml")).unwrap();
    let settings = settings(
        Backend::Folder(folder.path().to_owned()),
        Place::Key(String::from("gateway.yaml")),
    );
    let watch = follow(&settings);
    assert_eq!(delivered(&watch).text, "..v1");
    symlink("..v2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    assert_eq!(delivered(&watch).text, "..v2");
}

#[test]
fn a_half_written_bundle_is_never_seen() {
    let (folder, settings) = store();
    push(&settings, "whole");
    let watch = follow(&settings);
    accept(&watch, &delivered(&watch));
    let below = folder.path().join("gateways/test");
    let digest = Digest::of(b"the whole text");
    let pointer = Pointer { revision: 2, digest };
    // Somebody writes in the wrong order, and slowly.
    write(&below.join("aside"), &pointer.write());
    fs::rename(below.join("aside"), below.join("current")).unwrap();
    assert!(untaken(&watch).contains("is not there"));
    let bundle = below.join(format!("bundles/{digest}"));
    write(&bundle, "the whole");
    assert!(untaken(&watch).contains("another digest"));
    let said = Store::open(&settings).unwrap().statuses().unwrap();
    assert_eq!(
        (said[0].outcome.word(), said[0].serving),
        ("untaken", Some(1)),
        "{said:?}"
    );
    write(&bundle, "the whole text");
    let whole = delivered(&watch);
    assert_eq!(
        (whole.text.as_str(), whole.revision),
        ("the whole text", pointer.as_revision())
    );
}

#[test]
fn what_stood_before_an_untaken_pointer_is_told_again() {
    let (folder, settings) = store();
    push(&settings, "good");
    let watch = follow(&settings);
    let good = delivered(&watch);
    accept(&watch, &good);
    let current = folder.path().join("gateways/test/current");
    let before = fs::read_to_string(&current).unwrap();
    fs::write(&current, "nonsense").unwrap();
    assert!(untaken(&watch).contains("is no pointer"));
    fs::write(&current, before).unwrap();
    assert_eq!(delivered(&watch), good);
}

#[test]
fn a_file_that_is_written_in_place_is_never_seen_empty() {
    const ROUNDS: usize = 10;
    let (folder, settings) = store();
    push(&settings, "configuration");
    let grants = folder.path().join("gateways/test/grants");
    write(&grants, "0");
    let watch = follow(&settings);
    for round in 0..ROUNDS {
        let before = delivered(&watch);
        assert_eq!(before.documents["grants"], round.to_string());
        accept(&watch, &before);
        let mut file = fs::File::create(&grants).unwrap();
        // Something else beside it changes while it is empty, and has the folder looked at.
        write(&folder.path().join("gateways/test/other"), &round.to_string());
        // For so long whoever writes may be held up on a busy machine.
        std::thread::sleep(Duration::from_millis(40));
        std::io::Write::write_all(&mut file, (round + 1).to_string().as_bytes()).unwrap();
    }
}

#[test]
fn a_matrix_of_grants_comes_beside_the_configuration_and_by_itself() {
    let (folder, settings) = store();
    push(&settings, "configuration");
    let grants = folder.path().join("gateways/test/grants");
    write(&grants, "one");
    let watch = follow(&settings);
    let both = delivered(&watch);
    assert_eq!(
        (both.text.as_str(), both.documents["grants"].as_str()),
        ("configuration", "one")
    );
    accept(&watch, &both);
    write(&grants, "two");
    let next = delivered(&watch);
    assert_eq!(
        (next.revision, next.documents["grants"].as_str()),
        (both.revision, "two")
    );
    // It may be a bundle too.
    let digest = Digest::of(b"three");
    write(&folder.path().join(format!("gateways/test/bundles/{digest}")), "three");
    write(&grants, &Pointer { revision: 1, digest }.write());
    assert_eq!(delivered(&watch).documents["grants"], "three");
}

/// A pair of keys of this kind, as files.
fn keys(folder: &TempDir, words: &[&str]) -> PrivateKey {
    openssl(&[&["genpkey", "-out", "key.pem"], words].concat(), folder.path()).unwrap();
    openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub"], folder.path()).unwrap();
    PrivateKey::parse(&fs::read(folder.path().join("key.pem")).unwrap()).unwrap()
}

#[test]
fn without_a_signature_that_holds_nothing_is_taken() {
    for words in [
        vec!["-algorithm", "ed25519"],
        vec!["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        vec!["-algorithm", "SM2"],
    ] {
        let (folder, unsigned) = store();
        let key = keys(&folder, &words);
        let settings = Settings {
            signed_by: Some(folder.path().join("key.pub")),
            ..unsigned.clone()
        };
        let signed = |text: &'static str, over: &str| Publication {
            signature: Some(sign_beside(over.as_bytes(), &key).unwrap().bytes.to_vec()),
            ..publication(text)
        };
        let watch = follow(&settings);
        push(&unsigned, "unsigned");
        until("it is told", || {
            watch.health().errors.iter().any(|why| why.contains("is not signed"))
        });
        let mut store = Store::open(&unsigned).unwrap();
        store.publish(&signed("signed", "signed")).unwrap();
        let taken = delivered(&watch);
        assert_eq!(taken.text, "signed", "{words:?}");
        accept(&watch, &taken);
        store.publish(&signed("changed", "signed")).unwrap();
        until("it is told", || {
            watch.health().errors.iter().any(|why| why.contains("does not hold"))
        });
        assert_eq!(watch.health().serving, Some(taken.revision), "{words:?}");
        // A matrix that nobody signed is not taken either.
        store.roll_back(Some(2), "tester", "").unwrap();
        assert_eq!(delivered(&watch).text, "signed");
        write(&folder.path().join("gateways/test/grants"), "unsigned: too");
        assert!(untaken(&watch).contains("nobody can have signed it"));
    }
}

#[test]
fn a_folder_that_is_not_there_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("mounted");
    let settings = settings(Backend::Folder(there.clone()), Place::Key(String::from("gateway.yaml")));
    let watch = follow(&settings);
    crate::setting::lost(&watch);
    fs::create_dir(&there).unwrap();
    write(&there.join("gateway.yaml"), "here");
    assert_eq!(delivered(&watch).text, "here");
}

#[test]
fn a_key_is_below_its_folder_wherever_it_leads() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(
        Backend::Folder(folder.path().to_owned()),
        Place::Key(String::from("/etc/hostname")),
    );
    assert_eq!(Store::open(&settings).unwrap().current().unwrap(), Current::Nothing);
}
