//! `sm-crypto`.
