//! Redis, as Debian packages it.

use std::fs;
use std::process::Command;

use control_store::{Backend, Login, Place, Secret, Settings, Store, Watch};
use testkit::process::DEADLINE;
use testkit::redis::{Redis, redis};

use crate::setting::{
    accept, block, delivered, does_what_stores_do, endpoint, follow, lets_gateways_leave_word, lets_one_of_many_win,
    lost, prefix, push, settings, untaken, until,
};

fn backend(redis: &Redis) -> control_store::Redis {
    control_store::Redis {
        endpoint: endpoint(redis.address),
        database: 0,
        login: None,
        tls: None,
    }
}

fn of(redis: &Redis, place: Place) -> Settings {
    settings(Backend::Redis(backend(redis)), place)
}

/// What Redis answers to a command.
fn say(redis: &Redis, words: &[&str]) -> String {
    let port = redis.address.port().to_string();
    let output = Command::new("redis-cli")
        .args(["-p", &port])
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn pending(redis: &Redis, node: &str) -> usize {
    let group = format!("cofferdam:{node}");
    let told = say(redis, &["XPENDING", "gateways/test/events", &group]);
    told.lines().next().unwrap().parse().unwrap()
}

#[test]
fn redis_does_what_stores_do() {
    let redis = block(redis(&[]));
    does_what_stores_do(&of(&redis, prefix()));
}

#[test]
fn gateways_leave_word_for_each_other() {
    let redis = block(redis(&[]));
    lets_gateways_leave_word(&of(&redis, prefix()));
}

#[test]
fn of_those_who_push_at_once_one_wins() {
    let redis = block(redis(&[]));
    lets_one_of_many_win(&of(&redis, prefix()));
}

#[test]
fn an_event_is_acknowledged_when_it_has_had_its_effect_and_not_before() {
    let redis = block(redis(&[]));
    let settings = of(&redis, prefix());
    push(&settings, "one");
    let watch = follow(&settings);
    accept(&watch, &delivered(&watch));
    push(&settings, "two");
    let two = delivered(&watch);
    assert_eq!(pending(&redis, "gw-1"), 1);
    accept(&watch, &two);
    until("it is acknowledged", || pending(&redis, "gw-1") == 0);
    push(&settings, "three");
    let three = delivered(&watch);
    assert_eq!(pending(&redis, "gw-1"), 1);
    crate::setting::reject(&watch, &three, "no");
    until("a rejected one is acknowledged too", || pending(&redis, "gw-1") == 0);
}

#[test]
fn what_a_gateway_died_over_is_told_to_it_again() {
    let redis = block(redis(&[]));
    let settings = of(&redis, prefix());
    push(&settings, "one");
    let watch = follow(&settings);
    accept(&watch, &delivered(&watch));
    push(&settings, "two");
    delivered(&watch);
    // It ends without having said anything of it.
    drop(watch);
    assert_eq!(pending(&redis, "gw-1"), 1);
    let again = follow(&settings);
    let two = delivered(&again);
    assert_eq!(two.text, "two");
    assert_eq!(pending(&redis, "gw-1"), 1);
    accept(&again, &two);
    until("it is acknowledged", || pending(&redis, "gw-1") == 0);
}

#[test]
fn each_gateway_hears_each_event() {
    let redis = block(redis(&[]));
    let first = of(&redis, prefix());
    let second = Settings {
        node: String::from("gw-2"),
        ..first.clone()
    };
    push(&first, "one");
    let watches: Vec<Watch> = [&first, &second].map(follow).into();
    for watch in &watches {
        accept(watch, &delivered(watch));
    }
    push(&first, "two");
    for watch in &watches {
        assert_eq!(delivered(watch).text, "two");
    }
    assert_eq!(Store::open(&first).unwrap().statuses().unwrap().len(), 2);
}

#[test]
fn a_stream_that_was_trimmed_or_never_told_of_a_change_hides_nothing() {
    let redis = block(redis(&[]));
    let settings = of(&redis, prefix());
    push(&settings, "one");
    let watch = follow(&settings);
    accept(&watch, &delivered(&watch));
    push(&settings, "two");
    say(&redis, &["XTRIM", "gateways/test/events", "MAXLEN", "0"]);
    let two = delivered(&watch);
    assert_eq!(two.text, "two");
    accept(&watch, &two);
    // Somebody points back by hand, and tells nobody.
    let pointer = say(&redis, &["GET", "gateways/test/current"]);
    let older = say(&redis, &["GET", "gateways/test/history/1"]);
    let older: serde_json::Value = serde_json::from_str(&older).unwrap();
    let by_hand = serde_json::json!({ "revision": 3, "digest": older["digest"] }).to_string();
    assert_ne!(pointer, by_hand);
    say(&redis, &["SET", "gateways/test/current", &by_hand]);
    assert_eq!(delivered(&watch).text, "one");
    // And with the stream itself gone.
    say(&redis, &["DEL", "gateways/test/events"]);
    push(&settings, "three");
    assert_eq!(delivered(&watch).text, "three");
}

#[test]
fn a_plain_key_that_somebody_sets_is_followed() {
    let redis = block(redis(&[]));
    say(&redis, &["SET", "gateway.yaml", "one"]);
    let watch = follow(&of(&redis, Place::Key(String::from("gateway.yaml"))));
    assert_eq!(delivered(&watch).text, "one");
    say(&redis, &["SET", "gateway.yaml", "two"]);
    assert_eq!(delivered(&watch).text, "two");
}

#[test]
fn a_wrong_password_and_a_user_without_rights_are_refused() {
    let redis = block(redis(&[
        "--user",
        "gw",
        "on",
        ">word",
        "~gateways/*",
        "+@all",
        "--user",
        "default",
        "off",
    ]));
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "another").unwrap();
    let login = Login {
        user: Some(String::from("gw")),
        password: Secret::File(password.clone()),
    };
    let backend = control_store::Redis {
        login: Some(login),
        ..backend(&redis)
    };
    let below = settings(Backend::Redis(backend.clone()), prefix());
    let watch = follow(&below);
    let why = lost(&watch);
    assert!(why.contains("refuses"), "{why}");
    fs::write(&password, "word\n").unwrap();
    push(&below, "one");
    assert_eq!(delivered(&watch).text, "one");
    let elsewhere = settings(Backend::Redis(backend), Place::Prefix(String::from("others")));
    let why = lost(&follow(&elsewhere));
    assert!(why.contains("refuses"), "{why}");
    let nobody = lost(&follow(&of(&redis, prefix())));
    assert!(nobody.contains("refuses"), "{nobody}");
}

#[test]
fn a_server_that_was_killed_and_came_back_empty_changes_nothing() {
    let mut server = block(redis(&[]));
    let line_settings = of(&server, prefix());
    push(&line_settings, "one");
    let watch = follow(&line_settings);
    let one = delivered(&watch);
    accept(&watch, &one);
    server.process.signal(rustix::process::Signal::KILL).unwrap();
    block(server.process.wait_for_exit(DEADLINE));
    lost(&watch);
    let port = server.address.port().to_string();
    let mut command = Command::new(testkit::place::peer("redis_server").unwrap());
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port]);
    let _again = testkit::process::Process::start("redis-server", &mut command).unwrap();
    assert!(untaken(&watch).contains("nothing stands at"));
    assert_eq!(watch.health().serving, Some(one.revision));
    push(&line_settings, "two");
    assert_eq!(delivered(&watch).text, "two");
}
