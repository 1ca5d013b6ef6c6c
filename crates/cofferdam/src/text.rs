//! The text of a configuration, its plan, and everything that is wrong with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gate_plan::{Findings, Machine, Plan};

/// LIMIT: bytes of a configuration file; the reader refuses more.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Between a text and the grants beside it; YAML has no such character.
const BETWEEN: char = '\0';

/// The text of a configuration, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// Grants that were delivered beside it, or that its file of grants had when it served.
    pub(crate) grants: Option<String>,
    /// Whether it was kept with its grants, so that a file of grants is not read again.
    is_kept: bool,
    /// Its SHA-256, grants included.
    pub(crate) sha256: String,
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
        Arc::new(Self {
            sha256: plug_host::digest(&kept(&text, grants.as_deref())),
            text,
            grants,
            is_kept: false,
            origin: origin.to_owned(),
            folder: folder.to_owned(),
            machine: None,
        })
    }

    /// The same, out of a store.
    pub(crate) fn on(self: Arc<Self>, machine: &Arc<Machine>) -> Arc<Self> {
        let mut text = Arc::unwrap_or_clone(self);
        text.machine = Some(Arc::clone(machine));
        // What the machine has is as it is now.
        text.is_kept = false;
        Arc::new(text)
    }

    /// As it is kept on disk, its digest for a name.
    pub(crate) fn kept(&self) -> Vec<u8> {
        kept(&self.text, self.grants.as_deref())
    }

    /// What was kept.
    pub(crate) fn from_kept(bytes: Vec<u8>, origin: &str, folder: &Path) -> Result<Arc<Self>, String> {
        let whole = String::from_utf8(bytes).map_err(|why| why.to_string())?;
        let parts = match whole.split_once(BETWEEN) {
            Some((text, grants)) => (text.to_owned(), Some(grants.to_owned())),
            None => (whole, None),
        };
        let mut kept = Self::new(parts, origin, folder);
        Arc::make_mut(&mut kept).is_kept = true;
        Ok(kept)
    }

    /// Its plan, with all paths as the process sees them, and every plugin with its grant.
    pub(crate) fn plan(&self) -> Result<Plan, Wrong> {
        self.planned().map(|(plan, _)| plan)
    }

    /// Its plan, and the text with the grants of its file beside it, as it is to be kept.
    pub(crate) fn with_grants(self: &Arc<Self>) -> Result<(Plan, Arc<Self>), Wrong> {
        let (plan, read) = self.planned()?;
        let text = match read {
            None => Arc::clone(self),
            Some(grants) => {
                let mut text = Self::new((self.text.clone(), Some(grants)), &self.origin, &self.folder);
                Arc::make_mut(&mut text).machine.clone_from(&self.machine);
                text
            }
        };
        Ok((plan, text))
    }

    /// Its plan, and what its file of grants says, if that was read.
    fn planned(&self) -> Result<(Plan, Option<String>), Wrong> {
        let checked = match &self.machine {
            Some(machine) => gate_plan::check_delivered(&self.text, &self.origin, machine),
            None => gate_plan::check(&self.text, &self.origin),
        };
        let mut plan = checked.map_err(|findings| Wrong::from_findings(&findings))?;
        crate::anchor::anchor(&mut plan, &self.folder);
        let beside = self
            .grants
            .as_ref()
            .filter(|_| plan.grants.store || (self.is_kept && plan.grants.file.is_some()));
        let files = plan.grants.file.clone();
        let wrong = |texts| Wrong::of(texts, files.as_slice());
        if let Some(grants) = beside {
            let origin = format!("{} (grants)", self.origin);
            let taken = crate::granting::take_text(&mut plan, Some((grants, &origin)), &self.folder);
            return taken.map(|()| (plan, None)).map_err(wrong);
        }
        let read = crate::granting::take(&mut plan, &self.folder).map_err(wrong)?;
        Ok((plan, read))
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
