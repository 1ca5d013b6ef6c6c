//! Callbacks: when each comes, with what, and what its answer does; the cases of a row are in a module of its name.

mod start;
mod exchange;
mod connection;
mod later;
mod never;
