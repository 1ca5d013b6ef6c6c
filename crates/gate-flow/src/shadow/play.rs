//! Runs a recorded exchange through a candidate: the same head and pieces, through the lanes that serve.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use plug_host::{Direction, Exchange, Fault, FaultKind, PluginHandle};
use plug_shadow::{Message, Seen, Skipped, Verdict};
use tokio::time::{Instant, timeout_at};

use crate::answer::{self, Whole};
use crate::chain::Chain;
use crate::instead::Instead;
use crate::lane::{Lane, Out, Stop};
use crate::rehearsal;
use crate::shadow::sight::{Sight, answered, replied, request, response, set_since, trailers_of};
use crate::source::{Piece, Source};

/// LIMIT: how long a candidate may hold an exchange longer than the control did.
const HOLDS_MAX: Duration = Duration::from_secs(1);
/// LIMIT: how long it may hold one at all.
const HOLDS_EVER_MAX: Duration = Duration::from_secs(10);
/// LIMIT: how long is waited for an answer to a request whose rest the control did not wait for.
const ANSWERS_MAX: Duration = Duration::from_millis(200);

/// One run.
struct Play {
    chain: Rc<Chain>,
    until: Instant,
    kept_max: usize,
    seen: Seen,
}

/// Why a way ended before its end.
enum Halt {
    /// The candidate made that of it.
    Verdict(Verdict),
    /// The candidate answered in place of what should come.
    Answers(Whole),
    /// It cannot be said.
    Skipped(Skipped),
}

/// Runs what `sight` recorded of `served`, an exchange that is over; what the candidate made of it.
pub(crate) async fn play(candidate: &Rc<PluginHandle>, sight: &Sight, served: &Exchange) -> Result<Seen, Skipped> {
    let (recorded, (request_max, response_max)) = sight.request().ok_or(Skipped::Unfinished)?;
    let exchange = Exchange::new(recorded.head, Rc::clone(&served.facts), request_max);
    exchange.response_body_bytes_max.set(response_max);
    exchange.state.replace(recorded.state.clone());
    exchange.endpoint_override.replace(recorded.endpoint.clone());
    let waits = HOLDS_MAX.saturating_add(sight.took()).min(HOLDS_EVER_MAX);
    let mut play = Play {
        chain: rehearsal::chain(candidate, exchange),
        until: Instant::now() + waits,
        kept_max: sight.kept_max,
        seen: Seen::default(),
    };
    let way = (recorded.is_bare, recorded.pieces, recorded.has_ended);
    let halted = play.way(Direction::Request, way).await;
    let before = Some((&recorded.state, &recorded.endpoint));
    let set = set_since(before, &play.chain.exchange);
    play.seen.properties.extend(set);
    let outcome = match halted {
        Ok(()) => play.respond(sight, None).await,
        Err(halt) => play.halted(halt, sight).await,
    };
    play.chain.end().await;
    outcome.map(|()| play.seen)
}

impl Play {
    /// The request did not come to its end.
    async fn halted(&mut self, halt: Halt, sight: &Sight) -> Result<(), Skipped> {
        match halt {
            Halt::Skipped(why) => Err(why),
            Halt::Verdict(verdict) => {
                self.seen.verdict = verdict;
                Ok(())
            }
            Halt::Answers(whole) => {
                self.seen.verdict = replied(Direction::Request, &whole);
                // What the control's response was is no measure for an answer that the control did not give.
                match sight.control().verdict {
                    Verdict::AnswersRequest(_) => self.respond(sight, Some(whole)).await,
                    _ => Ok(()),
                }
            }
        }
    }

    /// Leads the response back: the recorded one, or what the candidate answered itself.
    async fn respond(&mut self, sight: &Sight, own: Option<Whole>) -> Result<(), Skipped> {
        let control = sight.control().verdict;
        let exchange = Rc::clone(&self.chain.exchange);
        let way = match own {
            Some(whole) => {
                let is_bare = whole.body.is_empty() || exchange.request.borrow().method == http::Method::HEAD;
                *exchange.response.borrow_mut() = Some(whole.head);
                let piece = Piece::Data {
                    bytes: whole.body,
                    end: true,
                };
                (is_bare, VecDeque::from([piece]), true)
            }
            // The control let nothing pass, so that there is no response to a request that passes here.
            None if !matches!(control, Verdict::GoesOn | Verdict::AnswersResponse(_)) => return Ok(()),
            None => {
                let recorded = sight.response().ok_or(Skipped::Unfinished)?;
                let mut state = exchange.state.borrow_mut();
                for (name, value) in recorded.state {
                    state.entry(name).or_insert(value);
                }
                *exchange.response.borrow_mut() = Some(recorded.head);
                (recorded.is_bare, recorded.pieces, recorded.has_ended)
            }
        };
        let before = (
            exchange.state.borrow().clone(),
            exchange.endpoint_override.borrow().clone(),
        );
        let halted = self.way(Direction::Response, way).await;
        let set = set_since(Some((&before.0, &before.1)), &exchange);
        self.seen.properties.extend(set);
        match halted {
            Ok(()) => Ok(()),
            Err(Halt::Skipped(why)) => Err(why),
            Err(Halt::Verdict(verdict)) => {
                self.seen.verdict = verdict;
                Ok(())
            }
            Err(Halt::Answers(whole)) => {
                self.seen.verdict = replied(Direction::Response, &whole);
                self.seen.response = Some(answered(&whole, self.kept_max));
                Ok(())
            }
        }
    }

    /// Leads one direction through the candidate, and keeps what comes out.
    async fn way(
        &mut self,
        direction: Direction,
        (is_bare, pieces, has_ended): (bool, VecDeque<Piece>, bool),
    ) -> Result<(), Halt> {
        let mut lane = Lane::new(direction, &self.chain, is_bare, HOLDS_EVER_MAX);
        let mut source = if is_bare { Source::Empty } else { Source::Fed(pieces) };
        let exchange = Rc::clone(&self.chain.exchange);
        loop {
            let until = match has_ended {
                true => self.until,
                false => self.until.min(Instant::now() + ANSWERS_MAX),
            };
            let out = match timeout_at(until, lane.next(&mut source)).await {
                Ok(Ok(out)) => out,
                Ok(Err(stop)) => return Err(self.stopped(direction, stop)),
                // The control answered here, and the candidate lets pass what there is.
                Err(_) if !has_ended && self.message(direction).is_some() => return Ok(()),
                Err(_) => return Err(Halt::Verdict(Verdict::Holds)),
            };
            match out {
                Out::Headers { end } => {
                    let message = match direction {
                        Direction::Request => Some(request(&exchange, end)),
                        Direction::Response => response(&exchange, end),
                    };
                    match direction {
                        Direction::Request => self.seen.request = message,
                        Direction::Response => {
                            self.seen.response = message;
                            exchange.response_started.set(true);
                        }
                    }
                    if end {
                        return Ok(());
                    }
                }
                Out::Data { bytes, end } => {
                    let kept_max = self.kept_max;
                    let Some(message) = self.message(direction) else {
                        continue;
                    };
                    message.body.push(&bytes, kept_max);
                    message.is_whole |= end;
                    if end {
                        return Ok(());
                    }
                }
                Out::Trailers => {
                    if let Some(message) = self.message(direction) {
                        message.trailers = trailers_of(direction, &exchange);
                        message.is_whole = true;
                    }
                    return Ok(());
                }
            }
        }
    }

    fn message(&mut self, direction: Direction) -> Option<&mut Message> {
        match direction {
            Direction::Request => self.seen.request.as_mut(),
            Direction::Response => self.seen.response.as_mut(),
        }
    }

    fn stopped(&mut self, direction: Direction, stop: Stop) -> Halt {
        let exchange = &self.chain.exchange;
        match stop {
            Stop::Reply => match exchange.local_reply.take() {
                Some(reply) => Halt::Answers(answer::local(&exchange.request.borrow(), reply)),
                None => Halt::Skipped(Skipped::Unfinished),
            },
            Stop::Reset => Halt::Verdict(Verdict::Ends),
            Stop::Fault(fault) => self.failed(&fault),
            Stop::TooLarge => {
                let instead = Instead::of(&stop, direction);
                Halt::Answers(answer::text(&exchange.request.borrow(), instead.status, instead.text))
            }
            Stop::Idle => Halt::Verdict(Verdict::Holds),
            Stop::Source(_) => Halt::Skipped(Skipped::Unfinished),
        }
    }

    fn failed(&mut self, fault: &Fault) -> Halt {
        match fault.kind {
            FaultKind::Restarting | FaultKind::Quarantined | FaultKind::NoInstance | FaultKind::Missing => {
                Halt::Skipped(Skipped::NotRunning)
            }
            FaultKind::CpuShareExceeded(_) => Halt::Skipped(Skipped::CpuShare),
            _ => {
                self.seen.fault = Some(fault.code());
                Halt::Verdict(Verdict::GoesOn)
            }
        }
    }
}
