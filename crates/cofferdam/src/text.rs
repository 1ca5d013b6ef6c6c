//! The text of a configuration, its plan, and everything that is wrong with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gate_plan::{Findings, Machine, Plan};

use crate::begun::Begun;

/// LIMIT: bytes of a configuration file; the reader refuses more.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Between a text and the grants beside it; YAML has no such character.
const BETWEEN: char = '\0';
/// Before what was begun beside it.
const BEFORE_BEGUN: &str = "\0\0";

/// The text of a configuration, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// Grants that were delivered beside it.
    pub(crate) grants: Option<String>,
    /// What an operator began beside it, by plugin, as JSON.
    pub(crate) begun: Begun,
    /// Its SHA-256, all of this included.
    pub(crate) sha256: String,
    /// The same without what was begun.
    pub(crate) base: String,
    /// What messages call it.
    pub(crate) origin: String,
    /// From where its paths are meant.
    pub(crate) folder: PathBuf,
    /// What belongs to the machine, where the text is out of a store.
    pub(crate) machine: Option<Arc<Machine>>,
}

impl Text {
    /// Reads a file.
    pub(crate) fn read(file: &Path) -> Result<Arc<Self>, Wrong> {
        let text = read_text(file).map_err(|why| Wrong::of(vec![why], &[]))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        Ok(Self::new((text, None), &file.display().to_string(), folder))
    }

    /// A text with the grants beside it.
    pub(crate) fn new((text, grants): (String, Option<String>), origin: &str, folder: &Path) -> Arc<Self> {
        let base = plug_host::digest(&kept(&text, grants.as_deref()));
        Arc::new(Self {
            sha256: base.clone(),
            base,
            begun: Begun::new(),
            text,
            grants,
            origin: origin.to_owned(),
            folder: folder.to_owned(),
            machine: None,
        })
    }

    /// The same, out of a store.
    pub(crate) fn on(self: Arc<Self>, machine: &Arc<Machine>) -> Arc<Self> {
        let mut text = Arc::unwrap_or_clone(self);
        text.machine = Some(Arc::clone(machine));
        Arc::new(text)
    }

    /// The same with what was begun beside it.
    pub(crate) fn with_begun(&self, begun: Begun) -> Arc<Self> {
        let mut text = Self { begun, ..self.clone() };
        text.sha256 = plug_host::digest(&text.kept());
        Arc::new(text)
    }

    /// As it is kept on disk, its digest for a name.
    pub(crate) fn kept(&self) -> Vec<u8> {
        let mut whole = kept(&self.text, self.grants.as_deref());
        if !self.begun.is_empty() {
            whole.extend_from_slice(BEFORE_BEGUN.as_bytes());
            whole.extend_from_slice(serde_json::json!(self.begun).to_string().as_bytes());
        }
        whole
    }

    /// What was kept.
    pub(crate) fn from_kept(bytes: Vec<u8>, origin: &str, folder: &Path) -> Result<Arc<Self>, String> {
        let mut whole = String::from_utf8(bytes).map_err(|why| why.to_string())?;
        let mut begun = Begun::new();
        if let Some(place) = whole.rfind(BEFORE_BEGUN) {
            let written = whole.split_off(place);
            let written = written.trim_start_matches(BETWEEN);
            begun = serde_json::from_str(written).map_err(|why| why.to_string())?;
        }
        let parts = match whole.split_once(BETWEEN) {
            Some((text, grants)) => (text.to_owned(), Some(grants.to_owned())),
            None => (whole, None),
        };
        let text = Self::new(parts, origin, folder);
        match begun.is_empty() {
            true => Ok(text),
            false => Ok(text.with_begun(begun)),
        }
    }

    /// Its plan, with all paths as the process sees them, and every plugin with its grant.
    pub(crate) fn plan(&self) -> Result<Plan, Wrong> {
        let checked = match &self.machine {
            Some(machine) => gate_plan::check_delivered(&self.text, &self.origin, machine),
            None => gate_plan::check(&self.text, &self.origin),
        };
        let mut plan = checked.map_err(|findings| Wrong::from_findings(&findings))?;
        for (plugin, order) in &self.begun {
            gate_plan::begin(&mut plan, plugin, order).map_err(|why| {
                let text = format!("error: what `rollout start` began for plugin `{plugin}`: {why}");
                Wrong::of(vec![text], &[])
            })?;
        }
        crate::anchor::anchor(&mut plan, &self.folder);
        let granted = match self.grants.as_ref().filter(|_| plan.grants.store) {
            Some(grants) => {
                let origin = format!("{} (grants)", self.origin);
                crate::granting::take_text(&mut plan, Some((grants, &origin)), &self.folder)
            }
            None => crate::granting::take(&mut plan, &self.folder),
        };
        let file = plan.grants.file.as_slice();
        granted.map_err(|texts| Wrong::of(texts, file))?;
        Ok(plan)
    }

    /// Whose word it is.
    pub(crate) fn word(&self, plan: &Plan) -> String {
        match &self.machine {
            Some(_) => self.origin.clone(),
            None => crate::granting::origin(plan, Path::new(&self.origin)),
        }
    }
}

fn kept(text: &str, grants: Option<&str>) -> Vec<u8> {
    let grants = grants.map(|grants| format!("{BETWEEN}{grants}")).unwrap_or_default();
    [text, &grants].concat().into_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_had_again_with_grants_and_what_was_begun() {
        let begun = Begun::from([(String::from("p"), String::from("{\"config\": \"\\u0000\"}"))]);
        for grants in [None, Some(""), Some("- {}")] {
            for begun in [Begun::new(), begun.clone()] {
                let text = Text::new(("a: b".to_owned(), grants.map(str::to_owned)), "o", Path::new("/f"));
                let base = text.sha256.clone();
                let text = text.with_begun(begun.clone());
                let again = Text::from_kept(text.kept(), "o", Path::new("/f")).unwrap();
                assert_eq!(again, text);
                assert_eq!((&again.base, again.sha256 == base), (&base, begun.is_empty()));
            }
        }
    }
}

/// Everything that is wrong, one text each, for people and for programs.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) texts: Vec<String>,
    pub(crate) findings: Vec<serde_json::Value>,
    /// The files that were read, as far as they are known.
    pub(crate) files: Vec<PathBuf>,
}

impl Wrong {
    pub(crate) fn of(texts: Vec<String>, files: &[PathBuf]) -> Self {
        let findings = texts
            .iter()
            .map(|text| serde_json::json!({ "severity": "error", "message": text }))
            .collect();
        Self {
            texts,
            findings,
            files: files.to_vec(),
        }
    }

    fn from_findings(findings: &Findings) -> Self {
        Self {
            texts: vec![findings.to_string()],
            findings: findings.iter().map(|finding| finding.to_json()).collect(),
            files: Vec::new(),
        }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.texts.join("\n").trim_end())
    }
}

pub(crate) fn read_text(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let about =
        std::fs::metadata(file).map_err(|why| format!("error: configuration `{shown}` cannot be read: {why}"))?;
    if about.len() > FILE_BYTES_MAX {
        return Err(format!(
            "error: configuration `{shown}` has {} bytes, more than {FILE_BYTES_MAX}",
            about.len()
        ));
    }
    std::fs::read_to_string(file).map_err(|why| format!("error: configuration `{shown}` cannot be read: {why}"))
}
