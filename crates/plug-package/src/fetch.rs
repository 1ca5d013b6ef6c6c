//! A module from where a configuration says it is: from the store when that is enough, from the network when not, and from the store
//! again when the network fails.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::timeout;
use url::Url;

use crate::digest::Digest;
use crate::fault::{PackageFault, Result};
use crate::image::created::created;
use crate::image::layout::{self, Layout};
use crate::image::manifest::{Descriptor, Document, MANIFEST_BYTES_MAX, Manifest};
use crate::image::unpack;
use crate::reference::Reference;
use crate::registry::client::{Access, Client, Repository};
use crate::registry::download::Download;
use crate::store::{Kept, Store};

/// LIMIT: bytes of a layer, and of what an HTTP server gives, as they travel.
const LAYER_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// LIMIT: times that a server is asked while something older could be used.
const TRIES_WITH_OLDER: u32 = 2;

/// When a tag or URL that is in the store is asked for anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pull {
    /// Never.
    IfNotPresent,
    /// At every load.
    Always,
}

/// Where a module is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// In an image of a registry.
    Oci(Reference),
    /// Behind a URL.
    Http(Url),
}

/// A module that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Where it is. An image may be pinned by its digest.
    pub origin: Origin,
    /// What the module must be.
    pub sha256: Option<Digest>,
    /// When it is asked for anew.
    pub pull: Pull,
    /// How long all of it may take.
    pub time_max: Duration,
}

/// A module that is here.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its bytes, hashed just now.
    pub module: Bytes,
    /// Its digest.
    pub digest: Digest,
    /// How it lay in an image.
    pub layout: Option<Layout>,
    /// The digest of the image's manifest.
    pub image: Option<Digest>,
    /// When the image was made, as its manifest says; nobody says it of a file.
    pub created: Option<SystemTime>,
    /// A file with the same bytes.
    pub file: PathBuf,
    /// How it came here.
    pub way: Way,
}

/// How a module came here.
#[derive(Clone, Debug)]
pub enum Way {
    /// Over the network.
    Network,
    /// From the store.
    Store,
    /// From the store, as the network failed.
    Older {
        /// When it was last had, in seconds since 1970.
        since: u64,
        /// Why it is not had now.
        why: String,
    },
}

/// What is in the store, and whether something there had been changed.
enum Found {
    Whole(Box<Fetched>),
    Nothing,
    Changed,
}

/// Has a module, from the store or over the network.
///
/// # Errors
/// When it is in neither, when it is not what it must be, or when it took too long.
pub async fn fetch(client: &Client, wanted: &Wanted, store: &Store) -> Result<Fetched> {
    let name = wanted.name();
    let (found, since) = wanted.stored(&name, store);
    let (older, changed) = match found {
        Found::Whole(fetched) if wanted.is_enough() => return Ok(*fetched),
        Found::Whole(fetched) => (Some(fetched), false),
        Found::Nothing => (None, false),
        Found::Changed => (None, true),
    };
    let client = match older {
        Some(_) => client.clone().with_tries(TRIES_WITH_OLDER),
        None => client.clone(),
    };
    let fetching = async {
        match &wanted.origin {
            Origin::Oci(reference) => oci(&client, reference, (&name, store)).await,
            Origin::Http(url) => http(&client, url, (&name, store)).await,
        }
    };
    let fetched = timeout(wanted.time_max, fetching)
        .await
        .unwrap_or(Err(PackageFault::Late(wanted.time_max)));
    let fetched = fetched.and_then(|fetched| wanted.verified(fetched));
    // A store that cannot be read now cannot be filled for long either; that is said when it is next opened.
    let _ = store.trim();
    match (fetched, older) {
        (Ok(fetched), _) => Ok(fetched),
        (Err(why), Some(older)) => Ok(Fetched {
            way: Way::Older {
                since,
                why: why.to_string(),
            },
            ..*older
        }),
        (Err(PackageFault::Unreachable { host, why }), None) if changed => Err(PackageFault::Unreachable {
            host,
            why: format!("{why}; what is in the store was changed and is not used"),
        }),
        (Err(why), None) => Err(why),
    }
}

impl Wanted {
    fn name(&self) -> String {
        match &self.origin {
            Origin::Oci(reference) => format!("oci {reference}"),
            Origin::Http(url) => format!("http {url}"),
        }
    }

    /// Whether what is in the store is as good as what could be had.
    fn is_enough(&self) -> bool {
        let pinned = match &self.origin {
            Origin::Oci(reference) => reference.digest().is_some(),
            Origin::Http(_) => false,
        };
        pinned || self.sha256.is_some() || self.pull == Pull::IfNotPresent
    }

    /// What the store has, and of when it is.
    fn stored(&self, name: &str, store: &Store) -> (Found, u64) {
        let pinned = match &self.origin {
            Origin::Oci(reference) => reference.digest().map(|digest| (digest, 0)),
            Origin::Http(_) => None,
        };
        let Some((digest, since)) = pinned.or_else(|| store.pointer(name)) else {
            return (Found::Nothing, 0);
        };
        let found = match self.origin {
            Origin::Oci(_) => image_in(store, digest),
            Origin::Http(_) => download_in(store, digest),
        };
        let found = match found {
            // What stands behind a tag or a URL may be another today.
            Found::Whole(fetched) => self
                .verified(*fetched)
                .map_or(Found::Nothing, |fetched| Found::Whole(Box::new(fetched))),
            other => other,
        };
        (found, since)
    }

    fn verified(&self, fetched: Fetched) -> Result<Fetched> {
        self.sha256
            .map_or(Ok(()), |wanted| wanted.verify_digest(fetched.digest, "the module"))?;
        Ok(fetched)
    }
}

async fn oci(client: &Client, reference: &Reference, (name, store): (&str, &Store)) -> Result<Fetched> {
    let repository = Repository {
        reference,
        access: Access::Pull,
    };
    let (pinned, bytes) = client.manifest(repository, &reference.which()).await?;
    store.keep(&bytes)?;
    let manifest = match Document::read(&bytes)? {
        Document::Manifest(manifest) => *manifest,
        Document::Index(index) => {
            let (_, bytes) = client
                .manifest(repository, &index.choose()?.digest()?.to_string())
                .await?;
            store.keep(&bytes)?;
            only_manifest(&bytes)?
        }
    };
    let (layout, layer) = layout::choose(&manifest)?;
    let digest = layer.digest()?;
    let bytes = match store.read(&digest, LAYER_BYTES_MAX) {
        Kept::Bytes(bytes) => bytes,
        Kept::Nothing | Kept::Changed => {
            client
                .blob(repository, layer, ("the layer", LAYER_BYTES_MAX), store)
                .await?;
            again(store, &digest)?
        }
    };
    let module = unpacked(move || unpack::layer(&bytes, layout.form())).await?;
    let fetched = here(store, module, Way::Network)?;
    store.point(name, pinned)?;
    Ok(Fetched {
        layout: Some(layout),
        image: Some(pinned),
        created: created(&manifest),
        ..fetched
    })
}

async fn http(client: &Client, url: &Url, (name, store): (&str, &Store)) -> Result<Fetched> {
    let download = Download {
        repository: None,
        url: url.clone(),
        promised: None,
        bytes_max: LAYER_BYTES_MAX,
        what: "the module",
    };
    let digest = client.download(&download, store).await?;
    let bytes = again(store, &digest)?;
    let module = unpacked(move || unpack::download(bytes)).await?;
    let fetched = here(store, module, Way::Network)?;
    store.point(name, digest)?;
    Ok(fetched)
}

/// Unpacking computes, so it holds up nobody else's fetching.
async fn unpacked(work: impl FnOnce() -> Result<Vec<u8>> + Send + 'static) -> Result<Vec<u8>> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|why| PackageFault::Layer(why.to_string()))?
}

fn again(store: &Store, digest: &Digest) -> Result<Vec<u8>> {
    match store.read(digest, LAYER_BYTES_MAX) {
        Kept::Bytes(bytes) => Ok(bytes),
        Kept::Nothing | Kept::Changed => Err(PackageFault::file(&store.path(digest), &"it is gone again")),
    }
}

/// Keeps the module beside its layer too: reports and debuggers want a file.
fn here(store: &Store, module: Vec<u8>, way: Way) -> Result<Fetched> {
    let digest = store.keep(&module)?;
    Ok(Fetched {
        file: store.path(&digest),
        module: module.into(),
        digest,
        layout: None,
        image: None,
        created: None,
        way,
    })
}

fn only_manifest(bytes: &[u8]) -> Result<Manifest> {
    match Document::read(bytes)? {
        Document::Manifest(manifest) => Ok(*manifest),
        Document::Index(_) => Err(PackageFault::Manifest(String::from(
            "there is an index within the index",
        ))),
    }
}

/// An image, all of it in the store, each part hashed and each named by the one before.
fn image_in(store: &Store, pinned: Digest) -> Found {
    match image_parts(store, pinned) {
        Ok(fetched) => Found::Whole(Box::new(fetched)),
        Err(Kept::Changed) => Found::Changed,
        Err(_) => Found::Nothing,
    }
}

fn image_parts(store: &Store, pinned: Digest) -> std::result::Result<Fetched, Kept> {
    // What was understood when it was kept may not be by another version; then it is had anew.
    let nothing = |_| Kept::Nothing;
    let bytes = bytes_in(store, pinned, MANIFEST_BYTES_MAX)?;
    let manifest = match Document::read(&bytes).map_err(nothing)? {
        Document::Manifest(manifest) => *manifest,
        Document::Index(index) => {
            let part: Result<Digest> = index.choose().and_then(Descriptor::digest);
            let bytes = bytes_in(store, part.map_err(nothing)?, MANIFEST_BYTES_MAX)?;
            only_manifest(&bytes).map_err(nothing)?
        }
    };
    let (layout, layer) = layout::choose(&manifest).map_err(nothing)?;
    let bytes = bytes_in(store, layer.digest().map_err(nothing)?, LAYER_BYTES_MAX)?;
    let module = unpack::layer(&bytes, layout.form()).map_err(nothing)?;
    let fetched = here(store, module, Way::Store).map_err(nothing)?;
    Ok(Fetched {
        layout: Some(layout),
        image: Some(pinned),
        created: created(&manifest),
        ..fetched
    })
}

fn download_in(store: &Store, digest: Digest) -> Found {
    let parts = || {
        let bytes = bytes_in(store, digest, LAYER_BYTES_MAX)?;
        let module = unpack::download(bytes).map_err(|_| Kept::Nothing)?;
        here(store, module, Way::Store).map_err(|_| Kept::Nothing)
    };
    match parts() {
        Ok(fetched) => Found::Whole(Box::new(fetched)),
        Err(Kept::Changed) => Found::Changed,
        Err(_) => Found::Nothing,
    }
}

fn bytes_in(store: &Store, digest: Digest, bytes_max: u64) -> std::result::Result<Vec<u8>, Kept> {
    match store.read(&digest, bytes_max) {
        Kept::Bytes(bytes) => Ok(bytes),
        other => Err(other),
    }
}
