//! A database in the format MMDB, as a file of anybody: what it says is taken only where it can be what it should.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use guest_kit::headers::is_value;
use maxminddb::{LookupResult, PathElement, Reader};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::configuration::is_country;

/// LIMIT: bytes of an operator's name.
const NAME_BYTES_MAX: usize = 256;

/// Where the fields are: in MaxMind's databases, and in those of DB-IP, IPinfo and ip-location-db.
const COUNTRY: &[&[&str]] = &[
    &["country", "iso_code"],
    &["country_code"],
    &["registered_country", "iso_code"],
    &["country"],
];
const ASN: &[&[&str]] = &[&["autonomous_system_number"], &["asn"], &["as_number"]];
const AS_NAME: &[&[&str]] = &[&["autonomous_system_organization"], &["as_name"], &["as_organization"]];

/// What is known of an address.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Place {
    pub country: Option<String>,
    pub asn: Option<u32>,
    pub as_name: Option<String>,
}

impl Place {
    /// Takes from another one what is not known yet.
    pub(crate) fn fill(&mut self, other: Self) {
        self.country = self.country.take().or(other.country);
        // A name without its number, or the number of one and the name of another, would mislead.
        if self.asn.is_none() && self.as_name.is_none() {
            self.asn = other.asn;
            self.as_name = other.as_name;
        }
    }
}

/// A database.
pub struct Database(Reader<Cow<'static, [u8]>>);

impl Database {
    /// Reads one.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: Cow<'static, [u8]>) -> Result<Self, String> {
        Reader::from_source(bytes)
            .map(Self)
            .map_err(|error| format!("is no database in the format MMDB: {error}"))
    }

    /// For the log: its own name, when it was made, and its size in networks.
    #[must_use]
    pub fn describe(&self) -> String {
        let metadata = self.0.metadata();
        let name: String = metadata
            .database_type
            .chars()
            .filter(|letter| !letter.is_control())
            .take(64)
            .collect();
        format!("`{name}` of {}, {} nodes", metadata.build_epoch, metadata.node_count)
    }

    /// What it says of an address, and whether it says so of all its neighbours in the /24 or /48.
    #[must_use]
    pub fn look(&self, address: IpAddr) -> (Place, bool) {
        let Ok(found) = self.0.lookup(address) else {
            return (Place::default(), false);
        };
        let widest = if address.is_ipv6() { 48 } else { 24 };
        let is_shared = found
            .network()
            .is_ok_and(|network| network.is_ipv6() != address.is_ipv6() || network.prefix() <= widest);
        let text = |paths: &[&[&'static str]]| paths.iter().find_map(|path| field::<Cow<'_, str>>(&found, path));
        let asn = ASN.iter().find_map(|path| field::<Asn>(&found, path)).map(|asn| asn.0);
        let place = Place {
            country: text(COUNTRY).map(Cow::into_owned).filter(|country| is_country(country)),
            asn,
            as_name: text(AS_NAME)
                .filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX && is_value(name))
                .map(Cow::into_owned),
        };
        (place, is_shared)
    }
}

fn field<'de, T: Deserialize<'de>>(found: &LookupResult<'de, Cow<'static, [u8]>>, path: &[&'static str]) -> Option<T> {
    let path: Vec<PathElement<'_>> = path.iter().copied().map(PathElement::Key).collect();
    found.decode_path(&path).ok().flatten()
}

/// The number of an operator: of whatever type of number a writer chose, or a text that says one, as `AS64500`.
struct Asn(u32);

impl<'de> Deserialize<'de> for Asn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsnReader)
    }
}

struct AsnReader;

impl Visitor<'_> for AsnReader {
    type Value = Asn;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the number of a network operator")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Asn, E> {
        u32::try_from(value).map(Asn).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Asn, E> {
        u32::try_from(value).map(Asn).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Asn, E> {
        value.trim_start_matches("AS").parse().map(Asn).map_err(E::custom)
    }
}
