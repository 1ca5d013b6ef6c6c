//! Which endpoint comes next.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use gate_plan::Balance;

use crate::endpoint::Node;

/// The turn and the dice of one upstream.
pub(crate) struct Balancer {
    policy: Balance,
    turn: Cell<usize>,
    dice: Cell<u64>,
}

impl Balancer {
    pub(crate) fn new(policy: Balance) -> Self {
        // Zero would be a fixed point of the generator.
        let seed = RandomState::new().hash_one(()) | 1;
        Self {
            policy,
            turn: Cell::new(0),
            dice: Cell::new(seed),
        }
    }

    /// The next of those that `eligible` lets pass.
    pub(crate) fn choose<'a>(&self, nodes: &'a [Rc<Node>], eligible: impl Fn(&Node) -> bool) -> Option<&'a Rc<Node>> {
        match self.policy {
            _ if nodes.len() < 2 => nodes.first().filter(|node| eligible(node)),
            Balance::RoundRobin => {
                let start = self.turn.get();
                let (at, node) = from(nodes, start, &eligible)?;
                self.turn.set(at + 1);
                Some(node)
            }
            Balance::LeastRequest => {
                let (first, one) = from(nodes, self.roll(nodes.len()), &eligible)?;
                // A start among the others, so that two are compared wherever two are eligible.
                let start = first + 1 + self.roll(nodes.len() - 1);
                let other = from(nodes, start, |node| !std::ptr::eq(node, &**one) && eligible(node));
                match other {
                    Some((_, other)) if other.active() < one.active() => Some(other),
                    _ => Some(one),
                }
            }
        }
    }

    /// A number below `below` (xorshift, Marsaglia 2003: fairness is needed here, not secrecy).
    fn roll(&self, below: usize) -> usize {
        let mut dice = self.dice.get();
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        self.dice.set(dice);
        let below = u64::try_from(below.max(1)).unwrap_or(u64::MAX);
        usize::try_from(dice % below).unwrap_or(0)
    }
}

/// The first eligible one from `start` on, round the end; with its place.
fn from(nodes: &[Rc<Node>], start: usize, eligible: impl Fn(&Node) -> bool) -> Option<(usize, &Rc<Node>)> {
    let start = start % nodes.len().max(1);
    let places = (start..nodes.len()).chain(0..start);
    places
        .filter_map(|at| Some((at, nodes.get(at)?)))
        .find(|(_, node)| eligible(node))
}
