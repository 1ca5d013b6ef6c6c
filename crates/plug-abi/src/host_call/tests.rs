//! The table is complete, free of contradictions, and its denials are survivable.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;

use super::*;
use crate::Status::{
    BadArgument, CasMismatch, Empty, InternalFailure, NotFound, Ok, ParseFailure, SerializationFailure,
};

/// The statuses from which the Rust SDK's wrapper of a call returns; any other is a panic. Read off its `hostcalls.rs`; calls that
/// it does not import are not here.
const RUST_SDK_SURVIVES: &[(&str, &[Status])] = &[
    ("proxy_log", &[Ok]),
    ("proxy_get_log_level", &[Ok]),
    ("proxy_get_current_time_nanoseconds", &[Ok]),
    ("proxy_set_tick_period_milliseconds", &[Ok]),
    ("proxy_get_buffer_bytes", &[Ok, NotFound]),
    ("proxy_set_buffer_bytes", &[Ok]),
    ("proxy_get_header_map_pairs", &[Ok]),
    ("proxy_set_header_map_pairs", &[Ok]),
    ("proxy_get_header_map_value", &[Ok, NotFound]),
    ("proxy_replace_header_map_value", &[Ok]),
    ("proxy_remove_header_map_value", &[Ok]),
    ("proxy_add_header_map_value", &[Ok]),
    (
        "proxy_get_property",
        &[Ok, NotFound, SerializationFailure, InternalFailure],
    ),
    ("proxy_set_property", &[Ok]),
    ("proxy_get_shared_data", &[Ok, NotFound]),
    ("proxy_set_shared_data", &[Ok, CasMismatch]),
    ("proxy_register_shared_queue", &[Ok]),
    ("proxy_resolve_shared_queue", &[Ok, NotFound]),
    ("proxy_dequeue_shared_queue", &[Ok, Empty, NotFound]),
    ("proxy_enqueue_shared_queue", &[Ok, NotFound]),
    ("proxy_continue_stream", &[Ok]),
    ("proxy_close_stream", &[Ok]),
    ("proxy_send_local_response", &[Ok]),
    ("proxy_redis_init", &[Ok, BadArgument, InternalFailure]),
    ("proxy_redis_call", &[Ok, BadArgument, InternalFailure]),
    ("proxy_http_call", &[Ok, BadArgument, InternalFailure]),
    ("proxy_grpc_call", &[Ok, ParseFailure, InternalFailure]),
    ("proxy_grpc_stream", &[Ok, ParseFailure, InternalFailure]),
    ("proxy_grpc_send", &[Ok, BadArgument, NotFound]),
    ("proxy_grpc_cancel", &[Ok, NotFound]),
    ("proxy_grpc_close", &[Ok, NotFound]),
    ("proxy_get_status", &[Ok]),
    // The dispatcher unwraps the wrapper's answer.
    ("proxy_set_effective_context", &[Ok]),
    (
        "proxy_call_foreign_function",
        &[Ok, NotFound, BadArgument, SerializationFailure, InternalFailure],
    ),
    ("proxy_done", &[Ok]),
    ("proxy_define_metric", &[Ok]),
    ("proxy_get_metric", &[Ok, NotFound, BadArgument]),
    ("proxy_record_metric", &[Ok, NotFound]),
    ("proxy_increment_metric", &[Ok, NotFound, BadArgument]),
];

#[test]
fn the_rust_sdk_survives_every_denial() {
    for (name, survived) in RUST_SDK_SURVIVES {
        let call = host_call(name).unwrap();
        assert!(
            survived.contains(&call.denied),
            "{name} is denied with {:?}",
            call.denied
        );
    }
}

#[test]
fn the_go_sdk_survives_every_denial() {
    for call in HOST_CALLS.iter().filter(|call| call.family == Family::Metric) {
        assert_eq!(call.denied, Ok, "{}", call.name);
    }
}

#[test]
fn a_denied_call_that_creates_something_says_so() {
    // OK would leave the guest waiting for the answer to a callout that was never sent.
    for call in HOST_CALLS
        .iter()
        .filter(|call| matches!(call.family, Family::HttpCall | Family::GrpcCall | Family::Redis))
    {
        if call.name != "proxy_get_status" {
            assert_ne!(call.denied, Ok, "{}", call.name);
        }
    }
}

#[test]
fn names_are_unique_and_of_the_abi() {
    let names: BTreeSet<&str> = HOST_CALLS.iter().map(|call| call.name).collect();
    assert_eq!(names.len(), HOST_CALLS.len());
    for call in HOST_CALLS.iter().filter(|call| call.family != Family::Emscripten) {
        assert!(call.name.starts_with("proxy_"), "{}", call.name);
    }
}

#[test]
fn every_version_has_its_calls() {
    let count = |abi: Abi| {
        HOST_CALLS
            .iter()
            .filter(|call| call.since <= abi && call.until.is_none_or(|last| abi <= last))
            .count()
    };
    assert_eq!(Abi::ALL.map(count), [42, 40, 46, 46]);
}

#[test]
fn calls_that_allocate_have_two_pointers_to_write_to() {
    for call in HOST_CALLS {
        let returns = |name: &str| call.params.iter().any(|param| param.name == name);
        assert_eq!(
            call.allocates,
            returns("return_ptr") && returns("return_len"),
            "{}",
            call.name
        );
    }
}

#[test]
fn other_shapes_are_other() {
    for call in HOST_CALLS {
        for shape in call.shapes {
            assert!(!call.is_standard(shape.params, shape.results), "{}", call.name);
            assert!(call.accepts(shape.params, shape.results), "{}", call.name);
        }
    }
}

#[test]
fn only_metric_calls_take_64_bits() {
    for call in HOST_CALLS.iter().filter(|call| call.family != Family::Metric) {
        assert!(
            call.params.iter().all(|param| param.value_type == ValueType::I32),
            "{}",
            call.name
        );
    }
}

#[test]
fn a_call_is_found_and_accepts_what_sdks_declare() {
    let call = host_call("proxy_grpc_call").unwrap();
    assert!(call.accepts(&[ValueType::I32; 12], &[ValueType::I32]));
    assert!(
        call.accepts(&[ValueType::I32; 10], &[ValueType::I32]),
        "as AssemblyScript declares it"
    );
    assert!(!call.accepts(&[ValueType::I32; 11], &[ValueType::I32]));
    let clear = host_call("proxy_clear_route_cache").unwrap();
    assert!(clear.accepts(&[], &[]) && clear.accepts(&[], &[ValueType::I32]));
    assert!(host_call("proxy_nonsense").is_none());
}

#[test]
fn families_have_words_that_lead_back_and_are_no_names_of_calls() {
    for family in Family::ALL {
        assert_eq!(Family::from_word(family.word()), Some(family));
        assert!(host_call(family.word()).is_none());
        assert!(HOST_CALLS.iter().any(|call| call.family == family), "{}", family.word());
    }
}
