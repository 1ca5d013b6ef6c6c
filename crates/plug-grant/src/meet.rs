//! What two grants both let: what is left of one that is narrowed while its plugin runs.

use crate::grant::{Access, Body, Folder, Redis};
use crate::{Grant, Mode, Names};

impl Access {
    fn meet(&self, other: &Self) -> Self {
        Self {
            read: self.read.meet(&other.read),
            write: self.write.meet(&other.write),
        }
    }
}

impl Body {
    fn meet(self, other: Self) -> Self {
        Self {
            read: self.read && other.read,
            write: self.write && other.write,
        }
    }
}

impl Grant {
    /// What this grant lets and `other` lets, too. Where one of them only reports, it lets everything. Bounds are left out: they hold from the
    /// start of an instance on.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        if self.only_reports() {
            return other.clone();
        }
        if other.only_reports() {
            return self.clone();
        }
        let queues_of = self.queues_of.iter().filter_map(|(vm_id, names)| {
            let names = names.meet(other.queues_of.get(vm_id)?);
            (!names.is_empty()).then(|| (vm_id.clone(), names))
        });
        let of_both = |folder: &Folder| {
            let mut same = other.folders.iter();
            let same = same.find(|same| same.path == folder.path && same.name == folder.name)?;
            Some(Folder {
                write: folder.write && same.write,
                ..folder.clone()
            })
        };
        Self {
            mode: Mode::Enforce,
            calls: self.calls.both(other.calls),
            unneeded: self.unneeded,
            upstreams: self.upstreams.meet(&other.upstreams),
            request_headers: self.request_headers.meet(&other.request_headers),
            response_headers: self.response_headers.meet(&other.response_headers),
            trailers: self.trailers.meet(&other.trailers),
            properties: self.properties.meet(&other.properties),
            bodies: crate::Bodies {
                request: self.bodies.request.meet(other.bodies.request),
                response: self.bodies.response.meet(other.bodies.response),
            },
            metrics: self.metrics.meet(&other.metrics),
            shared_data: self.shared_data.meet(&other.shared_data),
            queues: self.queues.meet(&other.queues),
            queues_of: queues_of.collect(),
            redis: Redis {
                commands: self.redis.commands.meet(&other.redis.commands),
                keys: self.redis.keys.meet(&other.redis.keys),
                databases: self.redis.databases.meet(&other.redis.databases),
            },
            foreign_functions: self.foreign_functions.meet(&other.foreign_functions),
            environment: self.environment.meet(&other.environment),
            folders: self.folders.iter().filter_map(of_both).collect(),
            bounds: self.bounds,
        }
    }
}

/// What is left of the grant that a plugin has when the one that is wanted for it takes something away; none when it takes nothing. A plugin
/// without a grant has everything.
#[must_use]
pub fn narrowed(has: Option<&Grant>, wanted: Option<&Grant>) -> Option<Grant> {
    let wanted = wanted?;
    let Some(has) = has else {
        return (!wanted.only_reports()).then(|| wanted.clone());
    };
    let left = has.meet(wanted);
    (left.lines() != has.lines() && !left.only_reports()).then_some(left)
}

impl Names {
    /// Names that are in both.
    pub(crate) fn meet(&self, other: &Self) -> Self {
        let within = |name: &crate::Name, names: &Self| names.iter().any(|wider| wider.covers(name));
        let own = self.iter().filter(|name| within(name, other));
        let others = other
            .iter()
            .filter(|name| within(name, self) && !self.iter().any(|own| name.covers(own)));
        own.chain(others).cloned().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Profile, changes};

    fn names(list: &[&str]) -> Names {
        list.iter().copied().collect()
    }

    #[test]
    fn names_that_are_in_both_are_left_and_no_others() {
        for (one, other, both) in [
            (&["a", "b"][..], &["b", "c"][..], &["b"][..]),
            (&["a*"], &["ab*", "c"], &["ab*"]),
            (&["ab*", "c"], &["a*"], &["ab*"]),
            (&["*"], &["x-*", "y"], &["x-*", "y"]),
            (&["x-*", "y"], &["*"], &["x-*", "y"]),
            (&["a*", "ab"], &["ab*", "a*"], &["a*", "ab"]),
            (&["a*"], &[], &[]),
        ] {
            let left = names(one).meet(&names(other));
            assert_eq!(left, names(both), "{one:?} {other:?}");
            for name in ["a", "b", "c", "ab", "abc", "x-1", "y", "z", ""] {
                let in_both = names(one).has(name.as_bytes()) && names(other).has(name.as_bytes());
                assert_eq!(left.has(name.as_bytes()), in_both, "{one:?} {other:?} {name}");
            }
        }
    }

    #[test]
    fn only_what_takes_something_away_narrows() {
        let has = Profile::Validator.grant();
        assert_eq!(narrowed(Some(&has), Some(&has)), None);
        assert_eq!(narrowed(Some(&has), Some(&Grant::everything())), None);
        assert_eq!(narrowed(Some(&has), None), None);
        let reports = Grant {
            mode: Mode::Report,
            ..Grant::default()
        };
        assert_eq!(narrowed(Some(&has), Some(&reports)), None);
        assert_eq!(narrowed(None, Some(&reports)), None);
        assert_eq!(narrowed(Some(&reports), Some(&reports)), None);
        assert_eq!(narrowed(Some(&reports), Some(&has)), Some(has.clone()));
        assert_eq!(narrowed(None, Some(&has)), Some(has.clone()));
        let mut other = Profile::Validator.grant();
        other.calls.remove(plug_abi::call_number("proxy_send_local_response"));
        other.metrics = names(&["more"]);
        let left = narrowed(Some(&has), Some(&other)).unwrap();
        let told: Vec<String> = changes(Some(&has), Some(&left))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, ["-calls: proxy_send_local_response"]);
    }
}
