//! One exchange: what its body must be, is turned into, and in which order.

use sm3::{Digest, Sm3};
use subtle::ConstantTimeEq;

use crate::cipher::{BLOCK, CbcDecryption, CbcEncryption, GcmEncryption, NONCE, Undecipherable, open_gcm};
use crate::configuration::{IvPlace, Mode};
use crate::keyring::{from_hex, to_hex};
use crate::signing::Unsigned;

/// A message's head.
pub struct Head {
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A request that is not let through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub status: u32,
    pub text: String,
}

impl Refusal {
    pub(crate) fn new(status: u32, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }
}

impl From<Unsigned> for Refusal {
    fn from(why: Unsigned) -> Self {
        let text = why.to_string();
        Self::new(if matches!(why, Unsigned::Twice(_)) { 400 } else { 401 }, text)
    }
}

impl From<Undecipherable> for Refusal {
    fn from(why: Undecipherable) -> Self {
        Self::new(400, why.to_string())
    }
}

impl Head {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// A header's one value.
    pub(crate) fn one<'a>(&'a self, name: &'a str) -> Result<&'a str, Unsigned> {
        let mut values = self.all(name);
        let value = values.next().ok_or_else(|| Unsigned::Missing(name.to_owned()))?;
        if values.next().is_some() {
            return Err(Unsigned::Twice(name.to_owned()));
        }
        std::str::from_utf8(value).map_err(|_| Unsigned::Malformed(name.to_owned()))
    }

    /// Whether its body is of that type, parameters apart.
    pub(crate) fn is_of_type(&self, wanted: &str) -> bool {
        let plain = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.one("content-type")
            .is_ok_and(|found| plain(found) == plain(wanted))
    }
}

/// A request's body.
pub struct Inbound {
    /// What it must hash to, as it came.
    pub(crate) digest: Option<[u8; 32]>,
    pub(crate) decryption: Option<Decryption>,
}

/// How a body is decrypted.
pub(crate) struct Decryption {
    pub(crate) mode: Mode,
    pub(crate) key: [u8; 16],
    /// The initial vector, when it came in a header.
    pub(crate) iv: Option<Vec<u8>>,
    /// The first bytes of the body, as long as they are no whole initial vector.
    pub(crate) head: Vec<u8>,
    pub(crate) cbc: Option<Box<CbcDecryption>>,
}

impl Inbound {
    /// Whether the body must be there as a whole before any of it goes on: a digest or a tag stands at its end.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.digest.is_some()
            || self
                .decryption
                .as_ref()
                .is_some_and(|decryption| decryption.mode == Mode::Gcm)
    }

    /// Whether it goes on as it came, unheld.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.digest.is_none() && self.decryption.is_none()
    }

    /// A held body, as a whole.
    ///
    /// # Errors
    /// When it is not the one that was signed, or cannot be decrypted: nothing of it goes on.
    pub fn whole(&mut self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let is_signed = |digest: &[u8; 32]| bool::from(Sm3::digest(body).ct_eq(digest));
        if !self.digest.as_ref().is_none_or(is_signed) {
            return Err(Refusal::new(401, "the body is not the one that was signed"));
        }
        match &mut self.decryption {
            None => Ok(body.to_vec()),
            Some(decryption) => decryption.whole(body),
        }
    }

    /// The next piece of a body that is not held.
    ///
    /// # Errors
    /// When it cannot be decrypted.
    pub fn piece(&mut self, piece: &[u8], is_last: bool) -> Result<Vec<u8>, Refusal> {
        match &mut self.decryption {
            None => Ok(piece.to_vec()),
            Some(decryption) => decryption.piece(piece, is_last),
        }
    }
}

impl Decryption {
    fn whole(&mut self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        if self.mode == Mode::Cbc {
            return self.piece(body, true);
        }
        let (nonce, message) = match &self.iv {
            Some(iv) => (iv.as_slice(), body),
            None => body.split_at_checked(NONCE).ok_or(Undecipherable)?,
        };
        let nonce = nonce.try_into().map_err(|_| Undecipherable)?;
        Ok(open_gcm(&self.key, nonce, message)?)
    }

    fn piece(&mut self, piece: &[u8], is_last: bool) -> Result<Vec<u8>, Refusal> {
        let mut rest = piece;
        if self.cbc.is_none() {
            let missing = match &self.iv {
                Some(iv) => {
                    self.head.clone_from(iv);
                    0
                }
                None => BLOCK.saturating_sub(self.head.len()).min(piece.len()),
            };
            let (head, body) = piece.split_at_checked(missing).ok_or(Undecipherable)?;
            self.head.extend_from_slice(head);
            rest = body;
            if let Ok(iv) = self.head.as_slice().try_into() {
                self.cbc = Some(Box::new(CbcDecryption::new(&self.key, iv)));
            }
        }
        match (&mut self.cbc, is_last) {
            (None, true) => Err(Undecipherable.into()),
            (None, false) => Ok(Vec::new()),
            (Some(cbc), false) => Ok(cbc.update(rest)),
            (Some(cbc), true) => {
                let mut plain = cbc.update(rest);
                plain.extend(cbc.finish()?);
                Ok(plain)
            }
        }
    }
}

/// The initial vector of a mode out of a header.
pub(crate) fn iv_of(head: &Head, place: IvPlace, name: &str, mode: Mode) -> Result<Option<Vec<u8>>, Refusal> {
    if place == IvPlace::Body {
        return Ok(None);
    }
    let iv = from_hex(head.one(name)?).filter(|iv| iv.len() == iv_bytes(mode));
    let malformed = || Refusal::from(Unsigned::Malformed(name.to_owned()));
    iv.map(Some).ok_or_else(malformed)
}

/// Bytes of a mode's initial vector.
#[must_use]
pub const fn iv_bytes(mode: Mode) -> usize {
    match mode {
        Mode::Cbc => BLOCK,
        Mode::Gcm => NONCE,
    }
}

/// A response's body.
pub struct Outbound {
    /// What goes in front of it.
    prefix: Vec<u8>,
    encryption: Option<Encryption>,
}

enum Encryption {
    Cbc(Box<CbcEncryption>),
    Gcm(Box<GcmEncryption>),
}

impl Outbound {
    /// A body under an initial vector that is used for no other: the header's value for it comes too, where it does not go in front.
    pub(crate) fn new(mode: Mode, key: &[u8; 16], iv: &[u8], place: IvPlace) -> Option<(Self, Option<String>)> {
        let encryption = match mode {
            Mode::Cbc => Encryption::Cbc(Box::new(CbcEncryption::new(key, iv.try_into().ok()?))),
            Mode::Gcm => Encryption::Gcm(Box::new(GcmEncryption::new(key, iv.try_into().ok()?))),
        };
        let (prefix, header) = match place {
            IvPlace::Body => (iv.to_vec(), None),
            IvPlace::Header => (Vec::new(), Some(to_hex(iv))),
        };
        let outbound = Self {
            prefix,
            encryption: Some(encryption),
        };
        Some((outbound, header))
    }

    /// The next piece of it; none when there may not be more under one initial vector, or there was a last one already.
    pub fn piece(&mut self, piece: &[u8], is_last: bool) -> Option<Vec<u8>> {
        let mut out = std::mem::take(&mut self.prefix);
        match self.encryption.as_mut()? {
            Encryption::Cbc(cbc) => out.extend(cbc.update(piece)),
            Encryption::Gcm(gcm) => out.extend(gcm.update(piece).ok()?),
        }
        if is_last {
            match self.encryption.take()? {
                Encryption::Cbc(mut cbc) => out.extend(cbc.finish()),
                Encryption::Gcm(gcm) => out.extend(gcm.finish()),
            }
        }
        Some(out)
    }

    /// Whether its end is still to come.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.encryption.is_some()
    }
}
