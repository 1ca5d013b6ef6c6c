//! Regular expressions of the operator's own, as one automaton that knows at each byte whether more could change its answer.

#[cfg(feature = "patterns")]
pub(crate) use automaton::Patterns;
#[cfg(not(feature = "patterns"))]
pub(crate) use none::Patterns;

#[cfg(feature = "patterns")]
mod automaton;

/// Where regular expressions are left out.
#[cfg(not(feature = "patterns"))]
mod none {
    use crate::window::{Answer, Window};

    #[derive(Default)]
    pub(crate) struct Patterns;

    #[expect(clippy::unused_self, reason = "the same verbs as where there are some")]
    impl Patterns {
        pub(crate) const fn begins(&self, _: u8) -> bool {
            false
        }

        pub(crate) const fn find(&self, _: &Window<'_>) -> Answer {
            Ok(None)
        }
    }
}
