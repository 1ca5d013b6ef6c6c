//! Tests of the room: what headers mean, what is kept, what that stands for, and what never grows or stays open.

mod dice;
mod parents;
mod states;
mod zipkin;
mod contexts;
mod spans;
mod ratios;
mod decisions;
mod weights;
mod floors;
mod bursts;
mod seconds_before;
