//! All that is known: networks of the operator's own, databases, and what was looked up lately.

use std::borrow::Cow;
use std::net::IpAddr;

use base64ct::{Base64, Encoding};
use guest_kit::fetched::{Fetched, max_age_seconds};

use crate::configuration::{Configuration, Fetch, WithoutDatabase};
use crate::database::{Database, Place};
use crate::network::Network;

/// The database in the module.
const EMBEDDED: Option<&'static [u8]> = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// LIMIT: networks whose place is kept, one for each slot.
const SLOTS: usize = 1_024;

/// All that is known.
pub struct Atlas {
    pub configuration: Configuration,
    own: Vec<(Network, Place)>,
    sources: Vec<Source>,
    kept: Vec<Option<(Network, Place)>>,
}

enum Source {
    Here(Database),
    Fetched(Fetched<Database>),
}

/// An answer to a fetch.
pub struct Answer<'a> {
    pub status: Option<&'a str>,
    pub cache_control: Option<&'a str>,
    pub body: Vec<u8>,
}

impl Atlas {
    /// Reads what is there already; and lines for the log.
    ///
    /// # Errors
    /// A sentence with the path of what is wrong.
    pub fn new(configuration: Configuration) -> Result<(Self, Vec<String>), String> {
        let mut said = Vec::new();
        let mut sources = Vec::new();
        for (place, database) in configuration.databases.iter().enumerate() {
            let read = |key: &str, bytes: Cow<'static, [u8]>| {
                Database::read(bytes).map_err(|why| format!("`databases[{place}].{key}`: {why}"))
            };
            sources.push(match (&database.value, &database.fetch) {
                (Some(value), _) => {
                    let plain: String = value.split_ascii_whitespace().collect();
                    let bytes =
                        Base64::decode_vec(&plain).map_err(|_| format!("`databases[{place}].value`: is no base64"))?;
                    Source::Here(read("value", bytes.into())?)
                }
                (None, Some(fetch)) => Source::Fetched(Fetched::new(fetch.schedule())),
                (None, None) => {
                    let none = || format!("`databases[{place}].embedded`: this module was built without one");
                    Source::Here(read("embedded", EMBEDDED.ok_or_else(none)?.into())?)
                }
            });
        }
        if let (true, Some(bytes)) = (sources.is_empty(), EMBEDDED) {
            let database = Database::read(bytes.into()).map_err(|why| format!("the database in the module {why}"))?;
            sources.push(Source::Here(database));
        }
        for source in &sources {
            if let Source::Here(database) = source {
                said.push(format!("database {}", database.describe()));
            }
        }
        if sources.is_empty() && configuration.networks.is_empty() {
            return Err(String::from(
                "`databases`: there is none, this module was built without one, and `networks` is empty",
            ));
        }
        let own = configuration.networks.iter().filter_map(|own| {
            let place = Place {
                country: own.country.clone(),
                asn: own.asn,
                as_name: own.as_name.clone(),
            };
            Some((Network::read(&own.cidr)?, place))
        });
        let own = own.collect();
        Ok((
            Self {
                configuration,
                own,
                sources,
                kept: vec![None; SLOTS],
            },
            said,
        ))
    }

    /// What is known of an address.
    pub fn look(&mut self, address: IpAddr, now: u64) -> Place {
        if let Some((_, place)) = self.own.iter().find(|(network, _)| network.has(address)) {
            return place.clone();
        }
        let network = Network::of(address);
        let slot = network.slot(SLOTS);
        let kept = self.kept.get(slot).and_then(Option::as_ref);
        if let Some((_, place)) = kept.filter(|(known, _)| *known == network) {
            return place.clone();
        }
        let mut place = Place::default();
        let mut is_shared = true;
        for source in &self.sources {
            if let Some(database) = source.database(now) {
                let (found, shared) = database.look(address);
                place.fill(found);
                is_shared &= shared;
            }
        }
        if let Some(kept) = self.kept.get_mut(slot).filter(|_| is_shared) {
            *kept = Some((network, place.clone()));
        }
        place
    }

    /// Whether requests are refused, as a database is not there yet.
    #[must_use]
    pub fn refuses(&self, now: u64) -> bool {
        self.configuration.without_database == WithoutDatabase::Refuse
            && self.sources.iter().any(|source| source.database(now).is_none())
    }

    /// When the next fetch is due.
    #[must_use]
    pub fn due_at(&self) -> Option<u64> {
        self.fetched().filter_map(|(_, fetched)| fetched.due_at()).min()
    }

    /// What is due to be fetched, with its number.
    pub fn due(&self, now: u64) -> impl Iterator<Item = (usize, &Fetch)> {
        let due = self
            .fetched()
            .filter(move |(_, fetched)| fetched.due_at().is_some_and(|due| due <= now));
        due.filter_map(|(place, _)| Some((place, self.configuration.databases.get(place)?.fetch.as_ref()?)))
    }

    /// A fetch has begun as that callout, or could not.
    pub fn began(&mut self, place: usize, callout: Option<u32>, now: u64) {
        if let Some(Source::Fetched(fetched)) = self.sources.get_mut(place) {
            match callout {
                Some(callout) => fetched.began(callout, now),
                None => fetched.failed(now),
            }
        }
    }

    /// The answer to a fetch has come.
    ///
    /// # Errors
    /// Why it is none; what was there stays.
    pub fn answered(&mut self, callout: u32, answer: Answer<'_>, now: u64) -> Result<String, String> {
        let place = self
            .fetched()
            .find(|(_, fetched)| fetched.is_under_way_as(callout))
            .map(|(place, _)| place);
        let place = place.ok_or_else(|| String::from("an answer that nobody waits for"))?;
        let most = self
            .configuration
            .databases
            .get(place)
            .and_then(|database| database.fetch.as_ref());
        let most = most.map_or(0, |fetch| fetch.bytes_max);
        let read = match answer.status {
            Some("200") if u64::try_from(answer.body.len()).is_ok_and(|bytes| bytes <= most) => {
                Database::read(answer.body.into())
            }
            Some("200") => Err(format!("is larger than `bytes_max`: {} bytes", answer.body.len())),
            Some(status) => Err(format!("was answered with {status}")),
            None => Err(String::from("was not answered")),
        };
        let Some(Source::Fetched(fetched)) = self.sources.get_mut(place) else {
            return Err(String::from("an answer that nobody waits for"));
        };
        match read {
            Ok(database) => {
                let said = format!("fetched database {}", database.describe());
                fetched.came(database, answer.cache_control.and_then(max_age_seconds), now);
                self.kept.fill(None);
                Ok(said)
            }
            Err(why) => {
                fetched.failed(now);
                Err(format!("`databases[{place}].fetch` {why}"))
            }
        }
    }

    fn fetched(&self) -> impl Iterator<Item = (usize, &Fetched<Database>)> {
        self.sources
            .iter()
            .enumerate()
            .filter_map(|(place, source)| match source {
                Source::Fetched(fetched) => Some((place, fetched)),
                Source::Here(_) => None,
            })
    }
}

impl Source {
    fn database(&self, now: u64) -> Option<&Database> {
        match self {
            Self::Here(database) => Some(database),
            Self::Fetched(fetched) => fetched.document(now),
        }
    }
}
