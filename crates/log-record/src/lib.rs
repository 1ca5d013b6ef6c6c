//! The room of records: the access record of one exchange, its line of JSON, the way to its sink, and the names of every field and metric.
//!
//! What lives here: the table of field names and the table of metric names (nobody else spells one), the encoding of both, and the one
//! thread that writes access lines.
//! What never enters: YAML, sockets, plugins, masking, shipping to other machines; nothing here decides what is worth a record.
//! Data comes from `gate-flow`, which fills a [`record::Record`] when an exchange ends, and from whoever counts something.
//! It goes to stdout or a file, and, as the Prometheus text format, to `console`.

pub mod grade;
pub mod field;
pub mod record;

mod json;
pub mod timestamp;

mod members;
pub mod patch;

pub mod sink;

pub mod histogram;
pub mod metric;

pub mod exposition;
