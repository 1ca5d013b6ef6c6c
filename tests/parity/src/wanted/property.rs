//! Properties: where ours gives more than Envoy.

use super::Row;

const MORE: &str = "what heads and trailers say is readable in every phase: more than Envoy gives, and never less";
const EARLY: &str = "the request's head is there when the context is created, and with it the length that it gives";
const HIGRESS: &str = "Higress's plugins read these names, which Envoy 1.40 no longer has at top level";
const TEXT: &str = "our own answers say what a client may know, in our words";

/// A property that Envoy gives in one phase and ours in all.
macro_rules! kept {
    ($name:literal) => {
        Row::log(
            "property-in-*",
            concat!("a info *: get_property ", $name, " -> 1"),
            concat!("a info *: get_property ", $name, " -> 0 value=\"*"),
            MORE,
        )
    };
}

/// A map that Envoy gives in one phase and ours in all.
macro_rules! kept_map {
    ($case:literal, $name:literal) => {
        Row::log(
            $case,
            concat!("a info *: get_property ", $name, " -> 0 value=[]"),
            concat!("a info *: get_property ", $name, " -> 0 value=[[*"),
            MORE,
        )
    };
}

/// A property that Higress's plugins read.
macro_rules! higress {
    ($name:literal) => {
        Row::log(
            "property-*",
            concat!("a info *: get_property ", $name, " -> 1"),
            concat!("a info *: get_property ", $name, " -> 0 value=*"),
            HIGRESS,
        )
    };
}

const HOSTS: &str = "one table of routes serves all hosts: there are no virtual hosts that could have a name";
const NODE: &str = "a gateway is no node of a control plane; `node` itself is absent in both";

pub(super) static ROWS: &[Row] = &[
    // Of the request's head.
    Row::log(
        "property-request*",
        "a info response_headers: get_property request.* -> 1",
        "a info response_headers: get_property request.* -> 0 value=\"*",
        MORE,
    ),
    kept!("request.path"),
    kept!("request.url_path"),
    kept!("request.host"),
    kept!("request.scheme"),
    kept!("request.method"),
    kept!("request.referer"),
    kept!("request.useragent"),
    kept!("request.query"),
    kept!("request.id"),
    kept!("request.headers.*"),
    kept_map!("property-request*", "request.headers"),
    kept_map!("property-in-*", "request.headers"),
    Row::log(
        "property-in-create",
        "a info context_create: get_property request.size -> 0 value=0",
        "a info context_create: get_property request.size -> 0 value=4",
        EARLY,
    ),
    // Of the response's.
    kept!("response.headers.x-up"),
    kept!("response.trailers.x-t"),
    kept_map!("property-in-*", "response.headers"),
    kept_map!("property-in-*", "response.trailers"),
    // Of the configuration.
    higress!("route_name"),
    higress!("cluster_name"),
    higress!("listener_direction"),
    Row::log(
        "tcp-properties",
        "a info new_connection: get_property -> 1",
        "a info new_connection: get_property -> 0 value=\"raw\"",
        "a listener for bytes has one upstream, known before the first byte",
    ),
    // Set by plugins.
    Row::log(
        "property-set",
        "a info request_headers: get_property two.words -> 1",
        "a info request_headers: get_property two.words -> 0 value=\"x\"",
        "what was set under a path is read under the same path",
    ),
    // Of our own answer.
    Row::log(
        "property-of-dead-upstream",
        "a info log: get_property response.size -> 0 value=98",
        "a info log: get_property response.size -> 0 value=29",
        TEXT,
    ),
    Row::log(
        "property-of-dead-upstream",
        "a info log: get_property response.headers -> 0 value=[*\"98\"*",
        "a info log: get_property response.headers -> 0 value=[*\"29\"*",
        TEXT,
    ),
    Row::log(
        "property-of-dead-upstream",
        "a info response_body(size=98 end=1)",
        "a info response_body(size=29 end=1)",
        TEXT,
    ),
    Row::new(
        "property-of-dead-upstream",
        "answer 0 header content-length",
        "[\"98\"]",
        "[\"29\"]",
        TEXT,
    ),
    Row::new(
        "property-of-dead-upstream",
        "answer 0 body",
        "upstream connect error or disconnect/reset before headers*",
        "no connection to the upstream",
        TEXT,
    ),
    Row::log(
        "property-*",
        "a info *: get_property xds.virtual_host_name -> 0 value=[3 bytes]",
        "a info *: get_property xds.virtual_host_name -> 1",
        HOSTS,
    ),
    // Of a mesh.
    Row::log(
        "property-*",
        "a info *: get_property xds.node -> 0 value=[*",
        "a info *: get_property xds.node -> 1",
        NODE,
    ),
    Row::new(
        "property-in-configure",
        "start",
        "a info *: get_property xds.node -> 0 value=[*",
        "a info *: get_property xds.node -> 1",
        NODE,
    ),
    Row::log(
        "property-*",
        "a info *: get_property xds.upstream_host*_metadata -> 3",
        "a info *: get_property xds.upstream_host*_metadata -> 1",
        "endpoints have no metadata: that is said as absent, where Envoy fails to write it",
    ),
    Row::log(
        "property-*",
        "a info *: get_property upstream.local_port -> 1",
        "a info *: get_property upstream.local_port -> 0 value=[8 bytes]",
        "the specification has it, and plugins that ask find the port of `upstream.local_address`",
    ),
];
