//! What a plugin may do: the type [`Grant`], the questions that the host asks of it, and the profiles from which one starts.
//!
//! Lives here: sets of host calls and names, names of headers and properties in the one form in which they are compared, the commands
//! of Redis with their keys, and what a grant says as lines for people.
//! Never enters: an engine, a socket, a file, YAML, a serde struct, a value of a header or a key.
//! From: `gate-plan`, which reads a grant out of the configuration; names and bytes of guests, every one of which may be hostile.
//! To: `plug-host`, which asks at each host call, and `cofferdam`, which shows grants, compares them and proposes the least one.

mod calls;
pub use calls::CallSet;
mod names;
pub use names::{Name, Names};
mod header;
mod property;
pub use property::Shown;
mod redis;
pub use redis::{Refused, commands_known, harm_of_command, knows_command};
mod grant;
pub use grant::{Access, Bodies, Body, Bounds, Folder, Grant, Mode, Redis};
mod asked;
mod profile;
pub use profile::Profile;
mod needs;
pub use needs::{Forbidden, forbidden};
mod meet;
pub use meet::narrowed;
mod lines;
pub use lines::{Change, changes};
