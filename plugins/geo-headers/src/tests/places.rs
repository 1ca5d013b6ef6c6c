//! What is known of addresses, and databases that are fetched.

use super::*;
use crate::atlas::Answer;

#[test]
fn a_place_is_what_the_first_database_knows_and_the_next_adds() {
    let mut atlas = atlas(&format!(
        r#"{{"databases":[{{"value":"{}"}}],"networks":[{{"cidr":"10.0.0.0/8","country":"ZZ","asn":1,"as_name":"us"}},{{"cidr":"203.0.113.7/32","country":"AA"}}]}}"#,
        SAMPLE.trim()
    ));
    let table = [
        ("203.0.113.9", "CN|64500|Example Cloud"),
        ("203.0.113.10", "CN|64500|Example Cloud"),
        ("203.0.113.7", "AA||"),
        // Two networks in one /24: what one has is not kept for the other.
        ("198.51.100.1", "DE||"),
        ("198.51.100.200", "FR||"),
        ("198.51.100.2", "DE||"),
        ("2001:db8::1", "JP|64501|日本例"),
        ("2001:db9::1", "||"),
        ("10.1.2.3", "ZZ|1|us"),
        ("8.8.8.8", "||"),
        // What cannot be a country or a header's value is none.
        ("192.0.2.1", "||"),
    ];
    for round in 0..2 {
        for (address, expected) in table {
            assert_eq!(told(&atlas.look(ip(address), 0)), expected, "{address} {round}");
        }
    }
}

fn answer(status: &str, body: Vec<u8>) -> Answer<'_> {
    Answer {
        status: Some(status),
        cache_control: None,
        body,
    }
}

#[test]
fn a_database_is_fetched_kept_and_fetched_again_and_an_old_one_is_better_than_none() {
    let fetch = r#"{"databases":[{"fetch":{"upstream":"files","authority":"files.example","path":"/a.mmdb"}}],"without_database":"refuse"}"#;
    let mut atlas = atlas(fetch);
    assert!(atlas.refuses(0));
    assert_eq!(
        atlas
            .due(0)
            .map(|(place, fetch)| (place, fetch.path.clone()))
            .collect::<Vec<_>>(),
        [(0, String::from("/a.mmdb"))]
    );
    atlas.began(0, Some(7), 0);
    assert_eq!(atlas.due(0).count(), 0);
    let refused = atlas
        .answered(7, answer("200", b"no database".to_vec()), 10)
        .unwrap_err();
    assert!(refused.starts_with("`databases[0].fetch` is no database"), "{refused}");
    assert!(atlas.refuses(10) && atlas.due_at() == Some(1_010));
    atlas.began(0, Some(8), 1_010);
    assert!(atlas.answered(9, answer("200", sample()), 1_020).is_err());
    let said = atlas.answered(8, answer("200", sample()), 1_020).unwrap();
    assert!(said.starts_with("fetched database `sample`"), "{said}");
    assert!(!atlas.refuses(1_020));
    assert_eq!(told(&atlas.look(ip("203.0.113.9"), 1_020)), "CN|64500|Example Cloud");
    // Three quarters of a day later it is fetched anew, in vain, and still holds.
    let due = atlas.due_at().unwrap();
    assert_eq!(due, 1_020 + 64_800_000);
    atlas.began(0, Some(10), due);
    assert_eq!(
        atlas.answered(10, answer("404", Vec::new()), due).unwrap_err(),
        "`databases[0].fetch` was answered with 404"
    );
    assert_eq!(
        told(&atlas.look(ip("203.0.113.9"), due + 1_000_000_000)),
        "CN|64500|Example Cloud"
    );
}

#[test]
fn an_answer_that_is_too_large_is_none() {
    let mut atlas = atlas(
        r#"{"databases":[{"fetch":{"upstream":"files","authority":"files.example","path":"/a","bytes_max":64}}]}"#,
    );
    atlas.began(0, Some(7), 0);
    let refused = atlas.answered(7, answer("200", sample()), 10).unwrap_err();
    assert!(refused.contains("is larger than `bytes_max`"), "{refused}");
}
