//! Registries and HTTP servers: asked within limits, at addresses that may be asked, and asked again when they may answer later.

pub(crate) mod address;
pub(crate) mod dial;
pub(crate) mod challenge;
pub(crate) mod retry;
pub(crate) mod client;
pub(crate) mod token;
pub(crate) mod download;
pub(crate) mod upload;
pub(crate) mod attached;
pub(crate) mod signatures;
