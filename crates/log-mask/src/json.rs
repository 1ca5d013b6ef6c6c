//! JSON that goes by: its strings and numbers are looked at, by their names and places too, and all else stays as it is.

use crate::class::Class;
use crate::escape::{self, Escape};
use crate::path::{Aim, Following};
use crate::rules::Rules;
use crate::scan::{Form, Scan, Work};
use crate::window::HELD_BYTES_MAX;

/// LIMIT: levels of nesting that are known; what is nested deeper is looked at as text.
const LEVELS_MAX: usize = 512;

/// LIMIT: bytes of a name that is known, and of a number that is looked at.
const NAME_BYTES_MAX: usize = 256;
const NUMBER_BYTES_MAX: usize = 64;

/// What becomes of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Care {
    /// It is looked through.
    Scan,
    /// It stays.
    Skip,
    /// All of it is masked.
    Whole,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Between,
    Name,
    Text(Care),
    /// A number, or `true`, `false` or `null`
    Bare(Care),
    /// It is not JSON, and is looked at as text from here on.
    Broken,
}

/// What is known of a value before it comes.
#[derive(Clone, Copy, Debug)]
struct Expected {
    following: Following,
    care: Care,
}

#[derive(Debug)]
struct Level {
    is_object: bool,
    expects_name: bool,
    here: Expected,
    next: Expected,
}

/// JSON that goes by, one value after the other.
#[derive(Debug)]
pub(crate) struct Json {
    state: State,
    levels: Vec<Level>,
    scan: Scan,
    escape: Escape,
    name: Vec<u8>,
    /// A number, or a value that is masked whole, as far as it has come.
    value: Vec<u8>,
    /// How many bytes it takes as it is written.
    value_bytes: usize,
    is_cut: bool,
}

impl Json {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Between,
            levels: Vec::new(),
            scan: Scan::new(Form::Json),
            escape: Escape::default(),
            name: Vec::new(),
            value: Vec::new(),
            value_bytes: 0,
            is_cut: false,
        }
    }

    /// Whether a value has begun and not ended.
    pub(crate) fn is_open(&self) -> bool {
        !self.levels.is_empty()
    }

    pub(crate) fn push(&mut self, bytes: &[u8], work: &mut Work<'_>) {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            rest = match self.state {
                State::Broken => {
                    self.scan.push(rest);
                    break;
                }
                State::Name | State::Text(_) => self.string(rest, work),
                State::Bare(care) if byte.is_ascii_alphanumeric() || b"+-.".contains(byte) => {
                    self.bare(*byte, care, work);
                    after
                }
                State::Bare(care) => {
                    self.end_bare(care, *byte, work);
                    rest
                }
                State::Between => {
                    self.between(*byte, work);
                    after
                }
            };
        }
        if matches!(self.state, State::Broken | State::Text(Care::Scan)) {
            self.scan.settle(false, work);
        }
    }

    /// Ends what is there, whether it is complete or not, and begins anew.
    pub(crate) fn finish(&mut self, work: &mut Work<'_>) {
        match self.state {
            State::Text(_) | State::Name => {
                while let Some((plain, raw)) = self.escape.give_up() {
                    self.take_escape(&plain, &raw, work);
                }
                self.end_text(work);
            }
            State::Bare(care) => self.end_bare(care, b'\n', work),
            State::Broken | State::Between => {}
        }
        if self.state == State::Broken {
            self.scan.settle(true, work);
        }
        self.begin();
    }

    /// Begins anew, with the room that it has.
    pub(crate) fn begin(&mut self) {
        self.state = State::Between;
        self.scan.begin(Form::Json);
        self.escape = Escape::default();
        for room in [&mut self.name, &mut self.value] {
            room.clear();
        }
        self.levels.clear();
        (self.value_bytes, self.is_cut) = (0, false);
    }

    /// A line ends: what is no JSON, or a string that did not end, ends with it, and a value that is open may go on.
    pub(crate) fn end_line(&mut self, work: &mut Work<'_>) {
        if let State::Bare(care) = self.state {
            self.end_bare(care, b'\n', work);
        }
        if self.state != State::Between {
            self.finish(work);
        }
    }

    fn between(&mut self, byte: u8, work: &mut Work<'_>) {
        let is_known = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => true,
            b'"' => {
                self.begin_text();
                true
            }
            b'{' | b'[' => self.open(byte == b'{', work.rules),
            b'}' | b']' => self.levels.pop().is_some_and(|level| level.is_object == (byte == b'}')),
            b',' => {
                if let Some(level) = self.levels.last_mut() {
                    level.expects_name = level.is_object;
                }
                true
            }
            b':' => self.levels.last().is_some_and(|level| level.is_object),
            b'-' | b'0'..=b'9' | b'f' | b'n' | b't' => {
                self.state = State::Bare(self.expected(work.rules).care);
                self.value.push(byte);
                return;
            }
            // A byte order mark.
            0xef | 0xbb | 0xbf => self.levels.is_empty(),
            _ => false,
        };
        if is_known {
            work.out.push(byte);
        } else {
            self.break_with(&[byte]);
        }
    }

    fn break_with(&mut self, bytes: &[u8]) {
        self.state = State::Broken;
        self.scan.begin(Form::Plain);
        self.scan.push(bytes);
    }

    fn expected(&self, rules: &Rules) -> Expected {
        self.levels.last().map_or(
            Expected {
                following: rules.paths.begin(),
                care: Care::Scan,
            },
            |level| level.next,
        )
    }

    /// What holds for a value within another one.
    fn within(&self, here: Expected, name: Option<&[u8]>, rules: &Rules) -> Expected {
        let depth = self.levels.len().saturating_sub(1);
        let (following, aim) = rules.paths.step(here.following, depth, name);
        let care = match (aim, here.care) {
            (Some(Aim::Skip), _) => Care::Skip,
            (Some(Aim::Mask), _) => Care::Whole,
            (None, Care::Scan) if name.is_some_and(|name| rules.is_secret(name)) => Care::Whole,
            (None, care) => care,
        };
        Expected { following, care }
    }

    fn open(&mut self, is_object: bool, rules: &Rules) -> bool {
        if self.levels.len() >= LEVELS_MAX {
            return false;
        }
        let here = self.expected(rules);
        self.levels.push(Level {
            is_object,
            expects_name: is_object,
            here,
            next: here,
        });
        let next = self.within(here, None, rules);
        if let Some(level) = self.levels.last_mut().filter(|_| !is_object) {
            level.next = next;
        }
        true
    }

    fn begin_text(&mut self) {
        let is_name = self.levels.last().is_some_and(|level| level.expects_name);
        self.state = if is_name {
            self.name.clear();
            State::Name
        } else {
            State::Text(self.levels.last().map_or(Care::Scan, |level| level.next.care))
        };
    }

    /// Takes bytes of a string up to its end; gives the rest.
    fn string<'a>(&mut self, bytes: &'a [u8], work: &mut Work<'_>) -> &'a [u8] {
        if self.escape.is_open() {
            let Some((byte, after)) = bytes.split_first() else {
                return bytes;
            };
            return match self.escape.push(*byte) {
                escape::Step::Taken => after,
                escape::Step::Read(plain, raw) => {
                    self.take_escape(&plain, &raw, work);
                    after
                }
                escape::Step::Both(first, (plain, raw)) => {
                    self.take_escape(&Escape::half(), &first, work);
                    self.take_escape(&plain, &raw, work);
                    after
                }
                escape::Step::Before(plain, raw) => {
                    self.take_escape(&plain, &raw, work);
                    bytes
                }
            };
        }
        let length = bytes
            .iter()
            .take_while(|byte| **byte != b'"' && **byte != b'\\')
            .count();
        let (plain, rest) = bytes.split_at(length);
        if self.state == State::Text(Care::Scan) && rest.first() != Some(&b'\\') {
            self.scan.feed(plain, rest.first() == Some(&b'"'), work);
        } else {
            self.take(plain, work);
        }
        match rest.split_first() {
            Some((b'"', after)) => {
                self.end_text(work);
                work.out.push(b'"');
                after
            }
            Some((_, after)) => {
                self.escape.begin();
                after
            }
            None => rest,
        }
    }

    fn take(&mut self, plain: &[u8], work: &mut Work<'_>) {
        match self.state {
            State::Text(Care::Scan) => self.scan.push(plain),
            State::Text(Care::Whole) => self.keep(plain, plain),
            State::Name => {
                self.know(plain);
                work.out.extend_from_slice(plain);
            }
            _ => work.out.extend_from_slice(plain),
        }
    }

    fn take_escape(&mut self, plain: &[u8], raw: &[u8], work: &mut Work<'_>) {
        if plain == raw {
            // It was none: something may begin within it.
            return self.take(plain, work);
        }
        match self.state {
            State::Text(Care::Scan) => self.scan.push_escape(plain, raw),
            State::Text(Care::Whole) => self.keep(plain, raw),
            State::Name => {
                self.know(plain);
                work.out.extend_from_slice(raw);
            }
            _ => work.out.extend_from_slice(raw),
        }
    }

    /// A name that is too long to be known is none that anybody asks for.
    fn know(&mut self, plain: &[u8]) {
        if self.name.len() + plain.len() <= NAME_BYTES_MAX {
            self.name.extend_from_slice(plain);
        } else {
            self.name.resize(NAME_BYTES_MAX + 1, 0);
        }
    }

    fn keep(&mut self, plain: &[u8], raw: &[u8]) {
        self.value_bytes = self.value_bytes.saturating_add(raw.len());
        let room = HELD_BYTES_MAX.saturating_sub(self.value.len());
        self.is_cut |= plain.len() > room;
        self.value
            .extend_from_slice(plain.get(..room.min(plain.len())).unwrap_or_default());
    }

    fn end_text(&mut self, work: &mut Work<'_>) {
        match self.state {
            // Its last bytes may have been settled already.
            State::Text(Care::Scan) => self.scan.settle(true, work),
            State::Text(Care::Whole) if !self.value.is_empty() => {
                work.replace(Form::Json, Class::Key, (&self.value, self.value_bytes), self.is_cut);
            }
            State::Name => {
                let name = std::mem::take(&mut self.name);
                let here = self.levels.last().map(|level| level.here);
                let next = here.map(|here| self.within(here, Some(&name), work.rules));
                self.name = name;
                if let (Some(level), Some(next)) = (self.levels.last_mut(), next) {
                    level.next = next;
                    level.expects_name = false;
                }
            }
            _ => {}
        }
        self.value.clear();
        self.value_bytes = 0;
        self.is_cut = false;
        self.state = State::Between;
    }

    fn bare(&mut self, byte: u8, care: Care, work: &mut Work<'_>) {
        if self.value.len() < NUMBER_BYTES_MAX {
            self.value.push(byte);
            return;
        }
        if !self.is_cut && !self.value.iter().all(|byte| b"+-.eE0123456789".contains(byte)) {
            let value = std::mem::take(&mut self.value);
            self.break_with(&value);
            self.scan.push(&[byte]);
            return;
        }
        // So long a number is nobody's; where all is masked, it is masked at its end.
        if care == Care::Whole {
            self.value_bytes = self.value_bytes.saturating_add(1);
        } else {
            if !self.is_cut {
                work.out.extend_from_slice(&self.value);
            }
            work.out.push(byte);
        }
        self.is_cut = true;
    }

    /// A number that is masked becomes a string: stars are no number.
    fn end_bare(&mut self, care: Care, next: u8, work: &mut Work<'_>) {
        let mut value = std::mem::take(&mut self.value);
        self.end_bare_of(&value, care, next, work);
        // Its room is for the next.
        value.clear();
        self.value = value;
    }

    fn end_bare_of(&mut self, value: &[u8], care: Care, next: u8, work: &mut Work<'_>) {
        let beyond = std::mem::take(&mut self.value_bytes);
        let is_cut = std::mem::take(&mut self.is_cut);
        let is_word = [&b"true"[..], b"false", b"null"].contains(&value);
        if !is_cut && (!(is_word || is_number(value)) || !b",]} \t\r\n".contains(&next)) {
            self.break_with(value);
            return;
        }
        self.state = State::Between;
        match care {
            Care::Whole if !is_word => {
                work.quote();
                work.replace(Form::Json, Class::Key, (value, value.len() + beyond), is_cut);
                work.quote();
            }
            _ if is_cut => {}
            Care::Scan if value.iter().all(u8::is_ascii_digit) => scan_number(value, work),
            _ => work.out.extend_from_slice(value),
        }
    }
}

fn scan_number(number: &[u8], work: &mut Work<'_>) {
    let (before, at) = (work.counts.total(), work.out.len());
    Scan::new(Form::Json).feed(number, true, work);
    if work.counts.total() > before {
        work.out.insert(at, b'"');
        work.out.push(b'"');
        work.trail.added(2);
    }
}

/// Whether it is a number of JSON (RFC 8259 section 6).
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || whole > 1 && rest.starts_with(b"0") {
        return false;
    }
    let mut rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = fraction.get(count..).unwrap_or_default();
    }
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else {
        return rest.is_empty();
    };
    let sign = usize::from(matches!(exponent.first(), Some(b'+' | b'-')));
    let exponent = exponent.get(sign..).unwrap_or_default();
    !exponent.is_empty() && digits(exponent) == exponent.len()
}
