//! What operators begin beside the configuration of a running gateway: `cofferdam rollout start --source`, and when it ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gate_plan::{Plan, Source};
use parking_lot::Mutex;
use plug_package::Reference;
use serde_json::Value;

use crate::assemble::House;
use crate::load::{Before, Loader};
use crate::text::Text;
use crate::voice::{say, warn};

/// LIMIT: how long somebody waits who began something. Compiling may take longer; what came of it is said on stderr then.
const ANSWER_MAX: Duration = Duration::from_secs(8);

/// What somebody wants to begin.
pub(crate) struct Order {
    plugin: String,
    /// Its keys, as JSON.
    text: String,
    answer: SyncSender<Result<(), String>>,
}

/// Orders on their way to the thread that loads.
#[derive(Default)]
pub(crate) struct Orders {
    // LIMIT: one waits.
    desk: Mutex<Option<Order>>,
    ring: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Orders {
    /// What wakes the thread that loads.
    pub(crate) fn wakes(&self, ring: impl Fn() + Send + Sync + 'static) {
        // There is one such thread.
        let _ = self.ring.set(Box::new(ring));
    }

    fn put(&self, plugin: &str, text: String) -> Result<Receiver<Result<(), String>>, String> {
        let ring = self.ring.get().ok_or("the gateway has only just started")?;
        let mut desk = self.desk.lock();
        if desk.is_some() {
            return Err(String::from("another one is being begun"));
        }
        let (answer, answered) = sync_channel(1);
        *desk = Some(Order {
            plugin: plugin.to_owned(),
            text,
            answer,
        });
        drop(desk);
        ring();
        Ok(answered)
    }

    fn take(&self) -> Option<Order> {
        self.desk.lock().take()
    }
}

impl House {
    /// Begins a rollout of something that the configuration does not have. What came of it, if that is known in time.
    pub(crate) fn begin_rollout(&self, plugin: &str, order: &[u8]) -> Result<&'static str, String> {
        let text = String::from_utf8(order.to_vec()).map_err(|_| "the order is no text")?;
        let answered = self.orders.put(plugin, text)?;
        match answered.recv_timeout(ANSWER_MAX) {
            Ok(outcome) => outcome.map(|()| "begun"),
            Err(RecvTimeoutError::Timeout) => {
                Ok("it is being loaded; stderr and `cofferdam rollout status` say what comes of it")
            }
            Err(RecvTimeoutError::Disconnected) => Err(String::from("the gateway is stopping")),
        }
    }
}

/// Does what was ordered, if something was, on the thread that loads. The files that are to be followed then.
pub(crate) fn obey(house: &House, loader: &mut Loader) -> Option<Vec<PathBuf>> {
    let Order { plugin, text, answer } = house.orders.take()?;
    let outcome = begin(house, loader, (&plugin, text));
    match &outcome {
        Ok(_) => say(&format!(
            "rollout begun by an operator plugin={plugin}; the configuration does not have it, and a change of its text ends it"
        )),
        Err(why) => warn(&format!("rollout not begun plugin={plugin}: {}", why.trim_end())),
    }
    // Who ordered it may have stopped waiting.
    let _ = answer.try_send(outcome.as_ref().map(|_| ()).map_err(Clone::clone));
    outcome.ok()
}

fn begin(house: &House, loader: &mut Loader, (plugin, order): (&str, String)) -> Result<Vec<PathBuf>, String> {
    let under_way = house.rollouts.shown(plugin);
    if under_way.is_some_and(|shown| shown.get("over") == Some(&Value::Bool(false))) {
        return Err(String::from("a rollout goes on; `abort` ends it"));
    }
    let former = house.former();
    let now = former.text.clone().ok_or("nothing serves yet")?;
    let mut begun = now.begun.clone();
    begun.insert(plugin.to_owned(), order);
    let text = now.with_begun(begun);
    let plan = text.plan().map_err(|wrong| wrong.to_string())?;
    let configured = now.with_begun(Begun::new()).plan().map_err(|wrong| wrong.to_string())?;
    judge((&plan, &configured), plugin, &text.folder)?;
    let loaded = loader
        .load(&text, Before::Serving(former))
        .map_err(|wrong| wrong.to_string())?;
    let mut standings = loaded.standings.iter();
    let why_not = standings.find(|standing| standing.plugin == plugin);
    if let Some(why) = why_not.and_then(|standing| standing.why_not.as_deref()) {
        return Err(why.trim_start_matches("error: ").to_owned());
    }
    let is_same = |wanted: &crate::loaded::Runs| {
        let former = loaded.former(plugin);
        wanted.name() == plugin && former.is_some_and(|former| former.fingerprint() == wanted.fingerprint())
    };
    if loaded.rolled_out().iter().any(is_same) {
        return Err(String::from("that is what serves already"));
    }
    let files = loaded.files.clone();
    house.rollouts.apply(house, loaded).map_err(|why| format!("{why:#}"))?;
    // It went back before; somebody asks for it again.
    if house.rollouts.why_begun_went_back(plugin).is_some() {
        house.rollouts.start(house, plugin).unwrap_or(Ok(()))?;
    }
    match house.rollouts.why_begun_went_back(plugin) {
        Some(why) => Err(format!("it went back: {why}")),
        None => Ok(files),
    }
}

/// Whether the admin listener may have this begun. A module that is configured so may have another configuration.
fn judge((plan, configured): (&Plan, &Plan), plugin: &str, folder: &Path) -> Result<(), String> {
    let from = plan.admin.as_ref().and_then(|admin| admin.rollouts_from.as_ref());
    let from = from
        .ok_or("nothing else than the configuration may be rolled out\nhint: `admin.rollouts_from` says from where")?;
    let mut plugins = plan.plugins.iter();
    let spec = plugins.find(|spec| spec.name == plugin).ok_or("it is not configured")?;
    if spec.rollout.is_none() {
        return Err(format!(
            "plugin `{plugin}` has no `rollout`\nhint: `--steps 5%:10m,50%:manual` says how it comes into force"
        ));
    }
    let mut plugins = configured.plugins.iter();
    let stays = plugins.any(|known| known.name == plugin && known.source == spec.source);
    let admitted = match &spec.source {
        Source::File { path, .. } => {
            let path = folder.join(path);
            let mut folders = from.folders.iter();
            match std::fs::canonicalize(&path) {
                Ok(whole) => {
                    folders.any(|folder| std::fs::canonicalize(folder).is_ok_and(|folder| whole.starts_with(folder)))
                }
                // Nobody learns here what there is elsewhere.
                Err(why) if folders.any(|folder| path.starts_with(folder)) => {
                    return Err(format!("module `{}` cannot be read: {why}", path.display()));
                }
                Err(_) => false,
            }
        }
        Source::Oci { name, .. } => {
            let reference = Reference::parse(name).map_err(|why| why.to_string())?;
            let repository = format!("{}/{}", reference.host(), reference.repository());
            from.images.iter().any(|image| image.matches(&repository))
        }
        Source::Http { .. } => false,
    };
    match admitted || stays {
        true => Ok(()),
        false => Err(String::from(
            "its module is not where `admin.rollouts_from` lets modules be taken from",
        )),
    }
}

/// The text that is to serve now, with what was begun beside the same text before; and the plugins of which something was, when it is
/// another text: the configuration has its way.
pub(crate) fn carry(before: Option<&Arc<Text>>, text: &Arc<Text>) -> (Arc<Text>, Vec<String>) {
    let Some(before) = before.filter(|before| !before.begun.is_empty()) else {
        return (Arc::clone(text), Vec::new());
    };
    match before.base == text.base {
        true => (text.with_begun(before.begun.clone()), Vec::new()),
        false => (Arc::clone(text), before.begun.keys().cloned().collect()),
    }
}

/// The same at a start, by what served last.
pub(crate) fn recall(text: &Arc<Text>, main: &Path) -> Arc<Text> {
    let Ok(plan) = text.plan() else {
        // It is said by the load.
        return Arc::clone(text);
    };
    let folder = crate::last_good::folder(&plan, main);
    let kept = folder.as_ref();
    let kept = kept.and_then(|folder| crate::last_good::text(folder).ok().flatten());
    let (text, ended) = carry(kept.as_ref(), text);
    tell_ended(&ended);
    let text = admitted(&text);
    match folder {
        Some(folder) => without(&text, |plugin| {
            let is_over = crate::rollouts::had_gone_back(&folder, plugin);
            is_over && !crate::last_good::served_as_begun(&folder, plugin)
        }),
        None => text,
    }
}

/// The text with what may still be begun: where modules may come from is the machine's to say, and a file may have become a link since.
fn admitted(text: &Arc<Text>) -> Arc<Text> {
    if text.begun.is_empty() {
        return Arc::clone(text);
    }
    let (Ok(plan), Ok(configured)) = (text.plan(), text.with_begun(Begun::new()).plan()) else {
        // It is said by the load.
        return Arc::clone(text);
    };
    // One that cannot be found for now serves on, as one that is configured does.
    let is_gone = |plugin: &str| {
        let spec = plan.plugins.iter().find(|spec| spec.name == plugin);
        let path = spec.and_then(|spec| match &spec.source {
            Source::File { path, .. } => Some(text.folder.join(path)),
            _ => None,
        });
        path.is_some_and(|path| std::fs::canonicalize(path).is_err())
    };
    let mut begun = text.begun.clone();
    begun.retain(|plugin, _| match judge((&plan, &configured), plugin, &text.folder) {
        _ if is_gone(plugin) => true,
        Ok(()) => true,
        Err(why) => {
            warn(&format!(
                "warning: what `rollout start` began for plugin `{plugin}` has ended: {why}"
            ));
            false
        }
    });
    match begun.len() == text.begun.len() {
        true => Arc::clone(text),
        false => text.with_begun(begun),
    }
}

/// The text without what was begun and went back, or may not be begun any more: what is configured has its way again.
pub(crate) fn without_failed(house: &House, text: &Arc<Text>) -> Arc<Text> {
    let has_failed = |plugin: &str| house.rollouts.why_begun_went_back(plugin).is_some();
    without(&admitted(text), has_failed)
}

fn without(text: &Arc<Text>, is_over: impl Fn(&str) -> bool) -> Arc<Text> {
    let mut begun = text.begun.clone();
    begun.retain(|plugin, _| !is_over(plugin));
    match begun.len() == text.begun.len() {
        true => Arc::clone(text),
        false => text.with_begun(begun),
    }
}

/// Whether something that was begun went back since the text was read.
pub(crate) fn has_failed(house: &House) -> bool {
    let text = house.former().text;
    let mut begun = text.iter().flat_map(|text| text.begun.keys());
    begun.any(|plugin| house.rollouts.why_begun_went_back(plugin).is_some())
}

/// Says that the configuration took the place of what was begun.
pub(crate) fn tell_ended(plugins: &[String]) {
    for plugin in plugins {
        warn(&format!(
            "warning: what `rollout start` began for plugin `{plugin}` has ended: the configuration was changed, and says what serves"
        ));
    }
}

/// What was begun, by plugin.
pub(crate) type Begun = BTreeMap<String, String>;
