//! What a certificate says of its owner, in Envoy's notation.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Attribute names of RFC 2253 section 2.3 and those that OpenSSL, and so Envoy, adds.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// What a certificate says of its owner, in the notation of Envoy's properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Subject, as RFC 2253 writes it: the last component first.
    pub subject: Option<String>,
    /// DNS names among the subject alternative names.
    pub names: Vec<String>,
    /// URIs among the subject alternative names.
    pub uris: Vec<String>,
    /// SHA-256 of the certificate, lower-case hexadecimal.
    pub sha256: String,
    /// When it ends, in seconds since 1970.
    pub(crate) expires_s: u64,
    common_name: Option<String>,
}

impl CertificateFacts {
    /// What a certificate that a handshake accepted says: its DER. One that is beyond our reader has its digest only.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self::read(certificate).unwrap_or_else(|_| Self {
            sha256: sha256(certificate),
            ..Self::default()
        })
    }

    pub(crate) fn read(certificate: &[u8]) -> Result<Self, String> {
        let sha256 = sha256(certificate);
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|fault| fault.to_string())?;
        let common_name = certificate
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok());
        let mut facts = Self {
            subject: Some(rfc2253(certificate.subject())),
            expires_s: u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or_default(),
            sha256,
            common_name: common_name.map(str::to_owned),
            ..Self::default()
        };
        let alternatives = certificate
            .subject_alternative_name()
            .map_err(|fault| fault.to_string())?;
        for name in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => facts.names.push((*name).to_owned()),
                GeneralName::URI(uri) => facts.uris.push((*uri).to_owned()),
                _ => {}
            }
        }
        Ok(facts)
    }

    /// What it is called: its subject, or its first DNS name when that is empty.
    pub(crate) fn title(&self) -> &str {
        let subject = self.subject.as_deref().filter(|subject| !subject.is_empty());
        subject.or(self.names.first().map(String::as_str)).unwrap_or_default()
    }

    /// Names for which a server may show the certificate: the common name counts only when there is no DNS name, as in Envoy.
    pub(crate) fn served_names(&self) -> impl Iterator<Item = &str> {
        let fallback = self.common_name.as_deref().filter(|_| self.names.is_empty());
        self.names.iter().map(String::as_str).chain(fallback)
    }
}

/// SHA-256 of a certificate in lower-case hexadecimal.
fn sha256(certificate: &[u8]) -> String {
    digest(&SHA256, certificate)
        .as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string never fails.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn rfc2253(name: &X509Name<'_>) -> String {
    let components: Vec<_> = name.iter_rdn().collect();
    let component = |set: &&x509_parser::x509::RelativeDistinguishedName<'_>| {
        set.iter().map(attribute).collect::<Vec<_>>().join("+")
    };
    components.iter().rev().map(component).collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let known = ATTRIBUTES.iter().find(|(number, _)| *number == oid);
    match (known, attribute.as_str()) {
        (Some((_, name)), Ok(value)) => format!("{name}={}", escaped(value)),
        (None, Ok(value)) => format!("{oid}={}", escaped(value)),
        (_, Err(_)) => {
            let hex: String = attribute.as_slice().iter().map(|byte| format!("{byte:02X}")).collect();
            format!("{oid}=#{hex}")
        }
    }
}

/// RFC 2253 section 2.4.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        let special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        let edge = (character == '#' && place == 0) || (character == ' ' && (place == 0 || place == last));
        if special || edge {
            text.push('\\');
        }
        text.push(character);
    }
    text
}
