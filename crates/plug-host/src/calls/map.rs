//! Headers, trailers and callout metadata as maps.

use bytes::Bytes;
use http::HeaderMap;
use plug_abi::{Abi, LogLevel, MapKind, Status, pairs};

use crate::calls::{Done, Value};
use crate::exchange::{StreamContext, Visible};
use crate::guest::{Guest, Host};
use crate::map::{NotAllowed, PluginMap};
use crate::outside::GrpcEvent;

/// What a map is needed for.
fn needed(kind: MapKind) -> Option<Visible> {
    match kind {
        MapKind::HttpRequestHeaders => Some(Visible::REQUEST_HEAD),
        MapKind::HttpRequestTrailers => Some(Visible::REQUEST_TRAILERS),
        MapKind::HttpResponseHeaders => Some(Visible::RESPONSE_HEAD),
        MapKind::HttpResponseTrailers => Some(Visible::RESPONSE_TRAILERS),
        _ => None,
    }
}

/// Runs `see` on a map that may be read now.
fn with_map<R>(guest: &Guest, kind: MapKind, see: impl FnOnce(&dyn PluginMap) -> R) -> Option<R> {
    match kind {
        MapKind::HttpCallResponseHeaders => return guest.answer.reply().map(|reply| see(&reply.head)),
        MapKind::HttpCallResponseTrailers => return guest.answer.reply().map(|reply| see(&reply.trailers)),
        MapKind::GrpcReceiveInitialMetadata => {
            return match guest.answer.event() {
                Some(GrpcEvent::InitialMetadata(map)) => Some(see(map)),
                _ => None,
            };
        }
        MapKind::GrpcReceiveTrailingMetadata => {
            return match guest.answer.event() {
                Some(GrpcEvent::TrailingMetadata(map)) => Some(see(map)),
                _ => None,
            };
        }
        _ => {}
    }
    let stream = guest.stream()?;
    if !stream.visible.get().has(needed(kind)?) && !makes_trailers(stream, kind) {
        return None;
    }
    let exchange = &stream.exchange;
    match kind {
        MapKind::HttpRequestHeaders => Some(see(&*exchange.request.borrow())),
        MapKind::HttpResponseHeaders => exchange.response.borrow().as_ref().map(|head| see(head)),
        MapKind::HttpRequestTrailers => exchange.request_trailers.borrow().as_ref().map(|map| see(map)),
        _ => exchange.response_trailers.borrow().as_ref().map(|map| see(map)),
    }
}

/// Runs `edit` on a map that may be written now.
fn edit_map<R>(guest: &Guest, kind: MapKind, edit: impl FnOnce(&mut dyn PluginMap) -> R) -> Option<R> {
    if !may_edit(guest, kind) {
        return None;
    }
    let exchange = guest.exchange()?;
    match kind {
        MapKind::HttpRequestHeaders => {
            let edited = edit(&mut *exchange.request.borrow_mut());
            // Envoy clears its route cache on every change of request headers.
            exchange.route_stale.set(true);
            Some(edited)
        }
        MapKind::HttpResponseHeaders => exchange.response.borrow_mut().as_mut().map(|head| edit(head)),
        MapKind::HttpRequestTrailers => Some(edit(
            exchange
                .request_trailers
                .borrow_mut()
                .get_or_insert_with(HeaderMap::new),
        )),
        _ => Some(edit(
            exchange
                .response_trailers
                .borrow_mut()
                .get_or_insert_with(HeaderMap::new),
        )),
    }
}

/// Whether a map may be written now.
fn may_edit(guest: &Guest, kind: MapKind) -> bool {
    let (Some(stream), Some(needed)) = (guest.stream(), needed(kind)) else {
        return false;
    };
    let visible = stream.visible.get();
    !visible.has(Visible::LOG) && (visible.has(needed) || makes_trailers(stream, kind))
}

/// Trailers may be made in the callback of the last body bytes, as Envoy's `addDecodedTrailers` lets.
fn makes_trailers(stream: &StreamContext, kind: MapKind) -> bool {
    let visible = stream.visible.get();
    match kind {
        MapKind::HttpRequestTrailers => visible.has(Visible::REQUEST_BODY) && stream.request.end_of_stream.get(),
        MapKind::HttpResponseTrailers => visible.has(Visible::RESPONSE_BODY) && stream.response.end_of_stream.get(),
        _ => false,
    }
}

/// A name or value that would split a message is left out and said, but answered with OK: the Rust SDK panics on any other code here.
fn done(guest: &mut Guest, edited: Option<Result<(), NotAllowed>>) -> Done {
    match edited {
        None => Err(Status::BadArgument),
        Some(Ok(())) => Ok(()),
        Some(Err(not_allowed)) => {
            let text = format!("header `{}` left out: {}", not_allowed.name, not_allowed.why);
            guest.log(LogLevel::Warn, &text);
            Ok(())
        }
    }
}

fn kind_of(raw: u32) -> Result<MapKind, Status> {
    MapKind::from_raw(raw).ok_or(Status::BadArgument)
}

/// The pairs that the plugin may read by this call.
fn readable(guest: &Guest, kind: MapKind, call: &'static str, mut pairs: Vec<(Bytes, Bytes)>) -> Vec<(Bytes, Bytes)> {
    let Some(grant) = guest.narrows(kind) else { return pairs };
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !grant.reads_header(kind, name)) {
        guest.hides(call, name);
    }
    pairs.retain(|(name, _)| grant.only_reports() || grant.reads_header(kind, name));
    pairs
}

/// What becomes of a map when a plugin writes the whole of it that may not read or write all.
struct Edits<'a> {
    /// Names that leave before those that are wanted come.
    removed: Vec<Bytes>,
    added: Vec<(&'a [u8], &'a [u8])>,
}

impl Edits<'_> {
    fn make(&self, map: &mut dyn PluginMap) -> Result<(), NotAllowed> {
        self.removed.iter().for_each(|name| map.remove(name));
        let added = self.added.iter().map(|(name, value)| map.add(name, value));
        added.fold(Ok(()), Result::and)
    }
}

/// What to do instead of writing the whole map, when not all of it may be read and written. What the plugin does not see stays although it is
/// not among what it writes, and what it may not write stays as it is.
fn protected<'a>(guest: &Guest, kind: MapKind, wanted: &[(&'a [u8], &'a [u8])]) -> Option<Edits<'a>> {
    let grant = guest.narrows(kind)?;
    let present = with_map(guest, kind, |map| map.pairs()).unwrap_or_default();
    let is_wanted = |name: &[u8]| {
        wanted
            .iter()
            .any(|(other, _)| grant.header(kind, other) == grant.header(kind, name))
    };
    let writes = |name: &[u8]| grant.writes_header(kind, name);
    let is_there = |pair: &(&[u8], &[u8])| present.iter().any(|(name, value)| name == pair.0 && value == pair.1);
    let beyond = wanted.iter().find(|pair| !writes(pair.0) && !is_there(pair));
    if let Some((name, _)) = beyond {
        guest.refuses("proxy_set_header_map_pairs", &String::from_utf8_lossy(name));
    }
    let leaves = |name: &Bytes| writes(name) && (grant.reads_header(kind, name) || is_wanted(name));
    if grant.only_reports() {
        // What would stay, and goes.
        let goes = |(name, value): &&(Bytes, Bytes)| !leaves(name) && !wanted.contains(&(&name[..], &value[..]));
        if let Some((name, _)) = present.iter().find(goes).filter(|_| beyond.is_none()) {
            guest.refuses("proxy_set_header_map_pairs", &String::from_utf8_lossy(name));
        }
        return None;
    }
    Some(Edits {
        removed: present.into_iter().map(|(name, _)| name).filter(leaves).collect(),
        added: wanted.iter().filter(|(name, _)| writes(name)).copied().collect(),
    })
}

/// Envoy takes the map as if to change it, so that this is a bad argument where reading would do.
pub(crate) fn proxy_get_header_map_size(host: &mut Host<'_>, kind: u32, size_at: u32) -> Done {
    let kind = kind_of(kind)?;
    if !may_edit(host.guest, kind) {
        return Err(Status::BadArgument);
    }
    let bytes = with_map(host.guest, kind, |map| {
        let sizes = readable(host.guest, kind, "proxy_get_header_map_size", map.pairs())
            .into_iter()
            .map(|(name, value)| name.len().saturating_add(value.len()));
        sizes.fold(0, usize::saturating_add)
    });
    host.write_u32(size_at, u32::try_from(bytes.unwrap_or(0)).unwrap_or(u32::MAX))
}

pub(crate) fn proxy_get_header_map_pairs(host: &mut Host<'_>, kind: u32) -> Value {
    let kind = kind_of(kind)?;
    let all = with_map(host.guest, kind, |map| map.pairs()).unwrap_or_default();
    let all = readable(host.guest, kind, "proxy_get_header_map_pairs", all);
    if all.is_empty() {
        return Ok(Bytes::new());
    }
    Ok(Bytes::from(pairs::encode(
        all.iter().map(|(name, value)| (&name[..], &value[..])),
    )))
}

pub(crate) fn proxy_get_header_map_value(host: &mut Host<'_>, kind: u32, name: u32, length: u32) -> Value {
    let kind = kind_of(kind)?;
    let name = host.read(name, length)?;
    let value = with_map(host.guest, kind, |map| map.first(name)).flatten();
    match value {
        Some(value) => Ok(value),
        // 0.1.0 knew no "not found"; its SDKs take an empty value for it.
        None if host.guest.abi == Abi::V0_1_0 => Ok(Bytes::new()),
        None => Err(Status::NotFound),
    }
}

pub(crate) fn proxy_set_header_map_pairs(host: &mut Host<'_>, kind: u32, map: u32, length: u32) -> Done {
    let kind = kind_of(kind)?;
    // Malformed bytes are an empty map for Envoy; here nothing is changed, so that no header is lost by a slip.
    let wanted = pairs::decode(host.read(map, length)?).map_err(|_| Status::BadArgument)?;
    if let Some(edits) = protected(host.guest, kind, &wanted) {
        let edited = edit_map(host.guest, kind, |map| edits.make(map));
        return done(host.guest, edited);
    }
    let edited = edit_map(host.guest, kind, |map| {
        map.clear();
        wanted
            .iter()
            .map(|(name, value)| map.add(name, value))
            .fold(Ok(()), Result::and)
    });
    done(host.guest, edited)
}

pub(crate) fn proxy_add_header_map_value(
    host: &mut Host<'_>,
    kind: u32,
    name: u32,
    name_length: u32,
    value: u32,
    value_length: u32,
) -> Done {
    let kind = kind_of(kind)?;
    let (name, value) = (host.read(name, name_length)?, host.read(value, value_length)?);
    let edited = edit_map(host.guest, kind, |map| map.add(name, value));
    done(host.guest, edited)
}

pub(crate) fn proxy_replace_header_map_value(
    host: &mut Host<'_>,
    kind: u32,
    name: u32,
    name_length: u32,
    value: u32,
    value_length: u32,
) -> Done {
    let kind = kind_of(kind)?;
    let (name, value) = (host.read(name, name_length)?, host.read(value, value_length)?);
    let edited = edit_map(host.guest, kind, |map| map.replace(name, value));
    done(host.guest, edited)
}

pub(crate) fn proxy_remove_header_map_value(host: &mut Host<'_>, kind: u32, name: u32, length: u32) -> Done {
    let kind = kind_of(kind)?;
    let name = host.read(name, length)?;
    let edited = edit_map(host.guest, kind, |map| {
        map.remove(name);
        Ok(())
    });
    done(host.guest, edited)
}
