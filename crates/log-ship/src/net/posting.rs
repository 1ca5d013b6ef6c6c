//! Batches as bodies of requests: sent in one piece or several, and judged by what the server answers.

use std::sync::Arc;
use std::time::Duration;

use super::post::Answer;
use crate::batch::{Batch, Fate};
use crate::carrier::{Carrier, Step};
use crate::format::Format;
use crate::record::Record;
use crate::tally::Reason;

/// What an answer means for the records that were sent.
#[derive(Debug)]
pub(crate) enum Judgement {
    Taken,
    /// All but so many; the server does not say which.
    Partly {
        refused: u64,
        said: String,
    },
    /// The server does not want these now.
    Later {
        why: String,
        after: Option<Duration>,
    },
    /// It wants fewer at once.
    Smaller {
        said: String,
    },
    /// Nothing was sent, for those at these places are nothing that the protocol can carry.
    Unfit {
        places: Vec<usize>,
        said: String,
    },
    /// It does not want these, ever.
    Refused {
        said: String,
    },
}

/// One protocol over one transport.
pub(crate) trait Language: Send {
    fn send(&mut self, records: &[Arc<Record>]) -> Judgement;
}

/// The carrier of all protocols of requests and answers.
pub(crate) struct Posting {
    language: Box<dyn Language>,
    format: Format,
    /// How many records go at once; halved when the server finds a body too large.
    piece: usize,
}

impl Posting {
    pub(crate) fn new(language: Box<dyn Language>) -> Self {
        Self::in_format(language, Format::Json)
    }

    /// With lines in a form.
    pub(crate) fn in_format(language: Box<dyn Language>, format: Format) -> Self {
        Self {
            language,
            format,
            piece: usize::MAX,
        }
    }
}

impl Carrier for Posting {
    fn deliver(&mut self, batch: &mut Batch, refused: &mut dyn FnMut(&str)) -> Step {
        loop {
            let records: Vec<Arc<Record>> = batch
                .open_mut()
                .take(self.piece)
                .map(|passenger| passenger.worded(&self.format))
                .collect();
            let count = records.len();
            if count == 0 {
                return Step::Done;
            }
            match self.language.send(&records) {
                Judgement::Taken => batch.decide(count, Fate::Delivered),
                Judgement::Partly { refused: number, said } => {
                    refused(&said);
                    batch.decide_partly(count, number);
                }
                Judgement::Later { why, after } => return Step::Again { why, after },
                Judgement::Unfit { places, said } if !places.is_empty() => {
                    refused(&said);
                    batch.decide_at(&places, Fate::Dropped(Reason::Refused));
                    continue;
                }
                Judgement::Smaller { .. } if count > 1 => {
                    self.piece = count / 2;
                    continue;
                }
                Judgement::Smaller { said } => {
                    refused(&said);
                    batch.decide(count, Fate::Dropped(Reason::TooLarge));
                }
                Judgement::Unfit { said, .. } | Judgement::Refused { said } => {
                    refused(&said);
                    batch.decide(count, Fate::Dropped(Reason::Refused));
                }
            }
            self.piece = self.piece.saturating_mul(2);
        }
    }
}

/// What a status means where nothing else is said about it.
pub(crate) fn by_status(answer: &Answer, retries: impl Fn(u16) -> bool) -> Judgement {
    match answer.status {
        200..=299 => Judgement::Taken,
        413 => Judgement::Smaller { said: answer.said() },
        status if retries(status) => Judgement::Later {
            why: answer.said(),
            after: answer.retry_after,
        },
        _ => Judgement::Refused { said: answer.said() },
    }
}
