//! Texts that a hostile plugin may give: none panics, takes long, or needs much stack.

use super::*;

/// Stack of a thread in which the deepest expressions must fit; a guest's host calls have 512 KiB.
const STACK_BYTES: usize = 256 * 1024;
/// What one evaluation may take in a build without optimisation on a busy machine.
const SECONDS_MAX: u64 = 2;

fn run(text: &str) -> Result<Bytes, Status> {
    let begun = Instant::now();
    let text = text.to_owned();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let shown: String = text.chars().take(60).collect();
    let result = thread.spawn(move || evaluate(&text)).unwrap().join().unwrap();
    assert!(
        begun.elapsed().as_secs() < SECONDS_MAX,
        "{shown}: {:?}",
        begun.elapsed()
    );
    result
}

fn repeated(open: &str, middle: &str, close: &str, times: usize) -> String {
    [open.repeat(times).as_str(), middle, close.repeat(times).as_str()].concat()
}

/// One way to go deeper, as what is put before, in the middle and behind.
const WAYS: &[(&str, &str, &str)] = &[
    ("(", "1", ")"),
    ("[", "1", "]"),
    ("{1: ", "1", "}"),
    ("!", "true", ""),
    ("-", "request.size", ""),
    ("!-", "true", ""),
    ("", "1", " + 1"),
    ("", "1", " - 1"),
    ("1 + (", "1", ")"),
    ("", "request", ".path"),
    ("", "request", "['path']"),
    ("", "[1]", "[0]"),
    ("", "'a'", ".size()"),
    ("size(", "1", ")"),
    ("true ? 1 : ", "1", ""),
    ("true ? ", "1", " : 1"),
    ("", "true", " && true"),
    ("(true || ", "true", ")"),
    ("", "1", " == 1"),
    ("", "[1]", ".map(x, x)"),
    ("[1].map(x, ", "1", ")"),
    ("[1].all(x, ", "true", ")"),
    ("[1].filter(x, ", "true", ").size() == 1"),
    ("has(", "request.path", ")"),
    ("type(", "1", ")"),
    ("1 in [", "1", "]"),
];

#[test]
fn nesting_up_to_the_limit_fits_into_little_stack_and_more_is_refused() {
    for (open, middle, close) in WAYS {
        let mut deepest = 0;
        for times in 1..40 {
            if run(&repeated(open, middle, close, times)) != Err(Status::BadArgument) {
                deepest = times;
            }
        }
        assert!(deepest < 39 || *close == " && true", "{open}{middle}{close}: {deepest}");
        for times in [100, 1_000, 4_000] {
            let _ = run(&repeated(open, middle, close, times));
        }
    }
}

#[test]
fn what_costs_too_much_is_stopped() {
    let ten = "[1,2,3,4,5,6,7,8,9,0]";
    let nested = |inner: &str| {
        let open: String = ["a", "b", "c", "d", "e"]
            .map(|name| format!("{ten}.map({name}, "))
            .concat();
        format!("{open}{inner}{}", ")".repeat(5))
    };
    for text in [
        nested("1"),
        nested(&format!("{ten}.map(f, 1)")),
        nested("'x'.matches('x')"),
        nested(&format!("'{}'", "x".repeat(1_000))),
        format!("{} || true", nested("1").replace("map", "all").replace("1))", "true))")),
        format!("{ten}.map(x, 'x'.matches('(a|b|c)*\\\\w{{9}}')).size() + {}", "1"),
    ] {
        let _ = run(&text);
    }
    assert_eq!(run(&nested("1")), Err(Status::InternalFailure));
    assert_eq!(run(&nested("'x'.matches('x')")), Err(Status::InternalFailure));
    // Whoever has spent everything has no result, even where an error would not matter.
    assert_eq!(
        run(&format!("{} == [] || true", nested("1"))),
        Err(Status::InternalFailure)
    );
}

#[test]
fn values_that_double_are_stopped() {
    let twice = |text: &str| format!("[{text}].map(x, x + x)[0]");
    let mut text = format!("'{}'", "x".repeat(1_000));
    for _ in 0..5 {
        text = twice(&text);
    }
    let _ = run(&text);
    let wide = format!("[{}]", vec!["x"; 500].join(","));
    let deep = format!("['{}'].map(x, {wide}).map(x, {wide}).map(x, {wide})", "y".repeat(500));
    assert_eq!(run(&deep), Err(Status::InternalFailure));
}

#[test]
fn patterns_are_cheap_to_refuse() {
    for pattern in [
        r"\\w{50}{50}",
        r"(((((((((((((((((((((((((a)))))))))))))))))))))))))",
        r"\\pL{30}",
        r"(a|b|c|d|e|f){200}",
        r"(?i)[\\w--\\d]{20}",
        r"(.*)(.*)(.*)(.*)(.*)(.*)(.*)[b-z]x",
    ] {
        for text in [
            format!("'aaaaaaaa'.matches('{pattern}')"),
            format!(
                "{}.all(x, 'aaaaaaaa'.matches('{pattern}') || true)",
                "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31]"
            ),
        ] {
            let _ = run(&text);
        }
    }
}

/// Pieces of the language, put together at random, get further than bytes do.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "request",
        ".path",
        ".headers",
        "['x-a']",
        "[0]",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        " in ",
        "1",
        "-1",
        "9223372036854775807",
        "0u",
        "1.5",
        "1e308",
        "'a'",
        "b'\\xff'",
        "'\\u00e9\u{e9}'",
        "true",
        "null",
        "x",
        ".map(x, ",
        ".all(x, ",
        ".exists_one(x, ",
        ".filter(x, ",
        "has(request.a)",
        "size(",
        ".size()",
        ".matches('a+')",
        "duration('-1h')",
        "timestamp(0)",
        "timestamp('0001-01-01T00:00:00Z')",
        ".getDayOfYear('-23:59')",
        ".getHours('Asia/Tokyo')",
        "int(",
        "string(",
        "double('NaN')",
        "bytes(",
        "type(",
        "mine",
        "@result",
        "//",
        "\"\"\"",
        "r'",
        " ",
    ];
    prop::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn bytes_at_random_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let _ = run(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn printable_text_at_random_does_no_harm(text in "[ -~]{0,200}") {
        let _ = run(&text);
    }

    #[test]
    fn pieces_of_the_language_do_no_harm(pieces in prop::collection::vec(piece(), 0..24)) {
        let _ = run(&pieces.concat());
    }
}
