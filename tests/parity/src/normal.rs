//! What is made equal before the two gateways are compared: a table, each row with its reason.

use std::collections::BTreeMap;

use testkit::fields::Fields;

use crate::seen::{Answer, Seen};
use crate::sides::LogLine;

/// What is known of the addresses of one run, so that a text names the role and not the number.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// What each known port is.
    pub(crate) ports: BTreeMap<u16, String>,
    /// How the gateway names a client on loopback.
    pub(crate) client_seen_as: String,
}

impl Addresses {
    /// Names a port; the first name stays.
    pub(crate) fn add(&mut self, port: u16, role: &str) {
        self.ports.entry(port).or_insert_with(|| role.to_owned());
    }
}

/// One thing that is made equal.
pub(crate) struct Row {
    /// What is done.
    pub(crate) what: &'static str,
    /// Why the two cannot be equal in it, or why it does not matter.
    pub(crate) reason: &'static str,
    apply: fn(&mut Seen, &Addresses),
}

/// All of them, in the order in which they are applied.
pub(crate) static TABLE: &[Row] = &[
    Row {
        what: "ports become roles: `127.0.0.1:{client}`, `={api}`",
        reason: "the system chooses ports",
        apply: |seen, addresses| each_text(seen, |text| name_ports(text, addresses)),
    },
    Row {
        what: "the machine's own address becomes `127.0.0.1`",
        reason: "Envoy writes it into `x-forwarded-for` for a client on loopback (`skip_xff_append` apart); such clients are only in tests",
        apply: |seen, addresses| each_text(seen, |text| text.replace(&addresses.client_seen_as, "127.0.0.1")),
    },
    Row {
        what: "times in HTTP's form become `{date}`",
        reason: "`date` is the time",
        apply: |seen, _| each_text(seen, name_dates),
    },
    Row {
        what: "UUIDs become `{uuid}`",
        reason: "`x-request-id` is random",
        apply: |seen, _| each_text(seen, name_uuids),
    },
    Row {
        what: "`date` of responses is left out",
        reason: "it is the time",
        apply: |seen, _| each_answer(seen, |fields| fields.retain(|field| field.0 != "date")),
    },
    Row {
        what: "`server` of responses is left out",
        reason: "it is the name of the product",
        apply: |seen, _| each_answer(seen, |fields| fields.retain(|field| field.0 != "server")),
    },
    Row {
        what: "`x-envoy-*` of callouts are left out",
        reason: "Envoy's own router adds them, also to callouts; nobody else's router does",
        apply: |seen, _| {
            let requests = seen.upstreams.values_mut().flatten();
            requests.for_each(|record| record.fields.retain(|field| !field.0.starts_with("x-envoy-")));
            each_line(seen, drop_service_time);
        },
    },
    Row {
        what: "`transfer-encoding` of answers is left out of the maps that plugins see",
        reason: "it belongs to the upstream's connection alone (RFC 9112 section 6.1); Envoy leaves it in the map",
        apply: |seen, _| each_line(seen, |text| without_pair(text, r#"["transfer-encoding","chunked"]"#)),
    },
    Row {
        what: "the number of a callout's answering headers becomes `some` or `0`",
        reason: "Envoy counts its `x-envoy-upstream-service-time`; the maps themselves are compared",
        apply: |seen, _| {
            each_line(seen, |text| some_headers(text, "http_call_response(headers="));
            each_line(seen, |text| some_headers(text, "grpc_receive_initial_metadata(count="));
        },
    },
    Row {
        what: "level `warn` becomes `warning`",
        reason: "it is how Envoy spells it in its own log; a plugin cannot see it",
        apply: |seen, _| {
            let lines = seen.start.values_mut().flatten().chain(&mut seen.log);
            lines
                .filter(|line| line.level == "warn")
                .for_each(|line| line.level = "warning".to_owned());
        },
    },
    Row {
        what: "lines of `log`, `done` and `delete` that follow one another are sorted by plugin",
        reason: "Envoy calls `on_log` of all plugins of a chain and then `on_done` and `on_delete` of each; ours makes the three calls to one plugin \
            in one go. Each plugin sees the same",
        apply: |seen, _| sort_endings(&mut seen.log),
    },
    Row {
        what: "`date` and `server` are left out of the response headers that `on_log` sees",
        reason: "as in responses: the time, and the name of the product",
        apply: |seen, _| each_line(seen, drop_own_fields),
    },
    Row {
        what: "maps that plugins see are sorted by name; repetitions keep their order",
        reason: "the order of different fields has no meaning (RFC 9110 section 5.3); ours keeps the repetitions of a name together, Envoy's property maps come from a hash map",
        apply: |seen, _| each_line(seen, sort_map),
    },
    Row {
        what: "fields of messages are sorted by name; repetitions keep their order",
        reason: "the order of different fields has no meaning (RFC 9110 section 5.3)",
        apply: |seen, _| each_fields(seen, |fields| fields.sort_by(|one, other| one.0.cmp(&other.0))),
    },
];

/// Applies every row.
pub(crate) fn normalise(seen: &mut Seen, addresses: &Addresses) {
    TABLE.iter().for_each(|row| (row.apply)(seen, addresses));
}

fn each_answer(seen: &mut Seen, change: impl Fn(&mut Fields)) {
    for answer in &mut seen.answers {
        if let Answer::Response(response) = answer {
            change(&mut response.fields);
        }
    }
}

fn each_fields(seen: &mut Seen, change: impl Fn(&mut Fields)) {
    each_answer(seen, &change);
    seen.upstreams
        .values_mut()
        .flatten()
        .for_each(|record| change(&mut record.fields));
}

/// Every text in which a number may stand: log lines, field values, bodies.
fn each_text(seen: &mut Seen, change: impl Fn(&str) -> String) {
    let lines = seen.start.values_mut().flatten().chain(&mut seen.log);
    lines.for_each(|line| line.text = change(&line.text));
    each_fields(seen, |fields| {
        fields.iter_mut().for_each(|field| field.1 = change(&field.1))
    });
    for answer in &mut seen.answers {
        if let Answer::Response(response) = answer {
            response.pieces = vec![testkit::fields::bytes(&change(&response.text())).into()];
        }
    }
    for record in seen.upstreams.values_mut().flatten() {
        record.pieces = vec![testkit::fields::bytes(&change(&record.text())).into()];
    }
}

fn each_line(seen: &mut Seen, change: impl Fn(&str) -> String) {
    let lines = seen.start.values_mut().flatten().chain(&mut seen.log);
    lines.for_each(|line| line.text = change(&line.text));
}

/// Takes a pair out of a map that a line shows.
fn without_pair(text: &str, pair: &str) -> String {
    text.replace(&format!(",{pair}"), "")
        .replace(&format!("{pair},"), "")
        .replace(pair, "")
}

/// Sorts what plugins say in their last callbacks by plugin, where those lines follow one another.
fn sort_endings(lines: &mut [LogLine]) {
    let of_an_end = |line: &LogLine| {
        ["log", "done", "delete"].iter().any(|callback| {
            line.text
                .strip_prefix(callback)
                .is_some_and(|rest| rest.starts_with(['(', ':']))
        })
    };
    lines
        .chunk_by_mut(|one, other| of_an_end(one) && of_an_end(other))
        .for_each(|run| run.sort_by(|one, other| one.plugin.cmp(&other.plugin)));
}

/// Takes `["x-envoy-upstream-service-time","N"]` out of a map.
fn drop_service_time(text: &str) -> String {
    let Some((before, after)) = text.split_once(r#",["x-envoy-upstream-service-time""#) else {
        return text.to_owned();
    };
    let after = after.split_once(']').map_or("", |(_, after)| after);
    format!("{before}{after}")
}

/// Replaces a number that is not 0 behind `mark` by `some`.
fn some_headers(text: &str, mark: &str) -> String {
    let Some(after) = text.strip_prefix(mark) else {
        return text.to_owned();
    };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = after.split_at(digits);
    format!("{mark}{}{rest}", if number == "0" { "0" } else { "some" })
}

/// Takes `date` and `server` out of the maps that are shown in `on_log`.
fn drop_own_fields(text: &str) -> String {
    if !text.starts_with("log: ") {
        return text.to_owned();
    }
    let own = [
        r#"["date","{date}"]"#,
        r#"["server","envoy"]"#,
        r#"["server","cofferdam"]"#,
    ];
    own.iter().fold(text.to_owned(), |text, pair| without_pair(&text, pair))
}

/// Sorts the pairs of a map that a line shows by their keys.
fn sort_map(text: &str) -> String {
    let Some((before, pairs)) = text.split_once("=[[") else {
        return text.to_owned();
    };
    let Some((pairs, after)) = pairs.rsplit_once("]]") else {
        return text.to_owned();
    };
    let mut sorted: Vec<&str> = pairs.split("],[").collect();
    sorted.sort_by_key(|pair| pair.split(',').next());
    format!("{before}=[[{}]]{after}", sorted.join("],["))
}

/// Replaces each number behind `:` or `=` that is a known port.
fn name_ports(text: &str, addresses: &Addresses) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find([':', '=']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = after.split_at(digits);
        match number.parse().ok().and_then(|port: u16| addresses.ports.get(&port)) {
            Some(role) => out.extend(["{", role, "}"]),
            None => out.push_str(number),
        }
        rest = tail;
    }
    out + rest
}

/// Replaces each `Sun, 06 Nov 1994 08:49:37 GMT`.
fn name_dates(text: &str) -> String {
    const LENGTH: usize = 29;
    let mut out = text.to_owned();
    while let Some(end) = out.find(" GMT").map(|at| at + 4) {
        let Some(start) = end.checked_sub(LENGTH) else {
            return out;
        };
        out.replace_range(start..end, "{date}");
    }
    out
}

/// Replaces each UUID.
fn name_uuids(text: &str) -> String {
    const LENGTH: usize = 36;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if rest.get(..LENGTH).is_some_and(is_uuid) {
            out.push_str("{uuid}");
            rest = rest.get(LENGTH..).unwrap_or_default();
        } else {
            out.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests;
