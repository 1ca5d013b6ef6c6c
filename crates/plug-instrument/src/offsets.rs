//! The way back: from a byte of the changed module to the original one.

/// Where a byte of a changed module comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From this byte of the original, or it begins what stands for the instruction there.
    Original(u64),
    /// It was added.
    Added {
        /// The byte of the original before which it stands.
        before: u64,
        /// What it is for.
        why: Added,
    },
}

impl Origin {
    /// The byte of the original by which a person finds the place.
    #[must_use]
    pub fn nearest(self) -> u64 {
        match self {
            Self::Original(at) => at,
            Self::Added { before, .. } => before,
        }
    }
}

/// What added bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// Sizes and numbers of what is around them, written anew, and types that it needs.
    Frame,
    /// They count frames. Of their instructions, `unreachable` alone can trap: there is one frame too many.
    CallDepth,
    /// They tell the host what the guest's allocator does. The one call among their instructions is the host's own function.
    Allocations,
}

/// Where all bytes of a changed module come from.
#[derive(Debug, Clone, Default)]
pub struct Offsets {
    /// In the order of the changed module.
    stretches: Box<[Stretch]>,
}

/// Bytes up to the next stretch that come from the same place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    /// Its first byte.
    pub(crate) changed: u32,
    /// Where that is in the original, or before what it stands.
    pub(crate) original: u32,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The bytes of the original, one by one.
    Same,
    /// One instruction instead of the original's.
    Instead,
    Added(Added),
}

impl Stretch {
    /// Whether the next one says nothing else: more is added before the same byte for the same reason.
    pub(crate) fn goes_on_as(&self, next: &Self) -> bool {
        matches!(self.kind, Kind::Added(_)) && (self.kind, self.original) == (next.kind, next.original)
    }
}

impl Offsets {
    pub(crate) fn of(stretches: Vec<Stretch>) -> Self {
        Self {
            stretches: stretches.into_boxed_slice(),
        }
    }

    /// Where byte `at` of the changed module comes from; none before its beginning.
    #[must_use]
    pub fn origin(&self, at: u64) -> Option<Origin> {
        let behind = self
            .stretches
            .partition_point(|stretch| u64::from(stretch.changed) <= at);
        let stretch = self.stretches.get(behind.checked_sub(1)?)?;
        let original = u64::from(stretch.original);
        Some(match stretch.kind {
            Kind::Same => Origin::Original(original.saturating_add(at.saturating_sub(stretch.changed.into()))),
            Kind::Instead => Origin::Original(original),
            Kind::Added(why) => Origin::Added { before: original, why },
        })
    }
}
