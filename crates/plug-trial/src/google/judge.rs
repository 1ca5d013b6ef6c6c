//! An expectation of Google's, held against a phase: each difference in one line.

use super::expectation::{Expectation, Immediate, StringMatcher, Wanted};
use super::phase::Phase;
use crate::dump;

/// What is wrong with a phase. Whether a plugin answered by itself is looked at where something could.
pub(crate) fn differences(expect: &Expectation, phase: &Phase) -> Vec<String> {
    let mut wrong = Vec::new();
    headers(expect, phase, &mut wrong);
    for matcher in &expect.headers {
        let lines = phase.headers.iter().map(|(name, value)| {
            let mut line = format!("{name}: ").into_bytes();
            line.extend_from_slice(value);
            line
        });
        found(("header", matcher), &lines.collect::<Vec<_>>(), &mut wrong);
    }
    for matcher in &expect.body {
        found(("body", matcher), std::slice::from_ref(&phase.body), &mut wrong);
    }
    immediate(expect.immediate.as_ref(), phase, &mut wrong);
    logged(expect, phase, &mut wrong);
    named(wrong, phase)
}

/// What is wrong with what was logged, and nothing else.
pub(crate) fn log_differences(expect: &Expectation, phase: &Phase) -> Vec<String> {
    let mut wrong = Vec::new();
    logged(expect, phase, &mut wrong);
    named(wrong, phase)
}

fn named(wrong: Vec<String>, phase: &Phase) -> Vec<String> {
    let faults = phase.faults.iter();
    let faults = faults.map(|fault| format!("the plugin died: {fault} ({})", fault.code()));
    let all = faults.chain(wrong);
    all.map(|difference| format!("{}: {difference}", phase.name)).collect()
}

fn headers(expect: &Expectation, phase: &Phase, wrong: &mut Vec<String>) {
    let value = |name: &str| {
        phase
            .headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    };
    for (name, wanted) in &expect.has_header {
        match value(name) {
            Some(found) if found == wanted => {}
            Some(found) => wrong.push(format!(
                "header `{name}` is `{}`, not `{}`",
                shown(found),
                shown(wanted)
            )),
            None => wrong.push(format!("header `{name}` is not there, not `{}`", shown(wanted))),
        }
    }
    for name in &expect.no_header {
        if let Some(found) = value(name) {
            wrong.push(format!("header `{name}` is `{}`, not nothing", shown(found)));
        }
    }
}

fn immediate(expect: Option<&Immediate>, phase: &Phase, wrong: &mut Vec<String>) {
    let (wanted, answer) = match (expect, &phase.answer) {
        (Some(wanted), Some(answer)) => (wanted, answer),
        (Some(_), None) => return wrong.push("the plugin did not answer by itself".to_owned()),
        (None, Some(answer)) => {
            let (status, details) = (answer.status, &answer.details);
            return wrong.push(format!("the plugin answered by itself: {status} (`{details}`)"));
        }
        (None, None) if phase.is_held => {
            return wrong.push("the plugin held it, and nothing moves any more".to_owned());
        }
        (None, None) => return,
    };
    if let Some(status) = wanted.http_status
        && status != u64::from(answer.status)
    {
        wrong.push(format!("the status is {}, not {status}", answer.status));
    }
    if let Some(status) = wanted.grpc_status
        && Some(status) != answer.grpc_status.map(u64::from)
    {
        let found = answer
            .grpc_status
            .map_or_else(|| "none".to_owned(), |status| status.to_string());
        wrong.push(format!("the status of gRPC is {found}, not {status}"));
    }
    // As in Envoy, white space in details becomes `_`.
    let details = wanted
        .details
        .as_ref()
        .map(|details| details.replace(char::is_whitespace, "_"));
    if let Some(details) = details
        && details != answer.details
    {
        wrong.push(format!("the details are `{}`, not `{details}`", answer.details));
    }
}

fn logged(expect: &Expectation, phase: &Phase, wrong: &mut Vec<String>) {
    let lines: Vec<Vec<u8>> = phase.lines.iter().map(|line| line.clone().into_bytes()).collect();
    for matcher in &expect.log {
        found(("line", matcher), &lines, wrong);
    }
}

fn found((what, matcher): (&str, &StringMatcher), contents: &[Vec<u8>], wrong: &mut Vec<String>) {
    let fits = |content: &Vec<u8>| match &matcher.wanted {
        Wanted::Exact(wanted) => wanted == content,
        Wanted::Regex(pattern, _) => pattern.is_match(&String::from_utf8_lossy(content)),
    };
    if contents.iter().any(fits) != matcher.invert {
        return;
    }
    let wanted = match &matcher.wanted {
        Wanted::Exact(wanted) => format!("`{}`", shown(wanted)),
        Wanted::Regex(_, written) => format!("something that matches `{written}`"),
    };
    if matcher.invert {
        return wrong.push(format!("a {what} is {wanted}"));
    }
    if let (Wanted::Exact(wanted), [one]) = (&matcher.wanted, contents)
        && !(dump::is_text(wanted) && dump::is_text(one))
    {
        return wrong.push(format!("the {what} {}", dump::difference(one, wanted)));
    }
    let all: Vec<String> = contents.iter().map(|content| format!("`{}`", shown(content))).collect();
    wrong.push(format!("no {what} is {wanted}; there is [{}]", all.join(", ")));
}

fn shown(bytes: &[u8]) -> String {
    dump::shortened(&String::from_utf8_lossy(bytes))
}
