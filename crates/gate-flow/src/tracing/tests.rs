//! Exchanges over real sockets, as their traces show them: ids in and out, spans, verdicts, levels for a time, and debug windows.

mod house;
mod guest;
mod contexts;
mod stages;
mod verdicts;
mod lines;
mod windows;
