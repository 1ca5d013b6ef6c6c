//! Where an address is, by databases in the format MMDB: files of anybody, of which is taken only what can be what it should.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use maxminddb::{LookupResult, PathElement, Reader};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

/// LIMIT: bytes of an operator's name.
const NAME_BYTES_MAX: usize = 256;

/// Where the fields are: in MaxMind's databases, and in those of DB-IP, IPinfo and ip-location-db.
const COUNTRY: &[&[&str]] = &[&["country", "iso_code"], &["country_code"], &["country"]];
const NUMBER: &[&[&str]] = &[&["autonomous_system_number"], &["asn"], &["as_number"]];
const NAME: &[&[&str]] = &[&["autonomous_system_organization"], &["as_name"], &["as_organization"]];

/// A database.
pub struct Database(Reader<Vec<u8>>);

/// What is known of an address.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Place<'d> {
    pub country: Option<Cow<'d, str>>,
    pub number: Option<u32>,
    pub name: Option<Cow<'d, str>>,
}

impl Database {
    /// Reads one.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: Vec<u8>) -> Result<Self, String> {
        Reader::from_source(bytes)
            .map(Self)
            .map_err(|error| format!("is no database in the format MMDB: {error}"))
    }

    /// Adds what it knows of an address to what is known.
    pub fn look<'d>(&'d self, address: IpAddr, place: &mut Place<'d>) {
        let Ok(found) = self.0.lookup(address) else { return };
        if place.country.is_none() {
            place.country = text(&found, COUNTRY).filter(|country| is_country(country));
        }
        // A name without its number, or the number of one and the name of another, would mislead.
        if place.number.is_none() && place.name.is_none() {
            place.number = NUMBER
                .iter()
                .find_map(|path| field::<Number>(&found, path))
                .map(|number| number.0);
            place.name = text(&found, NAME).filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX);
        }
    }
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn text<'d>(found: &LookupResult<'d, Vec<u8>>, paths: &[&[&'static str]]) -> Option<Cow<'d, str>> {
    paths
        .iter()
        .find_map(|path| field::<&'d str>(found, path))
        .map(Cow::Borrowed)
}

fn field<'d, T: Deserialize<'d>>(found: &LookupResult<'d, Vec<u8>>, path: &[&'static str]) -> Option<T> {
    let mut elements = [PathElement::Key(""), PathElement::Key("")];
    for (element, key) in elements.iter_mut().zip(path) {
        *element = PathElement::Key(key);
    }
    found.decode_path(elements.get(..path.len())?).ok().flatten()
}

/// The number of an operator: of whatever type of number a writer chose, or a text that says one, as `AS64500`.
struct Number(u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberReader)
    }
}

struct NumberReader;

impl Visitor<'_> for NumberReader {
    type Value = Number;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the number of a network operator")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        u32::try_from(value).map(Number).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
        u32::try_from(value).map(Number).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
        value.trim_start_matches("AS").parse().map(Number).map_err(E::custom)
    }
}
