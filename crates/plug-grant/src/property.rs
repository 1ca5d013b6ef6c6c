//! Properties by the one name under which they are granted, and which header each of them shows.

use plug_abi::MapKind;

/// What of a message a property shows. Whoever may not read that may not read the property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// Nothing of one.
    Nothing,
    /// One header or trailer.
    Header(MapKind, &'a [u8]),
    /// The first that is there of several.
    Several(&'static [(MapKind, &'static [u8])]),
    /// All of a map, out of which is taken what may not be read.
    Map(MapKind),
}

/// What the plugin is told of itself. SDKs ask for some of it while a context is made, and do not survive that it is absent.
const OWN: [&[u8]; 4] = [b"plugin_name", b"plugin_root_id", b"plugin_vm_id", b"plugin_vm_memory"];

/// Where the status of gRPC is read from: trailers, headers where there are no trailers, and the status of HTTP where there is neither.
const GRPC_STATUS: &[(MapKind, &[u8])] = &[
    (MapKind::HttpResponseTrailers, b"grpc-status"),
    (MapKind::HttpResponseHeaders, b"grpc-status"),
    (MapKind::HttpResponseHeaders, b":status"),
];

pub(crate) fn is_own(path: &[&[u8]]) -> bool {
    matches!(path, [only] if OWN.contains(only))
}

/// The path with its parts joined by dots, one for all that are other names of the same.
pub(crate) fn canonical(path: &[&[u8]]) -> Vec<u8> {
    match path {
        [b"connection_id"] => b"connection.id".to_vec(),
        [b"xds", name @ (b"route_name" | b"cluster_name" | b"listener_direction")] => name.to_vec(),
        [b"filter_state", name] => name.strip_prefix(b"wasm.").unwrap_or(name).to_vec(),
        [b"request", b"headers", name] => [b"request.headers.", &*name.to_ascii_lowercase()].concat(),
        [b"response", b"headers", name] => [b"response.headers.", &*name.to_ascii_lowercase()].concat(),
        [b"response", b"trailers", name] => [b"response.trailers.", &*name.to_ascii_lowercase()].concat(),
        _ => path.join(&b'.'),
    }
}

/// What a property shows of the message.
pub(crate) fn shown<'a>(path: &[&'a [u8]]) -> Shown<'a> {
    const REQUEST: MapKind = MapKind::HttpRequestHeaders;
    const RESPONSE: MapKind = MapKind::HttpResponseHeaders;
    const TRAILERS: MapKind = MapKind::HttpResponseTrailers;
    match path {
        [b"request", b"headers", name] => Shown::Header(REQUEST, name),
        [b"request", b"headers"] => Shown::Map(REQUEST),
        [b"request", b"path" | b"url_path" | b"query"] => Shown::Header(REQUEST, b":path"),
        [b"request", b"host"] => Shown::Header(REQUEST, b":authority"),
        [b"request", b"method"] => Shown::Header(REQUEST, b":method"),
        [b"request", b"scheme"] => Shown::Header(REQUEST, b":scheme"),
        [b"request", b"referer"] => Shown::Header(REQUEST, b"referer"),
        [b"request", b"useragent"] => Shown::Header(REQUEST, b"user-agent"),
        [b"request", b"size"] => Shown::Header(REQUEST, b"content-length"),
        [b"request", b"id"] | [b"x_request_id"] => Shown::Header(REQUEST, b"x-request-id"),
        [b"response", b"headers", name] => Shown::Header(RESPONSE, name),
        [b"response", b"headers"] => Shown::Map(RESPONSE),
        [b"response", b"code"] => Shown::Header(RESPONSE, b":status"),
        [b"response", b"grpc_status"] => Shown::Several(GRPC_STATUS),
        [b"response", b"trailers", name] => Shown::Header(TRAILERS, name),
        [b"response", b"trailers"] => Shown::Map(TRAILERS),
        _ => Shown::Nothing,
    }
}
