//! What a sink must be able to do: carry a batch to the other side, and say what became of it.

use std::time::Duration;

use crate::batch::Batch;

/// How a try ended.
#[derive(Debug)]
pub(crate) enum Step {
    /// The fate of every record is decided.
    Done,
    /// What is open shall be tried again, not before the given time when there is one.
    Again {
        /// What went wrong.
        why: String,
        /// For how long the other side wants to be left alone.
        after: Option<Duration>,
    },
}

/// The way to one other side. It lives on the thread of its sink, and whatever it waits for has an end.
pub(crate) trait Carrier: Send {
    /// Tries once, and decides over what it can; words about what was refused are said by `refused`.
    fn deliver(&mut self, batch: &mut Batch, refused: &mut dyn FnMut(&str)) -> Step;

    /// Opens its files anew, when it has some.
    fn reopen(&mut self) {}

    /// Called about twice a second while there is nothing to carry.
    fn idle(&mut self) {}
}
