//! Orders of an operator to every gateway: written into the store, where each finds them.

use control_store::{Board, Settings, StoreFault};
use plug_rollout::{Campaign, Stop, View};

use super::{Waves, is_under_way, others_are_under_way};
use crate::rollouts::Rollouts;
use crate::rollouts::word::Local;

/// LIMIT: tries to write for all while others write, too.
const TRIES_MAX: usize = 10;

/// What an operator wants of a rollout on every gateway.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Everywhere {
    /// Try again what was stopped.
    Start,
    /// Let the new generation take over.
    Promote,
    /// Go back.
    Abort,
}

impl Waves {
    /// Orders something of every gateway, through the store.
    fn order(&self, local: Local, order: Everywhere) -> Result<(), String> {
        let settings = self.settings.lock().clone();
        let settings = settings.ok_or("the configuration comes out of no store")?;
        if order != Everywhere::Start && !self.is_under_way(&local) && !self.is_stopped(&local) {
            return Err(String::from("it is over on every gateway"));
        }
        // A thread of its own: connections to stores wait, and who asks may be within a runtime.
        let work = move || write(&settings, &local.plugin, &local.target, order);
        let written = std::thread::Builder::new().name("waves-order".to_owned()).spawn(work);
        let written = written.map_err(|why| format!("no thread: {why}"))?.join();
        written.unwrap_or_else(|_| Err(String::from("writing it failed")))
    }

    /// Whether somebody is still to go over to the target that is wanted here.
    fn is_under_way(&self, local: &Local) -> bool {
        is_under_way(local.progress) || self.view(local).is_some_and(|view| others_are_under_way(&view))
    }

    /// Whether that target was stopped: then there is something better to say than that it is over.
    fn is_stopped(&self, local: &Local) -> bool {
        let campaign = self.view(local).and_then(|view| view.campaign);
        campaign.is_some_and(|campaign| campaign.stopped.is_some())
    }

    fn view(&self, local: &Local) -> Option<View> {
        let shown = self.shown.lock();
        let (target, view) = shown.plugins.get(&local.plugin)?;
        (*target == local.target).then(|| view.clone())
    }
}

impl Rollouts {
    /// Orders something of every gateway.
    pub(crate) fn order_everywhere(&self, plugin: &str, order: Everywhere) -> Result<(), String> {
        let local = self.locals().into_iter().find(|local| local.plugin == plugin);
        let why_not = || match self.is_begun(plugin) {
            true => "what was begun here is about this gateway alone; `abort` without `--everywhere` ends it",
            false => "it has no `waves`",
        };
        self.waves.order(local.ok_or_else(why_not)?, order)
    }
}

fn write(settings: &Settings, plugin: &str, target: &str, order: Everywhere) -> Result<(), String> {
    let text = |fault: StoreFault| fault.to_string();
    let mut board = Board::open(settings).map_err(text)?;
    for _ in 0..TRIES_MAX {
        let posted = board.read().map_err(text)?;
        let note = posted.notes.iter().find(|note| note.plugin == plugin);
        let campaign: Option<Campaign> = note.and_then(|note| serde_json::from_slice(note.text()).ok());
        let ours = campaign.filter(|campaign| campaign.target == target);
        let next = ordered(ours, (target, &settings.node), order)?;
        let json = serde_json::to_vec(&next).unwrap_or_default();
        if board.replace(plugin, note, Some(json)).map_err(text)? {
            return Ok(());
        }
    }
    Err(String::from("others write all the time; nothing was ordered"))
}

fn ordered(
    campaign: Option<Campaign>,
    (target, gateway): (&str, &str),
    order: Everywhere,
) -> Result<Campaign, &'static str> {
    let campaign = campaign.unwrap_or_else(|| Campaign::new(target));
    match (order, campaign.stopped.is_some()) {
        (Everywhere::Start, true) => Ok(campaign.again()),
        (Everywhere::Start, false) => Err("it was not stopped"),
        (Everywhere::Promote, true) => Err("it was stopped; `start --everywhere` tries it again"),
        (Everywhere::Promote, false) => Ok(Campaign {
            promote: true,
            ..campaign
        }),
        (Everywhere::Abort, true) => Err("it was stopped before"),
        (Everywhere::Abort, false) => Ok(Campaign {
            stopped: Some(Stop {
                gateway: gateway.to_owned(),
                why: String::from("an operator gave it up everywhere"),
                at: crate::stores::clock(),
            }),
            ..campaign
        }),
    }
}
