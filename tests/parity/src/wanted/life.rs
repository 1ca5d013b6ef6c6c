//! Going on, dying, and coming back.

use super::Row;
use crate::compare::WHOLE;

const TWICE: &str =
    "Envoy goes through its filters a second time, asks the upstream twice or sends the head twice; we go on once";
const CRASH: &str = "Envoy dies of it";
const NEW: &str = "a plugin that died is there again at once: a new instance is configured; Envoy's stays dead";
const OPEN: &str = "`on_fault: open` holds for the exchange in which the plugin dies, not only for later ones";
const UNREACHED: &str =
    "a plugin that the request never reached is not told of it; Envoy makes all contexts when the request comes";
const CLOSED: &str = "a request without a body is sent again on a new connection when its kept one turns out closed (RFC 9110 section 9.2.2)";
const INIT: &str = "what a module says in `_initialize` is the plugin's; Envoy logs it under no plugin's name";
const TEXT: &str = "our own answers say what a client may know, in our words";

pub(super) static ROWS: &[Row] = &[
    Row::new(
        "continue-not-paused",
        WHOLE,
        "200 \"hello from api\", api 2",
        "200 \"hello from api\", api 1",
        TWICE,
    ),
    Row::new(
        "continue-response-at-once",
        WHOLE,
        "200 \"HTTP/1.1 200 O\", api 1",
        "200 \"hello from api\", api 1",
        TWICE,
    ),
    Row::new(
        "010-only",
        WHOLE,
        "200 \"hello from api\", api 2",
        "200 \"hello from api\", api 1",
        TWICE,
    ),
    Row::new(
        "continue-response-too-early",
        WHOLE,
        "broken off, dead",
        "200 \"hello from api\", api 1",
        CRASH,
    ),
    Row::new(
        "reply-in-log",
        WHOLE,
        "broken off, api 1, dead",
        "200 \"hello from api\", api 1",
        CRASH,
    ),
    Row::log("*dies*", "absent", "* info configure(size=*", NEW),
    Row::log("dies-and-comes-back", "absent", "a info context_create()", NEW),
    Row::log(
        "dies-and-comes-back",
        "absent",
        "a info request_headers(count=7 end=1)",
        NEW,
    ),
    Row::new(
        "dies-open-in-request-headers",
        WHOLE,
        "503 \"\"",
        "200 \"hello from api\", api 1",
        OPEN,
    ),
    Row::new(
        "dies-open-in-request-body",
        WHOLE,
        "503 \"\", api 1",
        "200 \"hello from api\", api 1",
        OPEN,
    ),
    Row::new(
        "dies-open-in-response-headers",
        WHOLE,
        "503 \"\", api 1",
        "200 \"hello from api\", api 1",
        OPEN,
    ),
    Row::new(
        "dies-open-in-response-body",
        WHOLE,
        "200 \"\", api 1",
        "200 \"hello from api\", api 1",
        OPEN,
    ),
    Row::new(
        "dies-open-and-comes-back",
        WHOLE,
        "503 \"\", 200 \"hello from api\", api 1",
        "200 \"hello from api\", 200 \"hello from api\", api 2",
        OPEN,
    ),
    Row::log("reply-by-the-first", "b info *()", "absent", UNREACHED),
    Row::log("dies-beside-another", "c info *()", "absent", UNREACHED),
    Row::new("upstream-closes", "api requests", "1", "2", CLOSED).sometimes(),
    Row::log(
        "upstream-closes",
        "a info response_body(size=95 end=1)",
        "a info response_body(size=52 end=1)",
        TEXT,
    ),
    Row::new(
        "upstream-closes",
        "answer 0 header content-length",
        "[\"95\"]",
        "[\"52\"]",
        TEXT,
    ),
    Row::new(
        "upstream-closes",
        "answer 0 body",
        "upstream connect error *",
        "the upstream ended the connection before it answered",
        TEXT,
    ),
    Row::new("start", "start", "absent", "a info initialize()", INIT),
    Row::new("start", "start", "absent", "a info in initialize", INIT),
];
