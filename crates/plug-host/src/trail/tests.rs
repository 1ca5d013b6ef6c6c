//! What is remembered of host calls, and in which order.

use super::*;

fn names(trail: &Trail) -> Vec<String> {
    let steps = trail.told().last;
    steps.into_iter().map(|step| step.name.unwrap_or_default()).collect()
}

#[test]
fn the_last_calls_are_told_in_order_with_what_they_were_about() {
    let mut trail = Trail::default();
    assert_eq!(trail.told(), HostCalls::default());
    trail.begins("proxy_get_property", "proxy_on_log", &[7, 4]);
    trail.names(b"plugin_name");
    trail.answers(0);
    trail.begins("proxy_log", "proxy_on_delete", &[]);
    let told = trail.told();
    assert_eq!(told.total, 2);
    let first = HostCall {
        call: "proxy_get_property".to_owned(),
        callback: "proxy_on_log".to_owned(),
        arguments: vec![7, 4],
        name: Some("plugin_name".to_owned()),
        answer: Some(0),
        more: 0,
    };
    let second = HostCall {
        call: "proxy_log".to_owned(),
        callback: "proxy_on_delete".to_owned(),
        ..HostCall::default()
    };
    assert_eq!(told.last, [first, second]);
}

#[test]
fn older_calls_make_room() {
    let mut trail = Trail::default();
    for number in 0..200 {
        trail.begins("proxy_log", "proxy_on_tick", &[0; 9]);
        trail.names(number.to_string().as_bytes());
    }
    assert_eq!(trail.told().total, 200);
    let wanted: Vec<String> = (136..200).map(|number| number.to_string()).collect();
    assert_eq!(names(&trail), wanted);
    assert!(
        trail
            .told()
            .last
            .iter()
            .all(|step| step.arguments.len() == ARGUMENTS_MAX)
    );
}

#[test]
fn a_name_is_cut() {
    let mut trail = Trail::default();
    trail.begins("proxy_get_property", "", &[]);
    trail.names(&[b'x'; 1_000]);
    assert_eq!(names(&trail), ["x".repeat(NAME_BYTES_MAX)]);
    trail.begins("proxy_get_property", "", &[]);
    trail.names(b"short");
    assert_eq!(names(&trail)[1], "short", "nothing of the name before is left");
}

#[test]
fn the_pieces_of_what_a_guest_writes_are_one_call() {
    let mut trail = Trail::default();
    trail.begins("proxy_get_property", "proxy_on_log", &[7, 4]);
    for (number, descriptor) in [1, 1, 1, 2, 2].into_iter().enumerate() {
        trail.begins("fd_write", "proxy_on_log", &[descriptor, 9]);
        trail.answers(u32::from(number == 2));
    }
    trail.begins("fd_write", "proxy_on_done", &[2, 9]);
    trail.begins("clock_time_get", "proxy_on_done", &[2]);
    trail.begins("clock_time_get", "proxy_on_done", &[2]);
    let told = trail.told();
    let steps: Vec<_> = told
        .last
        .iter()
        .map(|step| (step.call.as_str(), step.arguments.first(), step.more, step.answer))
        .collect();
    assert_eq!(told.total, 9);
    assert_eq!(
        steps,
        [
            ("proxy_get_property", Some(&7), 0, None),
            ("fd_write", Some(&1), 2, Some(1)),
            ("fd_write", Some(&2), 1, Some(0)),
            ("fd_write", Some(&2), 0, None),
            ("clock_time_get", Some(&2), 0, None),
            ("clock_time_get", Some(&2), 0, None),
        ]
    );
}
