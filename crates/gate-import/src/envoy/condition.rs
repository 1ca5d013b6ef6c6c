//! What a route asks of headers and query parameters. A condition that cannot be taken over takes its route with it: without the
//! condition, the route would serve more than it should.

use crate::gateway::{Path, Route};
use crate::ledger::Cursor;
use crate::yaml::Yaml;

/// Why a condition has no counterpart.
pub(super) struct Unmapped(pub(super) String);

/// The conditions of `match`, onto the route.
pub(super) fn conditions(matched: &Cursor<'_, '_>, route: &mut Route) -> Result<(), Unmapped> {
    route.path = path(matched)?;
    if matched.flag("case_sensitive") == Some(false) {
        return Err(Unmapped("paths are compared with regard to case".to_owned()));
    }
    for key in [
        "runtime_fraction",
        "tls_context",
        "dynamic_metadata",
        "connect_matcher",
        "path_match_policy",
        "filter_state",
        "cookies",
    ] {
        if matched.has(key) {
            return Err(Unmapped(format!("`{key}` has no counterpart")));
        }
    }
    if matched.map("grpc").is_some() {
        let grpc = Yaml::map()
            .with("name", "content-type")
            .with("prefix", "application/grpc");
        route.headers.push(grpc);
    }
    for header in matched.maps("headers") {
        let name = header.text("name").unwrap_or_default();
        if name.starts_with(':') {
            pseudo(&header, name, route)?;
        } else {
            route.headers.push(test(&header, name)?);
        }
    }
    for parameter in matched.maps("query_parameters") {
        let name = parameter.text("name").unwrap_or_default();
        route.query.push(test(&parameter, name)?);
    }
    Ok(())
}

fn path(matched: &Cursor<'_, '_>) -> Result<Path, Unmapped> {
    if let Some(path) = matched.text("path") {
        return Ok(Path::Exact(path.to_owned()));
    }
    if let Some(place) = matched.get("prefix") {
        let prefix = place.as_text().unwrap_or_default();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            place.say(
                format!("Envoy's prefix `{prefix}` also matches `{prefix}x`"),
                "here a prefix ends at a `/`; a route with a regex serves the others",
            );
        }
        return Ok(Path::Prefix(if prefix.is_empty() {
            "/".to_owned()
        } else {
            prefix.to_owned()
        }));
    }
    if let Some(prefix) = matched.text("path_separated_prefix") {
        return Ok(Path::Prefix(prefix.to_owned()));
    }
    if let Some(regex) = matched.map("safe_regex") {
        regex.without_note("google_re2");
        return Ok(Path::Regex(regex.text("regex").unwrap_or_default().to_owned()));
    }
    Err(Unmapped(
        "it matches neither `path`, `prefix` nor `safe_regex`".to_owned(),
    ))
}

/// Method and host stand among the headers in Envoy.
fn pseudo(header: &Cursor<'_, '_>, name: &str, route: &mut Route) -> Result<(), Unmapped> {
    let exact = match header.text("exact_match") {
        Some(exact) => Some(exact),
        None => header.map("string_match").and_then(|matched| matched.text("exact")),
    };
    let inverted = header.flag("invert_match").unwrap_or(false);
    match (name, exact) {
        (":method", Some(method)) if !inverted && route.methods.is_empty() => route.methods.push(method.to_owned()),
        (":authority", Some(host)) if !inverted && route.hosts.is_empty() => route.hosts.push(host.to_owned()),
        _ => return Err(Unmapped(format!("the condition on `{name}` has no counterpart"))),
    }
    Ok(())
}

/// Keys of Envoy with ours, in the old way and the new.
type Words = [(&'static str, &'static str); 4];
const OLD: Words = [
    ("exact_match", "exact"),
    ("prefix_match", "prefix"),
    ("suffix_match", "suffix"),
    ("contains_match", "contains"),
];
const NEW: Words = [
    ("exact", "exact"),
    ("prefix", "prefix"),
    ("suffix", "suffix"),
    ("contains", "contains"),
];

fn of<'d>(place: &Cursor<'d, '_>, words: Words) -> Option<(&'static str, &'d str)> {
    let mut found = words
        .into_iter()
        .filter_map(|(theirs, ours)| Some((ours, place.text(theirs)?)));
    found.next()
}

fn regex<'d>(place: &Cursor<'d, '_>, key: &str) -> Option<&'d str> {
    let regex = place.map(key)?;
    regex.without_note("google_re2");
    regex.text("regex")
}

/// One test of a value, in the old or the new way of Envoy.
fn test(condition: &Cursor<'_, '_>, name: &str) -> Result<Yaml, Unmapped> {
    let yaml = Yaml::map().with("name", name);
    let matched = condition.map("string_match");
    if matched.is_some_and(|matched: Cursor<'_, '_>| matched.flag("ignore_case") == Some(true)) {
        return Err(Unmapped(format!("the condition on `{name}` disregards case")));
    }
    let found = of(condition, OLD)
        .or_else(|| regex(condition, "safe_regex_match").map(|text| ("regex", text)))
        .or_else(|| of(&matched?, NEW))
        .or_else(|| regex(&matched?, "safe_regex").map(|text| ("regex", text)));
    let yaml = match (found, condition.flag("present_match")) {
        (Some((key, text)), _) => yaml.with(key, text),
        (None, Some(present)) => yaml.with("present", present),
        (None, None) if matched.is_none() && !condition.has("range_match") && !condition.has("value") => {
            yaml.with("present", true)
        }
        (None, None) => return Err(Unmapped(format!("the condition on `{name}` has no counterpart"))),
    };
    if condition.flag("treat_missing_header_as_empty") == Some(true) {
        return Err(Unmapped(format!(
            "the condition on `{name}` takes a missing header for an empty one"
        )));
    }
    let inverted = condition.flag("invert_match").filter(|inverted| *inverted);
    Ok(yaml.with_some("invert", inverted))
}
