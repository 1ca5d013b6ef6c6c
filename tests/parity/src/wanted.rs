//! Differences that we want: each with its reason. A row that no longer differs fails the test.

use crate::compare::{Difference, WHOLE};

/// A difference that we want. Texts with `*` at their end stand for all that begin so.
pub(crate) struct Row {
    /// Name of the case.
    pub(crate) case: &'static str,
    /// What differs; [`WHOLE`] for a case whose course is another one: then what came of it is compared, and no more.
    pub(crate) field: &'static str,
    /// What Envoy does.
    pub(crate) envoy: &'static str,
    /// What Cofferdam does.
    pub(crate) ours: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
}

impl Row {
    /// Whether this row is about that difference.
    pub(crate) fn fits(&self, difference: &Difference) -> bool {
        fits(self.case, &difference.case)
            && self.field == difference.field
            && fits(self.envoy, &difference.envoy)
            && fits(self.ours, &difference.ours)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => pattern == text,
    }
}

/// The row for a case that takes another course, when there is one for these outcomes.
pub(crate) fn whole(case: &str, envoy: &str, ours: &str) -> Option<Difference> {
    let difference = Difference {
        case: case.to_owned(),
        field: WHOLE.to_owned(),
        envoy: envoy.to_owned(),
        ours: ours.to_owned(),
    };
    TABLE.iter().any(|row| row.fits(&difference)).then_some(difference)
}

const KEPT: &str = "the pseudo-headers of a request stay: taking one out, or a text that cannot be sent, is left out; Envoy answers for the plugin's mistake";
const STATUS: &str = "a response always has a status that can be sent: a plugin's change to another one is left out; Envoy gives up the upstream's answer";
const SAFE: &str = "what may not stand in a message never enters a header map: it is left out with a warning; Envoy refuses the request, or sends the forged line";
const MAP: &str =
    "a map that cannot be read changes nothing and says so; Envoy takes it for an empty one and wipes the message";
const SDK: &str = "`BAD_ARGUMENT` here kills plugins of the official Rust SDK, `NOT_FOUND` is what they survive";
const MORE: &str = "maps stay readable after their phase: more than Envoy gives, and never less";
const SPLICE: &str =
    "the specification lets a plugin replace and insert anywhere in a buffer; Envoy refuses all but both ends";
const LENGTH: &str = "a body that does not fit its `content-length` breaks off; Envoy cuts it, waits for ever, or sends the rest as the next request of that connection";
const TWICE: &str =
    "Envoy goes through its filters a second time, asks the upstream twice or sends the head twice; we go on once";
const CRASH: &str = "Envoy dies of it";
const NEW: &str = "a plugin that died is there again at once: a new instance is configured; Envoy's stays dead";
const OPEN: &str = "`on_fault: open` holds for the exchange in which the plugin dies, not only for later ones";
const TEXT: &str = "our own answers say what a client may know, in our words";
const HIGRESS: &str =
    "Higress's plugins read `route_name` and `cluster_name`, which Envoy 1.40 no longer has at top level";

/// All of them.
pub(crate) static TABLE: &[Row] = &[
    // Header maps: what a plugin may not do to a message.
    Row {
        case: "request-headers-set",
        field: WHOLE,
        envoy: "404 \"\"",
        ours: "200 \"hello from api\", api 1",
        reason: KEPT,
    },
    Row {
        case: "pseudo-path-empty",
        field: WHOLE,
        envoy: "404 \"\"",
        ours: "200 \"hello from api\", api 1",
        reason: KEPT,
    },
    Row {
        case: "pseudo-path-removed",
        field: WHOLE,
        envoy: "404 \"\"",
        ours: "200 \"hello from api\", api 1",
        reason: KEPT,
    },
    Row {
        case: "pseudo-method-removed",
        field: WHOLE,
        envoy: "503 \"missing required header: :method\"",
        ours: "200 \"hello from api\", api 1",
        reason: KEPT,
    },
    Row {
        case: "pseudo-missing-in-set",
        field: WHOLE,
        envoy: "404 \"\"",
        ours: "200 \"hello from api\", api 1",
        reason: KEPT,
    },
    Row {
        case: "header-map-size",
        field: WHOLE,
        envoy: "404 \"\"",
        ours: "200 \"hello from api\", api 1",
        reason: KEPT,
    },
    Row {
        case: "map-empty",
        field: WHOLE,
        envoy: "404 \"\"",
        ours: "200 \"hello from api\", api 1",
        reason: KEPT,
    },
    Row {
        case: "pseudo-status-no-number",
        field: WHOLE,
        envoy: "502 \"missing required header: :status\", api 1",
        ours: "200 \"hello from api\", api 1",
        reason: STATUS,
    },
    Row {
        case: "pseudo-status-removed",
        field: WHOLE,
        envoy: "502 \"missing required header: :status\", api 1",
        ours: "200 \"hello from api\", api 1",
        reason: STATUS,
    },
    Row {
        case: "pseudo-status-missing-in-set",
        field: WHOLE,
        envoy: "502 \"missing required header: :status\", api 1",
        ours: "200 \"hello from api\", api 1",
        reason: STATUS,
    },
    Row {
        case: "pseudo-scheme-removed",
        field: "log",
        envoy: "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/\"],[\"x-*",
        ours: "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/\"],[\":scheme\",\"http\"],*",
        reason: KEPT,
    },
    Row {
        case: "pseudo-authority-removed",
        field: "api 0 header host",
        envoy: "absent",
        ours: "[\"127.0.0.1:{api}\"]",
        reason: "HTTP/1.1 wants a `Host` (RFC 9112 section 3.2); Envoy sends none",
    },
    Row {
        case: "pseudo-added-twice",
        field: "log",
        envoy: "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/,/two\"],*",
        ours: "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/two\"],*",
        reason: "a second `:path` takes the place of the first; Envoy joins them with a comma",
    },
    Row {
        case: "pseudo-added-twice",
        field: "api 0 target",
        envoy: "/,/two",
        ours: "/two",
        reason: "a second `:path` takes the place of the first; Envoy joins them with a comma",
    },
    Row {
        case: "pseudo-unknown",
        field: "log",
        envoy: "absent",
        ours: "a warn header `:unknown` left out: name or value is not allowed in a message",
        reason: SAFE,
    },
    Row {
        case: "pseudo-unknown",
        field: "log",
        envoy: "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/\"],[\":scheme\",\"http\"],[\":unknown\",\"1\"],*",
        ours: "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/\"],[\":scheme\",\"http\"],[\"x-*",
        reason: SAFE,
    },
    Row {
        case: "header-injection",
        field: WHOLE,
        envoy: "503 \"invalid header value for: x-line\"",
        ours: "200 \"hello from api\", api 1",
        reason: SAFE,
    },
    Row {
        case: "header-name-bad",
        field: WHOLE,
        envoy: "503 \"invalid header name: bad name\"",
        ours: "200 \"hello from api\", api 1",
        reason: SAFE,
    },
    Row {
        case: "header-injection-response",
        field: "log",
        envoy: "absent",
        ours: "a warn header `x-line` left out: name or value is not allowed in a message",
        reason: SAFE,
    },
    Row {
        case: "header-injection-response",
        field: "answer 0 header x-evil",
        envoy: "[\"1\"]",
        ours: "absent",
        reason: SAFE,
    },
    Row {
        case: "header-injection-response",
        field: "answer 0 header x-line",
        envoy: "[\"a\"]",
        ours: "absent",
        reason: SAFE,
    },
    Row {
        case: "reply-injection",
        field: "log",
        envoy: "absent",
        ours: "a warn header `x-line` of a local response left out: not allowed in a message",
        reason: SAFE,
    },
    Row {
        case: "reply-injection",
        field: "answer 0 header x-evil",
        envoy: "[\"1\"]",
        ours: "absent",
        reason: SAFE,
    },
    Row {
        case: "reply-injection",
        field: "answer 0 header x-line",
        envoy: "[\"a\"]",
        ours: "absent",
        reason: SAFE,
    },
    Row {
        case: "header-injection-response",
        field: "log",
        envoy: "a info response_headers: get_response_header -> 0 value=\"a\\r\\nx-evil: 1\"",
        ours: "a info response_headers: get_response_header -> 1",
        reason: SAFE,
    },
    Row {
        case: "reply-injection",
        field: "log",
        envoy: "a info response_headers(count=2 end=1)",
        ours: "a info response_headers(count=1 end=1)",
        reason: SAFE,
    },
    Row {
        case: "reply-injection",
        field: "log",
        envoy: "a info response_headers: get_response_headers -> 0 pairs=[[\":status\",\"200\"],[\"x-line\",\"a\\r\\nx-evil: 1\"]]",
        ours: "a info response_headers: get_response_headers -> 0 pairs=[[\":status\",\"200\"]]",
        reason: SAFE,
    },
    Row {
        case: "callout-header-injection",
        field: "log",
        envoy: "a info request_headers: http_call -> 10",
        ours: "a info request_headers: http_call -> 2",
        reason: SAFE,
    },
    Row {
        case: "memory-places",
        field: WHOLE,
        envoy: "404 \"\"",
        ours: "200 \"hello from api\", api 1",
        reason: MAP,
    },
    Row {
        case: "map-malformed",
        field: WHOLE,
        envoy: "502 \"missing required header: :status\", api 1",
        ours: "200 \"hello from api\", api 1",
        reason: MAP,
    },
    // Maps and buffers out of their phase.
    Row {
        case: "*",
        field: "log",
        envoy: "a info request_headers: get_header_map_value -> 2",
        ours: "a info request_headers: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info request_body: get_header_map_value -> 2",
        ours: "a info request_body: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info response_headers: get_header_map_value -> 2",
        ours: "a info response_headers: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info response_body: get_header_map_value -> 2",
        ours: "a info response_body: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info context_create: get_header_map_value -> 2",
        ours: "a info context_create: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info http_call_response: get_header_map_value -> 2",
        ours: "a info http_call_response: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "start",
        envoy: "a info configure: get_header_map_value -> 2",
        ours: "a info configure: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info request_body: get_request_header -> 2",
        ours: "a info request_body: get_request_header -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info response_body: get_response_header -> 2",
        ours: "a info response_body: get_response_header -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info http_call_response: get_request_header -> 2",
        ours: "a info http_call_response: get_request_header -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info request_headers: get_response_header -> 2",
        ours: "a info request_headers: get_response_header -> 1",
        reason: SDK,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info request_body: get_header_map_size -> 2",
        ours: "a info request_body: get_header_map_size -> 0 size=*",
        reason: MORE,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info response_headers: get_header_map_size -> 2",
        ours: "a info response_headers: get_header_map_size -> 0 size=*",
        reason: MORE,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info response_body: get_header_map_size -> 2",
        ours: "a info response_body: get_header_map_size -> 0 size=*",
        reason: MORE,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info log: get_header_map_size -> 2",
        ours: "a info log: get_header_map_size -> 0 size=*",
        reason: MORE,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info done: get_header_map_size -> 2",
        ours: "a info done: get_header_map_size -> 0 size=*",
        reason: MORE,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info delete: get_header_map_size -> 2",
        ours: "a info delete: get_header_map_size -> 0 size=*",
        reason: MORE,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info context_create: get_header_map_size -> 2",
        ours: "a info context_create: get_header_map_size -> 0 size=*",
        reason: MORE,
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info http_call_response: get_header_map_size -> 2",
        ours: "a info http_call_response: get_header_map_size -> 0 size=*",
        reason: MORE,
    },
    Row {
        case: "callout-in-both-plugins",
        field: "log",
        envoy: "b info http_call_response: get_header_map_value -> 2",
        ours: "b info http_call_response: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "callout-in-both-plugins",
        field: "log",
        envoy: "b info http_call_response: get_header_map_size -> 2",
        ours: "b info http_call_response: get_header_map_size -> 0 size=*",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info done: get_request_headers -> 0 pairs=[]",
        ours: "a info done: get_request_headers -> 0 pairs=[[*",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info done: get_response_headers -> 0 pairs=[]",
        ours: "a info done: get_response_headers -> 0 pairs=[[*",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info done: get_header_map_value -> 2",
        ours: "a info done: get_header_map_value -> 0 value=\"m\"",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info done: get_header_map_value -> 2",
        ours: "a info done: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info delete: get_request_headers -> 0 pairs=[]",
        ours: "a info delete: get_request_headers -> 0 pairs=[[*",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info delete: get_response_headers -> 0 pairs=[]",
        ours: "a info delete: get_response_headers -> 0 pairs=[[*",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info delete: get_header_map_value -> 2",
        ours: "a info delete: get_header_map_value -> 0 value=\"m\"",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info delete: get_header_map_value -> 2",
        ours: "a info delete: get_header_map_value -> 1",
        reason: SDK,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info context_create: get_request_headers -> 0 pairs=[]",
        ours: "a info context_create: get_request_headers -> 0 pairs=[[*",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info context_create: get_response_headers -> 0 pairs=[]",
        ours: "a info context_create: get_response_headers -> 0 pairs=[[*",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info context_create: get_header_map_value -> 2",
        ours: "a info context_create: get_header_map_value -> 0 value=\"m\"",
        reason: MORE,
    },
    Row {
        case: "maps-in-*",
        field: "log",
        envoy: "a info context_create: get_header_map_value -> 2",
        ours: "a info context_create: get_header_map_value -> 1",
        reason: SDK,
    },
    // Bodies.
    Row {
        case: "request-body-replace-middle",
        field: "log",
        envoy: "a info request_body: set_buffer_bytes -> 2",
        ours: "a info request_body: set_buffer_bytes -> 0",
        reason: SPLICE,
    },
    Row {
        case: "request-body-replace-middle",
        field: "log",
        envoy: "a info request_body: get_request_body -> 0 value=\"0123456789\"",
        ours: "a info request_body: get_request_body -> 0 value=\"012abc6789\"",
        reason: SPLICE,
    },
    Row {
        case: "request-body-replace-middle",
        field: "api 0 body",
        envoy: "0123456789",
        ours: "012abc6789",
        reason: SPLICE,
    },
    Row {
        case: "request-body-insert-middle",
        field: "log",
        envoy: "a info request_body: set_buffer_bytes -> 2",
        ours: "a info request_body: set_buffer_bytes -> 0",
        reason: SPLICE,
    },
    Row {
        case: "request-body-insert-middle",
        field: "log",
        envoy: "a info request_body: get_request_body -> 0 value=\"0123456789\"",
        ours: "a info request_body: get_request_body -> 0 value=\"012abc3456789\"",
        reason: SPLICE,
    },
    Row {
        case: "request-body-insert-middle",
        field: "api 0 body",
        envoy: "0123456789",
        ours: "012abc3456789",
        reason: SPLICE,
    },
    Row {
        case: "response-body-replace-middle",
        field: "log",
        envoy: "a info response_body: set_buffer_bytes -> 2",
        ours: "a info response_body: set_buffer_bytes -> 0",
        reason: SPLICE,
    },
    Row {
        case: "response-body-replace-middle",
        field: "log",
        envoy: "a info response_body: get_response_body -> 0 value=\"0123456789\"",
        ours: "a info response_body: get_response_body -> 0 value=\"012abc6789\"",
        reason: SPLICE,
    },
    Row {
        case: "response-body-replace-middle",
        field: "answer 0 body",
        envoy: "0123456789",
        ours: "012abc6789",
        reason: SPLICE,
    },
    Row {
        case: "response-body-insert-middle",
        field: "log",
        envoy: "a info response_body: set_buffer_bytes -> 2",
        ours: "a info response_body: set_buffer_bytes -> 0",
        reason: SPLICE,
    },
    Row {
        case: "response-body-insert-middle",
        field: "log",
        envoy: "a info response_body: get_response_body -> 0 value=\"0123456789\"",
        ours: "a info response_body: get_response_body -> 0 value=\"012abc3456789\"",
        reason: SPLICE,
    },
    Row {
        case: "response-body-insert-middle",
        field: "answer 0 body",
        envoy: "0123456789",
        ours: "012abc3456789",
        reason: SPLICE,
    },
    Row {
        case: "response-body-longer-than-length",
        field: WHOLE,
        envoy: "200 \"much longer th\", api 1",
        ours: "broken off, api 1",
        reason: LENGTH,
    },
    Row {
        case: "response-body-shorter-than-length",
        field: WHOLE,
        envoy: "200 \"short\", api 1",
        ours: "broken off, api 1",
        reason: LENGTH,
    },
    // Going on, and dying.
    Row {
        case: "continue-not-paused",
        field: WHOLE,
        envoy: "200 \"hello from api\", api 2",
        ours: "200 \"hello from api\", api 1",
        reason: TWICE,
    },
    Row {
        case: "continue-response-at-once",
        field: WHOLE,
        envoy: "200 \"HTTP/1.1 200 O\", api 1",
        ours: "200 \"hello from api\", api 1",
        reason: TWICE,
    },
    Row {
        case: "010-only",
        field: WHOLE,
        envoy: "200 \"hello from api\", api 2",
        ours: "200 \"hello from api\", api 1",
        reason: TWICE,
    },
    Row {
        case: "continue-response-too-early",
        field: WHOLE,
        envoy: "broken off, dead",
        ours: "200 \"hello from api\", api 1",
        reason: CRASH,
    },
    Row {
        case: "reply-in-log",
        field: WHOLE,
        envoy: "broken off, api 1, dead",
        ours: "200 \"hello from api\", api 1",
        reason: CRASH,
    },
    Row {
        case: "dies-in-*",
        field: "log",
        envoy: "absent",
        ours: "a info configure(size=*",
        reason: NEW,
    },
    Row {
        case: "dies-and-*",
        field: "log",
        envoy: "absent",
        ours: "a info configure(size=*",
        reason: NEW,
    },
    Row {
        case: "dies-by-*",
        field: "log",
        envoy: "absent",
        ours: "a info configure(size=*",
        reason: NEW,
    },
    Row {
        case: "dies-beside-*",
        field: "log",
        envoy: "absent",
        ours: "b info configure(size=*",
        reason: NEW,
    },
    Row {
        case: "tcp-dies",
        field: "log",
        envoy: "absent",
        ours: "a info configure(size=*",
        reason: NEW,
    },
    Row {
        case: "dies-and-comes-back",
        field: "log",
        envoy: "absent",
        ours: "a info context_create()",
        reason: NEW,
    },
    Row {
        case: "dies-and-comes-back",
        field: "log",
        envoy: "absent",
        ours: "a info request_headers(count=7 end=1)",
        reason: NEW,
    },
    Row {
        case: "dies-open-in-request-headers",
        field: WHOLE,
        envoy: "503 \"\"",
        ours: "200 \"hello from api\", api 1",
        reason: OPEN,
    },
    Row {
        case: "dies-open-in-request-body",
        field: WHOLE,
        envoy: "503 \"\", api 1",
        ours: "200 \"hello from api\", api 1",
        reason: OPEN,
    },
    Row {
        case: "dies-open-in-response-headers",
        field: WHOLE,
        envoy: "503 \"\", api 1",
        ours: "200 \"hello from api\", api 1",
        reason: OPEN,
    },
    Row {
        case: "dies-open-in-response-body",
        field: WHOLE,
        envoy: "200 \"\", api 1",
        ours: "200 \"hello from api\", api 1",
        reason: OPEN,
    },
    Row {
        case: "dies-open-and-comes-back",
        field: WHOLE,
        envoy: "503 \"\", 200 \"hello from api\", api 1",
        ours: "200 \"hello from api\", 200 \"hello from api\", api 2",
        reason: OPEN,
    },
    // Routes and words.
    Row {
        case: "route-changed-back",
        field: "log",
        envoy: "a info request_headers: get_property -> 1",
        ours: "a info request_headers: get_property -> 0 value=\"*",
        reason: HIGRESS,
    },
    Row {
        case: "route-cleared-by-foreign-function",
        field: "log",
        envoy: "a info request_headers: get_property -> 1",
        ours: "a info request_headers: get_property -> 0 value=\"*",
        reason: HIGRESS,
    },
    Row {
        case: "property-of-fresh-route",
        field: "log",
        envoy: "a info request_headers: get_property -> 1",
        ours: "a info request_headers: get_property -> 0 value=\"*",
        reason: HIGRESS,
    },
    Row {
        case: "property-of-fresh-route",
        field: "log",
        envoy: "a info response_headers: get_property -> 1",
        ours: "a info response_headers: get_property -> 0 value=\"*",
        reason: HIGRESS,
    },
    Row {
        case: "route-changed-by-the-first-of-two",
        field: "log",
        envoy: "b info request_headers: get_property -> 1",
        ours: "b info request_headers: get_property -> 0 value=\"*",
        reason: HIGRESS,
    },
    Row {
        case: "route-cache-kept",
        field: WHOLE,
        envoy: "200 \"hello from aux\", aux 1",
        ours: "200 \"hello from api\", api 1",
        reason: "Higress's property `clear_route_cache` = `off` keeps the route",
    },
    Row {
        case: "no-answer",
        field: WHOLE,
        envoy: "503 \"upstream connect error or disconnect/reset before headers. reset reason: remote connection failure\"",
        ours: "503 \"no connection to the upstream\"",
        reason: TEXT,
    },
];
