//! A case that is ready to run: its row filled in, its words read, its mistakes found with their places.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use gate_flow::rehearsal::Body;
use gate_plan::document::Page;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use plug_host::{RequestHead, ResponseHead};
use serde_json::Value;

use crate::piece::{Piece, Pieces, ReadFile};
use crate::row::{filled, label};
use crate::settle::{Mistake, Settler, Trail};
use crate::world::fields;
use crate::written::{Case, Mocks, Number, Request, Response, Step, Suite, Values};

/// When trials begin unless they say otherwise: 2026-01-01T00:00:00Z.
const BEGINNING: Duration = Duration::from_secs(1_767_225_600);

/// LIMIT: runs of one suite, rows counted.
const RUNS_MAX: usize = 10_000;

/// A case for one row.
pub(crate) struct Ready {
    /// Its name, with the row's values.
    pub(crate) name: String,
    /// Its line in the suite.
    pub(crate) line: usize,
    pub(crate) case: Case,
    pub(crate) steps: Vec<Step>,
    pub(crate) began: Duration,
}

/// All runs of a suite, in order.
///
/// # Errors
/// What is wrong with some, each with its place.
pub(crate) fn ready(page: &Page<'_, Suite>, read: &ReadFile<'_>) -> Result<Vec<Ready>, Vec<Mistake>> {
    let mut settler = Settler::new(read);
    let common = Common::of(&page.content, &mut settler);
    let mut all = Vec::new();
    let raw = page.to_json();
    let cases = raw.get("cases").and_then(Value::as_array);
    let cases = cases.map(Vec::as_slice).unwrap_or_default();
    for (at, (written, value)) in page.content.cases.iter().zip(cases).enumerate() {
        let trail = Trail::default().key("cases").item(at);
        let mut before = page.content.cases.iter().take(at);
        if before.any(|other| other.name == written.name) {
            let message = format!("there is another case `{}`", written.name);
            settler.complain(&trail, message);
        }
        let none = serde_json::Map::new();
        let rows = if written.each.is_empty() {
            std::slice::from_ref(&none)
        } else {
            &written.each
        };
        let line = page.line(&trail.path());
        for row in rows {
            let mistakes = settler.mistakes.len();
            let made = one((value, row), (line, &trail), &common, &mut settler);
            match made {
                // What was said with its own place is not said again.
                _ if settler.mistakes.len() > mistakes => {}
                Ok(ready) => all.push(ready),
                Err(why) => settler.complain(&trail, format!("case `{}`: {why}", written.name)),
            }
        }
    }
    if all.len() > RUNS_MAX {
        let message = format!("the suite has {} runs; at most {RUNS_MAX} are made", all.len());
        settler.complain(&Trail::default().key("cases"), message);
    }
    match settler.mistakes.is_empty() {
        true => Ok(all),
        false => Err(settler.mistakes),
    }
}

/// What a suite says for all of its cases.
struct Common {
    mocks: Mocks,
    config_bytes: Option<Piece>,
}

impl Common {
    fn of(suite: &Suite, settler: &mut Settler<'_>) -> Self {
        let mut common = Self {
            mocks: suite.mocks.clone(),
            config_bytes: suite.config_bytes.clone(),
        };
        let trail = Trail::default();
        settler.piece(&trail.key("config_bytes"), &mut common.config_bytes);
        settler.mocks(&trail.key("mocks"), &mut common.mocks);
        if let Err(message) = check_mocks(&suite.mocks) {
            settler.complain(&trail.key("mocks"), message);
        }
        common
    }
}

fn one(
    (value, row): (&Value, &serde_json::Map<String, Value>),
    (line, trail): (usize, &Trail),
    common: &Common,
    settler: &mut Settler<'_>,
) -> Result<Ready, String> {
    let mut case: Case = serde_json::from_value(filled(value, row)).map_err(|why| why.to_string())?;
    settler.case(trail, &mut case);
    let steps = steps(&mut case)?;
    check_mocks(&case.mocks)?;
    let began = match case.mocks.time.as_ref().or(common.mocks.time.as_ref()) {
        Some(text) => time(text).unwrap_or(BEGINNING),
        None => BEGINNING,
    };
    let is_told_apart = value
        .get("name")
        .and_then(Value::as_str)
        .is_some_and(|name| name.contains("{{"));
    let name = match label(row) {
        row if row.is_empty() || is_told_apart => case.name.clone(),
        row => format!("{} [{row}]", case.name),
    };
    if case.config_bytes.is_none() && case.plugin.is_none() {
        case.config_bytes.clone_from(&common.config_bytes);
    }
    case.mocks.append(&common.mocks);
    Ok(Ready {
        name: printable(&name),
        line,
        case,
        steps,
        began,
    })
}

/// The steps of a case, of which the one exchange is the only one.
fn steps(case: &mut Case) -> Result<Vec<Step>, String> {
    let mut steps = std::mem::take(&mut case.steps);
    let (request, response, expect) = (case.request.take(), case.response.take(), case.expect.take());
    let connection = case.connection.take();
    let is_one = request.is_some() || response.is_some() || connection.is_some() || expect.is_some();
    if is_one && !steps.is_empty() {
        return Err("it has `steps` and an exchange of its own; give one of the two".to_owned());
    }
    if is_one {
        steps.push(Step {
            connection,
            request,
            response,
            expect,
            ..Step::default()
        });
    }
    if steps.is_empty() {
        return Err("it does nothing: give it a `request`, or `steps`".to_owned());
    }
    for step in &steps {
        if step.connection.is_some() && (step.request.is_some() || step.response.is_some()) {
            return Err("`connection` and an exchange are both given; give each a step of its own".to_owned());
        }
        if let Some(request) = &step.request {
            request_head(request)?;
            body(request.body.as_ref(), request.json.as_ref(), &request.trailers)?;
        }
        if let Some(response) = &step.response {
            response_head(response)?;
            body(response.body.as_ref(), response.json.as_ref(), &response.trailers)?;
        }
    }
    Ok(steps)
}

/// Whether what mocks answer can be answered.
fn check_mocks(mocks: &Mocks) -> Result<(), String> {
    mocks.time.as_deref().map_or(Ok(BEGINNING), time)?;
    for mock in &mocks.grpc {
        checked(&mock.initial_metadata)?;
        checked(&mock.trailing_metadata)?;
    }
    for mock in &mocks.http {
        checked(&mock.headers)?;
        mock.status.as_ref().map_or(Ok(StatusCode::OK), status)?;
        if mock.body.is_some() && mock.json.is_some() {
            return Err("`body` and `json` are both given".to_owned());
        }
    }
    let statuses = mocks.grpc.iter().filter_map(|mock| mock.status.as_ref());
    for number in statuses {
        let read = number.0.parse::<u32>();
        read.map_err(|_| format!("`{}` is no status of gRPC", number.0))?;
    }
    Ok(())
}

fn status(written: &Number) -> Result<StatusCode, String> {
    let number = written.0.parse::<u16>().ok();
    let status = number.and_then(|number| StatusCode::from_u16(number).ok());
    status.ok_or_else(|| format!("`{}` is no status", written.0))
}

/// A name in one line.
fn printable(name: &str) -> String {
    let shown = name.chars().map(|letter| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    });
    shown.collect()
}

/// A time as RFC 3339 writes it, since 1970.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let read = DateTime::parse_from_rfc3339(text).map_err(|why| format!("`{text}` is no time of RFC 3339: {why}"))?;
    u64::try_from(read.timestamp_millis())
        .map(Duration::from_millis)
        .map_err(|_| format!("`{text}` is before 1970"))
}

fn header(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("`{text}` cannot be a header's value"))
}

fn checked(written: &BTreeMap<String, Values>) -> Result<HeaderMap, String> {
    for (name, values) in written {
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` cannot be a header's name"))?;
        for value in &values.0 {
            header(value)?;
        }
    }
    Ok(fields(written))
}

/// The head of a request.
pub(crate) fn request_head(written: &Request) -> Result<RequestHead, String> {
    let method = written.method.as_deref().unwrap_or("GET");
    let path = written.path.as_deref().unwrap_or("/");
    let mut headers = checked(&written.headers)?;
    if written.json.is_some() {
        headers
            .entry("content-type")
            .or_insert(HeaderValue::from_static("application/json"));
    }
    Ok(RequestHead {
        method: Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method"))?,
        scheme: header(written.scheme.as_deref().unwrap_or("http"))?,
        authority: Some(header(written.authority.as_deref().unwrap_or("example.com"))?),
        path: path
            .parse::<PathAndQuery>()
            .map_err(|why| format!("`{path}` is no path: {why}"))?,
        headers,
    })
}

/// The head of a response.
pub(crate) fn response_head(written: &Response) -> Result<ResponseHead, String> {
    let mut headers = checked(&written.headers)?;
    if written.json.is_some() {
        headers
            .entry("content-type")
            .or_insert(HeaderValue::from_static("application/json"));
    }
    Ok(ResponseHead {
        status: written.status.as_ref().map_or(Ok(StatusCode::OK), status)?,
        headers,
    })
}

/// A body in the pieces in which it comes.
pub(crate) fn body(
    text: Option<&Pieces>,
    json: Option<&Value>,
    trailers: &BTreeMap<String, Values>,
) -> Result<Body, String> {
    if text.is_some() && json.is_some() {
        return Err("`body` and `json` are both given".to_owned());
    }
    let pieces = match (text, json) {
        (Some(pieces), _) => pieces.0.iter().map(Piece::bytes).collect(),
        (None, Some(json)) => vec![Bytes::from(json.to_string())],
        (None, None) => Vec::new(),
    };
    let trailers = checked(trailers)?;
    Ok(Body {
        pieces,
        trailers: (!trailers.is_empty()).then_some(trailers),
    })
}
