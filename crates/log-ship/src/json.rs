//! The sink of JSON over HTTP: lines as they are, one after the other or as an array.

use std::sync::Arc;

use crate::fault::ShipFault;
use crate::format::Format;
use crate::net::Target;
use crate::net::post::Poster;
use crate::net::posting::{Judgement, Language, Posting, by_status};
use crate::record::Record;
use crate::sink::{Frame, Sink};

/// How records stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line for each, `application/x-ndjson`; as `text/plain` in another form than JSON.
    Lines,
    /// One array, `application/json`.
    Array,
}

/// Starts a sink that posts lines.
///
/// # Errors
/// When the address is none, an array is to have another form than JSON, or the spool or a thread is not to be had.
pub fn start(frame: Frame, target: Target, shape: Shape) -> Result<Sink, ShipFault> {
    if shape == Shape::Array {
        frame.only_json("an array")?;
    }
    let poster = opened(&frame, target)?;
    let format = frame.format.clone();
    let is_json = format == Format::Json;
    let language = Box::new(Json { poster, shape, is_json });
    Sink::start(frame, Box::new(Posting::in_format(language, format)))
}

pub(crate) fn opened(frame: &Frame, target: Target) -> Result<Poster, ShipFault> {
    Poster::new(target).map_err(|why| ShipFault::Setting {
        sink: frame.name.clone(),
        why,
    })
}

struct Json {
    poster: Poster,
    shape: Shape,
    is_json: bool,
}

impl Language for Json {
    fn send(&mut self, records: &[Arc<Record>]) -> Judgement {
        let (separator, content_type) = match self.shape {
            Shape::Lines if self.is_json => (b'\n', "application/x-ndjson"),
            Shape::Lines => (b'\n', "text/plain; charset=utf-8"),
            Shape::Array => (b',', "application/json"),
        };
        let mut body = Vec::new();
        if self.shape == Shape::Array {
            body.push(b'[');
        }
        for (index, record) in records.iter().enumerate() {
            if index > 0 {
                body.push(separator);
            }
            body.extend_from_slice(&record.line);
        }
        body.push(if self.shape == Shape::Array { b']' } else { b'\n' });
        match self.poster.post(body, content_type) {
            Ok(answer) => by_status(&answer, |status| matches!(status, 408 | 429 | 500..=599)),
            Err(why) => Judgement::Later { why, after: None },
        }
    }
}

#[cfg(test)]
mod tests;
