//! Streams of requests, cut at every place, and what the tap finds in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;

const BOTH: Finding = Finding {
    bare_line_feed: false,
    content_length: true,
};
const NONE: Finding = Finding {
    bare_line_feed: false,
    content_length: false,
};

struct Message {
    head: &'static str,
    method: &'static str,
    target: &'static str,
    body: &'static str,
    framing: Framing,
    finding: Finding,
}

const GET: Message = Message {
    head: "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    method: "GET",
    target: "/a",
    body: "",
    framing: Framing::Empty,
    finding: NONE,
};
const POST: Message = Message {
    head: "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n",
    method: "POST",
    target: "/b",
    body: "POST /c HTTP/1.1\r\nA: b\r\n\r\n12345",
    framing: Framing::Length(31),
    finding: NONE,
};
const CHUNKED: Message = Message {
    head: "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    method: "POST",
    target: "/c",
    body: "15\r\ncontent-length: 5\r\nabc\r\n0\r\n\r\n",
    framing: Framing::Chunked,
    finding: NONE,
};
const SMUGGLED: Message = Message {
    head: "POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncOnTeNt-LeNgTh: 4\r\nHost: x\r\n\r\n",
    method: "POST",
    target: "/d",
    body: "0\r\n\r\n",
    framing: Framing::Chunked,
    finding: BOTH,
};
const BARE: Message = Message {
    head: "\r\nGET /e HTTP/1.1\r\nHost: x\n\r\n",
    method: "GET",
    target: "/e",
    body: "",
    framing: Framing::Empty,
    finding: Finding {
        bare_line_feed: true,
        content_length: false,
    },
};

/// Feeds a stream cut at the given places, and parses each head as soon as its last byte is there, as hyper does.
fn run(messages: &[&Message], cuts: &[usize]) -> Vec<Finding> {
    let mut stream = Vec::new();
    let mut ends = Vec::new();
    for message in messages {
        stream.extend_from_slice(message.head.as_bytes());
        ends.push(stream.len());
        stream.extend_from_slice(message.body.as_bytes());
    }
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % stream.len()).collect();
    cuts.push(stream.len());
    cuts.sort_unstable();
    let (mut tap, mut findings, mut fed) = (HeadTap::default(), Vec::new(), 0);
    for cut in cuts {
        tap.feed(&stream[fed..cut]);
        fed = cut;
        while findings.len() < messages.len() && ends[findings.len()] <= fed {
            let message = messages[findings.len()];
            findings.push(tap.head_parsed(message.method, message.target, message.framing));
        }
    }
    findings
}

fn expected(messages: &[&Message]) -> Vec<Finding> {
    messages.iter().map(|message| message.finding).collect()
}

#[test]
fn what_a_head_hides_is_found_wherever_the_stream_is_cut() {
    for messages in [
        &[&GET, &SMUGGLED][..],
        &[&POST, &CHUNKED],
        &[&CHUNKED, &SMUGGLED],
        &[&CHUNKED, &POST, &BARE, &GET],
        &[&BARE, &CHUNKED, &CHUNKED, &GET, &SMUGGLED],
    ] {
        for cut in 0..300 {
            assert_eq!(run(messages, &[cut]), expected(messages), "cut at {cut}");
        }
    }
}

#[test]
fn a_content_length_in_a_body_is_no_finding() {
    assert_eq!(run(&[&CHUNKED, &CHUNKED, &GET], &[]), [NONE; 3]);
}

#[test]
fn an_idle_connection_keeps_little() {
    let mut tap = HeadTap::default();
    let head = format!("GET /a HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(50_000));
    assert!(tap.feed(head.as_bytes()));
    tap.head_parsed("GET", "/a", Framing::Empty);
    assert!(tap.seen.capacity() <= IDLE_CAPACITY_MAX && !tap.has_partial_head());
}

#[test]
fn a_long_body_is_not_kept() {
    let mut tap = HeadTap::default();
    tap.feed(b"PUT /f HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
    tap.head_parsed("PUT", "/f", Framing::Length(1_000_000));
    assert!(tap.in_body());
    for _ in 0..1000 {
        assert!(!tap.feed(&[b'z'; 1000]));
    }
    assert!(tap.seen.is_empty() && !tap.in_body());
    tap.feed(CHUNKED.head.as_bytes());
    tap.head_parsed("POST", "/c", Framing::Chunked);
    for _ in 0..100 {
        tap.feed(&[b'z'; 1000]);
    }
    assert!(tap.seen.len() <= WINDOW_BYTES_MAX && tap.in_body());
    assert_eq!(tap.head_parsed("GET", "/a", Framing::Empty), NONE);
}

proptest! {
    #[test]
    fn any_sequence_cut_anywhere_gives_the_same_findings(
        picks in proptest::collection::vec(0usize..5, 1..8),
        cuts in proptest::collection::vec(0usize..5000, 0..12),
    ) {
        let all = [&GET, &POST, &CHUNKED, &SMUGGLED, &BARE];
        let messages: Vec<&Message> = picks.iter().map(|pick| all[*pick]).collect();
        prop_assert_eq!(run(&messages, &cuts), expected(&messages));
    }

    #[test]
    fn no_bytes_make_it_panic(
        reads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20),
        framing in 0u8..3,
    ) {
        let mut tap = HeadTap::default();
        for read in reads {
            tap.feed(&read);
            let framing = match framing { 0 => Framing::Empty, 1 => Framing::Length(7), _ => Framing::Chunked };
            tap.head_parsed("GET", "/", framing);
        }
    }
}
