//! Whatever a guest says, no other way of saying it passes where one does not.
#![allow(clippy::unwrap_used)]

use plug_abi::{CALLS, MapKind};
use plug_grant::{Access, Grant, Names, Profile};
use proptest::prelude::*;

fn reading(names: &[&str]) -> Access {
    Access {
        read: names.iter().map(|name| Grant::header_name(name)).collect(),
        write: Names::default(),
    }
}

/// The same letters in other cases.
fn cased(name: String) -> impl Strategy<Value = (String, String)> {
    let length = name.len();
    (Just(name), proptest::collection::vec(any::<bool>(), length)).prop_map(|(name, upper)| {
        let letters = name.chars().zip(upper);
        let cased = letters.map(|(letter, upper)| match upper {
            true => letter.to_ascii_uppercase(),
            false => letter,
        });
        let cased = cased.collect();
        (name, cased)
    })
}

proptest! {
    #[test]
    fn the_case_of_a_name_decides_nothing((name, cased) in "[a-z:][a-z0-9-]{0,20}".prop_flat_map(cased), listed in "[a-zA-Z-]{1,8}\\*?") {
        let grant = Grant { request_headers: reading(&[&listed]), ..Grant::default() };
        let kind = MapKind::HttpRequestHeaders;
        prop_assert_eq!(grant.reads_header(kind, name.as_bytes()), grant.reads_header(kind, cased.as_bytes()));
        prop_assert!(!grant.writes_header(kind, cased.as_bytes()));
    }

    #[test]
    fn a_property_never_shows_a_header_that_may_not_be_read((name, cased) in "[a-z][a-z0-9-]{0,20}".prop_flat_map(cased)) {
        let mut grant = Grant { properties: Access::all(), ..Grant::default() };
        let read = |grant: &Grant| grant.reads_property(&[b"request", b"headers", cased.as_bytes()]);
        prop_assert!(!read(&grant));
        grant.request_headers = reading(&[&name]);
        prop_assert!(read(&grant));
    }

    #[test]
    fn bytes_for_redis_pass_only_as_one_granted_command(bytes in proptest::collection::vec(any::<u8>(), 0..64), key in "[a-z:]{1,8}") {
        let mut grant = Grant::default();
        grant.redis.commands = ["GET"].into_iter().collect();
        grant.redis.keys = ["team:*"].into_iter().collect();
        prop_assert!(grant.asks_redis(&bytes).is_err());
        let query = [format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len()).into_bytes(), bytes.clone()].concat();
        prop_assert_eq!(grant.asks_redis(&query).is_ok(), key.starts_with("team:") && bytes.is_empty());
    }

    #[test]
    fn what_is_free_is_granted_and_more_gives_never_less(number in 0..CALLS, profile in 0..4_usize) {
        let grant = Profile::ALL.into_iter().nth(profile).unwrap().grant();
        let own = Grant::default().free();
        prop_assert!(!grant.free().has(number) || grant.has_call(number) || own.has(number));
        let mut more = grant.clone();
        more.join(Profile::Observer.grant());
        prop_assert!(!grant.has_call(number) || more.has_call(number));
        prop_assert!(!grant.free().has(number) || more.free().has(number));
    }
}

#[test]
fn names_of_one_thing_are_granted_as_one() {
    let mut grant = Grant {
        request_headers: reading(&[":authority", "X-Request-Id"]),
        properties: reading(&["route_name", "connection.id", "request.*", "colour", "x_request_id"]),
        ..Grant::default()
    };
    for path in [
        &[&b"xds"[..], b"route_name"][..],
        &[b"route_name"],
        &[b"connection", b"id"],
        &[b"connection_id"],
        &[b"request", b"host"],
        &[b"request", b"headers", b"HOST"],
        &[b"request", b"headers", b":authority"],
        &[b"request", b"id"],
        &[b"x_request_id"],
        &[b"filter_state", b"wasm.colour"],
        &[b"colour"],
    ] {
        assert!(grant.reads_property(path), "{path:?}");
    }
    for path in [
        &[&b"request"[..], b"path"][..],
        &[b"request", b"url_path"],
        &[b"request", b"query"],
        &[b"request", b"referer"],
        &[b"request", b"headers", b"authorization"],
        &[b"xds", b"cluster_name"],
        &[b"filter_state", b"wasm.other"],
        &[b"source", b"address"],
    ] {
        assert!(!grant.reads_property(path), "{path:?}");
    }
    grant.properties = Access::default();
    assert!(grant.reads_property(&[b"plugin_root_id"]));
    assert!(!grant.writes_property(&[b"plugin_root_id"]));
    assert!(grant.reads_header(MapKind::HttpRequestHeaders, b":authority"));
    // In a response, `host` is a header as any other.
    assert!(!grant.reads_header(MapKind::HttpResponseHeaders, b":authority"));
}

#[test]
fn a_command_of_redis_is_looked_at_whatever_is_granted() {
    let mut grant = Grant {
        upstreams: Names::all(),
        ..Grant::default()
    };
    grant.calls.add_host("redis").unwrap();
    grant.redis.commands = Names::all();
    grant.redis.keys = Names::all();
    grant.redis.databases = Names::all();
    assert!(grant.free().names().any(|name| name == "proxy_redis_init"));
    assert!(grant.free().names().all(|name| name != "proxy_redis_call"));
}

#[test]
fn a_grant_of_nothing_leaves_the_plugin_what_is_its_own() {
    let grant = Grant::default();
    let names: Vec<_> = grant.free().names().collect();
    assert_eq!(
        names,
        [
            "proxy_set_effective_context",
            "proxy_done",
            "proxy_get_configuration",
            "emscripten_notify_memory_growth",
            "pthread_equal",
            "args_get",
            "args_sizes_get",
            "environ_get",
            "environ_sizes_get",
            "fd_close",
            "fd_fdstat_get",
            "fd_fdstat_set_flags",
            "fd_prestat_dir_name",
            "fd_prestat_get",
            "poll_oneoff",
            "proc_exit",
            "sched_yield",
        ]
    );
    assert!(Grant::everything().free().has(plug_abi::call_number("proxy_http_call")));
}
