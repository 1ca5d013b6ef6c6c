//! Imports that a grant forbids and that the module certainly makes use of.

use plug_abi::{CALLS, call_name, call_number, host_call};

use crate::{Grant, Mode};

/// An import that the grant forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forbidden {
    /// The import.
    pub call: &'static str,
    /// The line of the grant that would allow it.
    pub line: &'static str,
    /// Why it matters: there is no answer to it after which a module lives on.
    pub is_deadly: bool,
}

/// Calls that SDKs for Go link whatever a plugin does: what leads a callback into the plugin, and what runtimes need.
const LINKED_BY_ALL: &[&str] = &["proxy_log", "proxy_get_buffer_bytes", "proxy_get_property"];

/// Functions of WASI to which there is no answer but the true one: a runtime that gets an error ends, and one that gets zeros makes keys
/// of them.
const DEADLY: &[&str] = &["random_get"];

/// The imports that make a grant insufficient. `links_all` says that the module's SDK links host calls whether or not the plugin makes them,
/// as those for Rust, C++ and AssemblyScript do; then nothing follows from an import. Functions of WASI are the runtime's own, and answered.
#[must_use]
pub fn forbidden<'a>(grant: &Grant, imports: impl Iterator<Item = &'a str>, links_all: bool) -> Vec<Forbidden> {
    if grant.mode == Mode::Report {
        return Vec::new();
    }
    let of_import = |name: &str| {
        let number = call_number(name);
        let call = (number < CALLS).then(|| call_name(number)).flatten()?;
        if grant.has_call(number) || grant.free().has(number) {
            return None;
        }
        let is_deadly = DEADLY.contains(&call);
        let family = host_call(call).map(|call| call.family.word());
        let is_used = family.is_some() && !links_all && !LINKED_BY_ALL.contains(&call) && !grant.unneeded.has(number);
        (is_deadly || is_used).then_some(Forbidden {
            call,
            line: family.unwrap_or("random"),
            is_deadly,
        })
    };
    let mut all: Vec<Forbidden> = imports.filter_map(of_import).collect();
    all.sort_unstable_by_key(|forbidden| call_number(forbidden.call));
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_forbids_only_where_the_sdk_links_what_is_used() {
        let mut grant = Grant::default();
        let imports = || {
            [
                "proxy_redis_call",
                "proxy_log",
                "fd_write",
                "proxy_set_effective_context",
            ]
            .into_iter()
        };
        assert_eq!(forbidden(&grant, imports(), true), []);
        let found = forbidden(&grant, imports(), false);
        assert_eq!(
            found.iter().map(|found| (found.call, found.line)).collect::<Vec<_>>(),
            [("proxy_redis_call", "redis")]
        );
        grant.unneeded.add(call_number("proxy_redis_call"));
        assert_eq!(forbidden(&grant, imports(), false), []);
    }

    #[test]
    fn what_has_no_survivable_answer_is_found_in_every_module() {
        let mut grant = Grant::default();
        let found = forbidden(&grant, ["random_get"].into_iter(), true);
        assert!(found.iter().all(|found| found.is_deadly) && found.len() == 1);
        grant.mode = Mode::Report;
        assert_eq!(forbidden(&grant, ["random_get"].into_iter(), true), []);
    }
}
