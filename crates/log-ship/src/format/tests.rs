//! Lines in every form: what an operator reads, and that no record, whatever it holds, becomes two lines or another one.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

fn written(format: &Format, line: &str) -> String {
    let mut out = Vec::new();
    format.write(line.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

fn template(text: &str) -> Format {
    Format::Template(Template::parse(text).unwrap())
}

const LINE: &str = r#"{"timestamp":"2026-11-23T12:34:56Z","level":"info","http.response.status_code":503,"duration_ms":1.5,"user agent":"a \"b\" c\n\u0007","empty":"","none":null,"ok":true,"path":"C:\\x","upstream":{"name":"api","tries":[{"at":"x"},2],"more":{}},"e":"é"}"#;

#[test]
fn json_goes_out_as_it_is_whatever_it_is() {
    for line in [LINE, "no json", "{\"a\":  1.0}"] {
        assert_eq!(written(&Format::Json, line), line);
    }
}

#[test]
fn logfmt_is_names_with_values_quoted_where_need_be() {
    let expected = concat!(
        "timestamp=2026-11-23T12:34:56Z level=info http.response.status_code=503 duration_ms=1.5 ",
        r#"user_agent="a \"b\" c\n\u0007" empty="" none=null ok=true path=C:\x upstream.name=api "#,
        r#"upstream.tries="[{\"at\":\"x\"},2]" upstream.more={} e=é"#
    );
    assert_eq!(written(&Format::Logfmt, LINE), expected);
    assert_eq!(written(&Format::Logfmt, "{}"), "");
    assert_eq!(written(&Format::Logfmt, r#"{"":{"=":"\u2028"}}"#), r#"_._="\u2028""#);
}

#[test]
fn a_template_has_places_with_something_for_what_is_absent() {
    let common = template("{timestamp} [{level}] \"{user agent}\" {http.response.status_code} {bytes} {none}");
    assert_eq!(
        written(&common, LINE),
        r#"2026-11-23T12:34:56Z [info] "a \"b\" c\n\u0007" 503 - -"#
    );
    let more = template("{{{upstream.name}}}\t{upstream.tries.at|none}|{absent|}|{upstream.more}|{empty}|{path}");
    assert_eq!(written(&more, LINE), "{api}\tnone||{}||C:\\\\x");
    let dotted = template("{a.b.c} {a.b.d} {a.x}");
    let line = r#"{"a.b":{"c":1},"a":{"b.d":2,"b":{"d":3}},"a.x":4}"#;
    assert_eq!(written(&dotted, line), "1 2 4");
}

#[test]
fn what_is_no_template_is_refused_with_its_place() {
    let fault = |text: &str| Template::parse(text).unwrap_err();
    let cases = [
        ("é{level", TemplateFault::Open { at: 2 }),
        ("a}b", TemplateFault::Closed { at: 2 }),
        ("{a}}", TemplateFault::Closed { at: 4 }),
        ("{a{b}}", TemplateFault::Within { at: 3 }),
        ("ab{}", TemplateFault::Nameless { at: 3 }),
        ("{|x}", TemplateFault::Nameless { at: 1 }),
        ("a\nb", TemplateFault::Control { at: 2 }),
        ("{a|\u{2028}}", TemplateFault::Control { at: 4 }),
        ("", TemplateFault::Empty),
    ];
    for (text, expected) in cases {
        assert_eq!(fault(text), expected, "{text:?}");
    }
    assert_eq!(fault(&"x".repeat(16_385)), TemplateFault::Long);
    assert_eq!(fault(&"{a}".repeat(101)), TemplateFault::Places { at: 301 });
    assert_eq!(
        fault("a{b").to_string(),
        "character 2: `{` is never closed; hint: a brace as such is `{{`"
    );
}

#[test]
fn what_is_no_object_stands_in_quotes() {
    for format in [Format::Logfmt, template("{a}")] {
        let mut out = Vec::new();
        assert!(!format.write(b"half \"a\nline\xff", &mut out));
        assert_eq!(String::from_utf8(out).unwrap(), "\"half \\\"a\\nline\u{fffd}\"");
        assert_eq!(written(&format, "[1]"), "\"[1]\"");
    }
}

#[test]
fn a_long_name_is_not_written_before_each_of_many_members() {
    let members: Map<String, Value> = (0..10_000).map(|number| (number.to_string(), json!(0))).collect();
    let deep = (0..100).fold(Value::Object(members), |inner, _| json!({ "n".repeat(1000): inner }));
    let line = deep.to_string();
    let out = written(&Format::Logfmt, &line);
    assert!(out.len() < line.len() * 30, "{} of {}", out.len(), line.len());
    assert!(pairs(&out).is_ok());
}

/// What a reader of logfmt finds: names with values, those in quotes read as JSON.
fn pairs(line: &str) -> Result<Vec<(String, String)>, String> {
    let (mut found, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=').ok_or("a name without a value")?;
        if name.is_empty() || name.contains(|one| one <= ' ' || one == '"') {
            return Err(format!("no name: {name:?}"));
        }
        let value = if behind.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(behind).into_iter::<String>();
            let value = values.next().ok_or("no value")?.map_err(|why| why.to_string())?;
            rest = &behind[values.byte_offset()..];
            value
        } else {
            let end = behind.find(' ').unwrap_or(behind.len());
            rest = &behind[end..];
            let value = &behind[..end];
            if value.is_empty() || value.contains(|one: char| one < ' ' || one == '=' || one == '"') {
                return Err(format!("no bare value: {value:?}"));
            }
            value.to_owned()
        };
        found.push((name.to_owned(), value));
        rest = match rest.strip_prefix(' ') {
            Some(more) => more,
            None if rest.is_empty() => rest,
            None => return Err(format!("what is this: {rest:?}")),
        };
    }
    Ok(found)
}

/// The pairs that a reader shall find, made in another way than they are written.
fn expected(members: &Map<String, Value>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in members {
        let ill = |one: char| {
            one <= ' ' || ('\u{7f}'..='\u{9f}').contains(&one) || "=\"\u{fffd}\u{2028}\u{2029}".contains(one)
        };
        let name = if name.is_empty() { "_" } else { name };
        let name: String = name.chars().map(|one| if ill(one) { '_' } else { one }).collect();
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                let inner = expected(inner).into_iter();
                found.extend(inner.map(|(below, value)| (format!("{name}.{below}"), value)));
            }
            Value::String(text) => found.push((name, text.clone())),
            other => found.push((name, other.to_string())),
        }
    }
    found
}

/// Texts that are likely to break something.
fn ill() -> impl Strategy<Value = String> {
    "[a-z=\" \\\\\\n\\r\\t\\x00-\\x1f\\x7f-\\x9f\u{2028}\u{2029}\u{fffd}é{}|.:,\\[\\]-]{0,12}"
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![ill(), any::<String>()]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // More digits than these serde_json may read as the number beside.
        any::<i32>().prop_map(|thousandths| Value::from(f64::from(thousandths) / 1000.0)),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z=\" \\n.]{0,4}", inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn objects() -> impl Strategy<Value = Map<String, Value>> {
    vec((ill(), values()), 0..6).prop_map(|pairs| pairs.into_iter().collect())
}

fn is_one_line(text: &str) -> bool {
    !text.contains(breaks)
}

proptest! {
    #[test]
    fn whatever_an_object_holds_logfmt_is_one_line_that_reads_as_the_same(members in objects()) {
        let line = Value::Object(members.clone()).to_string();
        let out = written(&Format::Logfmt, &line);
        prop_assert!(is_one_line(&out), "{out:?}");
        prop_assert_eq!(pairs(&out), Ok(expected(&members)), "{}", out);
    }

    #[test]
    fn whatever_an_object_holds_a_template_is_one_line_whose_quotes_hold(members in objects(), name in texts()) {
        let mut members = members;
        let mut shown = vec![String::from("absent")];
        for name in [name, String::from("a")] {
            members.insert(name.clone(), Value::from(name.clone() + "\n\" \" \\"));
            let is_name = !name.is_empty() && !name.contains(|one| breaks(one) || "{}|".contains(one));
            shown.extend(is_name.then_some(name));
        }
        let text: String = shown.iter().map(|name| format!("\"{{{name}}}\" ")).collect();
        let line = Value::Object(members.clone()).to_string();
        let out = written(&template(&text), &line);
        prop_assert!(is_one_line(&out), "{out:?}");
        let read: Vec<String> = serde_json::Deserializer::from_str(&out).into_iter().map(Result::unwrap).collect();
        let text_of = |name: &String| match members.get(name) {
            None => String::from("-"),
            Some(value) => value.as_str().unwrap_or_default().to_owned(),
        };
        prop_assert_eq!(read, shown.iter().map(text_of).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_one_line(bytes in vec(any::<u8>(), 0..200)) {
        for format in [Format::Logfmt, template("{a}")] {
            let mut out = Vec::new();
            format.write(&bytes, &mut out);
            prop_assert!(is_one_line(std::str::from_utf8(&out).unwrap()));
        }
    }
}

/// A record that is none among those that are.
fn given() -> Vec<std::sync::Arc<crate::Record>> {
    let mut given = crate::scene::records(1..=3);
    let mut broken = (*given[1]).clone();
    broken.line = b"half a line\n".as_slice().into();
    given[1] = broken.into();
    given
}

fn logfmt(name: &str) -> crate::Frame {
    crate::Frame {
        format: Format::Logfmt,
        ..crate::scene::frame(name)
    }
}

const LINES: [&str; 3] = [
    r#"n=1 text="é \" \\ \u0007""#,
    r#""half a line\n""#,
    r#"n=3 text="é \" \\ \u0007""#,
];

fn end(mut sink: crate::Sink) {
    assert!(sink.ended(std::time::Instant::now() + std::time::Duration::from_secs(20)));
    crate::scene::assert_exact(&sink.tally());
    assert_eq!((sink.tally().delivered, sink.tally().misread), (3, 1));
}

#[test]
fn files_have_the_form_and_are_rotated_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::FileSettings {
        lanes: vec![crate::Lane {
            takes: crate::Selection::default(),
            path: folder.path().join("log"),
            keep: crate::Keep::default(),
        }],
        rotate_bytes: 1,
        rotate_every: std::time::Duration::from_secs(3600),
        compress: false,
        sync: crate::Sync::Never,
        clock: std::sync::Arc::new(crate::SystemClock::default()),
    };
    let sink = crate::start_files(logfmt("files"), settings).unwrap();
    for (record, number) in given().into_iter().zip(1..) {
        sink.give(&[record]);
        crate::scene::until("written", || sink.acknowledged() == number);
    }
    end(sink);
    let mut files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let texts: Vec<String> = files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut lines: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
    assert!(files.len() > 2 && lines.len() == 3, "{files:?}");
    lines.sort_unstable();
    assert_eq!(lines, [LINES[1], LINES[0], LINES[2]]);
}

#[test]
fn over_http_and_syslog_lines_have_the_form() {
    use crate::scene::server::{Reply, Server};
    let server = Server::start(|_, _| Reply::Status(204, Vec::new(), Vec::new()));
    let sink = crate::start_json(logfmt("http"), server.target("/"), crate::Shape::Lines).unwrap();
    sink.give(&given());
    crate::scene::until("taken", || sink.acknowledged() == 3);
    end(sink);
    let asked = server.asked.lock()[0].clone();
    assert_eq!(String::from_utf8(asked.body).unwrap(), LINES.join("\n") + "\n");
    assert_eq!(asked.headers["content-type"], "text/plain; charset=utf-8");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .unwrap();
    let settings = crate::SyslogSettings {
        transport: crate::Transport::Udp(socket.local_addr().unwrap().to_string()),
        facility: 16,
        host: String::from("gate"),
        application: String::from("cofferdam"),
        datagram_bytes_max: 2048,
        wait_max: std::time::Duration::from_secs(2),
    };
    let sink = crate::start_syslog(logfmt("syslog"), settings).unwrap();
    sink.give(&given());
    for line in LINES {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(text.ends_with(&format!(" access - {line}")), "{text}");
    }
    end(sink);
}
