//! What is written in place of what was found.

use crate::address;
use crate::class::Class;

/// What is done with what is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// This text stands there
    Redact(String),
    /// Nothing stands there
    Drop,
    /// The first and last characters stay, and each between becomes a star. Of an e-mail address `first` counts before its `@`, and the domain stays
    Partial {
        /// Characters at the beginning
        first: usize,
        /// Characters at the end
        last: usize,
    },
    /// A keyed digest of it stands there, the same for the same number however it is written
    Hash,
    /// Of an address, its network stays: /24 or /48
    Network,
}

impl Action {
    /// What is done where nobody says otherwise: what people share to recognise something stays, as card industry and Chinese usage have it.
    #[must_use]
    pub fn usual(class: Class) -> Self {
        match class {
            Class::PhoneCn | Class::ResidentIdCn => Self::Partial { first: 3, last: 4 },
            Class::Phone => Self::Partial { first: 4, last: 2 },
            Class::Passport => Self::Partial { first: 1, last: 2 },
            Class::BankCard => Self::Partial { first: 6, last: 4 },
            Class::Iban => Self::Partial { first: 4, last: 4 },
            Class::Email => Self::Partial { first: 1, last: 0 },
            Class::Ipv4 | Class::Ipv6 => Self::Network,
            _ => Self::Redact(String::from("[REDACTED]")),
        }
    }

    /// Whether it is the same whatever stands there.
    pub(crate) const fn is_fixed(&self) -> bool {
        matches!(self, Self::Redact(_) | Self::Drop)
    }
}

/// LIMIT: stars for what is hidden; how long a long secret is need not be told.
const STARS_MAX: usize = 64;

/// Writes something whose beginning and end are kept.
pub(crate) fn partial(class: Class, text: &str, (first, last): (usize, usize), out: &mut String) {
    match text.rsplit_once('@').filter(|_| class == Class::Email) {
        Some((local, domain)) => {
            let kept = if local.chars().count() > first { first } else { 0 };
            out.extend(local.chars().take(kept));
            // How long it is would tell more than its first letter.
            out.push_str("***@");
            out.push_str(domain);
        }
        None => middle(text, (first, last), out),
    }
}

fn middle(text: &str, (first, last): (usize, usize), out: &mut String) {
    let is_gap = |letter: char| matches!(letter, ' ' | '-' | '(' | ')');
    let letters = text.chars().filter(|letter| !is_gap(*letter)).count();
    // What is too short to hide anything is hidden whole.
    let (first, last) = if first.saturating_add(last) < letters {
        (first, last)
    } else {
        (0, 0)
    };
    let (mut place, mut stars) = (0, 0);
    for letter in text.chars() {
        if is_gap(letter) {
            out.push(letter);
            continue;
        }
        if place < first || place >= letters - last {
            out.push(letter);
        } else if stars < STARS_MAX {
            out.push('*');
            stars += 1;
        }
        place += 1;
    }
}

/// Writes what of a text counts for its digest.
pub(crate) fn normal(class: Class, text: &[u8], out: &mut Vec<u8>) {
    let written = |byte: &&u8| !b" -.()".contains(byte);
    match class {
        Class::PhoneCn | Class::Phone | Class::Passport | Class::BankCard | Class::Iban | Class::ResidentIdCn => {
            out.extend(text.iter().filter(written).map(u8::to_ascii_uppercase));
        }
        Class::Email => out.extend(text.iter().map(u8::to_ascii_lowercase)),
        _ => out.extend_from_slice(text),
    }
}

/// Writes an address without what tells it from its neighbours.
pub(crate) fn network(text: &[u8], out: &mut String) {
    use std::fmt::Write as _;
    // A text has room for everything.
    let _ = match address::network(text) {
        Some(network) => write!(out, "{network}"),
        None => write!(out, "*"),
    };
}

/// Room in which replacements are put together, so that none costs an allocation.
#[derive(Default, Debug)]
pub(crate) struct Scratch {
    pub(crate) text: String,
    pub(crate) message: Vec<u8>,
}
