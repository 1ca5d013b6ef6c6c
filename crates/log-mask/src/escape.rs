//! Escapes in strings of JSON (RFC 8259 section 7), in pieces.

/// An escape as far as it has come: one, or two that are halves of a character.
#[derive(Default, Debug)]
pub(crate) struct Escape(Vec<u8>);

/// What a byte made of it. Each gives what is meant, and how it was written.
pub(crate) enum Step {
    /// More must come.
    Taken,
    /// With this byte it is read.
    Read(Vec<u8>, Vec<u8>),
    /// With this byte two are read, of which the first is half a character.
    Both(Vec<u8>, (Vec<u8>, Vec<u8>)),
    /// It was at its end before this byte, which is to be taken again.
    Before(Vec<u8>, Vec<u8>),
}

/// Half a character alone means none.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

fn utf8(character: char) -> Vec<u8> {
    character.to_string().into_bytes()
}

/// The value of the four digits from there on.
fn unit(raw: &[u8], from: usize) -> Option<u32> {
    let digits = std::str::from_utf8(raw.get(from..from + 4)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

impl Escape {
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_empty()
    }

    pub(crate) fn begin(&mut self) {
        self.0.push(b'\\');
    }

    pub(crate) fn push(&mut self, byte: u8) -> Step {
        let is_wanted = match self.0.len() {
            1 => true,
            6 => byte == b'\\',
            7 => byte == b'u',
            _ => byte.is_ascii_hexdigit(),
        };
        if !is_wanted {
            return self.break_off();
        }
        self.0.push(byte);
        match self.0.len() {
            2 if byte == b'u' => Step::Taken,
            2 => {
                let raw = std::mem::take(&mut self.0);
                Step::Read(letter(byte).map_or_else(|| raw.clone(), |letter| vec![letter]), raw)
            }
            6 => match unit(&self.0, 2) {
                Some(0xd800..=0xdbff) => Step::Taken,
                code => {
                    let character = code.and_then(char::from_u32).unwrap_or(REPLACEMENT);
                    Step::Read(utf8(character), std::mem::take(&mut self.0))
                }
            },
            12 => self.join(),
            _ => Step::Taken,
        }
    }

    /// What is there when nothing more comes.
    pub(crate) fn give_up(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        if self.0.is_empty() {
            return None;
        }
        let raw = std::mem::take(&mut self.0);
        Some((raw.clone(), raw))
    }

    /// The byte that came belongs to it no more: its first half is read, or it is none at all and means what it is.
    fn break_off(&mut self) -> Step {
        if self.0.len() < 6 {
            let raw = std::mem::take(&mut self.0);
            return Step::Before(raw.clone(), raw);
        }
        let rest = self.0.split_off(6);
        let raw = std::mem::replace(&mut self.0, rest);
        Step::Before(utf8(REPLACEMENT), raw)
    }

    fn join(&mut self) -> Step {
        let (Some(high), Some(low)) = (unit(&self.0, 2), unit(&self.0, 8)) else {
            let raw = std::mem::take(&mut self.0);
            return Step::Read(raw.clone(), raw);
        };
        if (0xdc00..=0xdfff).contains(&low) {
            let code = 0x1_0000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
            let character = char::from_u32(code).unwrap_or(REPLACEMENT);
            return Step::Read(utf8(character), std::mem::take(&mut self.0));
        }
        let second = self.0.split_off(6);
        let first = std::mem::take(&mut self.0);
        if (0xd800..=0xdbff).contains(&low) {
            self.0 = second;
            return Step::Read(utf8(REPLACEMENT), first);
        }
        let character = char::from_u32(low).unwrap_or(REPLACEMENT);
        Step::Both(first, (utf8(character), second))
    }

    /// What stands for half a character.
    pub(crate) fn half() -> Vec<u8> {
        utf8(REPLACEMENT)
    }
}

fn letter(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}
