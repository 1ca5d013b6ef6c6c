//! The table keeps its bounds, and says when it does not know.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::{Bounds, Table};
use crate::event::Retransmit;
use crate::flow::Flow;
use crate::moment::Moment;
use crate::tcp_info::TcpState;

fn flow(port: u16) -> Flow {
    Flow::new(
        SocketAddr::from(([127, 0, 0, 1], 80)),
        SocketAddr::from(([127, 0, 0, 2], port)),
    )
}

fn at(ns: u64) -> Moment {
    Moment::from_ns(ns)
}

fn retransmit(port: u16, ns: u64) -> Retransmit {
    Retransmit {
        at: at(ns),
        flow: flow(port),
        state: TcpState::Established,
        segments: 2,
        total: 1,
        failure: None,
    }
}

fn table(connections_max: usize, stamps_max: usize, keep_ns: u64) -> Table {
    Table::new(Bounds {
        connections_max,
        stamps_max,
        keep: Duration::from_nanos(keep_ns),
    })
}

fn stamps(table: &Table, port: u16, since: u64) -> Vec<u64> {
    table
        .since(flow(port), at(since))
        .stamps()
        .map(|stamp| stamp.at.ns())
        .collect()
}

#[test]
fn stamps_since_a_moment_are_told_in_their_order() {
    let mut table = table(10, 10, 1000);
    for ns in [1, 5, 9] {
        table.note(&retransmit(1, ns));
        table.note(&retransmit(2, ns + 1));
    }
    assert_eq!(stamps(&table, 1, 0), [1, 5, 9]);
    assert_eq!(stamps(&table, 2, 6), [6, 10]);
    assert_eq!(table.since(flow(2), at(6)).segments(), 4);
    assert!(table.since(flow(2), at(0)).is_complete());
    assert_eq!(stamps(&table, 3, 0), [0_u64; 0]);
    assert!(table.since(flow(3), at(0)).is_complete());
}

#[test]
fn the_connection_that_was_silent_the_longest_is_forgotten_and_said_to_be_unknown() {
    let mut table = table(2, 10, 1000);
    for (port, ns) in [(1, 1), (2, 2), (1, 3), (3, 4)] {
        table.note(&retransmit(port, ns));
    }
    assert_eq!(table.connections(), 2);
    assert_eq!(stamps(&table, 1, 0), [1, 3]);
    assert_eq!(stamps(&table, 2, 0), [0_u64; 0]);
    // What went was of the moment 2: who asks from then on may miss it, who asks from later does not.
    assert!(!table.since(flow(2), at(2)).is_complete());
    assert!(table.since(flow(2), at(3)).is_complete());
}

#[test]
fn a_connection_keeps_its_latest_stamps_and_says_that_there_were_more() {
    let mut table = table(10, 3, 1000);
    for ns in 1..=5 {
        table.note(&retransmit(1, ns));
    }
    assert_eq!(stamps(&table, 1, 0), [3, 4, 5]);
    assert!(!table.since(flow(1), at(2)).is_complete());
    assert!(table.since(flow(1), at(3)).is_complete());
    assert!(table.since(flow(2), at(0)).is_complete());
}

#[test]
fn a_connection_is_forgotten_when_it_was_silent_for_long() {
    let mut table = table(10, 10, 100);
    table.note(&retransmit(1, 1));
    table.note(&retransmit(2, 101));
    assert_eq!(table.connections(), 2);
    table.note(&retransmit(2, 102));
    assert_eq!(table.connections(), 1);
    assert!(!table.since(flow(1), at(1)).is_complete());
    assert!(table.since(flow(1), at(2)).is_complete());
}

#[test]
fn a_loss_makes_everything_before_it_uncertain() {
    let mut table = table(10, 10, 1000);
    table.note(&retransmit(1, 5));
    table.note_loss(at(7));
    assert_eq!(stamps(&table, 1, 0), [5]);
    assert!(!table.since(flow(1), at(5)).is_complete());
    assert!(!table.since(flow(9), at(7)).is_complete());
    assert!(table.since(flow(1), at(8)).is_complete());
}

proptest! {
    /// Whatever comes: the bounds hold, nothing is told that was not noted, and an answer that says it is complete is.
    #[test]
    fn an_answer_that_says_it_is_complete_is(
        connections_max in 1_usize..5,
        stamps_max in 1_usize..5,
        keep in 1_u64..50,
        steps in proptest::collection::vec((1_u16..8, 0_u64..9), 0..80),
        since in 0_u64..300,
    ) {
        let mut table = table(connections_max, stamps_max, keep);
        let mut all: Vec<(u16, u64)> = Vec::new();
        let mut now = 0;
        for (port, pause) in steps {
            now += pause;
            table.note(&retransmit(port, now));
            all.push((port, now));
            prop_assert!(table.connections() <= connections_max);
            prop_assert_eq!(table.connections(), table.turns.len());
        }
        for port in 1..8 {
            let noted: Vec<u64> =
                all.iter().filter(|(own, ns)| *own == port && *ns >= since).map(|(_, ns)| *ns).collect();
            let told = stamps(&table, port, since);
            prop_assert!(told.len() <= stamps_max);
            prop_assert!(noted.ends_with(&told));
            if table.since(flow(port), at(since)).is_complete() {
                prop_assert_eq!(told, noted);
            }
        }
    }
}
