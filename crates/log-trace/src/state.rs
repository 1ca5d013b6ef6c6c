//! The header `tracestate`: the list of members, its limits, and the member `ot` of OpenTelemetry's sampling.

use crate::parent::trimmed;
use crate::text::Text;
use crate::threshold::{Randomness, Threshold};

/// LIMIT: members of a list (section 3.3.1.1).
pub(crate) const MEMBERS_MAX: usize = 32;
/// LIMIT: bytes that are handed on of what came (section 3.3.1.5 asks for no fewer). Our own member comes on top.
const LIST_BYTES_MAX: usize = 512;
/// LIMIT: bytes of a key and of a value (sections 3.3.1.3.1 and 3.3.1.3.2).
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 256;
/// Members above this go first where a list is too long (section 3.3.1.5).
const MEMBER_BYTES_LONG: usize = 128;
/// Room for `ot=`, its value and a comma.
const OWN_BYTES_MAX: usize = 260;
/// The member of OpenTelemetry.
const OWN_KEY: &[u8] = b"ot";

/// A list as it goes out.
type List = Text<{ LIST_BYTES_MAX + OWN_BYTES_MAX }>;

/// A list of members that is valid and within its limits, without white space.
#[derive(Clone, Debug)]
pub struct State {
    list: Text<LIST_BYTES_MAX>,
    threshold: Option<Threshold>,
    randomness: Option<Randomness>,
}

/// What the next one is told about the threshold by which the trace was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// What came goes on, byte by byte.
    AsCame,
    /// It was kept by this threshold.
    Threshold(Threshold),
    /// Nobody knows by which probability it was kept.
    Unknown,
}

#[derive(Clone, Copy)]
struct Member<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl Member<'_> {
    /// No member: every key has a byte.
    const NONE: Self = Self { key: b"", value: b"" };

    const fn length(&self) -> usize {
        self.key.len() + 1 + self.value.len()
    }
}

impl State {
    /// A list without members.
    pub(crate) const EMPTY: Self = Self {
        list: Text::new(),
        threshold: None,
        randomness: None,
    };

    /// Reads the values of all headers in their order, as one list. One that is not valid is dropped whole: half of it may say
    /// something else. Of members with the same key the first is the newest, and stays.
    pub(crate) fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut places = [Member::NONE; MEMBERS_MAX];
        let (mut count, mut different) = (0_usize, 0_usize);
        for text in values.flat_map(|value| value.split(|byte| *byte == b',')) {
            // Empty members are allowed, for proxies join headers without looking.
            let text = trimmed(text);
            if text.is_empty() {
                continue;
            }
            let (Some(member), true) = (member(text), count < MEMBERS_MAX) else {
                return Self::EMPTY;
            };
            count += 1;
            let others = places.get(..different).unwrap_or_default();
            if others.iter().any(|other| other.key == member.key) {
                continue;
            }
            if let Some(place) = places.get_mut(different) {
                *place = member;
                different += 1;
            }
        }
        let members = places.get_mut(..different).unwrap_or_default();
        shorten(members);
        Self::of(members)
    }

    fn of(members: &[Member<'_>]) -> Self {
        let mut state = Self::EMPTY;
        for member in members.iter().filter(|member| !member.key.is_empty()) {
            push_member(&mut state.list, member.key, member.value);
            if member.key == OWN_KEY {
                (state.threshold, state.randomness) = sampling(member.value);
            }
        }
        state
    }

    /// By which threshold the caller kept the trace.
    #[must_use]
    pub const fn threshold(&self) -> Option<Threshold> {
        self.threshold
    }

    /// Randomness that stands in place of the trace's id.
    #[must_use]
    pub const fn randomness(&self) -> Option<Randomness> {
        self.randomness
    }

    /// The list for the next one. Empty when no header is to be sent.
    ///
    /// A member that is changed comes first, the others keep their order (section 3.5).
    #[must_use]
    pub fn text(&self, told: Told) -> List {
        let threshold = match told {
            Told::AsCame => self.threshold,
            Told::Threshold(threshold) => Some(threshold),
            Told::Unknown => None,
        };
        let mut list = List::new();
        if threshold == self.threshold {
            let _ = list.push(self.list.as_bytes());
            return list;
        }
        let members = || self.list.as_bytes().split(|byte| *byte == b',').filter_map(member);
        let own = members().find(|member| member.key == OWN_KEY);
        let value = own_value(own.map_or(b"", |member| member.value), threshold);
        if !value.is_empty() {
            push_member(&mut list, OWN_KEY, value.as_bytes());
        }
        let others = members().filter(|member| member.key != OWN_KEY);
        for member in others.take(MEMBERS_MAX - usize::from(!value.is_empty())) {
            push_member(&mut list, member.key, member.value);
        }
        list
    }
}

/// Appends a member, and a comma before it unless it is the first. What has no room was counted before, so it cannot be missing.
fn push_member<const BYTES: usize>(list: &mut Text<BYTES>, key: &[u8], value: &[u8]) {
    let comma: &[u8] = if list.is_empty() { b"" } else { b"," };
    for piece in [comma, key, b"=", value] {
        let _ = list.push(piece);
    }
}

/// A member; none when its key or value has what neither may have.
///
/// Keys are those of level 2, where `@` is a character as any other: what level 1 allows is among them, and a proxy that
/// drops what a newer one wrote breaks its trace.
fn member(text: &[u8]) -> Option<Member<'_>> {
    let at = text.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (text.get(..at)?, text.get(at + 1..)?);
    let begins_well = key.first().is_some_and(|first| is_key_start(*first));
    let is_key = begins_well && key.len() <= KEY_BYTES_MAX && key.iter().all(|byte| is_key_byte(*byte));
    let is_value = (1..=VALUE_BYTES_MAX).contains(&value.len()) && value.iter().all(|byte| is_value_byte(*byte));
    (is_key && is_value).then_some(Member { key, value })
}

const fn is_key_start(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9')
}

const fn is_key_byte(byte: u8) -> bool {
    is_key_start(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@')
}

const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=')
}

/// Takes whole members out until the list has room: long ones first, from the end, then others from the end.
fn shorten(members: &mut [Member<'_>]) {
    let bytes: usize = members.iter().map(|member| member.length() + 1).sum();
    let mut surplus = bytes.saturating_sub(LIST_BYTES_MAX + 1);
    for bytes_min in [MEMBER_BYTES_LONG + 1, 1] {
        for member in members.iter_mut().rev() {
            if surplus > 0 && !member.key.is_empty() && member.length() >= bytes_min {
                surplus = surplus.saturating_sub(member.length() + 1);
                *member = Member::NONE;
            }
        }
    }
}

/// Threshold and randomness out of the value of `ot`. A name that is there twice says nothing.
fn sampling(value: &[u8]) -> (Option<Threshold>, Option<Randomness>) {
    let values = |name: &'static [u8]| {
        value
            .split(|byte| *byte == b';')
            .filter_map(|pair| pair.strip_prefix(name))
    };
    let only = |name| (values(name).count() == 1).then(|| values(name).next()).flatten();
    (
        only(b"th:").and_then(Threshold::read),
        only(b"rv:").and_then(Randomness::read),
    )
}

/// What the value of `ot` becomes: what is in it for others, then the threshold. Without it where both are too long.
fn own_value(came: &[u8], threshold: Option<Threshold>) -> Text<VALUE_BYTES_MAX> {
    let mut value = Text::new();
    let others = came.split(|byte| *byte == b';');
    for pair in others.filter(|pair| !pair.is_empty() && !pair.starts_with(b"th:")) {
        push_pair(&mut value, &[pair]);
    }
    if let Some(threshold) = threshold {
        push_pair(&mut value, &[b"th:", threshold.text().as_bytes()]);
    }
    value
}

fn push_pair(value: &mut Text<VALUE_BYTES_MAX>, pieces: &[&[u8]]) {
    let mut longer = *value;
    let separator: &[u8] = if value.is_empty() { b"" } else { b";" };
    let pushed: Option<()> = [separator]
        .iter()
        .chain(pieces)
        .try_for_each(|piece| longer.push(piece));
    if pushed.is_some() {
        *value = longer;
    }
}
