//! What was expected, held against what came: each difference in one line.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::dump::{self, shortened};
use crate::matcher::Matcher;
use crate::observed::{Observed, SeenConnection, SeenRequest, SeenResponse};
use crate::piece::{ExpectedBytes, ReadFile};
use crate::run::WriteGolden;
use crate::shared::Shared;
use crate::world::{Callout, GrpcSeen, RedisSeen};
use crate::written::{
    Expect, ExpectedCallout, ExpectedConnection, ExpectedGrpc, ExpectedLine, ExpectedRedis, ExpectedRequest,
    ExpectedResponse, Paused, Reach, Verdict,
};

/// Files beside the suite: what they hold, and where `--update` puts new ones.
pub(crate) struct Goldens<'a> {
    pub(crate) read: &'a ReadFile<'a>,
    pub(crate) write: Option<&'a WriteGolden<'a>>,
}

/// The differences of one step.
pub(crate) struct Judge<'a> {
    goldens: &'a Goldens<'a>,
    wrong: Vec<String>,
}

impl<'a> Judge<'a> {
    /// What is wrong with what came; nothing when all is as expected.
    pub(crate) fn judge(
        (expect, shared): (&Expect, &Shared<'_>),
        seen: &Observed,
        goldens: &'a Goldens<'a>,
    ) -> Vec<String> {
        let mut judge = Judge {
            goldens,
            wrong: seen.refused.clone(),
        };
        judge.faults(expect, seen);
        judge.reach(expect, seen);
        if let Some(wanted) = &expect.request {
            match &seen.request {
                Some(request) => judge.request(wanted, request),
                None => judge.say("the request did not reach the upstream".to_owned()),
            }
        }
        if let Some(wanted) = &expect.response {
            match &seen.response {
                Some(response) => judge.response(wanted, response),
                None => judge.say("there was no response".to_owned()),
            }
        }
        if let Some(wanted) = &expect.connection {
            match &seen.connection {
                Some(found) => judge.connection(wanted, found),
                None => judge.say("there is no connection in this step".to_owned()),
            }
        }
        judge.ends(expect, seen);
        for (callback, verdict) in &expect.verdicts {
            judge.verdict(callback, verdict, seen);
        }
        for (callback, wanted) in &expect.called {
            let calls = seen.callbacks.iter().filter(|call| call.callback == callback).count();
            if calls != *wanted {
                judge.say(format!("`{callback}` was called {calls} times, not {wanted}"));
            }
        }
        judge.lines(expect, seen);
        for (name, wanted) in &expect.metrics {
            let found = seen.metrics.get(name);
            if found != Some(wanted) {
                let found = found.map_or_else(|| "not there".to_owned(), i64::to_string);
                judge.say(format!("metric `{name}` is {found}, not {wanted}"));
            }
        }
        for (path, wanted) in &expect.properties {
            judge.value(&format!("property `{path}`"), wanted, seen.properties.get(path));
        }
        if let Some(wanted) = &expect.callouts {
            judge.callouts(wanted, &seen.callouts);
        }
        if let Some(wanted) = &expect.grpc {
            judge.grpc(wanted, &seen.grpc);
        }
        if let Some(wanted) = &expect.redis {
            judge.redis(wanted, &seen.redis);
        }
        shared.judge(expect, &mut judge);
        // Often why it went otherwise.
        if !judge.wrong.is_empty() {
            let unknown = seen.callouts.iter().filter(|callout| !callout.is_known).map(described);
            let calls = unknown.chain(seen.unanswered.iter().cloned());
            judge
                .wrong
                .extend(calls.map(|call| format!("note: no mock answers {call}")));
        }
        judge.wrong
    }

    /// Notes a difference.
    pub(crate) fn say(&mut self, difference: String) {
        self.wrong.push(difference);
    }

    /// A value that may not be there.
    pub(crate) fn value(&mut self, what: &str, wanted: &Matcher, found: Option<&String>) {
        let values: Vec<String> = found.into_iter().cloned().collect();
        self.values(what, wanted, &values);
    }

    fn values(&mut self, what: &str, wanted: &Matcher, found: &[String]) {
        if wanted.fits(found) {
            return;
        }
        let found = match found {
            [] => "is not there".to_owned(),
            several => format!(
                "is `{}`",
                several
                    .iter()
                    .map(|one| shortened(one))
                    .collect::<Vec<_>>()
                    .join("`, `")
            ),
        };
        self.say(format!("{what} {found}, not {wanted}"));
    }

    fn text(&mut self, what: &str, wanted: Option<&Matcher>, found: &str) {
        if let Some(wanted) = wanted {
            self.values(what, wanted, &[found.to_owned()]);
        }
    }

    fn headers(&mut self, what: &str, wanted: &BTreeMap<String, Matcher>, found: &HeaderMap) {
        for (name, matcher) in wanted {
            let values = found.get_all(name.as_str()).iter();
            let values: Vec<String> = values
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect();
            self.values(&format!("{what} `{name}`"), matcher, &values);
        }
    }

    /// Bytes that may not be there.
    pub(crate) fn bytes(&mut self, what: &str, wanted: &ExpectedBytes, found: Option<&[u8]>) {
        if !wanted.fits(found) {
            self.say(wanted.difference(what, found));
        }
    }

    fn body(
        &mut self,
        what: &str,
        (bytes, json, golden): (Option<&ExpectedBytes>, Option<&Value>, Option<&String>),
        found: &[u8],
    ) {
        let what = format!("{what}'s body");
        if let Some(wanted) = bytes {
            self.bytes(&what, wanted, Some(found));
        }
        if let Some(wanted) = json {
            match serde_json::from_slice::<Value>(found) {
                Ok(value) if value == *wanted => {}
                Ok(value) => self.say(format!(
                    "{what} is {}, not {}",
                    shortened(&value.to_string()),
                    shortened(&wanted.to_string())
                )),
                Err(why) => {
                    let found = String::from_utf8_lossy(found);
                    self.say(format!("{what} is no JSON ({why}): `{}`", shortened(&found)));
                }
            }
        }
        if let Some(file) = golden {
            self.golden(&what, file, found);
        }
    }

    fn golden(&mut self, what: &str, file: &str, found: &[u8]) {
        let before = (self.goldens.read)(file).ok();
        if before.as_deref() == Some(found) {
            return;
        }
        match (self.goldens.write, before) {
            (Some(write), _) => {
                if let Err(why) = write(file, found) {
                    self.say(format!("`{file}` cannot be written: {why}"));
                }
            }
            (None, None) => self.say(format!("there is no file `{file}`; hint: `--update` writes it")),
            (None, Some(before)) if dump::is_text(&before) && dump::is_text(found) => self.say(format!(
                "{what} is not that of `{file}`: `{}`; hint: `--update` takes it over",
                shortened(&String::from_utf8_lossy(found))
            )),
            (None, Some(before)) => self.say(format!(
                "{what} is not that of `{file}`: it {}\nhint: `--update` takes it over",
                dump::difference(found, &before)
            )),
        }
    }

    fn request(&mut self, wanted: &ExpectedRequest, found: &SeenRequest) {
        self.text("the request's method", wanted.method.as_ref(), &found.method);
        self.text("the request's path", wanted.path.as_ref(), &found.path);
        self.text("the request's authority", wanted.authority.as_ref(), &found.authority);
        self.headers("request header", &wanted.headers, &found.headers);
        let body = (wanted.body.as_ref(), wanted.json.as_ref(), wanted.golden.as_ref());
        self.body("the request", body, &found.body);
        self.headers("request trailer", &wanted.trailers, &found.trailers);
    }

    fn response(&mut self, wanted: &ExpectedResponse, found: &SeenResponse) {
        if let Some(status) = &wanted.status
            && status.0 != found.status.as_str()
        {
            self.say(format!("the status is {}, not {}", found.status.as_u16(), status.0));
        }
        self.headers("response header", &wanted.headers, &found.headers);
        let body = (wanted.body.as_ref(), wanted.json.as_ref(), wanted.golden.as_ref());
        self.body("the response", body, &found.body);
        self.headers("response trailer", &wanted.trailers, &found.trailers);
    }

    fn connection(&mut self, wanted: &ExpectedConnection, found: &SeenConnection) {
        let ends = [
            ("upstream", &wanted.upstream, &found.upstream),
            ("client", &wanted.client, &found.client),
        ];
        for (end, wanted, found) in ends {
            if let Some(wanted) = wanted {
                self.bytes(&format!("what the {end} gets"), wanted, Some(found));
            }
        }
    }

    fn faults(&mut self, expect: &Expect, seen: &Observed) {
        match (&expect.fault, seen.faults.first()) {
            (None, None) => {}
            (Some(wanted), Some(fault)) if fault.code() == wanted => {}
            (Some(wanted), None) => self.say(format!("the plugin lives; it was to die of {wanted}")),
            (_, Some(fault)) => self.say(format!("the plugin died: {fault} ({})", fault.code())),
        }
    }

    fn reach(&mut self, expect: &Expect, seen: &Observed) {
        match (expect.upstream, seen.request.is_some()) {
            (Some(Reach::Reached), false) => self.say("the request did not reach the upstream".to_owned()),
            (Some(Reach::NotReached), true) => self.say("the request reached the upstream".to_owned()),
            _ => {}
        }
    }

    fn ends(&mut self, expect: &Expect, seen: &Observed) {
        if let Some(wanted) = &expect.details {
            self.value("the details of the plugin's answer", wanted, seen.details.as_ref());
        }
        let held = |paused: Option<Paused>| match paused {
            Some(Paused::Request) => "in the request",
            Some(Paused::Response) => "in the response",
            Some(Paused::Never) | None => "nowhere",
        };
        if held(expect.paused) != held(seen.paused) {
            self.say(format!(
                "the exchange is held {}, not {}; nothing moves any more",
                held(seen.paused),
                held(expect.paused)
            ));
        }
        if expect.reset.unwrap_or_default() != seen.is_reset {
            let word = if seen.is_reset { "ended" } else { "did not end" };
            self.say(format!("the plugin {word} the stream"));
        }
    }

    fn verdict(&mut self, callback: &str, wanted: &Verdict, seen: &Observed) {
        let called = seen.callbacks.iter().rfind(|call| call.callback == callback);
        let Some(call) = called else {
            return self.say(format!("`{callback}` was not called"));
        };
        let answer = call
            .answer
            .map_or_else(|| "none".to_owned(), |answer| answer.to_string());
        let fits = match wanted.0.as_str() {
            "continue" => answer == "0",
            "pause" => !matches!(answer.as_str(), "0" | "none"),
            number => answer == number,
        };
        if !fits {
            self.say(format!("`{callback}` answered {answer}, not {}", wanted.0));
        }
    }

    fn lines(&mut self, expect: &Expect, seen: &Observed) {
        let is_there = |wanted: &ExpectedLine| {
            seen.lines.iter().any(|(level, text)| {
                wanted.level.as_deref().is_none_or(|word| word == level.word())
                    && wanted.text.fits(std::slice::from_ref(text))
            })
        };
        for wanted in expect.logs.iter().filter(|wanted| !is_there(wanted)) {
            let logged: Vec<String> = seen
                .lines
                .iter()
                .map(|(level, text)| format!("{} {}", level.word(), shortened(text)))
                .collect();
            self.say(format!("no line is {}; logged: [{}]", wanted.text, logged.join("; ")));
        }
        for unwanted in expect.no_logs.iter().filter(|unwanted| is_there(unwanted)) {
            self.say(format!("a line is {}", unwanted.text));
        }
    }

    fn callouts(&mut self, wanted: &[ExpectedCallout], found: &[Callout]) {
        if wanted.len() != found.len() {
            let made: Vec<String> = found.iter().map(described).collect();
            self.say(format!(
                "{} callouts were made, not {}: [{}]",
                found.len(),
                wanted.len(),
                made.join("; ")
            ));
        }
        for (at, (wanted, found)) in wanted.iter().zip(found).enumerate() {
            let what = format!("callout {}", at + 1);
            self.text(&format!("{what}'s upstream"), wanted.upstream.as_ref(), &found.upstream);
            self.text(&format!("{what}'s method"), wanted.method.as_ref(), &found.method);
            self.text(&format!("{what}'s path"), wanted.path.as_ref(), &found.path);
            self.headers(&format!("{what}'s header"), &wanted.headers, &found.headers);
            self.body(&what, (wanted.body.as_ref(), wanted.json.as_ref(), None), &found.body);
        }
    }
}

/// Callouts beyond HTTP.
impl Judge<'_> {
    fn number(&mut self, (what, wanted): (&str, usize), made: &[String]) {
        if made.len() != wanted {
            let all = made.join("; ");
            self.say(format!("{} {what} were made, not {wanted}: [{all}]", made.len()));
        }
    }

    fn grpc(&mut self, wanted: &[ExpectedGrpc], found: &[GrpcSeen]) {
        let named = |call: &GrpcSeen| format!("{}/{} at `{}`", call.service, call.method, call.upstream);
        let made: Vec<String> = found.iter().map(named).collect();
        self.number(("gRPC callouts", wanted.len()), &made);
        for (at, (wanted, found)) in wanted.iter().zip(found).enumerate() {
            let what = format!("gRPC callout {}", at + 1);
            self.text(&format!("{what}'s upstream"), wanted.upstream.as_ref(), &found.upstream);
            self.text(&format!("{what}'s service"), wanted.service.as_ref(), &found.service);
            self.text(&format!("{what}'s method"), wanted.method.as_ref(), &found.method);
            self.headers(&format!("{what}'s metadata"), &wanted.metadata, &found.metadata);
            if let Some(messages) = &wanted.messages {
                self.all((&what, "message"), messages, &found.messages.borrow());
            }
        }
    }

    fn redis(&mut self, wanted: &[ExpectedRedis], found: &[RedisSeen]) {
        let made: Vec<String> = found.iter().map(|call| format!("`{}`", call.command)).collect();
        self.number(("Redis calls", wanted.len()), &made);
        for (at, (wanted, found)) in wanted.iter().zip(found).enumerate() {
            let what = format!("Redis call {}", at + 1);
            self.text(&format!("{what}'s upstream"), wanted.upstream.as_ref(), &found.upstream);
            self.text(&format!("{what}'s command"), wanted.command.as_ref(), &found.command);
        }
    }

    /// Several pieces of bytes, in order.
    pub(crate) fn all(&mut self, (what, noun): (&str, &str), wanted: &[ExpectedBytes], found: &[Bytes]) {
        if wanted.len() != found.len() {
            let (found, wanted) = (found.len(), wanted.len());
            self.say(format!(
                "{what} has {found} {noun}{}, not {wanted}",
                if found == 1 { "" } else { "s" }
            ));
        }
        for (at, (wanted, found)) in wanted.iter().zip(found).enumerate() {
            self.bytes(&format!("{noun} {} of {what}", at + 1), wanted, Some(found));
        }
    }
}

fn described(callout: &Callout) -> String {
    format!("{} {} at `{}`", callout.method, callout.path, callout.upstream)
}
