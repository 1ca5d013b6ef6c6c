//! Tests of the room: what is fair, what is found, and what every interleaving ends in.

mod dice;
mod fairness;
mod judgement;
mod orders;
mod saga;
mod shadow;
mod waves;
