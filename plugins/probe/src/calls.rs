//! The host calls that every ABI version has, and those that several versions share.

use crate::host_calls;

host_calls! {
    /// In 0.1.0, 0.2.0, 0.2.1 and 0.2.100.
    COMMON {
        proxy_log(level: i32, text: i32, length: i32) "level text$";
        proxy_get_current_time_nanoseconds(time: i32) "time@";
        proxy_set_tick_period_milliseconds(period: i32) "period";
        proxy_set_buffer_bytes(buffer: i32, start: i32, size: i32, value: i32, length: i32) "buffer start size value$";
        proxy_get_buffer_bytes(buffer: i32, start: i32, max: i32, value: i32, length: i32) "buffer start size value>";
        proxy_get_buffer_status(buffer: i32, length: i32, flags: i32) "buffer length# flags#";
        proxy_get_header_map_size(map: i32, size: i32) "map size#";
        proxy_get_header_map_pairs(map: i32, pairs: i32, length: i32) "map pairs*";
        proxy_set_header_map_pairs(map: i32, pairs: i32, length: i32) "map pairs%";
        proxy_get_header_map_value(map: i32, key: i32, key_length: i32, value: i32, length: i32) "map key$ value>";
        proxy_add_header_map_value(map: i32, key: i32, key_length: i32, value: i32, length: i32) "map key$ value$";
        proxy_replace_header_map_value(map: i32, key: i32, key_length: i32, value: i32, length: i32) "map key$ value$";
        proxy_remove_header_map_value(map: i32, key: i32, length: i32) "map key$";
        proxy_send_local_response(status: i32, details: i32, details_length: i32, body: i32, body_length: i32, headers: i32, headers_length: i32, grpc_status: i32) "status details$ body$ headers% grpc_status";
        proxy_http_call(upstream: i32, upstream_length: i32, headers: i32, headers_length: i32, body: i32, body_length: i32, trailers: i32, trailers_length: i32, timeout: i32, token: i32) "upstream$ headers% body$ trailers% timeout token#";
        proxy_grpc_call(upstream: i32, upstream_length: i32, service: i32, service_length: i32, method: i32, method_length: i32, metadata: i32, metadata_length: i32, message: i32, message_length: i32, timeout: i32, token: i32) "upstream$ service$ method$ metadata% message$ timeout token#";
        proxy_grpc_stream(upstream: i32, upstream_length: i32, service: i32, service_length: i32, method: i32, method_length: i32, metadata: i32, metadata_length: i32, token: i32) "upstream$ service$ method$ metadata% token#";
        proxy_grpc_send(token: i32, message: i32, length: i32, end_stream: i32) "token message$ end_stream";
        proxy_grpc_cancel(token: i32) "token";
        proxy_grpc_close(token: i32) "token";
        proxy_get_status(code: i32, message: i32, length: i32) "code# message>";
        proxy_set_shared_data(key: i32, key_length: i32, value: i32, length: i32, cas: i32) "key$ value$ cas";
        proxy_get_shared_data(key: i32, key_length: i32, value: i32, length: i32, cas: i32) "key$ value> cas#";
        proxy_register_shared_queue(name: i32, length: i32, token: i32) "name$ queue#";
        proxy_resolve_shared_queue(vm_id: i32, vm_id_length: i32, name: i32, length: i32, token: i32) "vm_id$ name$ queue#";
        proxy_enqueue_shared_queue(queue: i32, value: i32, length: i32) "queue value$";
        proxy_dequeue_shared_queue(queue: i32, value: i32, length: i32) "queue value>";
        proxy_define_metric(kind: i32, name: i32, length: i32, metric: i32) "type name$ metric#";
        proxy_record_metric(metric: i32, value: i64) "metric value";
        proxy_increment_metric(metric: i32, offset: i64) "metric offset";
        proxy_get_metric(metric: i32, value: i32) "metric value@";
        proxy_get_property(path: i32, path_length: i32, value: i32, length: i32) "path$ value>";
        proxy_set_property(path: i32, path_length: i32, value: i32, length: i32) "path$ value$";
        proxy_call_foreign_function(name: i32, name_length: i32, arguments: i32, arguments_length: i32, result: i32, length: i32) "name$ arguments$ result>";
        proxy_set_effective_context(context: i32) "context";
        proxy_done() "";
    }
}

host_calls! {
    /// Since 0.2.0, in place of `proxy_continue_request` and `proxy_continue_response`.
    SINCE_020 {
        proxy_continue_stream(stream: i32) "stream";
        proxy_close_stream(stream: i32) "stream";
    }
}

host_calls! {
    /// Since 0.2.1.
    SINCE_021 {
        proxy_get_log_level(level: i32) "level#";
    }
}
