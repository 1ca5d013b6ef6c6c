//! The debugger's stub: LLDB on one side of a TCP connection, one stopped guest on the other.
//!
//! Lives here: the GDB remote protocol with LLDB's words for WebAssembly, the session of one client, breakpoints and orders, and the
//! module as LLDB shall see it.
//! Never enters: an engine, an exchange, a configuration. A guest is what answers [`Answers`].
//! From: `plug-host`, which lets a guest run by [`Seat::may_run`] and stops it by [`Seat::stop`].
//! To: the debugger's client, and orders for the guest.

mod image;
pub use image::Image;
mod guest;
pub use guest::{Answers, Death, Orders, Question, Why};
mod desk;
pub use desk::{Seat, Stop};
mod target;
mod session;
mod debugger;
pub use debugger::{Debugger, Fault, Reach};

#[cfg(test)]
mod tests;
