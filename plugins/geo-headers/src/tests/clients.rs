//! Whose address it is.

use crate::client::client;

#[test]
fn entries_are_believed_from_the_end_as_far_as_proxies_are() {
    let table = [
        ("192.0.2.1:5000", &["203.0.113.9"][..], 0, "192.0.2.1"),
        ("[2001:db8::1]:80", &[], 0, "2001:db8::1"),
        ("[::ffff:192.0.2.1]:80", &[], 0, "192.0.2.1"),
        // The gateway has added the peer.
        ("192.0.2.1:5000", &["203.0.113.9,192.0.2.1"], 1, "203.0.113.9"),
        (
            "192.0.2.1:5000",
            &["10.0.0.1, 203.0.113.9, 198.51.100.2,192.0.2.1"],
            2,
            "203.0.113.9",
        ),
        (
            "192.0.2.1:5000",
            &["10.0.0.1, 203.0.113.9", "192.0.2.1"],
            1,
            "203.0.113.9",
        ),
        // A host that adds none.
        ("192.0.2.1:5000", &["203.0.113.9"], 1, "203.0.113.9"),
        ("192.0.2.1:5000", &["[2001:db8::1]:443,192.0.2.1"], 1, "2001:db8::1"),
        ("192.0.2.1:5000", &["203.0.113.9:443,192.0.2.1"], 1, "203.0.113.9"),
        // Too few entries: the peer itself.
        ("192.0.2.1:5000", &["203.0.113.9,192.0.2.1"], 2, "192.0.2.1"),
        ("192.0.2.1:5000", &[], 1, "192.0.2.1"),
        // What is no address is nobody's.
        ("192.0.2.1:5000", &["unknown,192.0.2.1"], 1, ""),
        ("", &[], 0, ""),
    ];
    for (source, forwarded, hops, expected) in table {
        let forwarded: Vec<String> = forwarded.iter().map(|text| (*text).to_owned()).collect();
        let found = client(source, &forwarded, hops).map(|address| address.to_string());
        assert_eq!(found.unwrap_or_default(), expected, "{source} {forwarded:?} {hops}");
    }
}
