//! The configuration, as it is written.

use guest_kit::fetched::Schedule;
use guest_kit::headers::{is_name, is_value};
use serde::Deserialize;

use crate::network::Network;

/// LIMIT: databases, and networks of the operator's own, which are looked through one by one.
const DATABASES_MAX: usize = 4;
const NETWORKS_MAX: usize = 200;

/// Where clients are.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Databases in the format MMDB; what the first does not know the next may. The one in the module when absent
    #[serde(default)]
    pub databases: Vec<Database>,
    /// Networks of your own, which come before the databases
    #[serde(default)]
    pub networks: Vec<OwnNetwork>,
    /// Proxies in front of the gateway whose entries in `x-forwarded-for` are believed
    #[serde(default)]
    pub trusted_hops: u32,
    /// The headers
    #[serde(default)]
    pub headers: Headers,
    /// The value of a header about which nothing is known; the header is not set when absent
    #[serde(default)]
    pub unknown: Option<String>,
    /// What becomes of requests as long as a database that is fetched was never there
    #[serde(default)]
    pub without_database: WithoutDatabase,
}

/// Where a database is: one of the three.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// It is this, in base64
    #[serde(default)]
    pub value: Option<String>,
    /// It was put into the module when that was built
    #[serde(default)]
    pub embedded: bool,
    /// It is fetched, and fetched again before it is old
    #[serde(default)]
    pub fetch: Option<Fetch>,
}

/// Where a database is fetched.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// An upstream of the gateway
    pub upstream: String,
    /// The path there
    pub path: String,
    /// The host that is asked for
    pub authority: String,
    /// `https` or `http`, as told to the upstream in `:scheme`
    #[serde(default = "default_scheme")]
    pub scheme: String,
    /// Milliseconds until an answer must be there
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// Seconds that it is kept at most; a shorter `max-age` of the answer counts
    #[serde(default = "default_cache")]
    pub cache_seconds: u64,
    /// Seconds from one fetch to the next at least
    #[serde(default = "default_refetch")]
    pub refetch_seconds_min: u64,
    /// Bytes of an answer at most
    #[serde(default = "default_bytes")]
    pub bytes_max: u64,
}

/// A network of the operator's own.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OwnNetwork {
    /// As `10.0.0.0/8` or `2001:db8::/32`
    pub cidr: String,
    /// Its country: two capital letters
    #[serde(default)]
    pub country: Option<String>,
    /// The number of its operator
    #[serde(default)]
    pub asn: Option<u32>,
    /// The name of its operator
    #[serde(default)]
    pub as_name: Option<String>,
}

/// The headers, in lower case; an empty name leaves one out.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// The country: two capital letters (ISO 3166-1)
    #[serde(default = "default_country")]
    pub country: String,
    /// The number of the network operator
    #[serde(default = "default_asn")]
    pub asn: String,
    /// The name of the network operator
    #[serde(default = "default_as_name")]
    pub as_name: String,
}

impl Default for Headers {
    fn default() -> Self {
        Self {
            country: default_country(),
            asn: default_asn(),
            as_name: default_as_name(),
        }
    }
}

/// What becomes of requests without a database.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WithoutDatabase {
    /// They go on, and nothing is known
    #[default]
    Pass,
    /// They are answered with 503
    Refuse,
}

fn default_country() -> String {
    String::from("x-geo-country")
}

fn default_asn() -> String {
    String::from("x-geo-asn")
}

fn default_as_name() -> String {
    String::from("x-geo-as-name")
}

fn default_scheme() -> String {
    String::from("https")
}

const fn default_timeout() -> u64 {
    30_000
}

const fn default_cache() -> u64 {
    86_400
}

const fn default_refetch() -> u64 {
    300
}

const fn default_bytes() -> u64 {
    32 * 1024 * 1024
}

impl Configuration {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence with the path of what is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let configuration: Self = guest_kit::configuration::read(bytes)?;
        for (most, count, key) in [
            (DATABASES_MAX, configuration.databases.len(), "databases"),
            (NETWORKS_MAX, configuration.networks.len(), "networks"),
        ] {
            if count > most {
                return Err(format!("`{key}`: {most} at most are possible, here are {count}"));
            }
        }
        for (place, database) in configuration.databases.iter().enumerate() {
            database.check().map_err(|what| format!("`databases[{place}]{what}"))?;
        }
        for (place, network) in configuration.networks.iter().enumerate() {
            network.check().map_err(|what| format!("`networks[{place}].{what}"))?;
        }
        configuration.headers.check()?;
        if configuration
            .unknown
            .as_deref()
            .is_some_and(|unknown| !is_value(unknown))
        {
            return Err(String::from("`unknown`: must be possible as a header's value"));
        }
        Ok(configuration)
    }
}

impl Database {
    fn check(&self) -> Result<(), String> {
        let ways = [self.value.is_some(), self.embedded, self.fetch.is_some()];
        if ways.into_iter().filter(|is_set| *is_set).count() != 1 {
            return Err(String::from("`: one of `value`, `embedded` and `fetch` must be set"));
        }
        self.fetch.as_ref().map_or(Ok(()), Fetch::check)
    }
}

impl Fetch {
    fn check(&self) -> Result<(), String> {
        if !self.path.starts_with('/') {
            return Err(String::from(".fetch.path`: must begin with `/`"));
        }
        for (key, text) in [("upstream", &self.upstream), ("authority", &self.authority)] {
            if text.is_empty() {
                return Err(format!(".fetch.{key}`: must not be empty"));
            }
        }
        if !["http", "https"].contains(&self.scheme.as_str()) {
            return Err(String::from(".fetch.scheme`: must be `https` or `http`"));
        }
        let bounds = [
            ("timeout_ms", self.timeout_ms, 10, 600_000),
            ("cache_seconds", self.cache_seconds, 60, 30 * 86_400),
            ("refetch_seconds_min", self.refetch_seconds_min, 1, 86_400),
            ("bytes_max", self.bytes_max, 64, 32 * 1024 * 1024),
        ];
        match bounds
            .iter()
            .find(|(_, value, least, most)| value < least || value > most)
        {
            Some((key, value, least, most)) => Err(format!(".fetch.{key}`: must be {least} to {most}, not {value}")),
            None => Ok(()),
        }
    }

    /// An old database still tells where nearly everybody is: it holds until another one comes.
    pub(crate) const fn schedule(&self) -> Schedule {
        Schedule {
            cache_ms: self.cache_seconds.saturating_mul(1_000),
            refetch_ms_min: self.refetch_seconds_min.saturating_mul(1_000),
            stale_ms_max: u64::MAX,
        }
    }
}

impl OwnNetwork {
    fn check(&self) -> Result<(), String> {
        if Network::read(&self.cidr).is_none() {
            return Err(String::from("cidr`: must be a network, as `10.0.0.0/8`"));
        }
        if self.country.as_deref().is_some_and(|country| !is_country(country)) {
            return Err(String::from("country`: must be two capital letters"));
        }
        if self.as_name.as_deref().is_some_and(|name| !is_value(name)) {
            return Err(String::from("as_name`: must be possible as a header's value"));
        }
        Ok(())
    }
}

impl Headers {
    fn check(&self) -> Result<(), String> {
        let all = [
            ("country", &self.country),
            ("asn", &self.asn),
            ("as_name", &self.as_name),
        ];
        for (key, name) in all.iter().filter(|(_, name)| !name.is_empty()) {
            if !is_name(name) || ["host", "content-length", "transfer-encoding", "connection"].contains(&name.as_str())
            {
                return Err(format!(
                    "`headers.{key}`: must be a header's name in lower case that is free for this"
                ));
            }
            if all.iter().any(|(other, same)| other != key && same == name) {
                return Err(format!("`headers.{key}`: is the name of another one too"));
            }
        }
        Ok(())
    }

    /// Those that are set.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let all = [&self.country, &self.asn, &self.as_name];
        all.into_iter().map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// Two capital letters.
pub(crate) fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}
