//! The clock and the timer.

use std::time::{Duration, SystemTime};

use plug_abi::Abi;
use serde_json::json;

use crate::session::{play, said};

mod proxy_get_current_time_nanoseconds {
    use super::*;

    #[test]
    fn it_is_wall_clock_time() {
        for abi in Abi::ALL {
            let before = SystemTime::now();
            let lines = said(
                abi,
                &json!({"request_headers": [{"op": "get_current_time_nanoseconds", "save": "now", "quiet": true}, {"op": "log", "text": "${now}"}]}),
            );
            let told = SystemTime::UNIX_EPOCH + Duration::from_nanos(lines[0].parse().unwrap());
            assert!(before <= told && told <= SystemTime::now());
        }
    }
}

mod proxy_set_tick_period_milliseconds {
    use super::*;

    #[test]
    fn it_arms_the_timer_of_the_root_context_also_from_a_stream() {
        for abi in Abi::ALL {
            let script = json!({
                "request_headers": [{"op": "set_tick_period_milliseconds", "period": 100}],
                "tick": [{"op": "log", "text": "tick ${self} ${seen}"}]});
            play(abi, &script, async |session| {
                session.start().await;
                session.exchange().await;
                assert_eq!(session.said(), ["request_headers: set_tick_period_milliseconds -> 0"]);
                tokio::time::sleep(Duration::from_millis(350)).await;
                assert_eq!(session.said(), ["tick 1 1", "tick 1 2", "tick 1 3"]);
            });
        }
    }

    #[test]
    fn zero_disarms_it_and_another_period_replaces_the_first() {
        for abi in Abi::ALL {
            let script = json!({
                "configure": [{"op": "set_tick_period_milliseconds", "period": 100, "quiet": true}],
                "tick": [{"op": "log", "text": "tick"},
                    {"op": "set_tick_period_milliseconds", "period": 1000, "when": "first", "quiet": true},
                    {"op": "set_tick_period_milliseconds", "period": 0, "when": "not_first", "quiet": true}]});
            play(abi, &script, async |session| {
                session.start().await;
                tokio::time::sleep(Duration::from_millis(1_050)).await;
                assert_eq!(session.said(), ["tick"]);
                tokio::time::sleep(Duration::from_secs(60)).await;
                assert_eq!(session.said(), ["tick"]);
            });
        }
    }
}
