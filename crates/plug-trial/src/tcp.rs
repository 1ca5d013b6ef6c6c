//! A step of a TCP connection: what its ends do, and what came out of the plugin.

use gate_flow::rehearsal::{Connection, Feed};
use plug_host::Direction;

use crate::observed::{Observed, SeenConnection};
use crate::stage::Time;
use crate::written::{End, Event, Paused};

/// Lets the ends do these things, one after the other, and waits until the plugin has done with them.
pub(crate) async fn play(events: &[Event], connection: &Connection, time: &Time) -> Observed {
    time.idle.settled().await;
    for event in events {
        let (direction, feed) = match event {
            Event::Client(piece) => (Direction::Request, Feed::Bytes(piece.bytes())),
            Event::Upstream(piece) => (Direction::Response, Feed::Bytes(piece.bytes())),
            Event::Ends(end) => (side(*end), Feed::End),
            Event::Breaks(end) => (side(*end), Feed::Break),
        };
        connection.feed(direction, feed);
        // The next thing comes when this one is through, or held.
        time.idle.settled().await;
    }
    let _ = time.wait_for(connection.quiet()).await;
    Observed {
        connection: Some(SeenConnection {
            upstream: connection.take(Direction::Request),
            client: connection.take(Direction::Response),
        }),
        paused: connection.held().map(|direction| match direction {
            Direction::Request => Paused::Request,
            Direction::Response => Paused::Response,
        }),
        is_reset: connection.is_refused(),
        ..Observed::default()
    }
}

fn side(end: End) -> Direction {
    match end {
        End::Client => Direction::Request,
        End::Upstream => Direction::Response,
    }
}
