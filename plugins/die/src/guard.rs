//! A guard before the upstream, to show that its death lets nobody by: it marks what it lets through.
//!
//! Its configuration has the word `guard`, or `guard_body` for one that decides when the whole request is here.

use std::cell::Cell;

use crate::{host, plan};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    None,
    Headers,
    Body,
}

thread_local! {
    static GUARD: Cell<Guard> = const { Cell::new(Guard::None) };
}

const GO_ON: i32 = 0;
const HOLD: i32 = 1;

/// Stands guard if the configuration says so.
pub(crate) fn set(configuration: &[u8]) {
    if plan::has(configuration, "guard_body") {
        GUARD.set(Guard::Body);
    } else if plan::has(configuration, "guard") {
        GUARD.set(Guard::Headers);
    }
}

pub(crate) fn headers(end: bool) -> i32 {
    match GUARD.get() {
        Guard::None => GO_ON,
        Guard::Body if !end => HOLD,
        Guard::Headers | Guard::Body => judge(),
    }
}

pub(crate) fn body(end: bool) -> i32 {
    match GUARD.get() {
        Guard::Body if end => judge(),
        Guard::Body => HOLD,
        Guard::None | Guard::Headers => GO_ON,
    }
}

pub(crate) fn trailers() -> i32 {
    match GUARD.get() {
        Guard::Body => judge(),
        Guard::None | Guard::Headers => GO_ON,
    }
}

fn judge() -> i32 {
    if host::request_header("authorization") == b"yes" {
        host::add_header(0, "x-let-through", "1");
        return GO_ON;
    }
    host::refuse(403, "who?");
    HOLD
}
