//! Log lines and their level.

use plug_abi::{Abi, LogLevel};
use serde_json::json;

use crate::session::{SINCE_0_2_1, answers, play, play_module, said, spec};

mod proxy_log {
    use super::*;

    #[test]
    fn a_line_has_its_level_its_context_and_its_text() {
        for abi in Abi::ALL {
            let levels = ["trace", "debug", "info", "warn", "error", "critical"];
            let steps: Vec<_> = levels
                .iter()
                .map(|level| json!({"op": "log", "level": level, "text": level}))
                .collect();
            play(abi, &json!({ "request_headers": steps }), async |session| {
                session.start().await;
                session.exchange().await;
                let lines = session.world.lines.take();
                let expected: Vec<_> = LogLevel::ALL
                    .iter()
                    .zip(levels)
                    .map(|(level, text)| (*level, 2, text.to_owned()))
                    .collect();
                assert_eq!(lines, expected);
            });
        }
    }

    #[test]
    fn an_unknown_level_is_a_bad_argument() {
        for abi in Abi::ALL {
            let steps = json!([{"op": "log", "level": 6, "text": "six"}, {"op": "log", "level": -1, "text": "minus"}]);
            assert_eq!(answers(abi, steps), ["log -> 2", "log -> 2"]);
        }
    }

    #[test]
    fn lines_below_the_plugins_level_are_not_written() {
        for abi in Abi::ALL {
            let script = json!({"request_headers": [
                {"op": "log", "level": "info", "text": "unheard"}, {"op": "log", "level": "warn", "text": "heard"}]});
            let mut spec = spec(&script);
            spec.log_level = LogLevel::Warn;
            play_module(crate::guests::probe(abi), spec, async |session| {
                session.start().await;
                session.exchange().await;
                assert_eq!(session.said(), ["heard"]);
            });
        }
    }

    #[test]
    fn text_that_is_no_utf_8_and_text_over_several_lines_are_one_record() {
        for abi in Abi::ALL {
            let script = json!({"request_headers": [
                {"op": "log", "text": "two\nlines"}, {"op": "log", "text": {"hex": "61ff62"}}, {"op": "log", "text": ""}]});
            assert_eq!(said(abi, &script), ["two\nlines", "a\u{fffd}b", ""]);
        }
    }
}

mod proxy_get_log_level {
    use super::*;

    #[test]
    fn it_is_the_level_from_which_lines_are_kept() {
        for abi in SINCE_0_2_1 {
            for level in LogLevel::ALL {
                let mut spec = spec(&json!({"request_headers": [
                    {"op": "get_log_level", "save": "level", "quiet": true}, {"op": "log", "level": "critical", "text": "${level}"}]}));
                spec.log_level = *level;
                play_module(crate::guests::probe(abi), spec, async |session| {
                    session.start().await;
                    session.exchange().await;
                    assert_eq!(session.said(), [level.raw().to_string()]);
                });
            }
        }
    }
}
