//! What plugins asked for meanwhile: to go on, and to put bytes behind themselves.

use super::{Gate, Lane, Work};

impl Lane {
    /// Lets a stage go on whose plugin said so.
    pub(super) fn take_resumed(&mut self) -> bool {
        for at in 0..self.stages.len() {
            let Some(stream) = self.stream(at) else { continue };
            if !stream.context().side(self.direction).resume.take() {
                continue;
            }
            let gate = self.stages.get(at).map_or(Gate::Open, |stage| stage.gate);
            if gate != Gate::Open {
                self.release(at, gate == Gate::Stopped);
                return true;
            }
        }
        false
    }

    /// Takes what a plugin injected behind itself (Higress); the head goes first.
    pub(super) fn take_injected(&mut self) -> bool {
        for at in 0..self.stages.len() {
            let Some(stream) = self.stream(at) else { continue };
            let injected = std::mem::take(&mut *stream.context().side(self.direction).injected.borrow_mut());
            if injected.is_empty() {
                continue;
            }
            let Some(stage) = self.stages.get_mut(at) else { continue };
            let headers = stage.headers_seen && !std::mem::replace(&mut stage.headers_passed, true);
            if headers {
                self.work.push_back(Work::Headers { at: at + 1, end: false });
            }
            if let Some(sight) = self.sight(at) {
                if headers {
                    sight.gives_headers(self.direction, &self.chain.exchange, false);
                }
                for (bytes, end) in &injected {
                    sight.gives_data(self.direction, bytes, *end);
                }
            }
            for (bytes, end) in injected {
                self.work.push_back(Work::Data { at: at + 1, bytes, end });
            }
            return true;
        }
        false
    }
}
