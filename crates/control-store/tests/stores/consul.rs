//! Consul, by a fake that follows its documented API.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use control_store::{Backend, Place, Secret, Settings};
use testkit::consul::Consul;
use testkit::cut::Line;

use crate::setting::{
    accept, connected, delivered, does_what_stores_do, endpoint, follow, lets_gateways_leave_word,
    lets_one_of_many_win, lost, prefix, push, settings, until,
};

fn of(address: SocketAddr, place: Place) -> Settings {
    let consul = control_store::Consul {
        endpoint: endpoint(address),
        token: None,
        datacenter: None,
        tls: None,
        wait: Duration::from_secs(60),
    };
    settings(Backend::Consul(consul), place)
}

fn key() -> Place {
    Place::Key(String::from("gateway.yaml"))
}

#[test]
fn consul_does_what_stores_do() {
    let consul = Consul::start(None).unwrap();
    does_what_stores_do(&of(consul.address, prefix()));
}

#[test]
fn gateways_leave_word_for_each_other() {
    let consul = Consul::start(None).unwrap();
    lets_gateways_leave_word(&of(consul.address, prefix()));
}

#[test]
fn of_those_who_push_at_once_one_wins() {
    let consul = Consul::start(None).unwrap();
    lets_one_of_many_win(&of(consul.address, prefix()));
}

#[test]
fn an_index_that_goes_backwards_begins_anew() {
    let consul = Consul::start(None).unwrap();
    for number in 0..20 {
        consul.put("gateway.yaml", &format!("{number}"));
    }
    let watch = follow(&of(consul.address, key()));
    let before = delivered(&watch);
    assert_eq!((before.text.as_str(), before.revision.number), ("19", 30));
    accept(&watch, &before);
    consul.restore(5);
    // The number is another one, and so is the revision.
    let restored = delivered(&watch);
    assert_eq!((restored.text.as_str(), restored.revision.number), ("19", 5));
    accept(&watch, &restored);
    consul.put("gateway.yaml", "after");
    assert_eq!(delivered(&watch).text, "after");
    let stale = consul.asked().iter().filter(|asked| asked.contains("index=30")).count();
    assert!(stale <= 2, "nobody waits for an index that does not come: {stale}");
}

#[test]
fn an_answer_without_a_change_is_no_change_and_no_loop() {
    let consul = Consul::start(None).unwrap();
    consul.put("gateway.yaml", "same");
    let watch = follow(&of(consul.address, key()));
    accept(&watch, &delivered(&watch));
    let before = consul.asked().len();
    let end = std::time::Instant::now() + Duration::from_secs(2);
    while std::time::Instant::now() < end {
        consul.stir();
        std::thread::sleep(Duration::from_millis(1));
    }
    let asked = consul.asked().len() - before;
    // Two keys, each with its burst of ten and then two a second.
    assert!((4..=40).contains(&asked), "{asked}");
    assert!(
        watch
            .next(Duration::ZERO)
            .is_none_or(|news| !matches!(news, control_store::News::Delivered(_)))
    );
    consul.put("gateway.yaml", "other");
    assert_eq!(delivered(&watch).text, "other");
}

#[test]
fn a_token_is_shown_and_read_anew() {
    let consul = Consul::start(Some("right")).unwrap();
    consul.put("gateway.yaml", "guarded");
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "wrong").unwrap();
    let mut settings = of(consul.address, key());
    if let Backend::Consul(consul) = &mut settings.backend {
        consul.token = Some(Secret::File(token.clone()));
    }
    let watch = follow(&settings);
    let why = lost(&watch);
    assert!(why.contains("refuses") && why.contains("403"), "{why}");
    fs::write(&token, "right\n").unwrap();
    assert_eq!(delivered(&watch).text, "guarded");
}

#[test]
fn a_cluster_without_a_leader_is_tried_again() {
    let consul = Consul::start(None).unwrap();
    consul.put("gateway.yaml", "before");
    let watch = follow(&of(consul.address, key()));
    accept(&watch, &delivered(&watch));
    consul.fail(true);
    let why = lost(&watch);
    assert!(why.contains("No cluster leader"), "{why}");
    consul.put("gateway.yaml", "after");
    consul.fail(false);
    assert_eq!(delivered(&watch).text, "after");
}

#[test]
fn a_deleted_key_is_told_and_changes_nothing() {
    let consul = Consul::start(None).unwrap();
    let settings = of(consul.address, prefix());
    push(&settings, "kept");
    let watch = follow(&settings);
    let kept = delivered(&watch);
    accept(&watch, &kept);
    let mut stream = std::net::TcpStream::connect(consul.address).unwrap();
    std::io::Write::write_all(&mut stream, b"DELETE /v1/kv/gateways/test/current HTTP/1.1\r\n\r\n").unwrap();
    assert!(crate::setting::untaken(&watch).contains("nothing stands at"));
    assert_eq!(watch.health().serving, Some(kept.revision));
    // Who pushes then does not give a number again.
    assert_eq!(push(&settings, "next").revision.number, 2);
}

#[test]
fn an_agent_that_falls_silent_is_noticed() {
    let consul = Consul::start(None).unwrap();
    consul.put("gateway.yaml", "one");
    let line = Line::to(consul.address).unwrap();
    let mut settings = of(line.address, key());
    if let Backend::Consul(consul) = &mut settings.backend {
        consul.wait = Duration::from_secs(2);
    }
    let watch = follow(&settings);
    accept(&watch, &delivered(&watch));
    line.cut();
    let why = lost(&watch);
    assert!(why.contains("no answer within"), "{why}");
    consul.put("gateway.yaml", "two");
    line.mend();
    connected(&watch);
    assert_eq!(delivered(&watch).text, "two");
    until("health says so", || watch.health().connected);
}
