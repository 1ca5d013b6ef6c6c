//! Ids of exchanges look like random UUIDs and differ.

use std::collections::HashSet;

use super::new;

#[test]
fn an_id_is_a_uuid_of_version_4() {
    let id = String::from_utf8(new().to_vec()).expect("an id is ASCII");
    let parts: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert_eq!(id.as_bytes()[14], b'4');
    assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
}

#[test]
fn ids_differ() {
    let ids: HashSet<_> = (0..10_000).map(|_| new()).collect();
    assert_eq!(ids.len(), 10_000);
}
