//! The names of foreign functions, which guests call by name and not by import.

/// Every foreign function that this gateway has, sorted: Envoy's that need no Envoy, Higress's, and our own.
pub static FOREIGN_FUNCTIONS: &[&str] = &[
    "clear_route_cache",
    "compress",
    "declare_property",
    "expr_create",
    "expr_delete",
    "expr_evaluate",
    "get_log_level",
    "hand_over",
    "inject_encoded_data_to_filter_chain_on_header",
    "mask",
    "mask_json",
    "set_envoy_filter_state",
    "set_global_max_requests_per_io_cycle",
    "sign",
    "take_over",
    "uncompress",
    "verify_signature",
];
