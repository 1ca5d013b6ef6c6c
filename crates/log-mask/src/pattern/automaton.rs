//! The automaton of all patterns together, which is built when rules are, and has no memory of its own.

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::start;
use regex_automata::util::syntax;
use regex_automata::{Anchored, MatchKind};

use crate::class::Class;
use crate::fault::Fault;
use crate::window::{Answer, Found, Window};

/// LIMIT: patterns; bytes of what one fits; and bytes of the automaton, which grows with what patterns leave open.
const PATTERNS_MAX: usize = 64;
const FIT_BYTES_MAX: usize = 256;
const AUTOMATON_BYTES_MAX: usize = 2 << 20;

/// All patterns.
#[derive(Default)]
pub(crate) struct Patterns {
    automaton: Option<dense::DFA<Vec<u32>>>,
    firsts: Vec<u8>,
}

impl Patterns {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, Fault> {
        if patterns.len() > PATTERNS_MAX {
            return Err(Fault::Patterns(PATTERNS_MAX));
        }
        if patterns.is_empty() {
            return Ok(Self::default());
        }
        for (place, pattern) in patterns.iter().enumerate() {
            let fault = |why: &str| Fault::Pattern(place, why.to_owned());
            let parsed = regex_syntax::ParserBuilder::new().utf8(false).build().parse(pattern);
            let parsed = parsed.map_err(|mistake| fault(&mistake.to_string()))?;
            let properties = parsed.properties();
            if properties.minimum_len().is_none_or(|least| least == 0) {
                return Err(fault("it fits where nothing stands"));
            }
            if properties.maximum_len().is_none_or(|most| most > FIT_BYTES_MAX) {
                return Err(fault("it fits more than 256 bytes; a bound as in `[a-z]{1,40}` helps"));
            }
        }
        let built = dense::Builder::new()
            .syntax(syntax::Config::new().utf8(false))
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Anchored)
                    .match_kind(MatchKind::LeftmostFirst)
                    .determinize_size_limit(Some(4 * AUTOMATON_BYTES_MAX))
                    .dfa_size_limit(Some(AUTOMATON_BYTES_MAX)),
            )
            .build_many(patterns);
        let automaton = built.map_err(|mistake| Fault::Automaton(mistake.to_string()))?;
        let mut patterns = Self {
            automaton: Some(automaton),
            firsts: Vec::new(),
        };
        let begins = |byte: u8| {
            [0, b' ', b'a', b'\n']
                .into_iter()
                .any(|before| patterns.goes_on(before, byte))
        };
        let firsts = (0..=u8::MAX).filter(|byte| begins(*byte)).collect();
        patterns.firsts = firsts;
        Ok(patterns)
    }

    /// Whether something may begin with that byte.
    pub(crate) fn begins(&self, byte: u8) -> bool {
        self.firsts.contains(&byte)
    }

    fn goes_on(&self, before: u8, byte: u8) -> bool {
        let Some(automaton) = &self.automaton else {
            return false;
        };
        let start = automaton.start_state(&config(before));
        start.is_ok_and(|state| !automaton.is_dead_state(automaton.next_state(state, byte)))
    }

    /// What fits from the window's first byte on.
    pub(crate) fn find(&self, window: &Window<'_>) -> Answer {
        let Some(automaton) = &self.automaton else {
            return Ok(None);
        };
        let Ok(mut state) = automaton.start_state(&config(window.before.one)) else {
            return Ok(None);
        };
        let mut length = None;
        // An automaton sees that something fits one byte later.
        for place in 0..=FIT_BYTES_MAX {
            let byte = window.at(place)?;
            state = match byte {
                Some(byte) => automaton.next_state(state, byte),
                None => automaton.next_eoi_state(state),
            };
            if automaton.is_match_state(state) {
                length = Some(place);
            }
            if byte.is_none() || automaton.is_dead_state(state) || automaton.is_quit_state(state) {
                break;
            }
        }
        Ok(length.map(|length| Found::new(Class::Pattern, length)))
    }
}

/// Where an automaton begins behind that byte; 0 is the beginning of a text.
fn config(before: u8) -> start::Config {
    let before = Some(before).filter(|byte| *byte != 0);
    start::Config::new().anchored(Anchored::Yes).look_behind(before)
}
