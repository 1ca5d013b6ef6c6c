//! What makes two deaths one crash, and what is read out of last words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::scene::Frame;

fn scene(frames: &[(u32, u64)]) -> Scene {
    let frame = |(index, offset): &(u32, u64)| Frame {
        index: *index,
        offset: Some(*offset),
        ..Frame::default()
    };
    Scene {
        code: "plugin.trapped".to_owned(),
        plugin: "auth".to_owned(),
        frames: frames.iter().map(frame).collect(),
        ..Scene::default()
    }
}

fn said(words: &[&str]) -> Option<String> {
    let scene = Scene {
        last_words: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Scene::default()
    };
    Crash::of(scene, None).panic
}

#[test]
fn one_place_is_one_crash_whatever_it_worked_on() {
    let one = scene(&[(3, 70), (2, 10)]);
    let mut same = one.clone();
    same.at_ms = 5;
    same.last_words = vec!["index 7".to_owned()];
    same.figures.memory_bytes = 9;
    assert_eq!(one.signature(), same.signature());
    assert_eq!(one.signature().len(), 12);
}

#[test]
fn another_place_code_plugin_or_module_is_another_crash() {
    let one = scene(&[(3, 70)]);
    let others = [
        scene(&[(3, 71)]),
        scene(&[(4, 70)]),
        scene(&[]),
        Scene {
            plugin: "other".to_owned(),
            ..one.clone()
        },
        Scene {
            code: "plugin.exited".to_owned(),
            ..one.clone()
        },
    ];
    for other in others {
        assert_ne!(one.signature(), other.signature(), "{other:?}");
    }
}

#[test]
fn where_a_loop_was_stopped_is_chance() {
    let looping = |offset| Scene {
        code: "plugin.slice_exceeded".to_owned(),
        ..scene(&[(3, offset)])
    };
    assert_eq!(looping(70).signature(), looping(75).signature());
}

#[test]
fn a_crash_seen_again_is_counted_and_keeps_its_lines() {
    let mut first = Crash::of(scene(&[(3, 70)]), None);
    first.scene.frames[0].function = Some("known".to_owned());
    first.scene.at_ms = 1;
    let mut again = first.clone();
    again.again(&Scene {
        at_ms: 9,
        ..scene(&[(3, 70)])
    });
    assert_eq!((again.last_seen_ms, again.scene.at_ms), (9, 9));
    assert_eq!(again.scene.frames[0].function.as_deref(), Some("known"));
    let both = again.after(&first);
    assert_eq!((both.count, both.first_seen_ms, both.last_seen_ms), (2, 0, 9));
}

#[test]
fn the_panic_of_each_language_is_found_among_other_lines() {
    assert_eq!(
        said(&[
            "hello",
            "thread 'main' panicked at src/lib.rs:7:5:",
            "index out of bounds"
        ])
        .as_deref(),
        Some("thread 'main' panicked at src/lib.rs:7:5: index out of bounds")
    );
    assert_eq!(
        said(&["thread 'main' panicked at src/lib.rs:7:5:\nno value"]).as_deref(),
        Some("thread 'main' panicked at src/lib.rs:7:5: no value")
    );
    assert_eq!(
        said(&["panic: runtime error: index out of range [3]", "goroutine 1 [running]:"]).as_deref(),
        Some("panic: runtime error: index out of range [3]")
    );
    assert_eq!(
        said(&["abort: oh no at assembly/index.ts(3:5)"]).as_deref(),
        Some("abort: oh no at assembly/index.ts(3:5)")
    );
    assert_eq!(said(&["could not fetch keys"]), None);
}
