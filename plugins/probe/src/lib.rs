//! The probe: a guest without an SDK that does what its JSON configuration says and logs what every host call answered.
//!
//! Here live the script language, the host-call table and the callbacks that all ABI versions share. The crates
//! `probe-010` to `probe-2100` add the version marker, the header callbacks of that version and the host calls that
//! only it may import: a host refuses a module with an import that it does not know, so no guest imports more than its ABI has.
//!
//! A configuration is an object whose keys are callbacks and whose values are lists of steps:
//!
//! ```json
//! { "request_headers": [
//!     { "op": "get_header_map_value", "map": "request_headers", "key": "host", "save": "host" },
//!     { "op": "add_request_header", "key": "x-seen", "value": "${host}" },
//!     { "op": "return", "action": "pause" } ] }
//! ```
//!
//! - `op` is a host call without its `proxy_`, a short form from [`script::SHORT_FORMS`], or one of [`step`]'s own verbs.
//! - A log line says `CALLBACK: OP -> STATUS FIELD=RESULT ...`. Tokens, metric and queue numbers and CAS values are left
//!   out unless `"ids": true`, as hosts number them as they like; `named` is a word behind OP that tells alike lines apart;
//!   `as` shows bytes as `u64`, `i64`, `map`, `hex` or `length`.
//! - Every parameter of a host call is a field of the step (the tables in [`calls`] name them). Text, `{"hex": "00ff"}`,
//!   `{"repeat": "a", "times": 9}` and, for a place in memory of the guest's choosing, `{"ptr": -1, "len": 5}` are bytes;
//!   a list of pairs is a header map; a list of words is a property path. Numbers may be any number; the usual ones have names.
//! - `save` keeps a result for `${...}` in later steps of the same context, `into_header` puts it into a header at once,
//!   `when` makes a step conditional, `then` holds the steps for the callback that a callout leads to.
//! - Steps in `cases` under a name run instead of the others for requests whose `x-case` header says that name.
//! - `"trace": true` logs every callback with its arguments.

pub mod callbacks;
pub mod step;
pub mod argument;
pub mod script;
pub mod calls;
pub mod host;
pub mod context;
pub mod value;
