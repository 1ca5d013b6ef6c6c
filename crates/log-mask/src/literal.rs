//! Words of the operator's own, letter by letter.

use crate::class::Class;
use crate::fault::Fault;
use crate::window::{Answer, Found, Window};

/// LIMIT: words, and bytes of one: each is compared wherever its first byte stands.
const WORDS_MAX: usize = 200;
const WORD_BYTES_MAX: usize = 256;

/// The words, the longest first, so that one that begins another does not hide it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Words {
    words: Vec<Vec<u8>>,
    /// Whether `A` is `a`.
    folds: bool,
}

impl Words {
    pub(crate) fn new(words: &[String], folds: bool) -> Result<Self, Fault> {
        if words.len() > WORDS_MAX {
            return Err(Fault::Words(WORDS_MAX));
        }
        if words.iter().any(|word| !(3..=WORD_BYTES_MAX).contains(&word.len())) {
            return Err(Fault::Word(WORD_BYTES_MAX));
        }
        let mut words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Ok(Self { words, folds })
    }

    /// The bytes that one begins with.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = u8> {
        let firsts = self.words.iter().filter_map(|word| word.first());
        firsts.flat_map(|first| {
            if self.folds {
                [first.to_ascii_lowercase(), first.to_ascii_uppercase()]
            } else {
                [*first; 2]
            }
        })
    }

    pub(crate) fn find(&self, window: &Window<'_>) -> Answer {
        for word in &self.words {
            let mut length = 0;
            while let Some(byte) = word.get(length) {
                let is_same = |other: u8| other == *byte || self.folds && other.eq_ignore_ascii_case(byte);
                if !window.is(length, is_same)? {
                    break;
                }
                length += 1;
            }
            if length == word.len() {
                return Ok(Some(Found::new(Class::Word, length)));
            }
        }
        Ok(None)
    }
}
