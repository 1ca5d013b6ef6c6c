//! What is looked for, and what is done with it.

use std::fmt;

use crate::class::Class;
use crate::fault::Fault;
use crate::literal::Words;
use crate::names::Names;
use crate::path::{Aim, Paths};
use crate::pattern::Patterns;
use crate::replacement::{Scratch, network, normal, partial};
use crate::scan::HIDDEN;
use crate::sieve::Sieve;
use crate::window::{Answer, Window};
use crate::{address, cloud, number, passport, phone, secret, word};

pub use crate::names::{QUERY_NAMES, SECRET_HEADERS, SECRET_NAMES};
pub use crate::replacement::Action;

/// A keyed digest: of the name of a class, a zero byte and the text. Whoever has the key may look for what they know.
pub type Digest = Box<dyn Fn(&[u8]) -> [u8; 32] + Send + Sync>;

/// What is looked for, and what is done with it.
#[derive(Default)]
pub struct Rules {
    actions: [Option<Action>; Class::ALL.len()],
    words: Words,
    patterns: Patterns,
    names: Names,
    headers: Names,
    query_names: Names,
    pub(crate) paths: Paths,
    digest: Option<Digest>,
    /// What may begin with each byte, by what stands before it.
    starts: Starts,
    sieve: Sieve,
    wanted: u32,
}

impl fmt::Debug for Rules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Rules")
            .field("actions", &self.actions)
            .finish_non_exhaustive()
    }
}

/// Rules that are being put together.
#[derive(Default)]
pub struct Draft(Rules);

impl Draft {
    /// Looks for the class.
    #[must_use]
    pub fn class(mut self, class: Class, action: Action) -> Self {
        if let Some(place) = self.0.actions.get_mut(class as usize) {
            *place = Some(action);
            self.0.wanted |= class.bit();
        }
        self
    }

    /// Does not look for the class, whatever was said of it before.
    #[must_use]
    pub fn without(mut self, class: Class) -> Self {
        if let Some(place) = self.0.actions.get_mut(class as usize) {
            *place = None;
            self.0.wanted &= !class.bit();
        }
        self
    }

    /// The words of [`Class::Word`]; `folds` when `A` is `a`.
    ///
    /// # Errors
    /// When there are too many, or one is too short or too long.
    pub fn words(mut self, words: &[String], folds: bool) -> Result<Self, Fault> {
        self.0.words = Words::new(words, folds)?;
        Ok(self)
    }

    /// The regular expressions of [`Class::Pattern`], in the order in which they are tried at a place.
    ///
    /// # Errors
    /// When one is none, fits nothing or a text of any length, or all together are too large.
    #[cfg(feature = "patterns")]
    pub fn patterns(mut self, patterns: &[String]) -> Result<Self, Fault> {
        self.0.patterns = Patterns::new(patterns)?;
        Ok(self)
    }

    /// The names of [`Class::Key`] in JSON, headers and queries, beside those that there are. Case, `-` and `_` make no difference.
    #[must_use]
    pub fn names<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.names.add(names);
        self
    }

    /// The same of headers alone.
    #[must_use]
    pub fn headers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.headers.add(names);
        self
    }

    /// The same of the keys of a query alone.
    #[must_use]
    pub fn query_names<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.query_names.add(names);
        self
    }

    /// A path whose value is masked whole, as one of [`Class::Key`].
    ///
    /// # Errors
    /// When it is none, or one too many.
    pub fn mask_path(mut self, path: &str) -> Result<Self, Fault> {
        self.0.paths.add(path, Aim::Mask)?;
        Ok(self)
    }

    /// A path whose value stays as it is.
    ///
    /// # Errors
    /// When it is none, or one too many.
    pub fn skip_path(mut self, path: &str) -> Result<Self, Fault> {
        self.0.paths.add(path, Aim::Skip)?;
        Ok(self)
    }

    /// What makes digests.
    #[must_use]
    pub fn digest(mut self, digest: Digest) -> Self {
        self.0.digest = Some(digest);
        self
    }

    /// The rules.
    ///
    /// # Errors
    /// When something is to be hashed without a digest.
    pub fn finish(mut self) -> Result<Rules, Fault> {
        let hashed = |class: &Class| self.0.action(*class) == Some(&Action::Hash);
        if let Some(class) = Class::ALL.into_iter().find(hashed).filter(|_| self.0.digest.is_none()) {
            return Err(Fault::Unkeyed(class.name()));
        }
        // One look is enough for each.
        self.0.headers.add_all(&self.0.names);
        self.0.query_names.add_all(&self.0.names);
        self.0.starts = Starts::of(&self.0);
        self.0.sieve = Sieve::of(&self.0);
        Ok(self.0)
    }
}

impl Rules {
    /// Whether the class is looked for.
    pub(crate) const fn wants(&self, class: Class) -> bool {
        self.wanted & class.bit() != 0
    }

    pub(crate) fn action(&self, class: Class) -> Option<&Action> {
        self.actions.get(class as usize)?.as_ref()
    }

    /// Whether a member's value is secret by its name.
    pub(crate) fn is_secret(&self, name: &[u8]) -> bool {
        self.wants(Class::Key) && self.names.has(name)
    }

    /// Whether a header's value is.
    pub(crate) fn is_secret_header(&self, name: &[u8]) -> bool {
        self.wants(Class::Key) && self.headers.has(name)
    }

    /// Whether the value of a key in a query is.
    pub(crate) fn is_secret_query(&self, name: &[u8]) -> bool {
        self.wants(Class::Key) && self.query_names.has(name)
    }

    pub(crate) const fn sieve(&self) -> &Sieve {
        &self.sieve
    }

    /// Whether something of the operator's own begins with the byte.
    pub(crate) fn begins_own(&self, byte: u8) -> bool {
        self.wants(Class::Word) && self.words.firsts().any(|first| first == byte)
            || self.wants(Class::Pattern) && self.patterns.begins(byte)
    }

    /// What may begin with that byte, after that one: a bit for each class.
    #[inline]
    pub(crate) fn may_begin(&self, before: u8, byte: u8) -> u32 {
        self.starts.at(before, byte)
    }

    /// What begins at the window's first byte, among these classes.
    pub(crate) fn find(&self, window: &Window<'_>, among: u32) -> Answer {
        let mut left = among;
        while left != 0 {
            let class = Class::ALL.get(left.trailing_zeros() as usize).copied();
            left &= left - 1;
            let found = class.map_or(Ok(None), |class| self.find_class(class, window))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn find_class(&self, class: Class, window: &Window<'_>) -> Answer {
        let begins_word = !window.before.is_in_word();
        match class {
            Class::Word => self.words.find(window),
            Class::Pattern => self.patterns.find(window),
            Class::PrivateKey => secret::private_key(window),
            Class::Jwt => secret::jwt(window),
            Class::GithubToken | Class::AwsAccessKey | Class::ApiKey => secret::token(window, class),
            Class::CloudKey => cloud::key(window),
            Class::Bearer => cloud::bearer(window),
            Class::Email => word::email(window),
            Class::Iban if begins_word => word::iban(window),
            Class::ResidentIdCn if window.before.lets_number_begin() => number::resident_id(window),
            Class::PhoneCn if window.before.lets_number_begin() => number::phone(window),
            Class::Phone => phone::international(window),
            Class::Passport if begins_word => passport::passport(window),
            Class::BankCard if window.before.lets_number_begin() => number::card(window),
            Class::Ipv6 => address::ipv6(window),
            Class::Ipv4 => address::ipv4(window),
            _ => Ok(None),
        }
    }

    /// Writes what stands in place of a text of that class; `is_part` when it goes on, so that only a fixed text will do.
    pub(crate) fn replace(&self, class: Class, (text, is_part): (&[u8], bool), scratch: &mut Scratch) {
        let out = &mut scratch.text;
        out.clear();
        let action = self.action(class);
        if is_part && !action.is_some_and(Action::is_fixed) {
            out.push_str(HIDDEN);
            return;
        }
        match action {
            Some(Action::Redact(with)) => out.push_str(with),
            Some(Action::Drop) => {}
            Some(Action::Partial { first, last }) => {
                partial(class, &String::from_utf8_lossy(text), (*first, *last), out);
            }
            Some(Action::Hash) => self.hash(class, text, scratch),
            Some(Action::Network) => network(text, out),
            None => out.push_str(HIDDEN),
        }
    }

    /// 128 bits of the digest: nobody finds two texts that have the same.
    fn hash(&self, class: Class, text: &[u8], scratch: &mut Scratch) {
        use fmt::Write as _;
        let Scratch { text: out, message } = scratch;
        message.clear();
        message.extend_from_slice(class.name().as_bytes());
        message.push(0);
        normal(class, text, message);
        let digest = self.digest.as_ref().map_or([0; 32], |digest| digest(message));
        // What was found does not stay in memory for long.
        message.fill(0);
        out.push_str(class.name());
        out.push(':');
        for byte in digest.iter().take(16) {
            write!(out, "{byte:02x}").ok();
        }
    }
}

/// What may begin with a byte: after anything but a letter or digit, after a letter, and after a digit.
struct Starts(Box<[[u32; 256]; 3]>);

impl Default for Starts {
    fn default() -> Self {
        Self(Box::new([[0; 256]; 3]))
    }
}

impl Starts {
    fn of(rules: &Rules) -> Self {
        let bits = |classes: &[Class]| classes.iter().fold(0, |bits, class| bits | class.bit());
        let anywhere = bits(&[Class::Word, Class::Pattern, Class::PrivateKey]);
        let numbers = bits(&[Class::ResidentIdCn, Class::PhoneCn, Class::BankCard]);
        let mut starts = Self::default();
        for (masks, after) in starts.0.iter_mut().zip([u32::MAX, anywhere | numbers, anywhere]) {
            for (byte, mask) in (0..=u8::MAX).zip(masks) {
                let all = Class::ALL.into_iter().filter(|class| rules.wants(*class));
                let fits = all.filter(|class| begins(*class, byte, rules));
                *mask = fits.fold(0, |bits, class| bits | class.bit()) & after;
            }
        }
        starts
    }

    #[inline]
    fn at(&self, before: u8, byte: u8) -> u32 {
        let kind = usize::from(before.is_ascii_alphabetic()) + 2 * usize::from(before.is_ascii_digit());
        let masks = self.0.get(kind).and_then(|masks| masks.get(usize::from(byte)));
        masks.copied().unwrap_or_default()
    }
}

/// Whether something of the class may begin with that byte.
fn begins(class: Class, byte: u8, rules: &Rules) -> bool {
    match class {
        Class::Word => rules.words.firsts().any(|first| first == byte),
        Class::Pattern => rules.patterns.begins(byte),
        Class::PrivateKey => byte == b'-',
        Class::Jwt => byte == b'e',
        Class::GithubToken | Class::AwsAccessKey | Class::ApiKey => secret::begins(class, byte),
        Class::CloudKey => cloud::begins(byte),
        Class::Bearer => byte == b'b' || byte == b'B',
        Class::Email => word::is_local(byte),
        Class::Iban => byte.is_ascii_uppercase(),
        Class::ResidentIdCn | Class::BankCard => byte.is_ascii_digit(),
        Class::Phone => byte == b'+',
        Class::Passport => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        Class::PhoneCn => byte.is_ascii_digit() || byte == b'+',
        Class::Ipv6 => byte.is_ascii_hexdigit() || byte == b':',
        Class::Ipv4 => byte.is_ascii_digit(),
        Class::Key => false,
    }
}
