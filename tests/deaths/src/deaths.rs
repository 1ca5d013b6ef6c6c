//! Every way in which a plugin can die, in every callback in which it can, through the real gateway: nobody else is harmed, nobody
//! passes a guard that is dead, and the operator reads why.
//!
//! `UPDATE=1` writes the golden files anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod setting;
mod ways;
mod callbacks;
mod house;
mod provoke;
mod cell;
mod replayed;
mod matrix;
mod start;
mod again;
mod cut;
mod bypass;
mod golang;
mod giant;
mod unread;
