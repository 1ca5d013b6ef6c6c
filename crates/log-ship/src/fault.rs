//! What keeps a sink from starting; what happens to it later is counted and said, and ends nothing.

use std::io;
use std::path::PathBuf;

/// A sink that does not start.
#[derive(Debug, thiserror::Error)]
pub enum ShipFault {
    /// The folder of a spool.
    #[error("the spool `{path}` cannot be used: {source}")]
    Spool {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file into which records are to go.
    #[error("the log file `{path}` cannot be used: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A setting that cannot be meant.
    #[error("the sink `{sink}` cannot be as it is set: {why}")]
    Setting {
        /// Its name.
        sink: String,
        /// What is wrong.
        why: String,
    },
    /// A password, token, key or certificate.
    #[error("{what} cannot be read: {why}")]
    Secret {
        /// Which one.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The system gives no thread.
    #[error("the sink `{sink}` gets no thread: {source}")]
    Thread {
        /// Its name.
        sink: String,
        /// What the system says.
        source: io::Error,
    },
}
