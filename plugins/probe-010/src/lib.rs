//! The probe for ABI 0.1.0: header callbacks without end of stream, and the host calls that later versions dropped.

use probe::calls::COMMON;
use probe::{guest, host_calls};

host_calls! {
    /// In 0.1.0 alone.
    ONLY_010 {
        proxy_get_configuration(value: i32, length: i32) "value>";
        proxy_continue_request() "";
        proxy_continue_response() "";
        proxy_clear_route_cache() "";
    }
}

guest!(proxy_abi_version_0_1_0, &[COMMON, ONLY_010], headers());
