//! The lines that the gateway says are read as it writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Instant;

use super::*;

fn line(text: &str) -> Line {
    Line {
        at: Instant::now(),
        source: Source::Stderr,
        text: text.to_owned(),
    }
}

#[test]
fn a_listener_line_gives_name_and_address() {
    let (name, address) = listener(&line("listening name=web address=127.0.0.1:8080 protocol=http")).unwrap();
    assert_eq!((name.as_str(), address.port()), ("web", 8080));
    assert_eq!(
        admin_address(&line("admin listening address=127.0.0.1:9901"))
            .unwrap()
            .port(),
        9901
    );
    assert!(listener(&line("admin listening address=127.0.0.1:9901")).is_none());
}

#[test]
fn a_plugin_line_gives_back_what_the_plugin_said() {
    let said = "a \"b\"\\\n\u{1}\u{fc} text=\u{1f600}";
    let written = format!("plugin log plugin=p.1 level=warn context=7 text={said:?}");
    let expected = PluginLine {
        plugin: "p.1".into(),
        level: "warn".into(),
        text: said.into(),
    };
    assert_eq!(plugin_line(&line(&written)).unwrap(), expected);
}
