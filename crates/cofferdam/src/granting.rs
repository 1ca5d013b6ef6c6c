//! Grants on their way from configuration and file to plugins: read, held against modules, and told of when they change.

use std::path::Path;
use std::sync::Arc;

use gate_plan::Plan;
use plug_abi::Capability;
use plug_audit::{Import, ModuleFacts, Target, Toolchain};
use plug_grant::Grant;
use plug_host::Plugin;

/// How many lines of a change are told; of more, their number.
const LINES_TOLD_MAX: usize = 40;

/// Gives every plugin of a plan its grant, also those whose grant the plan's file of grants has; what that file says.
pub(crate) fn take(plan: &mut Plan, folder: &Path) -> Result<Option<String>, Vec<String>> {
    let Some(file) = plan.grants.file.clone() else {
        return take_text(plan, None, folder).map(|()| None);
    };
    let text = crate::text::read_text(&file).map_err(|why| vec![why.replacen("configuration", "grants", 1)])?;
    take_text(plan, Some((&text, &file.display().to_string())), folder)?;
    Ok(Some(text))
}

/// The same with a text of grants that somebody delivered, and what messages call it.
pub(crate) fn take_text(plan: &mut Plan, delivered: Option<(&str, &str)>, folder: &Path) -> Result<(), Vec<String>> {
    let mut named = match delivered {
        None => Default::default(),
        Some((text, origin)) => {
            let read = gate_plan::check_grants(text, origin).map_err(|findings| vec![findings.to_string()])?;
            let (grants, warnings) = read;
            if !warnings.is_empty() {
                crate::voice::warn(warnings.to_string().trim_end());
            }
            grants
        }
    };
    named.values_mut().for_each(|grant| anchor(grant, folder));
    let error = |why: String| format!("error: {why}");
    plan.take_grants(&named)
        .map_err(|wrong| wrong.into_iter().map(error).collect())
}

/// Folders are meant from the configuration's own.
pub(crate) fn anchor(grant: &mut Arc<Grant>, folder: &Path) {
    if grant.folders.iter().any(|granted| granted.path.is_relative()) {
        let grant = Arc::make_mut(grant);
        grant
            .folders
            .iter_mut()
            .for_each(|granted| granted.path = folder.join(&granted.path));
    }
}

/// Whether the SDK for a toolchain links host calls whatever its plugin does: then an import says nothing. Rust's, C++'s and AssemblyScript's
/// callbacks are methods of classes and traits that a linker keeps as a whole.
fn links_all(toolchain: Toolchain) -> bool {
    match toolchain {
        Toolchain::Rust | Toolchain::Cpp | Toolchain::AssemblyScript => true,
        Toolchain::Go | Toolchain::TinyGo | Toolchain::Unknown => false,
    }
}

fn name(import: &Import) -> &'static str {
    match import.target {
        Target::Host(call) => call.name,
        Target::Wasi(_, call) => call.name,
    }
}

/// Why a module cannot do its work with a grant, as far as its imports tell.
pub(crate) fn suffices(grant: Option<&Grant>, facts: &ModuleFacts) -> Result<(), String> {
    let Some(grant) = grant else { return Ok(()) };
    let imports = facts.imports.iter().map(name);
    let forbidden = plug_grant::forbidden(grant, imports, links_all(facts.toolchain));
    let (Some(first), calls) = (forbidden.first(), &forbidden) else {
        return Ok(());
    };
    let names: Vec<String> = calls.iter().map(|forbidden| format!("`{}`", forbidden.call)).collect();
    let mut families: Vec<&str> = calls
        .iter()
        .filter(|forbidden| !forbidden.is_deadly)
        .map(|forbidden| forbidden.line)
        .collect();
    families.dedup();
    let lines: Vec<String> = [
        ("calls", families),
        ("wasi", calls.iter().filter(|f| f.is_deadly).map(|f| f.line).collect()),
    ]
    .into_iter()
    .filter(|(_, words)| !words.is_empty())
    .map(|(key, words)| format!("`{key}: [{}]`", words.join(", ")))
    .collect();
    let unneeded = match first.is_deadly {
        true => "",
        false => ", or list under `unneeded` what it can do without",
    };
    Err(format!(
        "its grant cannot suffice: the module imports {}; hint: add {} to the grant{unneeded}",
        names.join(", "),
        lines.join(" and ")
    ))
}

/// What a module can do with a grant, of what its imports would let it do.
pub(crate) fn needs(facts: &ModuleFacts, grant: &Grant) -> Vec<Capability> {
    let may = |import: &&Import| grant.has_call(plug_abi::call_number(name(import)));
    let mut needs: Vec<Capability> = facts
        .imports
        .iter()
        .filter(may)
        .map(Import::capability)
        .filter(|capability| !is_void(*capability, grant))
        .collect();
    if needs.contains(&Capability::ForeignFunctions) {
        needs.extend(grant.bodies.response.write.then_some(Capability::Bodies));
        let properties = !(grant.properties.read.is_empty() && grant.properties.write.is_empty());
        needs.extend(properties.then_some(Capability::Properties));
    }
    if needs.contains(&Capability::Properties) {
        // A property shows a header only to who may read that header.
        let maps = [&grant.request_headers, &grant.response_headers, &grant.trailers];
        let headers = maps.iter().any(|access| !access.read.is_empty());
        needs.extend(headers.then_some(Capability::Headers));
    }
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// Whether nothing is listed that a capability would be about.
fn is_void(capability: Capability, grant: &Grant) -> bool {
    let none = |access: &plug_grant::Access| access.read.is_empty() && access.write.is_empty();
    let bodies = [grant.bodies.request, grant.bodies.response];
    match capability {
        Capability::Headers => [&grant.request_headers, &grant.response_headers, &grant.trailers]
            .into_iter()
            .all(none),
        Capability::Bodies => bodies.iter().all(|body| !(body.read || body.write)),
        Capability::Properties => none(&grant.properties),
        Capability::HttpCall | Capability::GrpcCall => grant.upstreams.is_empty(),
        Capability::Redis => grant.upstreams.is_empty() || grant.redis.commands.is_empty(),
        Capability::SharedData => none(&grant.shared_data),
        Capability::SharedQueue => grant.queues.is_empty() && grant.queues_of.is_empty(),
        Capability::ForeignFunctions => grant.foreign_functions.is_empty(),
        Capability::Metrics => grant.metrics.is_empty(),
        Capability::Environment => grant.environment.is_empty(),
        Capability::Files => grant.folders.is_empty(),
        _ => false,
    }
}

/// Says of each plugin that serves with another grant than before what has changed, and whose word that was.
pub(crate) fn tell(before: &[Arc<Plugin>], now: &[Arc<Plugin>], origin: &str) {
    for plugin in now {
        let name = &plugin.spec.name;
        let Some(same) = before.iter().find(|other| other.spec.name == *name) else {
            continue;
        };
        let changes = plug_grant::changes(same.spec.grant.as_deref(), plugin.spec.grant.as_deref());
        if changes.is_empty() {
            continue;
        }
        let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
        crate::voice::say(&format!(
            "grant changed plugin={name} from_generation={} to_generation={} by={origin}: {}",
            same.generation,
            plugin.generation,
            shown(&told)
        ));
        crate::records::grant_changed(name, plugin.generation, origin, &shown(&told));
    }
}

/// The first lines of a change, and how many more there are.
pub(crate) fn shown(lines: &[String]) -> String {
    let more = match lines.len().saturating_sub(LINES_TOLD_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let told = lines.get(..LINES_TOLD_MAX).unwrap_or(lines);
    told.join("; ") + &more
}

/// Whose word a file is: who owns it, and since when it is as it is.
pub(crate) fn origin(plan: &Plan, main: &Path) -> String {
    let of = |file: &Path| {
        use std::os::unix::fs::MetadataExt;
        let shown = file.display();
        match std::fs::metadata(file) {
            Ok(about) => {
                let since = about.modified().ok();
                let since = since.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
                let since = since.map_or(0, |since| since.as_secs());
                format!("uid:{} file={shown} written_s={since}", about.uid())
            }
            Err(_) => format!("file={shown}"),
        }
    };
    let files = [Some(main), plan.grants.file.as_deref()];
    // Of the two, the one that was written last is what has changed.
    let written = |file: &&Path| std::fs::metadata(file).and_then(|about| about.modified()).ok();
    let last = files.into_iter().flatten().max_by_key(written);
    of(last.unwrap_or(main))
}
