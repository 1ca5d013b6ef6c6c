//! The table of callbacks is free of contradictions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;

use super::*;

#[test]
fn names_are_unique() {
    let names: BTreeSet<&str> = CALLBACKS.iter().map(|callback| callback.name).collect();
    assert_eq!(names.len(), CALLBACKS.len());
}

#[test]
fn header_callbacks_have_a_shape_with_and_one_without_end_of_stream() {
    for name in ["proxy_on_request_headers", "proxy_on_response_headers"] {
        let found = callback(name).unwrap();
        assert_eq!(found.shape(&[I32; 3], &[I32]).unwrap().params.len(), 3);
        assert_eq!(found.shape(&[I32; 2], &[I32]).unwrap().params.len(), 2);
        assert!(found.shape(&[I32; 4], &[I32]).is_none());
    }
}

#[test]
fn a_shape_reads_as_people_write_it() {
    let shapes: Vec<String> = ["proxy_on_request_headers", "proxy_on_log", "_start"]
        .iter()
        .map(|name| callback(name).unwrap().shapes[0].to_string())
        .collect();
    assert_eq!(shapes, ["(i32, i32, i32) -> (i32)", "(i32) -> ()", "() -> ()"]);
}
