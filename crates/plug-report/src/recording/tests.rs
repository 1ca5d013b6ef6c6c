//! Files that come back as they were, damage that does no harm, and what never gets into a file.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use plug_abi::pairs;

use super::steps::{INPUT_KEPT_MAX, Writer, digest};
use super::*;

fn sensitive() -> Sensitive {
    Sensitive {
        headers: vec!["authorization".to_owned()],
        properties: vec!["request.query".to_owned()],
    }
}

fn steps(bytes: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Steps::of(bytes);
    std::iter::from_fn(|| steps.next().unwrap()).collect()
}

fn of(write: impl FnOnce(&mut Writer)) -> Recording {
    let mut writer = Writer::default();
    write(&mut writer);
    Recording {
        head: Head::default(),
        steps: writer.0,
    }
}

fn name(name: &[u8]) -> Input<'_> {
    Input::of(Given::Name, name)
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let long = [7; 1_000];
    let recording = of(|writer| {
        writer.entry(8, &[2]);
        let inputs = [name(b"x-a"), Input::of(Given::Bytes, &long)];
        writer.call(
            "proxy_add_header_map_value",
            &[0, 1 << 40, u64::MAX],
            inputs.into_iter(),
        );
        writer.write(1 << 31, b"bytes");
        writer.value(&long);
        writer.answer(10);
        writer.returned(1);
        writer.cut();
    });
    let again = Recording::read(&recording.to_bytes().unwrap()).unwrap();
    assert_eq!(again, recording);
    let kept = &long[..INPUT_KEPT_MAX];
    let steps = steps(&again.steps);
    assert_eq!(steps.len(), 7);
    assert_eq!(steps[0], Step::Entry(8, vec![2]));
    let Step::Call { inputs, arguments, .. } = &steps[1] else {
        panic!()
    };
    assert_eq!(arguments, &[0, 1 << 40, u64::MAX]);
    assert_eq!(
        (inputs[1].kept, inputs[1].length, inputs[1].digest),
        (kept, 1_000, digest(&long))
    );
    assert_eq!(steps[2], Step::Write(1 << 31, b"bytes"));
    assert_eq!(steps[6], Step::Cut);
}

#[test]
fn a_bound_on_frames_is_kept_and_files_without_one_are_read() {
    let mut recording = Recording::default();
    let without = recording.to_bytes().unwrap();
    // As versions wrote it that counted no frames.
    assert!(!String::from_utf8_lossy(&without).contains("call_depth_max"));
    assert_eq!(Recording::read(&without).unwrap(), recording);
    recording.head.call_depth_max = Some(1_000);
    assert_eq!(Recording::read(&recording.to_bytes().unwrap()).unwrap(), recording);
}

#[test]
fn no_damage_is_read_as_a_recording_and_none_panics() {
    let whole = of(|writer| {
        writer.entry(3, &[1, 2, 3]);
        writer.call("proxy_log", &[2, 4, 5], [Input::of(Given::Bytes, b"hello")].into_iter());
        writer.answer(0);
    });
    for end in 0..whole.steps.len() {
        // Steps may end between two of them, and nowhere else.
        let cut = of(|writer| writer.0.extend_from_slice(&whole.steps[..end]));
        let read = Recording::read(&cut.to_bytes().unwrap());
        assert!(read.is_ok_and(|read| steps(&read.steps).len() < 3) || end > 0);
    }
    for at in 0..whole.steps.len() {
        for byte in 0..=u8::MAX {
            let mut damaged = whole.clone();
            damaged.steps[at] = byte;
            if let Ok(read) = Recording::read(&damaged.to_bytes().unwrap()) {
                let _ = read.masked(&sensitive(), &|_| Vec::new()).unwrap();
            }
        }
    }
    for (bytes, wanted) in [
        (&b""[..], "it is no recording"),
        (
            b"cofferdam recording 2\n{}\n",
            "in a form that this version does not know",
        ),
        (b"cofferdam recording 1\n{\n", "second line"),
        (b"cofferdam recording 1\nnothing", "it is no recording"),
    ] {
        let why = Recording::read(bytes).unwrap_err().to_string();
        assert!(why.contains(wanted), "{why}");
    }
}

/// Every place in which a secret can stand, and none in which it stays.
#[test]
fn values_of_sensitive_headers_and_properties_are_stars_of_the_same_number() {
    let map = pairs::encode([(&b"Authorization"[..], &b"secret-1"[..]), (b"x-a", b"open")].into_iter());
    let recording = of(|writer| {
        writer.call("proxy_get_header_map_value", &[], [name(b"AUTHORIZATION")].into_iter());
        writer.value(b"secret-2");
        writer.call("proxy_get_header_map_pairs", &[0], [].into_iter());
        writer.value(&map);
        let inputs = [name(b"authorization"), Input::of(Given::Bytes, b"secret-3")];
        writer.call("proxy_replace_header_map_value", &[], inputs.into_iter());
        writer.call(
            "proxy_http_call",
            &[],
            [name(b"api"), Input::of(Given::Map, &map)].into_iter(),
        );
        writer.call("proxy_get_property", &[], [name(b"request\0query")].into_iter());
        writer.value(b"secret-4");
        writer.call(
            "proxy_get_property",
            &[],
            [name(b"request\0headers\0authorization")].into_iter(),
        );
        writer.value(b"secret-5");
        writer.call(
            "proxy_redis_init",
            &[],
            [Input::of(Given::Secret, b"secret-6")].into_iter(),
        );
        writer.call("proxy_get_header_map_value", &[], [name(b"x-a")].into_iter());
        writer.value(b"open");
    });
    let masked = recording.clone().masked(&sensitive(), &|_| Vec::new()).unwrap();
    let text = String::from_utf8_lossy(&masked.steps).into_owned();
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(text.matches("********").count(), 6, "{text}");
    assert!(text.contains("open"));
    assert_eq!(masked.head.masked, 6);
    assert_eq!(masked.steps.len(), recording.steps.len());
    let Step::Value(masked_map) = steps(&masked.steps)[3] else {
        panic!()
    };
    let pairs = pairs::decode(masked_map).unwrap();
    assert_eq!(pairs, [(&b"Authorization"[..], &b"********"[..]), (b"x-a", b"open")]);
}

/// Where a guest repeats what it has read, also where what is kept ends in its midst.
#[test]
fn a_sensitive_value_that_a_guest_says_again_is_stars_too() {
    let cut = [&[b'x'; INPUT_KEPT_MAX - 5][..], b"secret-1 and more"].concat();
    let recording = of(|writer| {
        writer.call("proxy_get_header_map_value", &[], [name(b"authorization")].into_iter());
        writer.value(b"secret-1");
        let line = b"it says secret-1, twice secret-1";
        writer.call("proxy_log", &[], [Input::of(Given::Bytes, line)].into_iter());
        writer.call("proxy_log", &[], [Input::of(Given::Bytes, &cut)].into_iter());
        writer.call("proxy_get_buffer_bytes", &[], [].into_iter());
        writer.value(b"body with secret-1");
    });
    let masked = recording.masked(&sensitive(), &|_| Vec::new()).unwrap();
    let text = String::from_utf8_lossy(&masked.steps).into_owned();
    assert!(!text.contains("secr"), "{text}");
    assert!(text.contains("it says ********, twice ********"), "{text}");
}

#[test]
fn what_is_found_in_a_value_is_stars_wherever_it_stands() {
    let map = pairs::encode([(&b"x-note"[..], &b"call 555-0100 now"[..])].into_iter());
    let recording = of(|writer| {
        writer.call("proxy_get_header_map_pairs", &[0], [].into_iter());
        writer.value(&map);
        writer.call("proxy_get_buffer_bytes", &[], [].into_iter());
        writer.value(b"{\"phone\":\"555-0100\"}");
        let line = b"it is 555-0100";
        writer.call("proxy_log", &[], [Input::of(Given::Bytes, line)].into_iter());
    });
    let finder = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let found = text.match_indices("555-0100").map(|(at, found)| at..at + found.len());
        found.chain(std::iter::once(bytes.len()..bytes.len() + 3)).collect()
    };
    let masked = recording.clone().masked(&Sensitive::default(), &finder).unwrap();
    let text = String::from_utf8_lossy(&masked.steps).into_owned();
    assert!(!text.contains("555"), "{text}");
    assert!(
        text.contains("call ******** now") && text.contains("it is ********"),
        "{text}"
    );
    assert_eq!(masked.steps.len(), recording.steps.len());
}

/// Whoever is found between the others has its pieces in a body of its own.
#[test]
fn what_stands_over_two_pieces_of_a_body_is_stars_in_both() {
    let finder = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let found = text.match_indices("13812341234");
        found.map(|(at, found)| at..at + found.len()).collect()
    };
    let read = |writer: &mut Writer, context: u32, piece: &[u8]| {
        writer.entry(6, &[0, context, 1, 0]);
        writer.call("proxy_get_buffer_bytes", &[0, 0, 99], [].into_iter());
        writer.value(piece);
        writer.answer(0);
        writer.returned(0);
    };
    let written = |writer: &mut Writer, piece: &[u8]| {
        let input = Input::of(Given::Bytes, piece);
        writer.call("proxy_set_buffer_bytes", &[1, 0, 99], [input].into_iter());
    };
    let recording = of(|writer| {
        read(writer, 2, b"tel 1381");
        read(writer, 3, b"order 1381");
        read(writer, 2, b"2341");
        read(writer, 3, b"ok");
        read(writer, 2, b"234, please");
        // What it read stands in what it says, and over a seam of what it writes.
        writer.call(
            "proxy_log",
            &[2],
            [Input::of(Given::Bytes, b"it begins with 1381")].into_iter(),
        );
        written(writer, b"to 138123");
        written(writer, b"41234.");
        // Not behind each other: so much is not kept of the first.
        written(writer, &[&[b'x'; INPUT_KEPT_MAX - 3][..], b"138 and more"].concat());
        written(writer, b"12341234");
    });
    let masked = recording.masked(&Sensitive::default(), &finder).unwrap();
    let text = |bytes: &[u8]| -> Vec<String> {
        let pieces = steps(bytes).into_iter().filter_map(|step| match step {
            Step::Value(value) => Some(value.to_vec()),
            Step::Call { inputs, .. } => Some(inputs.first()?.kept.to_vec()),
            _ => None,
        });
        pieces.map(|piece| String::from_utf8(piece).unwrap()).collect()
    };
    let shown = text(&masked.steps);
    assert_eq!(
        shown[..8],
        [
            "tel ****",
            "order ****",
            "****",
            "ok",
            "***, please",
            "it begins with ****",
            "to ******",
            "*****."
        ]
    );
    assert!(shown[8].ends_with("x138"), "{}", shown[8]);
    // Each piece is found by itself where nothing stands over it.
    let apart = of(|writer| {
        read(writer, 2, b"a 13812341234");
        read(writer, 2, b"b");
    });
    let masked = apart.masked(&Sensitive::default(), &finder).unwrap();
    assert_eq!(text(&masked.steps), ["a ***********", "b"]);
    assert_eq!(masked.head.masked, 1);
}

#[test]
fn what_was_left_out_is_compared_by_its_length() {
    let long = [1; 600];
    let mut other = long;
    other[599] = 2;
    let recorded = Input::of(Given::Bytes, &long);
    assert!(recorded.matches(&Input::of(Given::Bytes, &long)));
    assert!(!recorded.matches(&Input::of(Given::Bytes, &other)));
    assert!(!recorded.matches(&Input::of(Given::Bytes, &long[..599])));
    let secret = Input::of(Given::Secret, b"one");
    assert!(secret.matches(&Input::of(Given::Secret, b"two")) && !secret.matches(&Input::of(Given::Secret, b"four")));
}
