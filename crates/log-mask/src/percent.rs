//! Escapes in addresses (RFC 3986 section 2.1), in pieces.

/// An escape as far as it has come.
#[derive(Default, Debug)]
pub(crate) struct Percent {
    bytes: [u8; 3],
    length: usize,
}

/// What a byte made of it.
pub(crate) enum Step {
    /// More must come.
    Taken,
    /// It is the byte that it stands for, written so.
    Read(u8, [u8; 3]),
    /// It is none, and means what it is; the byte that came is to be taken again.
    None(Plain),
}

/// Bytes that looked like an escape.
pub(crate) type Plain = Percent;

const fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

impl Percent {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; 3],
            length: 0,
        }
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.length > 0
    }

    pub(crate) const fn begin(&mut self) {
        *self = Self {
            bytes: [b'%', 0, 0],
            length: 1,
        };
    }

    pub(crate) fn push(&mut self, byte: u8) -> Step {
        if !byte.is_ascii_hexdigit() {
            return Step::None(self.give_up());
        }
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
        }
        self.length += 1;
        if self.length < 3 {
            return Step::Taken;
        }
        let [_, high, low] = self.bytes;
        self.length = 0;
        Step::Read(value(high) << 4 | value(low), self.bytes)
    }

    /// What is there when nothing more comes.
    pub(crate) fn give_up(&mut self) -> Plain {
        std::mem::take(self)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
