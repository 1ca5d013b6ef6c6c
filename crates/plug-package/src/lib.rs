//! Plugins as OCI images: packed, pushed, pulled, and had again when no registry answers.
//!
//! Lives here: names of images, the five layouts in which plugins lie in images, archives read within limits, what is attached to an
//! image, signatures and who made them, the client of registries with its credentials, and the store on disk from which a gateway starts while a registry is down.
//! Never enters: an engine, a request path, configuration text. What is decided of a plugin once it is here, is decided elsewhere.
//! From: registries, HTTP servers and files, all of which anybody may have written.
//! To: the verbs `pack`, `push`, `pull`, `sign` and `verify`, and the loader of the gateway, as bytes whose digests were checked just now.

mod fault;
pub use fault::{PackageFault, Result};
mod digest;
pub use digest::Digest;
mod reference;
pub use reference::{Reference, is_loopback};
mod image;
pub use image::attachment::{ATTACHMENT_BYTES_MAX, Attached, attach};
pub use image::layout::Layout;
pub use image::manifest::Annotations;
pub use image::pack::{Image, MODULE_ANNOTATION, pack};
pub use image::unpack::MODULE_BYTES_MAX;
mod package;
pub use package::{Package, read_file};
mod sign;
pub use sign::document::{Document, Form, SIGNATURE_BYTES_MAX, SIGNATURES_MAX};
pub use sign::examine::{Signed, Subject, Trust, examine};
pub use sign::key::{Algorithm, KEY_BYTES_MAX, PrivateKey, PublicKey};
pub use sign::keyless::{Keyless, TRUSTED_ROOT_BYTES_MAX, TrustedRoot};
pub use sign::make::{sign_beside, sign_image, sign_image_simply, sign_module};
mod credentials;
pub use credentials::{Credentials, Identity};
mod store;
pub use store::Store;
mod registry;
pub use registry::attached::Attachment;
pub use registry::client::{Client, Progress, Silence};
pub use registry::signatures::Signatures;
mod fetch;
pub use fetch::{Fetched, Origin, Pull, Wanted, Way, fetch};
pub use url::Url;
