//! The certificates of one listener, and the choice among them by the name that a client asks for.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use gate_plan::CertificateFiles;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureScheme};

use super::{TlsFault, files};
use crate::certificate::CertificateFacts;

/// Certificates by the names they stand for. Several may stand for one name, as RSA and ECDSA do side by side.
#[derive(Debug)]
pub(super) struct Certificates {
    default: Arc<Served>,
    /// All, in the order of the configuration.
    served: Vec<Arc<Served>>,
    exact: HashMap<String, Vec<Arc<Served>>>,
    /// `*.example.com`, kept as `example.com`.
    wildcard: HashMap<String, Vec<Arc<Served>>>,
}

#[derive(Debug)]
struct Served {
    key: Arc<CertifiedKey>,
    facts: Arc<CertificateFacts>,
    chain: PathBuf,
}

/// A certificate that a listener serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateReport {
    /// Its subject as RFC 2253 writes it; its first DNS name when the subject is empty, as authorities leave it today.
    pub subject: String,
    /// When it ends, in seconds since 1970.
    pub expires_s: u64,
}

impl Certificates {
    /// Reads all pairs of files; the first is the default. The checked configuration has at least one.
    pub(super) fn read(pairs: &[CertificateFiles], provider: &CryptoProvider) -> Result<Self, TlsFault> {
        let served: Vec<Arc<Served>> = pairs
            .iter()
            .map(|pair| Served::read(pair, provider).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let Some(default) = served.first().cloned() else {
            return Err(TlsFault::NoCertificate { file: PathBuf::new() });
        };
        let mut certificates = Self {
            default,
            served: Vec::new(),
            exact: HashMap::new(),
            wildcard: HashMap::new(),
        };
        for certificate in &served {
            for name in certificate.facts.served_names() {
                let name = name.to_ascii_lowercase();
                let (table, name) = match name.strip_prefix("*.") {
                    Some(suffix) => (&mut certificates.wildcard, suffix.to_owned()),
                    None => (&mut certificates.exact, name),
                };
                table.entry(name).or_default().push(Arc::clone(certificate));
            }
        }
        certificates.served = served;
        Ok(certificates)
    }

    /// What an operator wants to know of each.
    pub(super) fn report(&self) -> Vec<CertificateReport> {
        let report = |served: &Arc<Served>| CertificateReport {
            subject: served.facts.title().to_owned(),
            expires_s: served.facts.expires_s,
        };
        self.served.iter().map(report).collect()
    }

    /// What is known of the certificate that stands for a name.
    pub(super) fn facts(&self, name: Option<&str>) -> &Arc<CertificateFacts> {
        &self.candidates(name).first().unwrap_or(&self.default).facts
    }

    /// A fault of the whole configuration, told of the default certificate's file.
    pub(super) fn unusable(&self, fault: &Error) -> TlsFault {
        TlsFault::Certificate {
            file: self.default.chain.clone(),
            reason: fault.to_string(),
        }
    }

    fn candidates(&self, name: Option<&str>) -> &[Arc<Served>] {
        let Some(name) = name else { return &[] };
        let name = name.to_ascii_lowercase();
        let exact = self.exact.get(&name);
        // RFC 6125 section 6.4.3: the asterisk stands for one label.
        let found = exact.or_else(|| self.wildcard.get(name.split_once('.')?.1));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> &Arc<Served> {
        let usable = |served: &&Arc<Served>| served.key.key.choose_scheme(schemes).is_some();
        let candidates = self.candidates(name);
        candidates
            .iter()
            .find(usable)
            .or_else(|| candidates.first())
            .unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self.choose(hello.server_name(), hello.signature_schemes()).key,
        ))
    }
}

impl Served {
    fn read(pair: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, TlsFault> {
        let unusable = |reason: String| TlsFault::Certificate {
            file: pair.chain.clone(),
            reason,
        };
        let chain = files::certificates(&pair.chain)?;
        let key = files::key(&pair.key)?;
        let facts = match chain.first() {
            Some(leaf) => CertificateFacts::read(leaf).map_err(unusable)?,
            None => CertificateFacts::default(),
        };
        let bad_key = |fault: Error| TlsFault::Key {
            file: pair.key.clone(),
            reason: fault.to_string(),
        };
        let key = provider.key_provider.load_private_key(key).map_err(bad_key)?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(TlsFault::KeyMismatch {
                    key: pair.key.clone(),
                    chain: pair.chain.clone(),
                });
            }
            Err(fault) => return Err(unusable(fault.to_string())),
        }
        Ok(Self {
            key: Arc::new(key),
            facts: Arc::new(facts),
            chain: pair.chain.clone(),
        })
    }
}
