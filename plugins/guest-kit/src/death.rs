//! Last words: a panic is one line at the level `critical`, with its place, before the guest ends.

use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

/// Says message and place of a panic. The message is one of ours or of a library, and no guest puts a key into one.
pub fn say_last_words() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        let payload = panic.payload();
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("without a message");
        hostcalls::log(LogLevel::Critical, &format!("panicked{place}: {message}")).ok();
    }));
}
