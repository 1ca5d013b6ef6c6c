//! JSON, lines of it, and events: what is looked at, and what stays.

use super::{draft, rules, told};
use crate::masker::Syntax;
use std::sync::Arc;

#[track_caller]
fn table(syntax: Syntax, rows: &[(&str, &str)]) {
    for (before, after) in rows {
        assert_eq!(told(&rules(), syntax, before), *after, "{before}");
    }
}

#[test]
fn values_of_json_are_masked_and_names_stay() {
    table(
        Syntax::Json,
        &[
            (
                r#"{"13812345678": "13812345678", "n": 13812345678, "f": 0.13812345678}"#,
                r#"{"13812345678": "138****5678", "n": "138****5678", "f": 0.13812345678}"#,
            ),
            (
                r#"["a@b.com",["13812345678"],true,null,-1.5e+3]"#,
                r#"["***@b.com",["138****5678"],true,null,-1.5e+3]"#,
            ),
            (
                r#"{"a":"\u0031\u00338\n12345678\"x"}"#,
                r#"{"a":"\u0031\u00338\n12345678\"x"}"#,
            ),
            (
                r#"{"a":"\u003138\u0031234567\u0038 \u4f60\ud83d\ude00"}"#,
                r#"{"a":"138****5678 \u4f60\ud83d\ude00"}"#,
            ),
            (r#"{"a":"alice\u0040example.com"}"#, r#"{"a":"a***@example.com"}"#),
            (
                r#"{"a":"\ud83d13812345678 \ud83d\n13812345678"}"#,
                r#"{"a":"\ud83d138****5678 \ud83d\n138****5678"}"#,
            ),
            (r#""13812345678""#, r#""138****5678""#),
            ("13812345678", r#""138****5678""#),
            (r#"{"a":8613812345678}"#, r#"{"a":"86138****5678"}"#),
        ],
    );
}

#[test]
fn secret_names_mask_whatever_is_within() {
    table(
        Syntax::Json,
        &[
            (r#"{"password":"x\"y","a":"z"}"#, r#"{"password":"[REDACTED]","a":"z"}"#),
            (
                r#"{"API-Key":5,"apiKey":"","a":1}"#,
                r#"{"API-Key":"[REDACTED]","apiKey":"","a":1}"#,
            ),
            (
                r#"{"secret":{"a":["x",1,true,null],"b":{"c":"d"}},"e":"f"}"#,
                r#"{"secret":{"a":["[REDACTED]","[REDACTED]",true,null],"b":{"c":"[REDACTED]"}},"e":"f"}"#,
            ),
            (r#"{"pass\u0077ord":"x"}"#, r#"{"pass\u0077ord":"[REDACTED]"}"#),
            (r#"{"password_hint":"x"}"#, r#"{"password_hint":"x"}"#),
        ],
    );
    let long = "x".repeat(100_000);
    table(
        Syntax::Json,
        &[(
            &format!(r#"{{"token":1,"secret":"{long}"}}"#),
            r#"{"token":1,"secret":"[REDACTED]"}"#,
        )],
    );
}

#[test]
fn paths_mask_and_skip() {
    let draft = draft().mask_path("user.*.name").unwrap();
    let draft = draft.skip_path("$.order.id").unwrap().skip_path("items.*.sku").unwrap();
    let rules = Arc::new(draft.finish().unwrap());
    let before = r#"{"user":[{"name":"Ada","age":5},{"name":"Bob"}],"order":{"id":"13812345678","x":"13812345678"},"items":[{"sku":13812345678,"y":13812345678}]}"#;
    let after = r#"{"user":[{"name":"[REDACTED]","age":5},{"name":"[REDACTED]"}],"order":{"id":"13812345678","x":"138****5678"},"items":[{"sku":13812345678,"y":"138****5678"}]}"#;
    assert_eq!(told(&rules, Syntax::Json, before), after);
}

#[test]
fn what_is_no_json_is_looked_at_as_text() {
    table(
        Syntax::Json,
        &[
            (
                "not json: 13812345678, alice@example.com",
                "not json: 138****5678, a***@example.com",
            ),
            (r#"{"a": tel 13812345678}"#, r#"{"a": tel 138****5678}"#),
            ("138-1234-5678", "138-****-5678"),
            ("tel13812345678", "tel138****5678"),
            (r#"{"a":"13812345678"#, r#"{"a":"138****5678"#),
            (r#"{"a":"\u00"#, r#"{"a":"\u00"#),
            (r#"}13812345678"#, r#"}138****5678"#),
        ],
    );
    let deep = "[".repeat(2_000);
    table(
        Syntax::Json,
        &[(&format!(r#"{deep}"13812345678""#), &format!(r#"{deep}"138****5678""#))],
    );
}

#[test]
fn each_line_of_json_is_read_anew() {
    table(
        Syntax::JsonLines,
        &[(
            "{\"password\":\"x\"}\n{\"a\":\"broken 13812345678\n{\"password\":\"x\"}\nno json sk 13812345678\n{\"password\":5}\n13812345678\n",
            "{\"password\":\"[REDACTED]\"}\n{\"a\":\"broken 138****5678\n{\"password\":\"[REDACTED]\"}\nno json sk 138****5678\n{\"password\":\"[REDACTED]\"}\n\"138****5678\"\n",
        )],
    );
}

#[test]
fn data_of_events_is_json_or_text_and_ids_stay() {
    table(
        Syntax::Events,
        &[
            (
                "id: 13812345678\nevent: message\ndata: {\"password\":\"x\",\"a\":\"13812345678\"}\n\ndata: call 13812345678\r\n\r\n: 13812345678\rdata:[DONE]\n\n",
                "id: 13812345678\nevent: message\ndata: {\"password\":\"[REDACTED]\",\"a\":\"138****5678\"}\n\ndata: call 138****5678\r\n\r\n: 138****5678\rdata:[DONE]\n\n",
            ),
            (
                "data: {\"a\": 13812345678,\r\ndata: \"password\": \"x\"}\r\n\r\ndata: 13812345678\n\n13812345678\n",
                "data: {\"a\": \"138****5678\",\r\ndata: \"password\": \"[REDACTED]\"}\r\n\r\ndata: 138****5678\n\n138****5678\n",
            ),
        ],
    );
}
