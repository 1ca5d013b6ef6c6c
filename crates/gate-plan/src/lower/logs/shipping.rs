//! What sinks share: folders of their own, waits that grow, addresses and logins.

use http::Uri;
use http::header::HeaderName;
use log_mask::rules::SECRET_HEADERS;

use super::super::Lowering;
use super::super::upstream::client_tls;
use super::Numbers;
use crate::findings::Draft;
use crate::plan::logs::{Batch, Login, Queue, Retry, Secret, Spool, Sync, Target};
use crate::tree::Node;
use crate::wire::logs as wire;
use crate::wire::{ClientTls, Pairs};
use crate::word::{FieldText, LogAddress, SyncWord, Written};

/// What sinks that speak HTTP say of the other side.
pub(in crate::lower) struct Other<'w> {
    pub(in crate::lower) url: &'w Written<LogAddress>,
    pub(in crate::lower) tls: Option<ClientTls>,
    pub(in crate::lower) login: Option<wire::Login>,
    pub(in crate::lower) headers: &'w Pairs<HeaderName, Written<FieldText>>,
    pub(in crate::lower) gzip: bool,
    pub(in crate::lower) wait: std::time::Duration,
}

impl Lowering<'_> {
    /// None when the address is none. `path` is that of the API, where the address has none.
    pub(in crate::lower) fn target(&mut self, other: Other<'_>, path: &str, node: &Node) -> Option<Target> {
        let text = &other.url.word.0;
        let Some(uri) = full(text, path) else {
            let draft = Draft::error(node.at("url").span, "the URL is not one that can be asked");
            self.error(draft.help("write `https://HOST:PORT/PATH`"));
            return None;
        };
        if other.tls.is_some() && uri.scheme_str() != Some("https") {
            let draft = Draft::error(
                node.key_span("tls"),
                "the URL begins with `http://`, which knows no TLS",
            );
            self.error(draft.help("write `https://`, or leave `tls` out"));
        }
        for entry in node.at("headers").entries() {
            if node.get("headers").is_some() && is_secret(&entry.key) {
                let message = format!("`{}` is a secret, which does not stand in a configuration", entry.key);
                let help = "write `login: { header: { name: NAME, value: { file: FILE } } }`, `bearer` or `basic`";
                self.error(Draft::error(entry.key_span, message).help(help));
            }
        }
        let text =
            |(name, value): &(HeaderName, Written<FieldText>)| (name.as_str().to_owned(), value.text().to_owned());
        Some(Target {
            uri,
            tls: other.tls.map(client_tls),
            login: other.login.map(login),
            headers: other.headers.0.iter().map(text).collect(),
            gzip: other.gzip,
            answer_wait_max: other.wait,
        })
    }

    pub(in crate::lower) fn spool(
        &mut self,
        written: Option<wire::Spool>,
        node: &Node,
        numbers: &mut Numbers<'_>,
    ) -> Option<Spool> {
        let written = written?;
        let node = node.at("spool");
        self.taken(&written.dir.word.0, node.at("dir").span, numbers);
        let (bytes, segment) = (written.bytes.word.0, written.segment.word.0);
        if segment.saturating_mul(2) > bytes {
            let message = format!(
                "the spool has room for `{}`, which is not two of its files of `{}`",
                written.bytes.text(),
                written.segment.text()
            );
            let help = "let `segment` be half of `bytes` at most: what is given up is whole files";
            self.error(Draft::error(node.at("bytes").span, message).help(help));
        }
        Some(Spool {
            dir: written.dir.word.0,
            bytes_max: bytes,
            segment_bytes_max: segment,
            sync: sync(written.sync.word),
        })
    }

    pub(in crate::lower) fn waits(&mut self, written: &wire::Retry, node: &Node) {
        if written.wait_max.word < written.wait.word {
            let message = format!(
                "the longest wait `{}` is shorter than the first, `{}`",
                written.wait_max.text(),
                written.wait.text()
            );
            let node = node.at("retry");
            self.error(Draft::error(node.at("wait_max").span, message).help("let `wait_max` be at least `wait`"));
        }
    }
}

fn is_secret(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// The address with the API's path, where it has none.
fn full(text: &str, path: &str) -> Option<Uri> {
    let (_, rest) = text.split_once("://")?;
    let place = rest.trim_end_matches('/');
    let has_path = place.contains(['/', '?']);
    let uri: Uri = if has_path {
        text.parse().ok()?
    } else {
        format!("{}{path}", text.trim_end_matches('/')).parse().ok()?
    };
    uri.host().filter(|host| !host.is_empty())?;
    Some(uri)
}

fn login(written: wire::Login) -> Login {
    match written {
        wire::Login::Bearer(token) => Login::Bearer(secret(token)),
        wire::Login::Basic(basic) => Login::Basic(basic.user, secret(basic.password)),
        wire::Login::Header(header) => Login::Header(header.name.word.as_str().to_owned(), secret(header.value)),
    }
}

pub(super) fn secret(written: wire::Secret) -> Secret {
    match written {
        wire::Secret::File(path) => Secret::File(path.word.0),
        wire::Secret::Env(name) => Secret::Environment(name.word.0),
    }
}

pub(super) fn sync(word: SyncWord) -> Sync {
    match word {
        SyncWord::Never => Sync::Never,
        SyncWord::Always => Sync::Always,
        SyncWord::Every(span) => Sync::Every(span),
    }
}

pub(in crate::lower) fn queue(written: &wire::Queue) -> Queue {
    Queue {
        records_max: number(written.records.into()),
        bytes_max: number(written.bytes.word.0),
    }
}

pub(in crate::lower) fn batch(written: &wire::Batch) -> Batch {
    Batch {
        records_max: number(written.records.into()),
        bytes_max: number(written.bytes.word.0),
        linger: written.linger.word,
    }
}

pub(in crate::lower) fn retry(written: &wire::Retry) -> Retry {
    Retry {
        wait: written.wait.word,
        wait_max: written.wait_max.word,
    }
}

pub(super) fn number(written: u64) -> usize {
    usize::try_from(written).unwrap_or(usize::MAX)
}
