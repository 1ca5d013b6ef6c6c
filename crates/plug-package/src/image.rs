//! Images as bytes: manifests, the five layouts of plugins, layers, and what is attached to an image; no socket, no file.

pub(crate) mod media;
pub(crate) mod manifest;
pub(crate) mod layout;
pub(crate) mod unpack;
pub(crate) mod pack;
pub(crate) mod attachment;
pub(crate) mod created;
#[cfg(test)]
mod tests;
