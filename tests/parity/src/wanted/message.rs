//! Header maps: what a plugin may not do to a message.

use super::Row;
use crate::compare::WHOLE;

const KEPT: &str = "the pseudo-headers of a request stay: taking one out, or a text that cannot be sent, is left out; Envoy answers for the plugin's mistake";
const STATUS: &str = "a response always has a status that can be sent: a plugin's change to another one is left out; Envoy gives up the upstream's answer";
const SAFE: &str = "what may not stand in a message never enters a header map: it is left out with a warning; Envoy refuses the request, or sends the forged line";
const MAP: &str =
    "a map that cannot be read changes nothing and says so; Envoy takes it for an empty one and wipes the message";
const UNANNOUNCED: &str = "over HTTP/1.1 a trailer goes on when `trailer` names it and, towards clients, `te: trailers` asks for it (RFC 9110 sections 6.5.1 and 6.6.2); plugins see all. Envoy sends them all when `enable_trailers` is set, as here, and by default none";
const CHUNKED: &str = "`transfer-encoding` belongs to the upstream's connection alone (RFC 9112 section 6.1); Envoy leaves it in the map and counts it";
const FRAMING: &str = "how a message is framed on its connection is not for plugins to say; Envoy sends their `transfer-encoding` with a body that is not chunked";
const REPLY: &str = "a local response ends the exchange: its status is one that does, it carries no pseudo-headers, and what is wrong is left out and said";
const BODILESS: &str = "a 304 has no body (RFC 9110 section 15.4.5), also for plugins";
const HOP: &str = "hop-by-hop fields end here (RFC 9110 section 7.6.1): plugins and the client do not get them";
const ENVOYS: &str = "`x-envoy-*` are Envoy's own headers: here they are like any other";

pub(super) static ROWS: &[Row] = &[
    Row::new(
        "request-headers-set",
        WHOLE,
        "404 \"\"",
        "200 \"hello from api\", api 1",
        KEPT,
    ),
    Row::new(
        "pseudo-path-empty",
        WHOLE,
        "404 \"\"",
        "200 \"hello from api\", api 1",
        KEPT,
    ),
    Row::new(
        "pseudo-path-removed",
        WHOLE,
        "404 \"\"",
        "200 \"hello from api\", api 1",
        KEPT,
    ),
    Row::new(
        "pseudo-method-removed",
        WHOLE,
        "503 \"missing required header: :method\"",
        "200 \"hello from api\", api 1",
        KEPT,
    ),
    Row::new(
        "pseudo-missing-in-set",
        WHOLE,
        "404 \"\"",
        "200 \"hello from api\", api 1",
        KEPT,
    ),
    Row::new(
        "header-map-size",
        WHOLE,
        "404 \"\"",
        "200 \"hello from api\", api 1",
        KEPT,
    ),
    Row::new("map-empty", WHOLE, "404 \"\"", "200 \"hello from api\", api 1", KEPT),
    Row::new(
        "pseudo-status-no-number",
        WHOLE,
        "502 \"missing required header: :status\", api 1",
        "200 \"hello from api\", api 1",
        STATUS,
    ),
    Row::new(
        "pseudo-status-removed",
        WHOLE,
        "502 \"missing required header: :status\", api 1",
        "200 \"hello from api\", api 1",
        STATUS,
    ),
    Row::new(
        "pseudo-status-missing-in-set",
        WHOLE,
        "502 \"missing required header: :status\", api 1",
        "200 \"hello from api\", api 1",
        STATUS,
    ),
    Row::log(
        "pseudo-scheme-removed",
        "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/\"],[\"x-*",
        "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/\"],[\":scheme\",\"http\"],*",
        KEPT,
    ),
    Row::new(
        "pseudo-authority-removed",
        "api 0 header host",
        "absent",
        "[\"127.0.0.1:{api}\"]",
        "HTTP/1.1 wants a `Host` (RFC 9112 section 3.2); Envoy sends none",
    ),
    Row::log(
        "pseudo-added-twice",
        "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/,/two\"],*",
        "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/two\"],*",
        "a second `:path` takes the place of the first; Envoy joins them with a comma",
    ),
    Row::new(
        "pseudo-added-twice",
        "api 0 target",
        "/,/two",
        "/two",
        "a second `:path` takes the place of the first; Envoy joins them with a comma",
    ),
    Row::log(
        "pseudo-unknown",
        "absent",
        "a warning header `:unknown` left out: name or value is not allowed in a message",
        SAFE,
    ),
    Row::log(
        "pseudo-unknown",
        "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/\"],[\":scheme\",\"http\"],[\":unknown\",\"1\"],*",
        "a info request_headers: get_request_headers -> 0 pairs=[[\":authority\",\"example.com\"],[\":method\",\"GET\"],[\":path\",\"/\"],[\":scheme\",\"http\"],[\"x-*",
        SAFE,
    ),
    Row::new(
        "header-injection",
        WHOLE,
        "503 \"invalid header value for: x-line\"",
        "200 \"hello from api\", api 1",
        SAFE,
    ),
    Row::new(
        "header-name-bad",
        WHOLE,
        "503 \"invalid header name: bad name\"",
        "200 \"hello from api\", api 1",
        SAFE,
    ),
    Row::log(
        "header-injection-response",
        "absent",
        "a warning header `x-line` left out: name or value is not allowed in a message",
        SAFE,
    ),
    Row::new(
        "header-injection-response",
        "answer 0 header x-evil",
        "[\"1\"]",
        "absent",
        SAFE,
    ),
    Row::new(
        "header-injection-response",
        "answer 0 header x-line",
        "[\"a\"]",
        "absent",
        SAFE,
    ),
    Row::log(
        "reply-injection",
        "absent",
        "a warning header `x-line` of a local response left out: not allowed in a message",
        SAFE,
    ),
    Row::new("reply-injection", "answer 0 header x-evil", "[\"1\"]", "absent", SAFE),
    Row::new("reply-injection", "answer 0 header x-line", "[\"a\"]", "absent", SAFE),
    Row::log(
        "header-injection-response",
        "a info response_headers: get_response_header -> 0 value=\"a\\r\\nx-evil: 1\"",
        "a info response_headers: get_response_header -> 1",
        SAFE,
    ),
    Row::log(
        "reply-injection",
        "a info response_headers: get_response_headers -> 0 pairs=[[\":status\",\"200\"],[\"x-line\",\"a\\r\\nx-evil: 1\"]]",
        "a info response_headers: get_response_headers -> 0 pairs=[[\":status\",\"200\"]]",
        SAFE,
    ),
    Row::log(
        "callout-header-injection",
        "a info request_headers: http_call -> 10",
        "a info request_headers: http_call -> 2",
        SAFE,
    ),
    Row::new("memory-places", WHOLE, "404 \"\"", "200 \"hello from api\", api 1", MAP),
    Row::new(
        "map-malformed",
        WHOLE,
        "502 \"missing required header: :status\", api 1",
        "200 \"hello from api\", api 1",
        MAP,
    ),
    Row::log(
        "headers-read-browser",
        "a info request_headers(count=10 end=1)",
        "a info request_headers(count=11 end=1)",
        ENVOYS,
    ),
    Row::log(
        "headers-read-browser",
        "a info request_headers: get_request_headers -> 0 pairs=*",
        "*[\"x-envoy-force-trace\",\"1\"]*",
        ENVOYS,
    ),
    Row::log(
        "headers-response-hop-by-hop",
        "*[\"connection\",\"x-hop\"]*",
        "a info response_headers: get_response_headers -> 0 *",
        HOP,
    ),
    Row::new(
        "headers-response-hop-by-hop",
        "answer 0 header x-hop",
        "[\"1\"]",
        "absent",
        HOP,
    ),
    Row::log(
        "reply-pseudo",
        "absent",
        "a warning header `:*` of a local response left out: not allowed in a message",
        REPLY,
    ),
    Row::log(
        "reply-pseudo",
        "*[\":path\",\"/x\"],*",
        "a info response_headers: get_response_headers -> 0 *",
        REPLY,
    ),
    Row::log(
        "reply-*",
        "absent",
        "a warning status * of a local response made 500: it cannot end an exchange",
        REPLY,
    ),
    Row::log(
        "reply-*",
        "a info response_headers: get_response_headers -> 0 pairs=[[\":status\",\"*",
        "a info response_headers: get_response_headers -> 0 pairs=[[\":status\",\"500\"],*",
        REPLY,
    ),
    Row::new("reply-1000", "answer 0 status", "1000", "500", REPLY),
    Row::log(
        "reply-bad-headers",
        "absent",
        "a warning headers of a local response left out: map of *",
        REPLY,
    ),
    Row::log("reply-304", "a info response_body*", "absent", BODILESS),
    Row::new(
        "request-trailers-unannounced",
        "api 0 trailer x-t",
        "[\"1\"]",
        "absent",
        UNANNOUNCED,
    ),
    Row::new(
        "response-trailers-unannounced",
        "answer 0 trailer x-t",
        "[\"1\"]",
        "absent",
        UNANNOUNCED,
    ),
    Row::log(
        "*",
        "* info response_headers(count=2*",
        "* info response_headers(count=1*",
        CHUNKED,
    ),
    Row::log(
        "*",
        "* info response_headers(count=3*",
        "* info response_headers(count=2*",
        CHUNKED,
    ),
    Row::log(
        "*",
        "* info response_headers(count=4*",
        "* info response_headers(count=3*",
        CHUNKED,
    ),
    Row::log(
        "headers-response-hop-by-hop",
        "a info response_headers(count=6 end=0)",
        "a info response_headers(count=4 end=0)",
        HOP,
    ),
    Row::new(
        "header-framing-by-plugin",
        WHOLE,
        "504 \"upstream request timeout\", api 1",
        "200 \"hello from api\", api 1",
        FRAMING,
    ),
];
