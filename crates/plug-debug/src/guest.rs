//! What a debugged guest is to the stub: orders that it follows while it runs, and questions that it answers while it is stopped.

use std::collections::BTreeSet;
use std::sync::mpsc::SyncSender;

/// How a guest shall run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// Places in the module that runs before which it stops.
    pub breakpoints: BTreeSet<u32>,
    /// Whether it stops before each instruction.
    pub step: bool,
}

/// Why a guest has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It came to a breakpoint, or has made its step.
    Breakpoint,
    /// The client asked for it.
    Interrupted,
    /// It dies when it goes on.
    Death(Death),
}

/// Of what a guest dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It gave up: a panic, an assertion.
    GivenUp,
    /// A number that cannot be.
    Arithmetic,
    /// It touched what is not there, or its stack is used up.
    Memory,
    /// It called something that is not there, or not so.
    Call,
    /// A host call ended it.
    HostCall,
    /// It took too long.
    Time,
}

/// What a stopped guest can tell.
pub trait Answers {
    /// A local of a frame, counted from the innermost, in little-endian order.
    fn local(&mut self, frame: usize, index: usize) -> Option<Vec<u8>>;
    /// A value of a frame's operand stack, counted from the bottom.
    fn operand(&mut self, frame: usize, index: usize) -> Option<Vec<u8>>;
    /// A global of the frame's instance.
    fn global(&mut self, frame: usize, index: usize) -> Option<Vec<u8>>;
    /// At most so many bytes of memory; fewer at its end.
    fn memory(&mut self, at: u32, length: usize) -> Option<Vec<u8>>;
}

/// What is asked of a stopped guest.
#[derive(Debug)]
pub struct Question {
    pub(crate) about: About,
    pub(crate) reply: SyncSender<Option<Vec<u8>>>,
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Local(usize, usize),
    Operand(usize, usize),
    Global(usize, usize),
    Memory(u32, usize),
}

impl Question {
    /// Lets `guest` answer.
    pub fn put_to(self, guest: &mut impl Answers) {
        let answer = match self.about {
            About::Local(frame, index) => guest.local(frame, index),
            About::Operand(frame, index) => guest.operand(frame, index),
            About::Global(frame, index) => guest.global(frame, index),
            About::Memory(at, length) => guest.memory(at, length),
        };
        // Who asked may have waited long enough.
        let _ = self.reply.try_send(answer);
    }
}
