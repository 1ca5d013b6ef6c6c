//! Without the privileges, the loader's error is the reason, and the doctor says it.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use super::sockets::{addresses, counted, explained, pair};
use crate::fault::{LoadFault, Step};
use crate::{Facts, Grade, Retransmits, Settings, Topic};

/// Runs it on a thread that has only these of the capabilities that this process has.
fn with_only<T: Send + 'static>(kept: CapabilitySet, run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let held = capabilities(None).unwrap().permitted & kept;
        let sets = CapabilitySets {
            effective: held,
            permitted: held,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, sets).unwrap();
        run()
    });
    thread.join().unwrap()
}

#[test]
fn without_capabilities_the_kernel_refuses_and_the_doctor_says_which_ones_to_give() {
    let (fault, facts) = with_only(CapabilitySet::empty(), || {
        (
            Retransmits::watch(&Settings::default()).map(|_| ()).unwrap_err(),
            Facts::gather(),
        )
    });
    assert_eq!(facts.capabilities, Some(0));
    let findings = facts.findings();
    let of = |topic: Topic| findings.iter().find(|finding| finding.topic == topic).unwrap();
    assert_eq!(of(Topic::Capabilities).grade, Grade::Missing);
    assert!(of(Topic::Capabilities).found.contains("lacks CAP_BPF and CAP_PERFMON"));
    assert_eq!(of(Topic::Retransmits).grade, Grade::Missing);
    assert_eq!(of(Topic::Retransmits).found, fault.to_string());
    // A machine may lack more than that; the description of types is looked for first.
    if facts.types.is_ok() {
        assert!(matches!(fault.errno(), Some(libc::EPERM | libc::EACCES)), "{fault}");
        assert!(
            of(Topic::Retransmits).next.contains("CAP_PERFMON"),
            "{}",
            of(Topic::Retransmits)
        );
    }
}

#[test]
fn one_of_the_two_capabilities_is_not_enough_and_the_other_is_named() {
    for (kept, lacking) in [(CapabilitySet::BPF, "CAP_PERFMON"), (CapabilitySet::PERFMON, "CAP_BPF")] {
        let (fault, facts) = with_only(kept, || {
            (
                Retransmits::watch(&Settings::default()).map(|_| ()).unwrap_err(),
                Facts::gather(),
            )
        });
        let findings = facts.findings();
        let own = findings
            .iter()
            .find(|finding| finding.topic == Topic::Capabilities)
            .unwrap();
        let expected = format!("lacks {lacking}, and has no CAP_SYS_ADMIN");
        assert!(own.found.contains(&expected), "{own}: {fault}");
    }
}

#[test]
fn the_two_small_capabilities_are_enough_where_all_of_them_are() {
    let all = Retransmits::watch(&Settings::default()).map(|_| ());
    let two = with_only(CapabilitySet::BPF | CapabilitySet::PERFMON, || {
        Retransmits::watch(&Settings::default()).map(|_| ())
    });
    match (all, two) {
        (Ok(()), two) => two.unwrap(),
        (Err(fault), Err(_)) => explained(&fault),
        (Err(fault), Ok(())) => panic!("refused with all of them, and not with two: {fault}"),
    }
}

#[test]
fn tcp_info_serves_without_any_capability() {
    with_only(CapabilitySet::empty(), || {
        for address in addresses() {
            let (near, _far) = pair(address);
            assert_eq!(counted(&near), 0);
        }
    });
}

#[test]
fn the_doctor_says_what_the_loader_says_here() {
    match Retransmits::watch(&Settings::default()) {
        Err(fault) => explained(&fault),
        Ok(_) => {
            let findings = crate::doctor();
            let own = findings
                .iter()
                .find(|finding| finding.topic == Topic::Retransmits)
                .unwrap();
            assert_eq!(own.grade, Grade::Good);
            let cause = findings.iter().find(|finding| finding.grade == Grade::Missing);
            assert_eq!(cause, None, "it works, so nothing is missing");
        }
    }
}

#[test]
fn a_step_says_what_it_is() {
    let fault = LoadFault::refused(Step::MakeRing)(std::io::Error::from_raw_os_error(libc::EPERM));
    assert_eq!(
        fault.to_string(),
        "making the ring buffer failed: Operation not permitted (os error 1)"
    );
}
