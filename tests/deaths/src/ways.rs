//! The ways to die, and those that harm without being deadly: what the operator must read of each.

/// The words of the guest, as its source has them.
const SOURCE: &str = include_str!("../../../plugins/die/src/ways.rs");

/// How a way ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// The instance dies: the fault's code, and words of its text.
    Dies(&'static str, &'static str),
    /// The instance lives on and says so.
    Survives(&'static str),
}

/// A way to die.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// Its word.
    pub(crate) word: &'static str,
    pub(crate) end: End,
    /// It is stopped at its slice, and no longer trusted from then on.
    pub(crate) is_slow: bool,
}

impl Way {
    pub(crate) fn kills(&self) -> bool {
        matches!(self.end, End::Dies(..))
    }
}

const fn traps(word: &'static str, reason: &'static str) -> Way {
    Way {
        word,
        end: End::Dies("plugin.trapped", reason),
        is_slow: false,
    }
}

const fn is_stopped(word: &'static str) -> Way {
    Way {
        word,
        end: End::Dies("plugin.slice_exceeded", "longer than its slice of 20ms"),
        is_slow: true,
    }
}

const fn is_too_deep(word: &'static str) -> Way {
    Way {
        word,
        end: End::Dies("plugin.call_depth_exceeded", "than the 100 frames that it may have"),
        is_slow: false,
    }
}

const fn survives(word: &'static str, says: &'static str) -> Way {
    Way {
        word,
        end: End::Survives(says),
        is_slow: false,
    }
}

/// All of them, the slow ones last.
pub(crate) const WAYS: &[Way] = &[
    traps("panic", "unreachable"),
    traps("unreachable", "unreachable"),
    traps("abort", "unreachable"),
    Way {
        word: "exit",
        end: End::Dies("plugin.exited", "`proc_exit`"),
        is_slow: false,
    },
    traps("outside", "out of bounds memory access"),
    traps("divide", "integer divide by zero"),
    traps("indirect", "undefined element"),
    traps("indirect_type", "indirect call type mismatch"),
    traps("recursion", "call stack exhausted"),
    traps("recursion_shadow", "out of bounds memory access"),
    traps("memory", "unreachable"),
    traps("allocator_trap", "unreachable"),
    traps("allocator_reenter", "call stack exhausted"),
    survives("allocator_null", "die: get_property -> "),
    survives("allocator_outside", "die: get_property -> "),
    survives("allocator_end", "die: get_property -> "),
    survives("allocator_overlapping", "die: get_property -> "),
    survives("callout_storm", "die: refused at call "),
    survives("queue_storm", "die: refused at call "),
    survives("shared_storm", "die: refused at call "),
    survives("metric_storm", "die: refused at call "),
    survives("header_storm", "die: add_header -> "),
    survives("header_giant", "die: add_header -> "),
    is_stopped("loop"),
    is_stopped("loop_calling"),
    is_stopped("memory_stubborn"),
    is_stopped("allocator_loop"),
    is_stopped("log_storm"),
];

/// What dies at the bound on frames, where there is one, and of the stack where there is none.
pub(crate) const DEEP: &[Way] = &[is_too_deep("recursion"), is_too_deep("allocator_reenter")];

/// Words of the guest that neither kill nor storm.
const HARMLESS: &[&str] = &["leak", "slow", "local_response"];

#[test]
fn every_way_of_the_guest_is_in_the_table() {
    let rows = SOURCE.lines().filter_map(|line| line.trim().strip_prefix("(\""));
    let of_the_guest: Vec<&str> = rows
        .filter_map(|row| row.split_once("\","))
        .map(|(word, _)| word)
        .collect();
    assert!(
        of_the_guest.len() > 25,
        "the guest's table is not read well: {of_the_guest:?}"
    );
    let known = |word: &str| HARMLESS.contains(&word) || WAYS.iter().any(|way| way.word == word);
    let missing: Vec<_> = of_the_guest.iter().filter(|word| !known(word)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let gone: Vec<_> = WAYS.iter().filter(|way| !of_the_guest.contains(&way.word)).collect();
    assert!(gone.is_empty(), "the guest has no {gone:?}");
}
