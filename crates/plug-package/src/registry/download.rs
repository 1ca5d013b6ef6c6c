//! Manifests, layers and files, downloaded within limits, gone on with where they broke off, and hashed on the way.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_RANGE, ETAG, HeaderName, IF_RANGE, RANGE};
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use super::client::{Answer, Ask, Client, Repository};
use super::dial::shown;
use crate::digest::Digest;
use crate::fault::{PackageFault, Result};
use crate::image::manifest::{Descriptor, MANIFEST_BYTES_MAX};
use crate::image::media;
use crate::store::{Part, Store};

/// What is downloaded.
pub(crate) struct Download<'a> {
    /// In which repository; a plain server otherwise.
    pub(crate) repository: Option<Repository<'a>>,
    pub(crate) url: Url,
    /// What it must be, and how large.
    pub(crate) promised: Option<(Digest, u64)>,
    pub(crate) bytes_max: u64,
    /// What it is, for people.
    pub(crate) what: &'a str,
}

impl Client {
    /// A manifest or index by tag or digest.
    pub(crate) async fn manifest(&self, repository: Repository<'_>, which: &str) -> Result<(Digest, Bytes)> {
        let url = self.url(repository, &format!("manifests/{which}"))?;
        let ask = Ask::new(Method::GET, url).header(ACCEPT, HeaderValue::from_static(media::ACCEPTED));
        self.retried(async || {
            let answer = self.ask(repository, &ask).await?;
            if answer.status() != StatusCode::OK {
                return Err(answer.fault(ask.what()).await);
            }
            let told = answer
                .header("docker-content-digest")
                .and_then(|text| Digest::parse(text).ok());
            let bytes = answer.whole("the manifest", MANIFEST_BYTES_MAX).await?;
            let wanted = Digest::parse(which).ok().or(told);
            wanted.map_or(Ok(()), |wanted| wanted.verify(&bytes, "the manifest"))?;
            Ok((Digest::of(&bytes), bytes))
        })
        .await
    }

    /// A part of an image, into the store.
    pub(crate) async fn blob(
        &self,
        repository: Repository<'_>,
        part: &Descriptor,
        limit: (&str, u64),
        store: &Store,
    ) -> Result<()> {
        let (what, bytes_max) = limit;
        let digest = part.digest()?;
        let download = Download {
            repository: Some(repository),
            url: self.url(repository, &format!("blobs/{digest}"))?,
            promised: Some((digest, part.size)),
            bytes_max,
            what,
        };
        self.download(&download, store).await.map(drop)
    }

    /// Anything, into the store.
    pub(crate) async fn download(&self, wanted: &Download<'_>, store: &Store) -> Result<Digest> {
        let size = wanted.promised.map(|(_, size)| size);
        if size.is_some_and(|size| size > wanted.bytes_max) {
            return Err(wanted.too_large());
        }
        let name = wanted
            .promised
            .map_or_else(|| wanted.url.to_string(), |(digest, _)| digest.to_string());
        let mut part = store.part(&name)?;
        // Without a digest nobody knows whether what is there and what would come are of the same bytes.
        if wanted.promised.is_none() {
            part.restart()?;
        }
        let resumed = part.bytes() > 0;
        self.progress.begins(wanted.what, size);
        let done = self.whole_and_right(wanted, &mut part, resumed).await;
        self.progress.ends();
        match done {
            Ok(()) => store.keep_part(part),
            Err(fault) if fault.may_pass() => Err(fault),
            Err(fault) => {
                part.discard();
                Err(fault)
            }
        }
    }

    async fn whole_and_right(&self, wanted: &Download<'_>, part: &mut Part, resumed: bool) -> Result<()> {
        self.retried(async || self.go_on(wanted, part).await).await?;
        let Some((digest, _)) = wanted.promised else {
            return Ok(());
        };
        match digest.verify_digest(part.digest(), wanted.what) {
            // What an earlier process left may be what is wrong.
            Err(_) if resumed => {
                part.restart()?;
                self.retried(async || self.go_on(wanted, part).await).await?;
                digest.verify_digest(part.digest(), wanted.what)
            }
            verdict => verdict,
        }
    }

    /// Asks for what is still missing.
    async fn go_on(&self, wanted: &Download<'_>, part: &mut Part) -> Result<()> {
        let size = wanted.promised.map(|(_, size)| size);
        if size.is_some_and(|size| part.bytes() > size) || (size.is_none() && part.validator.is_none()) {
            part.restart()?;
        }
        if size == Some(part.bytes()) {
            return Ok(());
        }
        let mut ask = Ask::new(Method::GET, wanted.url.clone());
        if part.bytes() > 0 {
            ask = ask.header(RANGE, number(&format!("bytes={}-", part.bytes()))?);
            ask.headers
                .extend(part.validator.clone().map(|validator| (IF_RANGE, validator)));
        }
        let mut answer = match wanted.repository {
            Some(repository) => self.ask(repository, &ask).await?,
            None => self.follow(&ask, None).await?,
        };
        match answer.status() {
            StatusCode::OK => part.restart()?,
            StatusCode::PARTIAL_CONTENT if continues(&answer, part.bytes()) => {}
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if part.bytes() > 0 => {
                part.restart()?;
                return Err(PackageFault::Broken {
                    host: shown(&answer.url),
                    why: String::from("it does not go on where it broke off"),
                });
            }
            _ => return Err(answer.fault(ask.what()).await),
        }
        self.take(wanted, part, &mut answer).await
    }

    async fn take(&self, wanted: &Download<'_>, part: &mut Part, answer: &mut Answer) -> Result<()> {
        let etag = answer.response.headers().get(ETAG);
        // A weak one says nothing of bytes (RFC 9110 section 13.1.5).
        part.validator = etag.filter(|etag| !etag.as_bytes().starts_with(b"W/")).cloned();
        let promised = wanted.promised.map(|(_, size)| size);
        let bytes_max = promised.unwrap_or(wanted.bytes_max);
        while let Some(data) = answer.next().await? {
            let after = part
                .bytes()
                .saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            if after > bytes_max {
                return Err(PackageFault::TooLarge {
                    what: wanted.what.to_owned(),
                    bytes_max,
                });
            }
            part.push(&data)?;
            self.progress.moves(part.bytes());
        }
        match promised {
            Some(size) if part.bytes() < size => Err(PackageFault::Broken {
                host: shown(&answer.url),
                why: format!("{} of {size} bytes came", part.bytes()),
            }),
            _ => Ok(()),
        }
    }
}

impl Download<'_> {
    fn too_large(&self) -> PackageFault {
        PackageFault::TooLarge {
            what: self.what.to_owned(),
            bytes_max: self.bytes_max,
        }
    }
}

/// Whether an answer begins where we are.
fn continues(answer: &Answer, at: u64) -> bool {
    let range = answer
        .header(CONTENT_RANGE.as_str())
        .and_then(|range| range.strip_prefix("bytes "));
    let begin = range.and_then(|range| range.split('-').next()?.parse().ok());
    begin == Some(at)
}

fn number(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|why| PackageFault::Manifest(why.to_string()))
}

/// A header by a name that the `http` crate does not know.
pub(crate) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
