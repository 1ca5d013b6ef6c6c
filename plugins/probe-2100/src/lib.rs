//! The probe for Higress's ABI 0.2.100: its Redis calls, body injection and upstream hosts.

use probe::calls::{COMMON, SINCE_020, SINCE_021};
use probe::{guest, host_calls};

host_calls! {
    /// In 0.2.100 alone.
    HIGRESS {
        proxy_redis_init(upstream: i32, upstream_length: i32, user: i32, user_length: i32, password: i32, password_length: i32, timeout: i32) "upstream$ user$ password$ timeout";
        proxy_redis_call(upstream: i32, upstream_length: i32, query: i32, query_length: i32, token: i32) "upstream$ query$ token#";
        proxy_inject_encoded_data_to_filter_chain(body: i32, body_length: i32, end_stream: i32) "body$ end_stream";
        proxy_get_upstream_hosts(hosts: i32, length: i32) "hosts*";
        proxy_set_upstream_override_host(address: i32, length: i32) "address$";
    }
}

guest!(
    proxy_abi_version_0_2_100,
    &[COMMON, SINCE_020, SINCE_021, HIGRESS],
    headers(end)
);

/// A reply of Redis, or the news that there will be none.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_redis_call_response(root: u32, token: u32, status: i32, size: i32) {
    probe::callbacks::redis_call_response(root, token, status, size);
}
