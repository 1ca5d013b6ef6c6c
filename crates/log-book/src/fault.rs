//! Why a book does not open.

use std::io;

use log_ring::RingFault;

/// Why a book does not open.
#[derive(Debug, thiserror::Error)]
pub enum BookFault {
    /// A ring is not to be had.
    #[error(transparent)]
    Ring(#[from] RingFault),
    /// No thread.
    #[error("the thread that hands records to sinks does not start: {0}")]
    Thread(io::Error),
    /// The clerk is gone, or has too many orders.
    #[error("the thread that hands records to sinks takes no orders")]
    Clerk,
}
