//! Which places of a text are worth a look: a table finds the bytes that something has which is looked for, and a glance around them says no to most.
//!
//! It may say yes in vain, and never no in vain. So that nothing depends on bytes that have not come, the last of them are all looked at.

#[cfg(not(target_family = "wasm"))]
use crate::block::{self, BLOCK_BYTES, Sought};
use crate::checksum::account_length;
use crate::class::Class;
use crate::rules::Rules;
use crate::window::Before;
use crate::word;

/// LIMIT: bytes behind a place within which stands what tells that something begins there.
const SIGHT: usize = 80;

/// LIMIT: bytes before such a byte at which something may begin; an e-mail address alone begins farther away.
pub(crate) const LOOK_BACK: usize = 16;

const DIGIT: u8 = 1;
const COLON: u8 = 2;
const PLUS: u8 = 4;
const SECRET: u8 = 8;
/// Something of the operator's own begins here.
const OWN: u8 = 16;

/// A place that is worth a look, and the classes of which something may begin there: a bit for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) begin: usize,
    pub(crate) among: u32,
}

impl Place {
    const fn new(begin: usize, among: u32) -> Self {
        Self { begin, among }
    }
}

const LONG_NUMBERS: u32 = Class::ResidentIdCn.bit() | Class::PhoneCn.bit() | Class::BankCard.bit();
const PHONES: u32 = Class::PhoneCn.bit() | Class::Phone.bit();
const SECRETS: u32 = Class::PrivateKey.bit()
    | Class::Jwt.bit()
    | Class::GithubToken.bit()
    | Class::AwsAccessKey.bit()
    | Class::ApiKey.bit()
    | Class::CloudKey.bit()
    | Class::Bearer.bit();
const LETTERED: u32 = Class::Iban.bit() | Class::Passport.bit() | Class::CloudKey.bit();
const OWNS: u32 = Class::Word.bit() | Class::Pattern.bit();
/// What is tried before an address of e-mail wherever both may begin.
const UP_TO_MAIL: u32 = OWNS | SECRETS | Class::Email.bit();

/// Why a byte is worth a glance.
pub(crate) struct Sieve {
    kinds: Box<[u8; 256]>,
    /// What is sought in blocks; nothing where bytes of the operator's own may be any.
    #[cfg(not(target_family = "wasm"))]
    blocks: Option<Sought>,
    seeks_mail: bool,
    /// Something of the operator's own begins with a digit.
    has_own_digit: bool,
}

impl Default for Sieve {
    fn default() -> Self {
        Self {
            kinds: Box::new([0; 256]),
            #[cfg(not(target_family = "wasm"))]
            blocks: None,
            seeks_mail: false,
            has_own_digit: false,
        }
    }
}

impl Sieve {
    pub(crate) fn of(rules: &Rules) -> Self {
        let wants = |classes: &[Class]| classes.iter().any(|class| rules.wants(*class));
        let numbers = wants(&[
            Class::Iban,
            Class::ResidentIdCn,
            Class::PhoneCn,
            Class::Passport,
            Class::BankCard,
            Class::Ipv4,
            Class::CloudKey,
        ]);
        let secrets = wants(&[
            Class::PrivateKey,
            Class::Jwt,
            Class::GithubToken,
            Class::AwsAccessKey,
            Class::ApiKey,
            Class::CloudKey,
            Class::Bearer,
        ]);
        let mut sieve = Self {
            seeks_mail: rules.wants(Class::Email),
            has_own_digit: (b'0'..=b'9').any(|byte| rules.begins_own(byte)),
            ..Self::default()
        };
        for (byte, kinds) in (0..=u8::MAX).zip(sieve.kinds.iter_mut()) {
            let kind = |is: bool, kind: u8| if is { kind } else { 0 };
            *kinds = kind(numbers && byte.is_ascii_digit(), DIGIT)
                | kind(byte == b':' && rules.wants(Class::Ipv6), COLON)
                | kind(byte == b'+' && wants(&[Class::PhoneCn, Class::Phone]), PLUS)
                | kind(secrets && b"JI_-~KbB".contains(&byte), SECRET)
                | kind(rules.begins_own(byte), OWN);
        }
        #[cfg(not(target_family = "wasm"))]
        if !(0..=u8::MAX).any(|byte| rules.begins_own(byte)) {
            let seeks = |kind: u8| sieve.kinds.iter().any(|kinds| kinds & kind != 0);
            sieve.blocks = Some(Sought {
                numbers: seeks(DIGIT),
                marks: seeks(COLON | PLUS),
                secrets: seeks(SECRET),
            });
        }
        sieve
    }

    fn kind(&self, byte: u8) -> u8 {
        self.kinds.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

/// A way through a text from one place to the next that is worth a look.
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) is_whole: bool,
    rules: &'a Rules,
    first: Before,
    at: usize,
    /// Up to here the sieve knows enough.
    sure: usize,
    /// From here on every place is looked at.
    is_every: bool,
    /// A place that was found together with the one before.
    second: Option<Place>,
    /// Where the next address of e-mail would begin, and its sign.
    mail: Option<(usize, usize)>,
    /// What is sought in blocks, where that is quicker than byte by byte.
    #[cfg(not(target_family = "wasm"))]
    sought: Option<Sought>,
    /// Where the block begins that was looked at last, and what in it is worth a glance.
    #[cfg(not(target_family = "wasm"))]
    block: Option<(usize, u64)>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(rules: &'a Rules, bytes: &'a [u8], is_whole: bool, first: Before) -> Self {
        let sure = if is_whole {
            bytes.len()
        } else {
            bytes.len().saturating_sub(SIGHT)
        };
        let mut cursor = Self {
            bytes,
            is_whole,
            rules,
            first,
            at: 0,
            sure,
            is_every: false,
            second: None,
            mail: None,
            #[cfg(not(target_family = "wasm"))]
            sought: rules.sieve().blocks.filter(|_| bytes.len() >= BLOCK_BYTES / 2),
            #[cfg(not(target_family = "wasm"))]
            block: None,
        };
        cursor.seek_mail(0);
        cursor
    }

    /// Goes on from there: all before is settled.
    pub(crate) fn go(&mut self, at: usize) {
        self.at = at;
        self.second = None;
        if self.mail.is_some_and(|(_, sign)| sign < at) {
            self.seek_mail(at);
        }
    }

    /// The next place that is worth a look, from the floor on.
    pub(crate) fn next(&mut self, floor: usize) -> Option<Place> {
        if let Some(place) = self.second.take() {
            return Some(place);
        }
        while !self.is_every && self.at < self.sure {
            let place = self.skip();
            if let Some(begin) = self.mail_before(place, floor) {
                return Some(Place::new(begin, UP_TO_MAIL));
            }
            let Some(byte) = self.byte(place).filter(|_| place < self.sure) else {
                break;
            };
            self.at = place + 1;
            let found = self.glance(place, byte).filter(|place| place.begin >= floor);
            if found.is_some() {
                return found;
            }
            if let Some(place) = self.second.take().filter(|place| place.begin >= floor) {
                return Some(place);
            }
        }
        if self.is_whole {
            return None;
        }
        if !self.is_every {
            self.is_every = true;
            // What tells that something begins there may stand behind what was gone through.
            self.at = floor.max(self.sure.saturating_sub(LOOK_BACK));
        }
        self.every()
    }

    /// Where nothing is certain yet, every place at which something may begin.
    fn every(&mut self) -> Option<Place> {
        let mut before = Before::at(self.bytes, self.at, self.first).one;
        while let Some(byte) = self.byte(self.at) {
            self.at += 1;
            let among = self.rules.may_begin(before, byte);
            if among != 0 {
                return Some(Place::new(self.at - 1, among));
            }
            before = byte;
        }
        None
    }

    fn byte(&self, place: usize) -> Option<u8> {
        self.bytes.get(place).copied()
    }

    fn part(&self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    fn is_digit(&self, place: usize) -> bool {
        self.byte(place).is_some_and(|byte| byte.is_ascii_digit())
    }

    /// Whether that text ends before the place.
    fn follows(&self, place: usize, text: &[u8]) -> bool {
        self.part(0, place).ends_with(text)
    }

    /// The next byte that is worth a glance.
    fn skip(&mut self) -> usize {
        #[cfg(not(target_family = "wasm"))]
        if let Some(sought) = self.sought {
            return self.skip_blocks(sought);
        }
        self.skip_bytes()
    }

    #[cfg(not(target_family = "wasm"))]
    fn skip_blocks(&mut self, sought: Sought) -> usize {
        // Of what lies before the block that was looked at last, nothing is worth a glance any more.
        let mut at = self.block.map_or(self.at, |(from, _)| self.at.max(from));
        while at < self.sure {
            let within = at % BLOCK_BYTES;
            let from = at - within;
            let worth = match self.block {
                Some((at, worth)) if at == from => worth,
                _ => block::worth(self.bytes, from, sought),
            };
            self.block = Some((from, worth));
            let left = worth & u64::MAX << within;
            if left != 0 {
                return from + left.trailing_zeros() as usize;
            }
            at = from + BLOCK_BYTES;
        }
        self.sure
    }

    fn skip_bytes(&self) -> usize {
        let sieve = self.rules.sieve();
        let mut rest = self.part(self.at, self.sure);
        let mut at = self.at;
        while let Some((some, others)) = rest.split_first_chunk::<8>() {
            if some.iter().fold(0, |kinds, byte| kinds | sieve.kind(*byte)) != 0 {
                break;
            }
            rest = others;
            at += 8;
        }
        at + rest
            .iter()
            .position(|byte| sieve.kind(*byte) != 0)
            .unwrap_or(rest.len())
    }

    /// What the byte and those around it say.
    fn glance(&mut self, place: usize, byte: u8) -> Option<Place> {
        let kinds = self.rules.sieve().kind(byte);
        let found = self.glance_at(place, byte, kinds);
        if kinds & OWN == 0 {
            return found;
        }
        let own = Place::new(
            place,
            OWNS | found
                .or(self.second)
                .filter(|found| found.begin == place)
                .map_or(0, |found| found.among),
        );
        // It may be a byte of something else as well, which begins before.
        match found.filter(|found| found.begin < place) {
            Some(found) => {
                self.second = Some(Place::new(
                    place,
                    own.among | self.second.map_or(0, |second| second.among),
                ));
                Some(found)
            }
            None => Some(own),
        }
    }

    fn glance_at(&mut self, place: usize, byte: u8, kinds: u8) -> Option<Place> {
        if kinds & DIGIT != 0 {
            return self.number(place);
        }
        if kinds & COLON != 0 {
            return self.colon(place).map(|begin| Place::new(begin, Class::Ipv6.bit()));
        }
        if kinds & PLUS != 0 {
            return self.is_digit(place + 1).then_some(Place::new(place, PHONES));
        }
        if kinds & SECRET != 0 {
            return self.secret(place, byte).map(|begin| Place::new(begin, SECRETS));
        }
        None
    }

    /// What begins before a place and is told by one of the bytes behind it.
    pub(crate) fn begins_before(&mut self, place: usize, floor: usize) -> bool {
        let (at, second) = (self.at, self.second.take());
        let mut begins = false;
        let mut here = place;
        while let Some(byte) = self
            .byte(here)
            .filter(|_| here <= place + LOOK_BACK && !begins && !self.is_every)
        {
            let kinds = self.rules.sieve().kind(byte);
            let found = if kinds == 0 {
                None
            } else {
                self.glance_at(here, byte, kinds)
            };
            begins = found.is_some_and(|found| (floor..place).contains(&found.begin));
            here += 1;
        }
        (self.at, self.second) = (at, second);
        begins
    }

    /// Digits, as many as there are: most rows of them are too short or too long for anything.
    fn number(&mut self, place: usize) -> Option<Place> {
        let rest = self.part(place, self.bytes.len());
        let run = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let end = place + run;
        if !self.rules.sieve().has_own_digit {
            self.at = end;
        }
        let is_long = match run {
            11..=19 => true,
            2 => self.part(place, end) == b"86" && self.is_separated(end) && self.byte(end + 1) == Some(b'1'),
            3 => self.byte(place) == Some(b'1') && self.is_separated(end),
            5 | 7 => self.is_separated(end) && matches!(self.part(place, place + 2), b"86" | b"00"),
            4 => self.is_separated(end) && (self.is_digit(end + 3) || self.part(place, end) == b"0086"),
            6 => self.is_separated(end) && self.is_digit(end + 10),
            _ => false,
        };
        let is_address = run <= 3 && self.is_address(end);
        let among = if is_long { LONG_NUMBERS } else { 0 } | if is_address { Class::Ipv4.bit() } else { 0 };
        let number = (among != 0).then_some(Place::new(place, among));
        let Some(begin) = self.lettered(place, run) else {
            return number;
        };
        self.second = number;
        Some(Place::new(begin, LETTERED))
    }

    /// Whether a space or a dash and a digit follow.
    fn is_separated(&self, end: usize) -> bool {
        self.byte(end).is_some_and(|byte| byte == b' ' || byte == b'-') && self.is_digit(end + 1)
    }

    /// Whether two more numbers of an address follow.
    fn is_address(&self, end: usize) -> bool {
        if self.byte(end) != Some(b'.') || !self.is_digit(end + 1) {
            return false;
        }
        let rest = self.part(end + 1, end + 5);
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest.get(digits) == Some(&b'.')
    }

    /// What begins with letters before its first digits: account numbers, passports, a token of Google's.
    fn lettered(&self, place: usize, run: usize) -> Option<usize> {
        let last = self.byte(place.checked_sub(1)?)?;
        // The date of birth in the second line of a passport, behind 13 signs and before the sex.
        let is_line = run == 7 && self.byte(place + run).is_some_and(|byte| b"MF<".contains(&byte));
        if is_line && place >= 13 {
            return Some(place - 13);
        }
        if last == b'a' && run == 2 && self.follows(place, b"ya") && self.byte(place + 2) == Some(b'.') {
            return Some(place - 2);
        }
        if !last.is_ascii_uppercase() {
            return None;
        }
        let country = self.part(place.saturating_sub(2), place);
        if run >= 2 && account_length(country).is_some() || run == 7 && country.len() == 2 {
            return Some(place - 2);
        }
        (run == 8).then(|| place - 1)
    }

    /// The first colon of an address, behind up to four digits.
    fn colon(&self, place: usize) -> Option<usize> {
        let is_hex = |byte: u8| byte.is_ascii_hexdigit();
        if !self.byte(place + 1).is_some_and(|byte| is_hex(byte) || byte == b':') {
            return None;
        }
        let group = self.part(place.saturating_sub(5), place);
        let digits = group.iter().rev().take_while(|byte| is_hex(**byte)).count();
        (digits < 5).then(|| place - digits)
    }

    /// A byte that tokens have near their beginning.
    fn secret(&self, place: usize, byte: u8) -> Option<usize> {
        let back = |count: usize, is: fn(&[u8]) -> bool| {
            let from = place.checked_sub(count)?;
            is(self.part(from, place)).then_some(from)
        };
        let ahead = |text: &[u8]| self.part(place + 1, place + 1 + text.len()).eq_ignore_ascii_case(text);
        match byte {
            b'J' => back(2, |head| matches!(head, b"ey")),
            // `LTAIza` may be a key of Alibaba's, and `AIza` alone one of Google's.
            b'I' => back(3, |head| matches!(head, b"LTA"))
                .or_else(|| back(2, |head| matches!(head, b"AK" | b"AS")))
                .or_else(|| back(1, |head| matches!(head, b"A")).filter(|_| self.part(place + 1, place + 3) == b"za")),
            b'K' if ahead(b"ey=") => {
                back(7, |head| matches!(head, b"Account")).or_else(|| back(12, |head| matches!(head, b"SharedAccess")))
            }
            b'~' => back(1, |head| matches!(head, b"Q")).and_then(|_| place.checked_sub(5)),
            b'b' | b'B' if ahead(b"earer ") => Some(place),
            b'B' if ahead(b"EGIN ") => back(5, |head| matches!(head, b"-----")),
            b'-' => back(2, |head| matches!(head, b"sk"))
                .or_else(|| {
                    back(4, |head| {
                        matches!(head, [b'x', b'o', b'x', b'a' | b'b' | b'e' | b'p' | b'r' | b's'])
                    })
                })
                .or_else(|| back(4, |head| matches!(head, b"xapp" | b"pypi")))
                .or_else(|| back(5, |head| matches!(head, b"glpat")))
                .or_else(|| back(6, |head| matches!(head, b"GOCSPX"))),
            b'_' => back(2, |head| matches!(head, b"sk" | b"rk" | b"hf"))
                .or_else(|| {
                    back(3, |head| {
                        matches!(head, [b'g', b'h', b'p' | b'o' | b'u' | b's' | b'r'] | b"npm")
                    })
                })
                .or_else(|| back(5, |head| matches!(head, b"whsec")))
                .or_else(|| back(6, |head| matches!(head, b"github"))),
            _ => None,
        }
    }

    /// An address of e-mail that begins at or before the place.
    fn mail_before(&mut self, place: usize, floor: usize) -> Option<usize> {
        loop {
            let (begin, sign) = self.mail.filter(|(begin, _)| *begin <= place && *begin < self.sure)?;
            self.seek_mail(sign + 1);
            if begin >= floor {
                return Some(begin);
            }
        }
    }

    fn seek_mail(&mut self, from: usize) {
        self.mail = None;
        if !self.rules.sieve().seeks_mail {
            return;
        }
        let mut from = from;
        while let Some(offset) = memchr::memchr(b'@', self.part(from, self.bytes.len())) {
            let sign = from + offset;
            let local = self.part(sign.saturating_sub(word::LOCAL_MAX + 1), sign);
            let length = local.iter().rev().take_while(|byte| word::is_local(**byte)).count();
            if (1..=word::LOCAL_MAX).contains(&length) {
                self.mail = Some((sign - length, sign));
                return;
            }
            from = sign + 1;
        }
    }
}
