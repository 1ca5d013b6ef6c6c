//! Profiles: what plugins of a kind need, as a start to which a grant adds what is its plugin's own.

use crate::{Access, Body, Grant, Name, Names};

/// A kind of plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Lets requests through or refuses them: reads request headers, answers itself, may hold a request while an answer is awaited.
    Validator,
    /// Counts requests: reads request headers, shares counters with other workers or by Redis, answers itself.
    RateLimiter,
    /// Takes out of bodies and response headers what may not be seen: reads and writes bodies both ways.
    LogRedactor,
    /// Watches: reads headers and properties, counts, logs; changes nothing.
    Observer,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Validator, Self::RateLimiter, Self::LogRedactor, Self::Observer];

    /// Its word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::RateLimiter => "rate-limiter",
            Self::LogRedactor => "log-redactor",
            Self::Observer => "observer",
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.word() == word)
    }

    /// Families of host calls that it grants.
    const fn families(self) -> &'static [&'static str] {
        match self {
            Self::Validator => &["map", "local_response", "stream"],
            Self::RateLimiter => &["map", "local_response", "stream", "shared_data"],
            Self::LogRedactor => &["map", "buffer", "stream"],
            Self::Observer => &["map", "property", "metric"],
        }
    }

    /// What it grants. Every profile has lines of the log, the clock, and what runtimes need.
    #[must_use]
    pub fn grant(self) -> Grant {
        let mut grant = Grant::default();
        for word in ["log", "time"].iter().chain(self.families()) {
            // The words are those of the table, which a test holds.
            let _ = grant.calls.add_host(word);
        }
        for word in ["log", "clock", "random", "runtime", "environment"] {
            let _ = grant.calls.add_wasi(word);
        }
        let read_all = || Access {
            read: Names::all(),
            write: Names::default(),
        };
        let both = Body {
            read: true,
            write: true,
        };
        match self {
            Self::Validator => grant.request_headers = read_all(),
            Self::RateLimiter => {
                grant.request_headers = read_all();
                let limits = [
                    Name::Prefix("x-ratelimit-".to_owned()),
                    Name::Prefix("ratelimit".to_owned()),
                ];
                grant.response_headers.write = limits
                    .into_iter()
                    .chain([Name::Exact("retry-after".to_owned())])
                    .collect();
                grant.shared_data = Access::all();
            }
            Self::LogRedactor => {
                grant.request_headers = read_all();
                grant.response_headers = read_all();
                // A body that got another length has another `content-length`.
                let length = || [Name::Exact("content-length".to_owned())].into_iter().collect();
                grant.request_headers.write = length();
                grant.response_headers.write = length();
                grant.bodies.request = both;
                grant.bodies.response = both;
            }
            Self::Observer => {
                grant.request_headers = read_all();
                grant.response_headers = read_all();
                grant.trailers = read_all();
                grant.properties = read_all();
                grant.metrics = Names::all();
                for call in [
                    "proxy_set_header_map_pairs",
                    "proxy_add_header_map_value",
                    "proxy_replace_header_map_value",
                    "proxy_remove_header_map_value",
                    "proxy_set_property",
                ] {
                    grant.calls.remove(plug_abi::call_number(call));
                }
            }
        }
        grant
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::CallSet;

    #[test]
    fn words_lead_back_and_are_words_of_the_tables() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_word(profile.word()), Some(profile));
            for family in profile.families() {
                let mut set = CallSet::NONE;
                set.add_host(family).unwrap();
            }
        }
    }

    #[test]
    fn an_observer_changes_nothing() {
        let grant = Profile::Observer.grant();
        assert!(grant.request_headers.write.is_empty() && grant.response_headers.write.is_empty());
        assert!(grant.properties.write.is_empty() && !grant.bodies.request.write);
        for name in grant.calls.names() {
            let harmless = !name.starts_with("proxy_set_") || name == "proxy_set_tick_period_milliseconds";
            assert!(harmless && name != "proxy_send_local_response", "{name}");
        }
    }
}
