//! SM4 (GB/T 32907) in the modes CBC with PKCS#7 and GCM (RFC 8998): streams of bytes in, streams of bytes out.

use ghash::GHash;
use ghash::universal_hash::{KeyInit, UniversalHash};
use sm4::Sm4;
use sm4::cipher::{BlockDecrypt, BlockEncrypt};
use subtle::ConstantTimeEq;

pub(crate) const BLOCK: usize = 16;
/// Bytes of a nonce of GCM, as RFC 8998 has it.
pub(crate) const NONCE: usize = 12;
pub(crate) const TAG: usize = 16;

/// LIMIT: blocks under one nonce, so that the counter does not come round (NIST SP 800-38D section 5.2.1.1).
const BLOCKS_MAX: u64 = (1 << 32) - 2;

/// What cannot be decrypted, or may not be encrypted any more. Which of both, and where, nobody outside learns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the body is not encrypted by this key")]
pub(crate) struct Undecipherable;

type Block = [u8; BLOCK];

fn encrypt(cipher: &Sm4, block: &mut Block) {
    cipher.encrypt_block(block.into());
}

fn xor(block: &mut Block, other: &[u8]) {
    for (byte, other) in block.iter_mut().zip(other) {
        *byte ^= other;
    }
}

fn cipher(key: &[u8; 16]) -> Sm4 {
    Sm4::new(key.into())
}

/// Bytes that do not make a block yet.
#[derive(Default)]
struct Rest(Vec<u8>);

impl Rest {
    /// Whole blocks of what is there and what comes, `kept` bytes at least staying behind.
    fn blocks(&mut self, bytes: &[u8], kept: usize) -> Vec<Block> {
        self.0.extend_from_slice(bytes);
        let whole = self.0.len().saturating_sub(kept) / BLOCK * BLOCK;
        let rest = self.0.split_off(whole);
        let taken = std::mem::replace(&mut self.0, rest);
        taken
            .chunks_exact(BLOCK)
            .filter_map(|chunk| chunk.try_into().ok())
            .collect()
    }
}

/// Encrypts by CBC.
pub(crate) struct CbcEncryption {
    cipher: Sm4,
    before: Block,
    rest: Rest,
}

impl CbcEncryption {
    pub(crate) fn new(key: &[u8; 16], iv: Block) -> Self {
        Self {
            cipher: cipher(key),
            before: iv,
            rest: Rest::default(),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len().saturating_add(BLOCK));
        for mut block in self.rest.blocks(bytes, 0) {
            xor(&mut block, &self.before);
            encrypt(&self.cipher, &mut block);
            self.before = block;
            out.extend_from_slice(&block);
        }
        out
    }

    /// The last block, with its padding (RFC 5652 section 6.3).
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let missing = BLOCK.saturating_sub(self.rest.0.len());
        let padding = vec![u8::try_from(missing).unwrap_or_default(); missing];
        self.update(&padding)
    }
}

/// Decrypts by CBC. The last block stays behind until the end, as its padding is to be taken off.
pub(crate) struct CbcDecryption {
    cipher: Sm4,
    before: Block,
    rest: Rest,
}

impl CbcDecryption {
    pub(crate) fn new(key: &[u8; 16], iv: Block) -> Self {
        Self {
            cipher: cipher(key),
            before: iv,
            rest: Rest::default(),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.decrypt(bytes, 1)
    }

    fn decrypt(&mut self, bytes: &[u8], kept: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for encrypted in self.rest.blocks(bytes, kept) {
            let mut block = encrypted;
            self.cipher.decrypt_block((&mut block).into());
            xor(&mut block, &self.before);
            self.before = encrypted;
            out.extend_from_slice(&block);
        }
        out
    }

    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, Undecipherable> {
        let mut last = self.decrypt(&[], 0);
        let count = usize::from(*last.last().ok_or(Undecipherable)?);
        if !self.rest.0.is_empty() || count == 0 || count > BLOCK {
            return Err(Undecipherable);
        }
        let padding = last.split_off(last.len().saturating_sub(count));
        if padding.iter().any(|byte| usize::from(*byte) != count) {
            return Err(Undecipherable);
        }
        Ok(last)
    }
}

/// Counter mode and the hash over its ciphertext (NIST SP 800-38D section 7).
struct Gcm {
    cipher: Sm4,
    hash: GHash,
    nonce: [u8; NONCE],
    counter: u32,
    /// What of the last block of key stream is not used yet.
    unused: Vec<u8>,
    /// Ciphertext that is not hashed yet: less than a block.
    unhashed: Rest,
    blocks: u64,
    bytes: u64,
}

impl Gcm {
    fn new(key: &[u8; 16], nonce: [u8; NONCE]) -> Self {
        let cipher = cipher(key);
        let mut zero = [0; BLOCK];
        encrypt(&cipher, &mut zero);
        Self {
            hash: GHash::new(&zero.into()),
            cipher,
            nonce,
            counter: 1,
            unused: Vec::new(),
            unhashed: Rest::default(),
            blocks: 0,
            bytes: 0,
        }
    }

    fn key_stream(&self, counter: u32) -> Block {
        let mut block = [0; BLOCK];
        for (to, from) in block.iter_mut().zip(self.nonce.iter().chain(&counter.to_be_bytes())) {
            *to = *from;
        }
        encrypt(&self.cipher, &mut block);
        block
    }

    /// Plaintext to ciphertext, or back.
    fn cross(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Undecipherable> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.unused.is_empty() {
                self.blocks = self.blocks.saturating_add(1);
                self.counter = self.counter.checked_add(1).ok_or(Undecipherable)?;
                self.unused = self.key_stream(self.counter).to_vec();
            }
            let count = rest.len().min(self.unused.len());
            let (now, later) = rest.split_at_checked(count).ok_or(Undecipherable)?;
            out.extend(now.iter().zip(self.unused.drain(..count)).map(|(byte, key)| byte ^ key));
            rest = later;
        }
        if self.blocks > BLOCKS_MAX {
            return Err(Undecipherable);
        }
        Ok(out)
    }

    fn absorb(&mut self, ciphertext: &[u8]) {
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(ciphertext.len()).unwrap_or(u64::MAX));
        for block in self.unhashed.blocks(ciphertext, 0) {
            self.hash.update(&[block.into()]);
        }
    }

    fn tag(mut self) -> Block {
        let mut last = [0; BLOCK];
        if !self.unhashed.0.is_empty() {
            xor(&mut last, &self.unhashed.0);
            self.hash.update(&[last.into()]);
        }
        // Nothing is authenticated without being encrypted: the first length is 0.
        let lengths = u128::from(self.bytes.saturating_mul(8)).to_be_bytes();
        self.hash.update(&[lengths.into()]);
        let mut tag = self.key_stream(1);
        xor(&mut tag, &self.hash.finalize());
        tag
    }
}

/// Encrypts by GCM.
pub(crate) struct GcmEncryption(Gcm);

impl GcmEncryption {
    pub(crate) fn new(key: &[u8; 16], nonce: [u8; NONCE]) -> Self {
        Self(Gcm::new(key, nonce))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Undecipherable> {
        let ciphertext = self.0.cross(bytes)?;
        self.0.absorb(&ciphertext);
        Ok(ciphertext)
    }

    pub(crate) fn finish(self) -> [u8; TAG] {
        self.0.tag()
    }
}

/// Decrypts a whole message by GCM: its ciphertext and then its tag. Nothing comes out unless the tag is right.
pub(crate) fn open_gcm(key: &[u8; 16], nonce: [u8; NONCE], message: &[u8]) -> Result<Vec<u8>, Undecipherable> {
    let length = message.len().checked_sub(TAG).ok_or(Undecipherable)?;
    let (ciphertext, tag) = message.split_at_checked(length).ok_or(Undecipherable)?;
    let mut checked = Gcm::new(key, nonce);
    checked.absorb(ciphertext);
    if !bool::from(checked.tag().ct_eq(tag)) {
        return Err(Undecipherable);
    }
    Gcm::new(key, nonce).cross(ciphertext)
}
