//! What is made equal, and what is not.

use super::*;

#[test]
fn only_known_ports_become_roles() {
    let mut addresses = Addresses::default();
    addresses.add(8080, "listener");
    assert_eq!(
        name_ports("a:8080 b=8080 c:80 8080 :8081", &addresses),
        "a:{listener} b={listener} c:80 8080 :8081"
    );
}

#[test]
fn uuids_and_dates_become_names() {
    assert_eq!(name_uuids("id 3019cd09-6658-4fae-bb20-e08a0fa0e110!"), "id {uuid}!");
    assert_eq!(name_dates("at Sun, 06 Nov 1994 08:49:37 GMT."), "at {date}.");
}

#[test]
fn maps_are_sorted_by_key_and_keep_repetitions_in_order() {
    let line = r#"x: get -> 0 pairs=[["b","2"],["a","2"],["a","1"]]"#;
    assert_eq!(sort_map(line), r#"x: get -> 0 pairs=[["a","2"],["a","1"],["b","2"]]"#);
}

#[test]
fn the_number_of_answering_headers_is_left_open_but_none_stays_none() {
    assert_eq!(
        some_headers("call(headers=3 size=1)", "call(headers="),
        "call(headers=some size=1)"
    );
    assert_eq!(
        some_headers("call(headers=0 size=0)", "call(headers="),
        "call(headers=0 size=0)"
    );
}

#[test]
fn own_fields_are_left_out_of_on_log_alone() {
    let map = r#"pairs=[["a","1"],["date","{date}"],["server","envoy"]]"#;
    assert_eq!(
        drop_own_fields(&format!("log: get -> 0 {map}")),
        r#"log: get -> 0 pairs=[["a","1"]]"#
    );
    assert_eq!(drop_own_fields(map), map);
}

#[test]
fn endings_are_sorted_by_plugin_only_where_they_follow_one_another() {
    let line = |plugin: &str, text: &str| LogLine {
        plugin: plugin.to_owned(),
        level: "info".to_owned(),
        text: text.to_owned(),
    };
    let mut lines = vec![
        line("b", "log()"),
        line("a", "response_body(size=0 end=1)"),
        line("a", "log()"),
        line("b", "done()"),
        line("a", "done()"),
        line("b", "logarithm"),
    ];
    sort_endings(&mut lines);
    let order: String = lines.iter().map(|line| line.plugin.as_str()).collect();
    assert_eq!(order, "baaabb");
}
