//! The program as bytes, and what is said when the kernel does not take it.

use crate::assembler::{Assembler, Register};
use crate::btf::Btf;
use crate::event::{EVENT_BYTES, Retransmit, at};
use crate::layout::Layout;
use crate::program::{Wiring, write};
use crate::{Flow, Moment, TcpState};

fn layout(tells_failures: bool) -> Layout {
    Layout {
        local_v4: 4,
        remote_v4: 0,
        local_port: 14,
        remote_port: 12,
        family: 16,
        state: 18,
        v6: Some((72, 56)),
        namespace: Some((48, 136)),
        total: 2200,
        segments: 48,
        tells_failures,
    }
}

#[test]
fn instructions_are_those_of_the_manual() {
    let mut code = Assembler::default();
    code.load(Register::R6, Register::R1, 8);
    let jump = code.when(Register::R0, 7);
    code.map(Register::R1, 5);
    code.land(&jump);
    code.set(Register::R0, -1);
    code.exit();
    // Documentation/bpf/standardization/instruction-set.rst, for a machine that begins with the low byte.
    let expected: [[u8; 8]; 6] = [
        [0x79, 0x16, 8, 0, 0, 0, 0, 0],
        [0x15, 0x00, 2, 0, 7, 0, 0, 0],
        [0x18, 0x11, 0, 0, 5, 0, 0, 0],
        [0; 8],
        [0xb7, 0x00, 0, 0, 0xff, 0xff, 0xff, 0xff],
        [0x95, 0, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(code.finish(), expected);
}

#[test]
fn every_jump_of_the_program_ends_inside_of_it() {
    for tells_failures in [false, true] {
        for namespace in [None, Some((48, 136))] {
            let layout = Layout {
                namespace,
                ..layout(tells_failures)
            };
            let wiring = Wiring {
                layout: &layout,
                namespace: 0xf000_0000,
                ring: 3,
                counters: 4,
            };
            let code = write(&wiring);
            assert!(code.len() < 128);
            assert_eq!(code.last(), Some(&[0x95, 0, 0, 0, 0, 0, 0, 0]));
            let jumps = code
                .iter()
                .enumerate()
                .filter(|(_, code)| matches!(code[0], 0x15 | 0x56));
            let ends: Vec<usize> = jumps
                .map(|(index, code)| index + 1 + usize::from(u16::from_le_bytes([code[2], code[3]])))
                .collect();
            assert_eq!(ends.len(), 1 + usize::from(namespace.is_some()));
            // All of them end where the program gives back zero.
            assert!(
                ends.iter().all(|end| *end == code.len() - 2),
                "{ends:?} of {}",
                code.len()
            );
        }
    }
}

#[test]
fn an_event_is_read_as_it_was_written() {
    let mut event = [0; EVENT_BYTES.cast_unsigned() as usize];
    let mut put = |at: i16, bytes: &[u8]| {
        let at = usize::try_from(at).unwrap();
        event[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(at::MOMENT, &7_u64.to_ne_bytes());
    put(at::LOCAL_V4, &[10, 0, 0, 1]);
    put(at::REMOTE_V4, &[10, 0, 0, 2]);
    put(
        at::LOCAL_V6,
        &"::ffff:10.9.0.1".parse::<std::net::Ipv6Addr>().unwrap().octets(),
    );
    put(
        at::REMOTE_V6,
        &"2001:db8::2".parse::<std::net::Ipv6Addr>().unwrap().octets(),
    );
    put(at::LOCAL_PORT, &80_u16.to_ne_bytes());
    put(at::REMOTE_PORT, &4000_u16.to_be_bytes());
    put(at::FAMILY, &2_u16.to_ne_bytes());
    put(at::STATE, &[2]);
    put(at::SEGMENTS, &3_u16.to_ne_bytes());
    put(at::TOTAL, &9_u32.to_ne_bytes());
    put(at::FAILURE, &(-105_i32).to_ne_bytes());
    let read = Retransmit::read(&event).unwrap();
    let flow = Flow::new("10.0.0.1:80".parse().unwrap(), "10.0.0.2:4000".parse().unwrap());
    assert_eq!(
        read,
        Retransmit {
            at: Moment::from_ns(7),
            flow,
            state: TcpState::SynSent,
            segments: 3,
            total: 9,
            failure: Some(105),
        }
    );
    event[usize::try_from(at::FAMILY).unwrap()] = 10;
    let flow = Flow::new("10.9.0.1:80".parse().unwrap(), "[2001:db8::2]:4000".parse().unwrap());
    assert_eq!(Retransmit::read(&event).unwrap().flow, flow);
    event[usize::try_from(at::FAMILY).unwrap()] = 1;
    assert_eq!(Retransmit::read(&event), None);
    for length in 0..64 {
        assert_eq!(Retransmit::read(&event[..length]), None);
    }
}

#[test]
fn a_program_that_the_verifier_refuses_comes_with_its_last_words() {
    // Reads beyond what the tracepoint hands over: its arguments are fewer than a thousand.
    let Some(types) = std::fs::read(crate::watch::TYPES).ok() else {
        return;
    };
    assert!(Btf::parse(&types).is_ok());
    let refused = crate::watch::load(&[[0x79, 0x10, 0, 0x40, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]]);
    let fault = refused.unwrap_err();
    match fault.errno() {
        Some(libc::EPERM) => super::sockets::explained(
            &crate::Retransmits::watch(&crate::Settings::default())
                .map(|_| ())
                .unwrap_err(),
        ),
        _ => {
            let text = fault.to_string();
            assert!(
                text.starts_with("the kernel's verifier refused the program: "),
                "{text}"
            );
            assert!(text.contains("R1"), "{text}");
            assert!(!text.contains("processed"), "{text}");
        }
    }
}
