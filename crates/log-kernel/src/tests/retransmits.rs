//! What the program tells is what `TCP_INFO` counts, on the same sockets.

use std::io::Write;
use std::time::{Duration, Instant};

use super::sockets::{
    Crowd, FIRST_TIMEOUT, V4, addresses, counted, deafen, explained, is_empty, look, pair, until, watched,
};
use crate::watch::namespace;
use crate::{Bounds, Clock, Counts, Flow, LoadFault, Moment, Retransmits, Settings, Step, Table, TcpState, Watcher};

#[test]
fn retransmitted_syns_are_told_with_their_times_and_as_many_as_tcp_info_counts() {
    let Some(mut retransmits) = watched(&Settings::default()) else {
        return;
    };
    for address in addresses() {
        let mut table = Table::new(Bounds::default());
        let began = Instant::now();
        let crowd = Crowd::gather(address, 3);
        until("every SYN was sent again twice", || {
            let before: Vec<u64> = crowd.waiting.iter().map(counted).collect();
            look(&mut retransmits, &mut table);
            let after: Vec<u64> = crowd.waiting.iter().map(counted).collect();
            let told: Vec<u64> = crowd
                .waiting
                .iter()
                .map(|socket| table.since(crowd.flow(socket), Moment::of(began)).segments())
                .collect();
            are_alike((&before, &told, &after)) && after.iter().all(|count| *count >= 2)
        });
        for socket in &crowd.waiting {
            let seen = table.since(crowd.flow(socket), Moment::of(began));
            assert!(seen.is_complete());
            let stamps: Vec<_> = seen.stamps().collect();
            assert!(
                stamps
                    .iter()
                    .all(|stamp| stamp.state == TcpState::SynSent && stamp.failure.is_none())
            );
            assert!(stamps.is_sorted_by_key(|stamp| stamp.at));
            // Each one comes a timeout after the one before, or after the beginning.
            let mut last = Moment::of(began);
            for stamp in stamps {
                assert!(
                    stamp.at.since(last) > FIRST_TIMEOUT * 9 / 10,
                    "after {:?}",
                    stamp.at.since(last)
                );
                last = stamp.at;
            }
            let nothing = table.since(crowd.flow(socket), Moment::now());
            assert_eq!(nothing.stamps().count(), 0);
        }
    }
}

/// Whether the program told as many as TCP_INFO counts, before and after the program was heard. The kernel counts a moment before it tells.
fn are_alike((before, told, after): (&[u64], &[u64], &[u64])) -> bool {
    let mut both = told.iter().zip(after);
    assert!(
        both.all(|(told, after)| told <= after),
        "{told:?}, and TCP_INFO {after:?}"
    );
    before == after && told == after
}

#[test]
fn retransmitted_data_is_told_as_many_times_as_tcp_info_counts() {
    let Some(mut retransmits) = watched(&Settings::default()) else {
        return;
    };
    for address in addresses() {
        let mut table = Table::new(Bounds::default());
        let (mut near, far) = pair(address);
        let flow = Flow::new(near.local_addr().unwrap(), near.peer_addr().unwrap());
        let began = Moment::now();
        deafen(&far);
        near.write_all(&[7; 100_000]).unwrap();
        until("data was sent again three times", || {
            let before = counted(&near);
            look(&mut retransmits, &mut table);
            let after = counted(&near);
            let told = table.since(flow, began).segments();
            are_alike((&[before], &[told], &[after])) && after >= 3
        });
        assert!(is_empty(&far));
        let seen = table.since(flow, began);
        assert!(seen.stamps().all(|stamp| stamp.state == TcpState::Established));
        // The other end of the connection is another one, and sent nothing again.
        let back = Flow::new(near.peer_addr().unwrap(), near.local_addr().unwrap());
        assert_eq!(table.since(back, began).stamps().count(), 0);
    }
}

#[test]
fn stamps_are_those_of_the_wall_clock() {
    let Some(mut retransmits) = watched(&Settings::default()) else {
        return;
    };
    let mut table = Table::new(Bounds::default());
    let (mut near, far) = pair(V4);
    let flow = Flow::new(near.local_addr().unwrap(), near.peer_addr().unwrap());
    deafen(&far);
    let before = Clock::read().wall(Moment::now());
    near.write_all(b"lost").unwrap();
    until("it was sent again", || {
        look(&mut retransmits, &mut table);
        table.since(flow, Moment::from_ns(0)).stamps().count() > 0
    });
    let clock = Clock::read();
    let first = table
        .since(flow, Moment::from_ns(0))
        .stamps()
        .next()
        .map(|stamp| clock.wall(stamp.at))
        .unwrap();
    let slack = Duration::from_millis(5);
    assert!(first + slack > before, "{first:?} is before {before:?}");
    assert!(first < clock.wall(Moment::now()) + slack, "{first:?} is yet to come");
}

#[test]
fn what_found_no_room_in_the_ring_is_counted_and_makes_answers_uncertain() {
    let settings = Settings { ring_bytes: 0 };
    let Some(mut retransmits) = watched(&settings) else {
        return;
    };
    // An event takes 80 bytes, and the smallest ring is a page.
    let room = rustix::param::page_size() / 80;
    let mut table = Table::new(Bounds::default());
    let began = Moment::now();
    let crowd = Crowd::gather(V4, room + 10);
    until("more was sent again than there is room for", || {
        let _ = retransmits.wait(Duration::from_millis(50));
        retransmits.counts().unwrap().lost > 0
    });
    let mut drained = 0;
    let mut counts = retransmits.counts().unwrap();
    until("all that was seen is drained or lost", || {
        retransmits.drain(|retransmit| {
            drained += 1;
            table.note(&retransmit);
        });
        counts = retransmits.counts().unwrap();
        counts.seen == counts.lost + drained
    });
    assert!(drained >= u64::try_from(room).unwrap());
    let flow = crowd.flow(crowd.waiting.first().unwrap());
    assert!(table.since(flow, began).is_complete(), "nobody has told the table yet");
    retransmits.drain_into(&mut table).unwrap();
    assert!(!table.since(flow, began).is_complete());
}

#[test]
fn retransmits_of_other_network_namespaces_stay_in_the_kernel() {
    let settings = Settings::default();
    let Some(mut here) = watched(&settings) else {
        return;
    };
    let elsewhere = namespace().unwrap() ^ 1;
    let mut there = Retransmits::watch_in(elsewhere, &settings).unwrap();
    let mut table = Table::new(Bounds::default());
    let (mut near, far) = pair(V4);
    let flow = Flow::new(near.local_addr().unwrap(), near.peer_addr().unwrap());
    deafen(&far);
    near.write_all(b"lost").unwrap();
    until("it was sent again", || {
        look(&mut here, &mut table);
        table.since(flow, Moment::from_ns(0)).stamps().count() > 0
    });
    assert_eq!(there.counts().unwrap(), Counts::default());
    there.drain(|retransmit| panic!("not ours: {retransmit:?}"));
}

#[test]
fn a_watcher_tells_what_was_sent_again_or_why_it_cannot() {
    let mut watcher = Watcher::start(&Settings::default(), Bounds::default());
    let crowd = Crowd::gather(V4, 1);
    let socket = &crowd.waiting[0];
    let began = Moment::now();
    until("the SYN was sent again", || counted(socket) > 0);
    if let Some(why) = watcher.refusal() {
        explained(why);
        assert_eq!(watcher.tick().unwrap(), Counts::default());
        assert!(
            watcher.since(crowd.flow(socket), began).is_none(),
            "it is not known to be nothing"
        );
        return;
    }
    until("the table has it", || {
        watcher.tick().unwrap();
        watcher.since(crowd.flow(socket), began).unwrap().segments() > 0
    });
    assert_eq!(watcher.since(crowd.flow(socket), Moment::now()).unwrap().segments(), 0);
}

#[test]
fn a_watcher_that_was_refused_keeps_the_reason_and_says_nothing_of_connections() {
    let mut watcher = Watcher::refused(refusal());
    assert_eq!(watcher.refusal().unwrap().to_string(), refusal().to_string());
    assert_eq!(watcher.tick().unwrap(), Counts::default());
    let flow = Flow::new(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
    assert!(watcher.since(flow, Moment::now()).is_none());
}

fn refusal() -> LoadFault {
    LoadFault::Refused {
        step: Step::MakeRing,
        source: std::io::Error::from_raw_os_error(libc::EPERM),
    }
}
