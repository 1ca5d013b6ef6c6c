//! The spans of plugins: for how long each of them holds an exchange.

use log_trace::{Attribute, Stage as Part, Value};

use super::{Lane, Stop};
use crate::stages::{End, Stages};

impl Lane {
    fn stages(&self) -> Option<&Stages> {
        self.chain.stages()
    }

    /// The plugin of a stage is asked about a head, or begins to hold what it has let pass so far.
    pub(super) fn holds(&mut self, at: usize) {
        let number = self.chain.number(self.position(at));
        let Some(stages) = self.chain.stages().filter(|stages| stages.are_on()) else {
            return;
        };
        if let Some(stage) = self.stages.get_mut(at)
            && stage.span.is_none()
        {
            stage.span = Some(stages.open(Part::Plugin, number));
        }
    }

    /// The plugin of a stage lets go of everything.
    pub(super) fn lets_go(&mut self, at: usize, end: End) {
        let Some(place) = self.stages.get_mut(at).and_then(|stage| stage.span.take()) else {
            return;
        };
        let generation = self.stream(at).map(|stream| stream.plugin().generation);
        if let Some(stages) = self.stages() {
            if let Some(generation) = generation {
                stages.note(place, Attribute::Generation, Value::Number(generation));
            }
            stages.close(place, end);
        }
    }

    /// The lane gives nothing more: whoever answered did that, and whoever else still held something was cut off.
    pub(super) fn ends(&mut self, stop: &Stop) {
        if self.stages.iter().all(|stage| stage.span.is_none()) {
            return;
        }
        let reply = self.chain.exchange.local_reply.borrow();
        let by = reply.as_ref().map(|reply| std::rc::Rc::clone(&reply.plugin));
        drop(reply);
        for at in 0..self.stages.len() {
            let answers = matches!(stop, Stop::Reply)
                && self
                    .stream(at)
                    .is_some_and(|stream| Some(&stream.context().plugin) == by.as_ref());
            self.lets_go(
                at,
                if answers {
                    End::Verdict("local_response")
                } else {
                    End::Cut
                },
            );
        }
    }
}
