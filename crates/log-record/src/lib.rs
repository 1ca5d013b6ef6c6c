//! The room of records: what a record is made of, its line of JSON, and the names of every field and metric.
//!
//! What lives here: levels and classes, the table of field names and the table of metric names (nobody else spells one), records as they
//! lie in a ring, and the encoding of both.
//! What never enters: YAML, sockets, plugins, masking, rings, sinks; nothing here decides what is worth a record.
//! Data comes from `log-book`, through whose pen records are packed with a [`packed::Packer`], and from whoever counts something.
//! It goes back as lines of JSON, and, as the Prometheus text format, to `console`.

pub mod grade;
pub mod field;
mod json;
pub mod timestamp;
pub mod packed;

mod members;
pub mod patch;

pub mod histogram;
pub mod metric;

pub mod exposition;
