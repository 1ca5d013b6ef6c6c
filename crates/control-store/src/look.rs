//! One look at a store: the pointer, what it leads to, and what stands beside it.

use std::collections::BTreeMap;

use plug_package::{Digest, KEY_BYTES_MAX, PublicKey, read_file};

use crate::fault::{Result, StoreFault};
use crate::keys::{Entry, Keys};
use crate::layout::{Layout, Pointer};
use crate::revision::Revision;
use crate::settings::Settings;
use crate::taking::{self, Delivered};

/// LIMIT: bundles that are kept between looks: the configuration and what stands beside it, as they were and as they are.
const BUNDLES_MAX: usize = 4;

/// Looks, and keeps what cannot change.
pub(crate) struct Looker {
    settings: Settings,
    layout: Layout,
    trust: Option<PublicKey>,
    /// Bundles that were judged, newest last.
    bundles: Vec<(Digest, String)>,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Looked {
    Taken(Delivered),
    Untaken(Untaken),
}

/// What is not taken, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Untaken {
    /// What it would be, when that is known.
    pub(crate) revision: Option<Revision>,
    pub(crate) why: String,
}

impl Looker {
    /// Reads the key that bundles must be signed by.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let trust = settings.signed_by.as_ref().map(|path| {
            let secret = |why: String| StoreFault::Secret {
                what: format!("the key `{}`", path.display()),
                why,
            };
            let pem = read_file(path, KEY_BYTES_MAX).map_err(|why| secret(why.to_string()))?;
            PublicKey::parse(&pem).map_err(|why| secret(why.to_string()))
        });
        Ok(Self {
            settings: settings.clone(),
            layout: Layout::new(&settings.place),
            trust: trust.transpose()?,
            bundles: Vec::new(),
        })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Looks once.
    pub(crate) async fn look(&mut self, keys: &mut Keys) -> Result<Looked> {
        let watched = self.layout.watched();
        let mut found = keys.look(&watched).await?.into_iter();
        let (head, grants) = (found.next().flatten(), found.next().flatten());
        let (current, beside) = (self.layout.current(), self.layout.grants());
        let Some(head) = head else {
            return Ok(Looked::Untaken(Untaken {
                revision: None,
                why: format!("nothing stands at `{current}`"),
            }));
        };
        let taken = if self.layout.is_plain() {
            self.plain(&current, &head)
        } else {
            self.pointed(keys, &current, &head).await?
        };
        let (revision, text) = match taken {
            Ok(taken) => taken,
            Err(untaken) => return Ok(Looked::Untaken(untaken)),
        };
        let mut documents = BTreeMap::new();
        let mut grants_from = None;
        if let Some(grants) = grants {
            let change = Some(grants.version).filter(|version| *version > 0);
            let change = change.map(|version| format!("@{version}")).unwrap_or_default();
            let shown = self.settings.backend.shown();
            grants_from = Some(format!("{shown}/{}{change}", beside.trim_start_matches('/')));
            match self.beside(keys, &beside, &grants).await? {
                Ok(text) => documents.insert(String::from("grants"), text),
                Err(why) => {
                    let revision = Some(revision);
                    return Ok(Looked::Untaken(Untaken { revision, why }));
                }
            };
        }
        Ok(Looked::Taken(Delivered {
            text,
            revision,
            origin: format!("{}/{}", self.settings.backend.shown(), current.trim_start_matches('/')),
            folder: self.settings.folder.clone(),
            documents,
            grants_from,
        }))
    }

    /// The grants that stand beside the configuration, whether there is one or not; none when none stand there.
    pub(crate) async fn grants(&mut self, keys: &mut Keys) -> Result<Option<std::result::Result<String, String>>> {
        let beside = self.layout.grants();
        let found = keys.read(std::slice::from_ref(&beside)).await?.pop().flatten();
        match found {
            Some(grants) => self.beside(keys, &beside, &grants).await.map(Some),
            None => Ok(None),
        }
    }

    /// The text itself.
    fn plain(&self, key: &str, head: &Entry) -> std::result::Result<(Revision, String), Untaken> {
        let revision = Revision {
            number: head.version,
            digest: Digest::of(&head.value),
        };
        let judged = match &self.trust {
            // The settings do not allow both; a text without a bundle has no signature.
            Some(_) => Err(format!("`{key}` is plain text, which nobody can have signed")),
            None => taking::text(key, &head.value),
        };
        judged.map(|text| (revision, text)).map_err(|why| Untaken {
            revision: Some(revision),
            why,
        })
    }

    /// What a pointer leads to.
    async fn pointed(
        &mut self,
        keys: &mut Keys,
        key: &str,
        head: &Entry,
    ) -> Result<std::result::Result<(Revision, String), Untaken>> {
        let pointer = match Pointer::parse(&head.value) {
            Ok(pointer) => pointer,
            Err(why) => {
                let why = format!("`{key}` is no pointer: {why}");
                return Ok(Err(Untaken { revision: None, why }));
            }
        };
        let revision = pointer.as_revision();
        let bundle = self.bundle(keys, pointer.digest).await?;
        Ok(bundle.map(|text| (revision, text)).map_err(|why| Untaken {
            revision: Some(revision),
            why,
        }))
    }

    /// A document beside the configuration: a pointer, or, where nothing need be signed, a text.
    async fn beside(
        &mut self,
        keys: &mut Keys,
        key: &str,
        entry: &Entry,
    ) -> Result<std::result::Result<String, String>> {
        match Pointer::parse(&entry.value) {
            Ok(pointer) if !self.layout.is_plain() => self.bundle(keys, pointer.digest).await,
            _ if self.trust.is_some() => Ok(Err(format!("`{key}` is no pointer, so nobody can have signed it"))),
            _ => Ok(taking::text(key, &entry.value)),
        }
    }

    /// A bundle, judged; what was judged once is not read again.
    pub(crate) async fn bundle(
        &mut self,
        keys: &mut Keys,
        digest: Digest,
    ) -> Result<std::result::Result<String, String>> {
        if let Some((_, text)) = self.bundles.iter().find(|(known, _)| *known == digest) {
            return Ok(Ok(text.clone()));
        }
        let (bundle, signature) = (self.layout.bundle(digest), self.layout.signature(digest));
        let found = keys.read(&[bundle.clone(), signature.clone()]).await?;
        let mut found = found.into_iter().map(|entry| entry.map(|entry| entry.value));
        let (bytes, signed) = (found.next().flatten(), found.next().flatten());
        let judged = taking::bundle(&bundle, digest, bytes.as_deref()).and_then(|text| {
            if let Some(by) = &self.trust {
                taking::signed(&signature, &text, signed.as_deref(), by)?;
            }
            Ok(text)
        });
        if let Ok(text) = &judged {
            if self.bundles.len() >= BUNDLES_MAX {
                self.bundles.remove(0);
            }
            self.bundles.push((digest, text.clone()));
        }
        Ok(judged)
    }
}
