//! The few host calls that dying needs, and an allocator that lies when told.

use std::cell::Cell;

/// How the allocator behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocator {
    Honest,
    Null,
    Outside,
    AtTheEnd,
    Overlapping,
    Trap,
    Loop,
    Reenter,
}

thread_local! {
    static ALLOCATOR: Cell<Allocator> = const { Cell::new(Allocator::Honest) };
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: i32, text: *const u8, length: usize) -> i32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> i32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> i32;
    fn proxy_get_buffer_bytes(buffer: i32, start: usize, max: usize, value: *mut *mut u8, length: *mut usize) -> i32;
    fn proxy_get_header_map_value(
        map: i32,
        key: *const u8,
        key_length: usize,
        value: *mut *mut u8,
        length: *mut usize,
    ) -> i32;
    fn proxy_get_property(path: *const u8, path_length: usize, value: *mut *mut u8, length: *mut usize) -> i32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_length: usize,
        body: *const u8,
        body_length: usize,
        headers: *const u8,
        headers_length: usize,
        grpc: i32,
    ) -> i32;
    fn proxy_http_call(
        upstream: *const u8,
        upstream_length: usize,
        headers: *const u8,
        headers_length: usize,
        body: *const u8,
        body_length: usize,
        trailers: *const u8,
        trailers_length: usize,
        timeout: u32,
        token: *mut u32,
    ) -> i32;
    fn proxy_set_shared_data(key: *const u8, key_length: usize, value: *const u8, length: usize, cas: u32) -> i32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_length: usize,
        value: *mut *mut u8,
        length: *mut usize,
        cas: *mut u32,
    ) -> i32;
    fn proxy_register_shared_queue(name: *const u8, length: usize, queue: *mut u32) -> i32;
    fn proxy_enqueue_shared_queue(queue: u32, value: *const u8, length: usize) -> i32;
    fn proxy_define_metric(kind: i32, name: *const u8, length: usize, metric: *mut u32) -> i32;
    fn proxy_add_header_map_value(map: i32, key: *const u8, key_length: usize, value: *const u8, length: usize) -> i32;
    fn proxy_set_header_map_pairs(map: i32, pairs: *const u8, length: usize) -> i32;
    fn proxy_set_effective_context(context: u32) -> i32;
    fn proxy_continue_stream(stream: i32) -> i32;
    fn proxy_grpc_stream(
        upstream: *const u8,
        upstream_length: usize,
        service: *const u8,
        service_length: usize,
        method: *const u8,
        method_length: usize,
        metadata: *const u8,
        metadata_length: usize,
        token: *mut u32,
    ) -> i32;
    fn proxy_grpc_send(token: u32, message: *const u8, length: usize, end: i32) -> i32;
    fn proxy_redis_init(
        upstream: *const u8,
        upstream_length: usize,
        user: *const u8,
        user_length: usize,
        password: *const u8,
        password_length: usize,
        timeout: u32,
    ) -> i32;
    fn proxy_redis_call(
        upstream: *const u8,
        upstream_length: usize,
        query: *const u8,
        query_length: usize,
        token: *mut u32,
    ) -> i32;
}

/// Sets how the allocator behaves from now on.
pub(crate) fn set_allocator(behaviour: Allocator) {
    ALLOCATOR.set(behaviour);
}

/// The allocator that the host calls.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let end = core::arch::wasm32::memory_size(0) * 65536;
    match ALLOCATOR.get() {
        Allocator::Honest => Vec::leak(vec![0; size]).as_mut_ptr(),
        Allocator::Null => std::ptr::null_mut(),
        Allocator::Outside => 0xffff_fff0_usize as *mut u8,
        Allocator::AtTheEnd => (end - 1) as *mut u8,
        Allocator::Overlapping => 8 as *mut u8,
        Allocator::Trap => core::arch::wasm32::unreachable(),
        Allocator::Loop => loop {
            std::hint::black_box(size);
        },
        Allocator::Reenter => {
            property();
            std::ptr::null_mut()
        }
    }
}

pub(crate) fn log(text: &str) {
    // SAFETY: pointer and length are those of a live string.
    let _ = unsafe { proxy_log(2, text.as_ptr(), text.len()) };
}

pub(crate) fn now() -> u64 {
    let mut time = 0;
    // SAFETY: the host writes 8 bytes to a live u64.
    let _ = unsafe { proxy_get_current_time_nanoseconds(&mut time) };
    time
}

pub(crate) fn set_tick(period_ms: u32) {
    // SAFETY: takes a number only.
    let _ = unsafe { proxy_set_tick_period_milliseconds(period_ms) };
}

/// Bytes of a buffer, through the allocator.
pub(crate) fn buffer(index: i32) -> Vec<u8> {
    let (mut value, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: both out pointers are those of live locals.
    let status = unsafe { proxy_get_buffer_bytes(index, 0, 1 << 20, &mut value, &mut length) };
    taken(status, value, length)
}

/// A request header, through the allocator.
pub(crate) fn request_header(name: &str) -> Vec<u8> {
    let (mut value, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: the name is live and both out pointers are those of live locals.
    let status = unsafe { proxy_get_header_map_value(0, name.as_ptr(), name.len(), &mut value, &mut length) };
    taken(status, value, length)
}

/// Asks for a property that every host has in every callback, so that the allocator is called; says the status.
pub(crate) fn property() -> i32 {
    let name = "plugin_name";
    let (mut value, mut length): (*mut u8, usize) = (std::ptr::null_mut(), 0);
    // SAFETY: the name is live and both out pointers are those of live locals; the bytes are left where they are.
    unsafe { proxy_get_property(name.as_ptr(), name.len(), &mut value, &mut length) }
}

fn taken(status: i32, value: *mut u8, length: usize) -> Vec<u8> {
    if status != 0 || value.is_null() {
        return Vec::new();
    }
    // SAFETY: the honest allocator made this block with exactly this length.
    unsafe { Vec::from_raw_parts(value, length, length) }
}

pub(crate) fn local_response() {
    refuse(418, "died");
}

/// Answers in place of the upstream.
pub(crate) fn refuse(status: u32, text: &str) {
    // SAFETY: every pointer is that of a live string; the headers are empty.
    let _ = unsafe {
        proxy_send_local_response(
            status,
            text.as_ptr(),
            text.len(),
            text.as_ptr(),
            text.len(),
            text.as_ptr(),
            0,
            -1,
        )
    };
}

/// Sends a callout to the upstream `callout`; says whether it is on its way.
pub(crate) fn callout() -> bool {
    let upstream = "callout";
    let headers = map(&[(":method", "GET"), (":path", "/"), (":authority", "callout")]);
    let mut token = 0;
    // SAFETY: every pointer is that of live bytes; body and trailers are empty; the out pointer is that of a live local.
    0 == unsafe {
        proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            headers.as_ptr(),
            headers.len(),
            headers.as_ptr(),
            0,
            headers.as_ptr(),
            0,
            1000,
            &mut token,
        )
    }
}

fn map(pairs: &[(&str, &str)]) -> Vec<u8> {
    let lengths = pairs
        .iter()
        .flat_map(|(key, value)| [key.len() as u32, value.len() as u32]);
    let mut bytes: Vec<u8> = [pairs.len() as u32]
        .into_iter()
        .chain(lengths)
        .flat_map(u32::to_le_bytes)
        .collect();
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend(text.bytes());
        bytes.push(0);
    }
    bytes
}

pub(crate) fn share(key: &str, value: &[u8]) -> i32 {
    // SAFETY: key and value are live.
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), 0) }
}

/// Registers a queue and gives its number.
pub(crate) fn register_queue(name: &str) -> u32 {
    let mut queue = 0;
    // SAFETY: the name is live and the out pointer is that of a live local.
    let _ = unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &mut queue) };
    queue
}

pub(crate) fn enqueue(queue: u32, value: &[u8]) -> i32 {
    // SAFETY: the value is live.
    unsafe { proxy_enqueue_shared_queue(queue, value.as_ptr(), value.len()) }
}

pub(crate) fn define_metric(name: &str) -> i32 {
    let mut metric = 0;
    // SAFETY: the name is live and the out pointer is that of a live local.
    unsafe { proxy_define_metric(0, name.as_ptr(), name.len(), &mut metric) }
}

/// A value that all plugins share, through the allocator, with the host's answer to whoever asks for it.
pub(crate) fn shared(key: &str) -> (i32, Vec<u8>) {
    let (mut value, mut length, mut cas) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the key is live and the out pointers are those of live locals.
    let status = unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), &mut value, &mut length, &mut cas) };
    (status, taken(status, value, length))
}

pub(crate) fn add_header(map: i32, name: &str, value: &str) -> i32 {
    // SAFETY: name and value are live.
    unsafe { proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) }
}

pub(crate) fn set_headers(map: i32, pairs: &[(&str, &str)]) -> i32 {
    let pairs = self::map(pairs);
    // SAFETY: the pairs are live.
    unsafe { proxy_set_header_map_pairs(map, pairs.as_ptr(), pairs.len()) }
}

/// Lets a request go on that waits.
pub(crate) fn resume_request(context: u32) {
    // SAFETY: both take numbers only.
    let _ = unsafe { (proxy_set_effective_context(context), proxy_continue_stream(0)) };
}

/// Opens a gRPC stream to the upstream `grpc` and sends one message; says whether it is on its way.
pub(crate) fn grpc_stream() -> bool {
    let (upstream, service, method, message) = ("grpc", "die.Die", "Die", "message");
    let mut token = 0;
    // SAFETY: every pointer is that of a live string; the metadata is empty; the out pointer is that of a live local.
    let status = unsafe {
        proxy_grpc_stream(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            service.as_ptr(),
            0,
            &mut token,
        )
    };
    // SAFETY: the message is live.
    status == 0 && 0 == unsafe { proxy_grpc_send(token, message.as_ptr(), message.len(), 1) }
}

/// Asks the upstream `redis`; says whether the question is on its way.
pub(crate) fn redis_call() -> bool {
    let (upstream, query, nothing) = ("redis", "*1\r\n$4\r\nPING\r\n", "");
    let mut token = 0;
    // SAFETY: every pointer is that of a live string.
    let status = unsafe {
        proxy_redis_init(
            upstream.as_ptr(),
            upstream.len(),
            nothing.as_ptr(),
            0,
            nothing.as_ptr(),
            0,
            1000,
        )
    };
    // SAFETY: both strings are live and the out pointer is that of a live local.
    status == 0
        && 0 == unsafe {
            proxy_redis_call(
                upstream.as_ptr(),
                upstream.len(),
                query.as_ptr(),
                query.len(),
                &mut token,
            )
        }
}
