//! Descriptions of types: a small one written here, the kernel's own, and thousands that are damaged.

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::{Btf, Place};
use crate::fault::TypesFault;
use crate::layout::Layout;
use crate::program::{Wiring, write};

/// A description being written.
#[derive(Default)]
struct Written {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

impl Written {
    fn new() -> Self {
        Self {
            strings: vec![0],
            ..Self::default()
        }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.strings.len()).unwrap();
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    /// Gives the number of the type.
    fn add(&mut self, name: &str, kind: u32, (count, wide): (usize, bool), rest: u32, tail: &[u32]) -> u32 {
        let name = self.string(name);
        let info = kind << 24 | u32::from(wide) << 31 | u32::try_from(count).unwrap();
        for word in [name, info, rest].iter().chain(tail) {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
        self.count += 1;
        self.count
    }

    fn integer(&mut self, bytes: u32) -> u32 {
        self.add("", super::INTEGER, (0, false), bytes, &[bytes * 8])
    }

    fn leads(&mut self, kind: u32, name: &str, to: u32) -> u32 {
        self.add(name, kind, (0, false), to, &[])
    }

    /// Members: name, type, offset in bytes.
    fn holds(&mut self, kind: u32, name: &str, bytes: u32, members: &[(&str, u32, u32)]) -> u32 {
        let mut tail = Vec::new();
        for (name, kind, offset) in members {
            let name = self.string(name);
            tail.extend([name, *kind, offset * 8]);
        }
        self.add(name, kind, (members.len(), false), bytes, &tail)
    }

    fn finish(&self) -> Vec<u8> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let mut out = Vec::from(0xeb9f_u16.to_ne_bytes());
        out.extend([1, 0]);
        for word in [24, 0, length(&self.types), length(&self.types), length(&self.strings)] {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        out
    }
}

/// What a kernel may have by its configuration, and what may be wrong with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Whole,
    NoV6,
    OneNamespace,
    WideState,
    NoTotal,
    NoSegments,
    Old,
}

/// As much of a kernel as is looked at, with members at other places than in any real one.
fn small_kernel(sort: Sort) -> Vec<u8> {
    let mut out = Written::new();
    let [one, two, four] = [1, 2, 4].map(|bytes| out.integer(bytes));
    let address = out.leads(super::TYPEDEF, "__be32", four);
    let state = out.leads(super::VOLATILE, "", if sort == Sort::WideState { two } else { one });
    let v6 = out.holds(super::STRUCTURE, "in6_addr", 16, &[]);
    // Before the structure that it leads to is there: types may lead forward.
    let net = out.count + 4;
    let pointer = out.leads(super::POINTER, "", net);
    let inner = if sort == Sort::OneNamespace {
        vec![]
    } else {
        vec![("net", pointer, 0)]
    };
    let possible = out.holds(super::STRUCTURE, "", 8, &inner);
    let common = out.holds(
        super::STRUCTURE,
        "ns_common",
        24,
        &[("stashed", four, 0), ("inum", four, 20)],
    );
    let written = out.holds(
        super::STRUCTURE,
        "net",
        400,
        &[("passive", four, 0), ("ns", common, 144)],
    );
    assert_eq!(written, net);
    let possible = out.leads(super::TYPEDEF, "possible_net_t", possible);
    let both = out.holds(
        super::STRUCTURE,
        "",
        8,
        &[("skc_daddr", address, 4), ("skc_rcv_saddr", address, 0)],
    );
    let pair = out.holds(super::UNION, "", 8, &[("skc_addrpair", four, 0), ("", both, 0)]);
    let mut members = vec![
        ("skc_dport", two, 8),
        ("skc_num", two, 10),
        ("", pair, 16),
        ("skc_family", two, 24),
        ("skc_state", state, 28),
        ("skc_net", possible, 32),
    ];
    if sort != Sort::NoV6 {
        members.extend([("skc_v6_daddr", v6, 40), ("skc_v6_rcv_saddr", v6, 56)]);
    }
    let sock_common = out.holds(super::STRUCTURE, "sock_common", 80, &members);
    let total = if sort == Sort::NoTotal { "else" } else { "total_retrans" };
    out.holds(
        super::STRUCTURE,
        "tcp_sock",
        2000,
        &[("sk", sock_common, 0), (total, four, 1800)],
    );
    if sort != Sort::NoSegments {
        segments(&mut out, two, four);
    }
    let control = out.add("", super::ARRAY, (0, false), 0, &[one, four, 48]);
    let rest = out.holds(super::STRUCTURE, "", 64, &[("cb", control, 8)]);
    out.holds(super::STRUCTURE, "sk_buff", 200, &[("", rest, 32)]);
    let arguments = if sort == Sort::Old { 3 } else { 4 };
    let prototype = out.add("", super::PROTOTYPE, (arguments, false), 0, &vec![0; arguments * 2]);
    let pointer = out.leads(super::POINTER, "", prototype);
    out.leads(super::TYPEDEF, "btf_trace_tcp_retransmit_skb", pointer);
    out.finish()
}

/// What says how many segments a packet has.
fn segments(out: &mut Written, two: u32, four: u32) {
    let cut = out.holds(
        super::STRUCTURE,
        "",
        4,
        &[("tcp_gso_segs", two, 0), ("tcp_gso_size", two, 2)],
    );
    let either = out.holds(super::UNION, "", 4, &[("tcp_tw_isn", four, 0), ("", cut, 0)]);
    out.holds(super::STRUCTURE, "tcp_skb_cb", 48, &[("seq", four, 0), ("", either, 8)]);
}

fn found(bytes: &[u8]) -> Result<Layout, TypesFault> {
    Layout::find(&Btf::parse(bytes)?)
}

#[test]
fn members_are_found_through_unnamed_structures_and_other_names() {
    let whole = Layout {
        local_v4: 16,
        remote_v4: 20,
        local_port: 10,
        remote_port: 8,
        family: 24,
        state: 28,
        v6: Some((56, 40)),
        namespace: Some((32, 164)),
        total: 1800,
        segments: 48,
        tells_failures: true,
    };
    assert_eq!(found(&small_kernel(Sort::Whole)).unwrap(), whole);
    assert_eq!(
        found(&small_kernel(Sort::NoV6)).unwrap(),
        Layout {
            v6: None,
            ..whole.clone()
        }
    );
    assert_eq!(
        found(&small_kernel(Sort::OneNamespace)).unwrap(),
        Layout {
            namespace: None,
            ..whole.clone()
        }
    );
    assert_eq!(
        found(&small_kernel(Sort::Old)).unwrap(),
        Layout {
            tells_failures: false,
            ..whole
        }
    );
}

#[test]
fn what_is_not_as_expected_is_named() {
    let fault = |sort| found(&small_kernel(sort)).unwrap_err().to_string();
    assert_eq!(
        fault(Sort::WideState),
        "`skc_state` of `sock_common` is not what is expected"
    );
    assert_eq!(
        fault(Sort::NoTotal),
        "the structure `tcp_sock` has no member `total_retrans`"
    );
    assert_eq!(fault(Sort::NoSegments), "there is no structure `tcp_skb_cb`");
}

#[test]
fn bit_fields_are_not_taken_for_members() {
    let mut out = Written::new();
    let four = out.integer(4);
    let name = out.string("bits");
    let other = out.string("whole");
    out.add(
        "outer",
        super::STRUCTURE,
        (2, true),
        8,
        &[name, four, 3 << 24 | 8, other, four, 32],
    );
    let bytes = out.finish();
    let types = Btf::parse(&bytes).unwrap();
    let unexpected = TypesFault::Unexpected {
        outer: "outer",
        member: "bits",
    };
    assert_eq!(types.place("outer", &["bits"]), Err(unexpected));
    assert_eq!(
        types.place("outer", &["whole"]),
        Ok(Place {
            offset: 4,
            bytes: Some(4)
        })
    );
}

#[test]
fn types_that_lead_in_a_circle_end() {
    let mut out = Written::new();
    out.leads(super::TYPEDEF, "one", 2);
    out.leads(super::TYPEDEF, "two", 1);
    // A union of itself, many times: each level would have 500 times as many members as the one above.
    let itself = out.count + 1;
    out.holds(super::UNION, "", 4, &[("", itself, 0); 500]);
    out.holds(super::STRUCTURE, "round", 4, &[("turn", 1, 0)]);
    out.holds(super::STRUCTURE, "deep", 4, &[("", itself, 0)]);
    let bytes = out.finish();
    let types = Btf::parse(&bytes).unwrap();
    assert_eq!(types.place("round", &["turn"]), Err(TypesFault::Circle("round")));
    assert_eq!(types.place("deep", &["anything"]), Err(TypesFault::Circle("deep")));
}

#[test]
fn what_breaks_off_is_refused_wherever_it_does() {
    let whole = small_kernel(Sort::Whole);
    for length in 0..whole.len() {
        assert!(
            Btf::parse(&whole[..length]).is_err(),
            "{length} bytes of {}",
            whole.len()
        );
    }
    let mut unknown = Written::new();
    unknown.add("later", 31, (0, false), 0, &[]);
    assert_eq!(Btf::parse(&unknown.finish()).map(|_| ()), Err(TypesFault::Kind(31)));
    assert_eq!(Btf::parse(b"not this").map(|_| ()), Err(TypesFault::Header));
}

/// Changes a few bytes or words, mostly where structure is rather than text; gives what was there.
fn damage(bytes: &mut [u8], random: &mut TestRng) -> Vec<(usize, u8)> {
    let mut before = Vec::new();
    for _ in 0..1 + random.next_u32() % 4 {
        let bound = if random.next_u32().is_multiple_of(8) {
            24
        } else {
            bytes.len()
        };
        let at = usize::try_from(random.next_u64()).unwrap() % bound;
        let word = match random.next_u32() % 4 {
            0 => u32::MAX,
            1 => 0,
            2 => random.next_u32() & 0x1f00_00ff,
            _ => random.next_u32(),
        };
        let length = if random.next_u32().is_multiple_of(2) { 1 } else { 4 };
        for (index, byte) in word.to_ne_bytes().into_iter().enumerate().take(length) {
            if let Some(place) = bytes.get_mut(at / 4 * 4 + index) {
                before.push((at / 4 * 4 + index, *place));
                *place = byte;
            }
        }
    }
    before
}

/// What is found in damaged bytes is used as the loader would use it; gives whether anything was.
fn survives(bytes: &[u8]) -> bool {
    found(bytes).is_ok_and(|layout| {
        let wiring = Wiring {
            layout: &layout,
            namespace: 1,
            ring: 3,
            counters: 4,
        };
        !write(&wiring).is_empty()
    })
}

#[test]
fn ten_thousand_damaged_descriptions_end_in_a_layout_or_a_fault() {
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let whole = small_kernel(Sort::Whole);
    let mut good = 0;
    for _ in 0..10_000 {
        let mut bytes = whole.clone();
        damage(&mut bytes, &mut random);
        good += usize::from(survives(&bytes));
    }
    // Some hit a name that nobody asks for, most do not.
    assert!((500..9500).contains(&good), "{good} were as good as new");
}

#[test]
fn the_kernel_that_runs_here_is_read_and_so_are_damaged_copies_of_it() {
    let Ok(mut bytes) = std::fs::read(crate::watch::TYPES) else {
        return;
    };
    let types = Btf::parse(&bytes).unwrap();
    // These have not moved for as long as there is BTF; programs of others depend on them.
    let layout = Layout::find(&types).unwrap();
    assert_eq!((layout.remote_v4, layout.local_v4), (0, 4));
    assert_eq!((layout.remote_port, layout.local_port), (12, 14));
    assert_eq!((layout.family, layout.state), (16, 18));
    assert!(
        types
            .tracepoint_arguments("tcp_retransmit_skb")
            .is_some_and(|count| count >= 2)
    );
    assert_eq!(types.tracepoint_arguments("tcp_retransmit"), None);
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for _ in 0..200 {
        let before = damage(&mut bytes, &mut random);
        survives(&bytes);
        for (at, byte) in before.into_iter().rev() {
            bytes[at] = byte;
        }
    }
    assert_eq!(found(&bytes), Ok(layout));
}
