//! Signatures over the curves P-256, P-384, P-521 and SM2, in a module of a few kilobytes: it verifies and cannot sign.
//!
//! Here lives arithmetic on public values alone: keys, digests and signatures come in, a truth value goes out. No secret ever comes here, so nothing takes
//! care to take the same time. The crates `p256`, `p384`, `p521` and `sm2` do the same in 250 KB more of WebAssembly, which would take a guest beyond its
//! bound of 400 KB; the tests compare with them, signature by signature.

mod montgomery;
mod curve;
mod key;

pub use key::{Named, PublicKey};
