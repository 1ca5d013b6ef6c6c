//! What a head says of its body.

use log_mask::masker::Syntax;

use crate::configuration::Configuration;
use crate::message::{Head, Verdict};

fn configuration(text: &str) -> Configuration {
    Configuration::read(text.as_bytes()).unwrap()
}

const fn typed(content_type: &str) -> Head<'_> {
    Head {
        content_type: Some(content_type),
        content_encoding: None,
    }
}

#[test]
fn a_type_says_how_a_body_is_looked_at() {
    let plain = configuration(
        r#"{"content_types":[{"type":"text/csv","as":"pass"},{"type":"application/x-log*","as":"json_lines"}]}"#,
    );
    let table = [
        (typed("application/json"), Verdict::Mask(Syntax::Json)),
        (
            typed("Application/Problem+JSON; charset=utf-8"),
            Verdict::Mask(Syntax::Json),
        ),
        (typed("application/x-ndjson"), Verdict::Mask(Syntax::JsonLines)),
        (typed("application/x-logs"), Verdict::Mask(Syntax::JsonLines)),
        (typed("text/event-stream;charset=UTF-8"), Verdict::Mask(Syntax::Events)),
        (typed("text/html"), Verdict::Mask(Syntax::Text)),
        (typed("image/svg+xml"), Verdict::Mask(Syntax::Text)),
        (typed("text/csv"), Verdict::Pass),
        (typed("image/png"), Verdict::Pass),
        (typed("application/grpc+proto"), Verdict::Pass),
        (typed("application/octet-stream"), Verdict::Pass),
        (Head::default(), Verdict::Mask(Syntax::Text)),
    ];
    for (head, expected) in table {
        assert_eq!(plain.of_request(head), expected, "{head:?}");
        assert_eq!(plain.of_response(head), expected, "{head:?}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_or_passes_as_configured() {
    let encoded = |coding| Head {
        content_type: Some("text/plain"),
        content_encoding: Some(coding),
    };
    let plain = configuration("{}");
    for head in [
        encoded("gzip"),
        encoded("identity, br"),
        typed("text/plain; charset=\"UTF-16LE\""),
    ] {
        assert!(matches!(plain.of_request(head), Verdict::Refuse(415, _)), "{head:?}");
        assert!(matches!(plain.of_response(head), Verdict::Refuse(502, _)), "{head:?}");
    }
    assert_eq!(plain.of_request(encoded("identity")), Verdict::Mask(Syntax::Text));
    let open = configuration(r#"{"encoded_request":"pass","encoded_response":"pass"}"#);
    assert_eq!(open.of_request(encoded("gzip")), Verdict::Pass);
    assert_eq!(open.of_response(encoded("gzip")), Verdict::Pass);
    let image = Head {
        content_type: Some("image/png"),
        content_encoding: Some("gzip"),
    };
    assert_eq!(plain.of_response(image), Verdict::Pass);
}

#[test]
fn requests_do_not_ask_for_what_could_not_be_masked() {
    let table = [
        ("{}", &["accept-encoding", "range", "if-range"][..]),
        (r#"{"encoded_response":"refuse"}"#, &["range", "if-range"]),
        (r#"{"response":false}"#, &[]),
    ];
    for (text, expected) in table {
        assert_eq!(configuration(text).unwanted(), expected, "{text}");
    }
}
