//! What is said of one record.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Deserialize;

use crate::agent::Agent;
use crate::configuration::{Configuration, Key};
use crate::place::{Database, Place};

/// What is read of a record.
#[derive(Deserialize)]
struct Record<'r> {
    #[serde(rename = "client.address", borrow, default)]
    client: Option<Cow<'r, str>>,
    #[serde(rename = "user_agent.original", borrow, default)]
    agent: Option<Cow<'r, str>>,
    #[serde(rename = "cofferdam.listener", borrow, default)]
    listener: Option<Cow<'r, str>>,
    #[serde(rename = "cofferdam.route", borrow, default)]
    route: Option<Cow<'r, str>>,
    #[serde(rename = "cofferdam.upstream", borrow, default)]
    upstream: Option<Cow<'r, str>>,
}

/// Says something of records.
pub struct Enricher {
    configuration: Configuration,
    databases: Vec<Database>,
}

impl Enricher {
    /// One with these databases, which are those of the configuration.
    #[must_use]
    pub fn new(configuration: Configuration, databases: Vec<Database>) -> Self {
        Self {
            configuration,
            databases,
        }
    }

    /// Appends the patch of a record; nothing when there is nothing to say. A record that is not understood is one of which nothing is said.
    pub fn patch(&self, record: &[u8], out: &mut Vec<u8>) {
        let Ok(record) = serde_json::from_slice::<Record<'_>>(record) else {
            return;
        };
        let mut members = Members { out, count: 0 };
        if let Some(address) = record.client.as_deref().and_then(|client| client.parse().ok()) {
            self.place(address, &mut members);
        }
        if let (true, Some(agent)) = (self.configuration.user_agent, record.agent.as_deref()) {
            let Agent { name, version, system } = Agent::read(agent);
            members.text("user_agent.name", name);
            members.text("user_agent.version", version);
            members.text("user_agent.os.name", system);
        }
        for table in &self.configuration.tables {
            let value = match table.field {
                Key::Listener => &record.listener,
                Key::Route => &record.route,
                Key::Upstream => &record.upstream,
            };
            let added = value.as_deref().and_then(|value| table.values.get(value));
            for (name, value) in added.into_iter().flatten() {
                members.text(name, Some(value));
            }
        }
        for name in &self.configuration.drop {
            members.raw(name, b"null");
        }
        members.end();
    }

    fn place(&self, address: IpAddr, members: &mut Members<'_>) {
        let mut place = Place::default();
        for database in &self.databases {
            database.look(address, &mut place);
        }
        members.text("client.geo.country.iso_code", place.country.as_deref());
        if let Some(number) = place.number {
            members.raw("client.as.number", number.to_string().as_bytes());
        }
        members.text("client.as.organization.name", place.name.as_deref());
    }
}

/// An object on its way, begun with its first member.
struct Members<'o> {
    out: &'o mut Vec<u8>,
    count: usize,
}

impl Members<'_> {
    fn name(&mut self, name: &str) {
        self.out.push(if self.count == 0 { b'{' } else { b',' });
        self.count = self.count.saturating_add(1);
        quoted(name, self.out);
        self.out.push(b':');
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.name(name);
            quoted(value, self.out);
        }
    }

    fn raw(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(value);
    }

    fn end(self) {
        if self.count > 0 {
            self.out.push(b'}');
        }
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    // Writing a text to a vector never fails.
    let _ = serde_json::to_writer(out, text);
}
