//! Reads certificates and keys from PEM files and says which file is wrong, and how.

use std::path::Path;

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsFault;

/// LIMIT: a PEM file; the bundle of all public authorities is 220 KiB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// All certificates of a file, in its order; at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let text = read(file)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|fault| no_pem(file, &fault))?;
    if certificates.is_empty() {
        return Err(TlsFault::NoCertificate { file: file.to_owned() });
    }
    Ok(certificates)
}

/// The first private key of a file.
pub(super) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    match PrivateKeyDer::from_pem_slice(&read(file)?) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(TlsFault::NoKey { file: file.to_owned() }),
        Err(fault) => Err(no_pem(file, &fault)),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsFault> {
    let unreadable = |source| TlsFault::Unreadable {
        file: file.to_owned(),
        source,
    };
    let bytes = std::fs::metadata(file).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(unreadable(std::io::Error::other(format!(
            "{bytes} bytes are more than {FILE_BYTES_MAX}"
        ))));
    }
    std::fs::read(file).map_err(unreadable)
}

fn no_pem(file: &Path, fault: &pem::Error) -> TlsFault {
    TlsFault::Pem {
        file: file.to_owned(),
        reason: fault.to_string(),
    }
}
