//! The guest that is shipped, with a database in a granted folder.

use plug_grant::{Folder, Grant};

use super::*;

/// Leads a record of a client at this address through `log-enrich`, and gives what became of it.
fn enriched(configuration: &str, database: &[u8]) -> Result<String, LogFault> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("places.mmdb"), database).unwrap();
    let grant = Grant {
        folders: vec![Folder {
            path: folder.path().to_owned(),
            name: "/geo".to_owned(),
            write: false,
        }],
        ..Grant::everything()
    };
    let spec = LogGuestSpec {
        configuration: configuration.as_bytes().to_vec(),
        grant: LogGrant {
            folders: Folders::open(&grant).unwrap().map(Arc::new),
            ..LogGrant::default()
        },
        ..lenient()
    };
    let module = loaded(&std::fs::read(testkit::place::guest("log-enrich").unwrap()).unwrap()).unwrap();
    let mut guest = LogGuest::start(&module, spec, silent())?;
    // The file is not needed any more.
    drop(folder);
    let line =
        r#"{"client.address":"203.0.113.9","user_agent.original":"curl/8","cofferdam.route":"api","url.query":"q"}"#;
    let mut last = String::new();
    for _ in 0..3 {
        let mut lines = vec![line.as_bytes().to_vec(); 64];
        let passed = guest.pass(&mut lines);
        assert_eq!((passed.marked, passed.fault), (0, None));
        last = String::from_utf8(lines.pop().unwrap()).unwrap();
    }
    Ok(last)
}

#[test]
fn the_shipped_guest_says_where_a_client_is_and_what_it_is() {
    let text = include_str!("../../../../../plugins/geo-headers/tests/sample.base64");
    let text: String = text.split_ascii_whitespace().collect();
    let database = from_base64(&text);
    let all = r#"{"databases":["/geo/places.mmdb"],"user_agent":true,"drop":["url.query"],"tables":[{"field":"cofferdam.route","values":{"api":{"team.name":"blue"}}}]}"#;
    let line = enriched(all, &database).unwrap();
    assert!(line.contains(r#""client.geo.country.iso_code":""#), "{line}");
    assert!(
        line.contains(r#""user_agent.name":"curl","user_agent.version":"8","team.name":"blue"}"#),
        "{line}"
    );
    assert!(!line.contains("url.query"), "{line}");
    let missing = enriched(r#"{"databases":["/geo/none.mmdb"]}"#, &database).unwrap_err();
    assert!(
        missing.to_string().contains("`/geo/none.mmdb` cannot be read"),
        "{missing}"
    );
    let beyond = enriched(r#"{"databases":["/etc/hostname"]}"#, &database).unwrap_err();
    assert!(beyond.to_string().contains("cannot be read"), "{beyond}");
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter_map(digit).map(u32::from).collect();
    let group = |group: &[u32]| {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
