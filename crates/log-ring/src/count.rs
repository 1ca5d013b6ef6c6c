//! What the header of a ring says about records that were refused.

use crate::gap::Dropped;
use crate::layout::{DROPPED, TAIL, TOLD};
use crate::mark::cells;

/// All that were refused.
pub(crate) fn dropped(load: impl Fn(usize) -> u64) -> Vec<Dropped> {
    collected(|at| load(DROPPED + at))
}

/// Those that no committed gap record tells of.
pub(crate) fn untold(load: impl Fn(usize) -> u64) -> Vec<Dropped> {
    let tail = load(TAIL);
    // A table whose record was not committed before its writer died stands for nothing; the other one does.
    let told = TOLD
        .into_iter()
        .filter(|base| load(*base) <= tail)
        .max_by_key(|base| load(*base));
    collected(|at| {
        let before = told.map_or(0, |base| load(base + 1 + at));
        load(DROPPED + at).saturating_sub(before)
    })
}

fn collected(count: impl Fn(usize) -> u64) -> Vec<Dropped> {
    let all = cells().map(|(at, why, level, class)| Dropped {
        why,
        level,
        class,
        count: count(at),
    });
    all.filter(|dropped| dropped.count > 0).collect()
}
