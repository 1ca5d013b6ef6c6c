//! A guest that dies as it is told, to show that nobody else is harmed.
//!
//! It takes a callback and a way to die, in any notation that has both words: `request_headers panic`, or
//! `{"callback": "request_headers", "way": "panic"}`. It finds them, the later ones winning, in the environment variable
//! `DIE` (for `initialize` and `context_create` of the root), the VM configuration (for `vm_start`), the plugin
//! configuration, the request header `x-die` (for that request alone, or once where no request is meant), and the bytes of a TCP
//! connection. [`callbacks::CALLBACKS`] and [`ways::WAYS`] list the words.

mod callbacks;
mod guard;
mod host;
mod plan;
mod ways;
