//! One host call as what remembers it sees it: the trail for reports, the tape for recordings, the player when a recording runs again.

use bytes::Bytes;
use plug_abi::Status;
use plug_report::recording::{Given, Input};

use crate::calls::{Done, Value};
use crate::guest::Host;
use crate::player::{self, Asked, Played};

/// What a host call is about, by what its arguments are called in the tables below.
pub(crate) struct Shape {
    /// Which argument, with the length behind it, is the name of what the call is about.
    pub(crate) named: Option<usize>,
    /// Which arguments, each with the length behind it, the guest hands over.
    pub(crate) given: [Option<Given>; ARGUMENTS_MAX],
    /// Which arguments are numbers, neither places in the guest's memory nor lengths.
    pub(crate) is_number: [bool; ARGUMENTS_MAX],
}

/// LIMIT: arguments of a host call.
pub(crate) const ARGUMENTS_MAX: usize = 12;

/// A call whose arguments say nothing that can be compared between two builds of a plugin.
pub(crate) const PLACES: &Shape = &Shape {
    named: None,
    given: [None; ARGUMENTS_MAX],
    is_number: [false; ARGUMENTS_MAX],
};

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
pub(crate) const fn shape(arguments: &[&str]) -> Shape {
    let mut shape = Shape {
        named: None,
        given: [None; ARGUMENTS_MAX],
        is_number: [false; ARGUMENTS_MAX],
    };
    let mut at = 0;
    while at < arguments.len() {
        let name = arguments[at].as_bytes();
        let has_length = at + 1 < arguments.len() && ends_with(arguments[at + 1].as_bytes(), b"length");
        if has_length {
            let given = given(name);
            shape.given[at] = Some(given);
            // A key of shared data names nothing in a report: it may be a client's token.
            if matches!(given, Given::Name) && shape.named.is_none() {
                shape.named = Some(at);
            }
        } else {
            shape.is_number[at] = !ends_with(name, b"length") && !ends_with(name, b"at");
        }
        at += 1;
    }
    shape
}

const fn given(name: &[u8]) -> Given {
    match name {
        b"name" | b"path" | b"upstream" => Given::Name,
        b"pairs" | b"headers" | b"metadata" | b"trailers" => Given::Map,
        b"user" | b"password" => Given::Secret,
        _ => Given::Bytes,
    }
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn ends_with(name: &[u8], end: &[u8]) -> bool {
    if name.len() < end.len() {
        return false;
    }
    let mut at = 0;
    while at < end.len() {
        if name[name.len() - end.len() + at] != end[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Which host call it is, for what remembers it.
pub(crate) struct Step<'a> {
    pub(crate) name: &'static str,
    /// The call's number among all that a guest can make.
    pub(crate) number: usize,
    pub(crate) arguments: &'a [u64],
    pub(crate) shape: &'static Shape,
}

/// What a host call answers, as a recording knows it.
pub(crate) trait Answered: Sized {
    /// The number that the guest reads.
    fn raw(&self) -> u32;
    /// The value that goes through the guest's allocator.
    fn value(&self) -> Option<&Bytes> {
        None
    }
    /// The same again.
    fn again(status: u32, value: Option<Bytes>) -> Self;
}

fn status_of(raw: u32) -> Done {
    match Status::from_raw(raw) {
        Some(Status::Ok) => Ok(()),
        Some(status) => Err(status),
        None => Err(Status::InternalFailure),
    }
}

impl Answered for Done {
    fn raw(&self) -> u32 {
        self.err().unwrap_or(Status::Ok).raw()
    }

    fn again(status: u32, _: Option<Bytes>) -> Self {
        status_of(status)
    }
}

impl Answered for Value {
    fn raw(&self) -> u32 {
        self.as_ref().err().copied().unwrap_or(Status::Ok).raw()
    }

    fn value(&self) -> Option<&Bytes> {
        self.as_ref().ok()
    }

    fn again(status: u32, value: Option<Bytes>) -> Self {
        status_of(status).map(|()| value.unwrap_or_default())
    }
}

impl Step<'_> {
    /// What the guest hands over, as far as its memory has it.
    fn inputs<'a>(&'a self, memory: &'a [u8]) -> Inputs<'a> {
        let mut inputs = Inputs::default();
        for (at, given) in self.shape.given.iter().enumerate() {
            let Some(given) = given else { continue };
            let bytes = range(self.arguments, at).and_then(|(from, to)| memory.get(from..to));
            if let (Some(bytes), Some(place)) = (bytes, inputs.all.get_mut(inputs.count)) {
                *place = Input::of(*given, bytes);
                inputs.count = inputs.count.saturating_add(1);
            }
        }
        inputs
    }
}

/// LIMIT: things that a guest hands over with one call: an argument for a place and one for a length each.
const INPUTS_MAX: usize = ARGUMENTS_MAX / 2;

#[derive(Default)]
struct Inputs<'a> {
    all: [Input<'a>; INPUTS_MAX],
    count: usize,
}

impl<'a> Inputs<'a> {
    fn given(&self) -> &[Input<'a>] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

/// The bytes that an argument and the length behind it mean.
fn range(arguments: &[u64], at: usize) -> Option<(usize, usize)> {
    let number = |at: usize| usize::try_from(*arguments.get(at)?).ok();
    let from = number(at)?;
    Some((from, from.checked_add(number(at.checked_add(1)?)?)?))
}

impl Host<'_> {
    /// A host call begins.
    pub(crate) fn begins(&mut self, step: &Step<'_>) {
        let guest = &mut *self.guest;
        guest.count_call(step.number);
        guest.trail.begins(step.name, guest.callback, step.arguments);
        guest.look_at_call();
        let name = step.shape.named.and_then(|at| range(step.arguments, at));
        if let Some(name) = name.and_then(|(from, to)| self.memory.get(from..to)) {
            guest.trail.names(name);
        }
        if guest.tape.is_off() {
            return;
        }
        let inputs = step.inputs(self.memory);
        guest
            .tape
            .call(step.name, step.arguments, inputs.given().iter().copied());
    }

    /// The answer: the recorded one when a recording runs again, else what `call` says.
    pub(crate) fn answers<R: Answered>(&mut self, step: &Step<'_>, call: impl FnOnce(&mut Self) -> R) -> R {
        if let Some(played) = self.played(step) {
            if player::has_effect_here(step.name) {
                // Only what it writes for the reader is wanted.
                let _ = call(self);
            }
            return R::again(played.status, played.value);
        }
        // The one test that a call costs which needs no grant.
        if !self.guest.free.has(step.number)
            && let Some(denied) = self.denied(step)
        {
            return R::again(denied, None);
        }
        let answer = call(self);
        if let Some(value) = answer.value() {
            self.guest.tape.value(value);
        }
        answer
    }

    /// What the recording has for this call, its writes done; none when the call is to be made.
    fn played(&mut self, step: &Step<'_>) -> Option<Played> {
        let mut player = self.guest.player.take()?;
        let asked = Asked {
            callback: self.guest.callback,
            name: step.name,
            arguments: step.arguments,
            is_number: &step.shape.is_number,
            inputs: step.inputs(self.memory).given().to_vec(),
        };
        let played = player.answer(&asked);
        for (address, bytes) in played.iter().flat_map(|played| &played.writes) {
            // A place outside its memory was refused when it was recorded, too.
            let _ = self.put(*address, bytes);
        }
        if player.is_over() {
            self.guest.slice.use_up();
        }
        self.guest.player = Some(player);
        played
    }
}
