//! `cofferdam run`: from a file to a gateway that serves, follows changes, and ends in peace.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use plug_abi::LogLevel;

use crate::assemble::House;
use crate::feed::Feed;
use crate::last_good::Keeper;
use crate::load::{Before, Loader};
use crate::reload::Watcher;
use crate::rollouts::Rollouts;
use crate::text::Wrong;
use crate::voice::{fail, say};

pub(crate) fn run(file: &Path, log_level: LogLevel) -> ExitCode {
    let began = SystemTime::now();
    // Before any thread exists, so that all of them leave signals to one.
    let signals = match crate::reload::Signals::take() {
        Ok(signals) => signals,
        Err(why) => return failed(&format!("error: signals cannot be taken: {why}")),
    };
    let mut loader = Loader::new(log_level, true);
    let mut watcher = Watcher::new(file);
    let wrong = |wrong: &Wrong| failed(wrong.texts.join("\n").trim_end());
    let feed = match Feed::open(file, signals.reloads.ring_whole()) {
        Ok(feed) => feed,
        Err(why) => return wrong(&why),
    };
    let mut loaded = match feed
        .text()
        .map(|text| crate::begun::recall(&text, file))
        .and_then(|text| loader.load(&text, Before::Start(file.to_owned())))
    {
        Ok(loaded) => loaded,
        Err(why) => {
            feed.refused(&why.texts, 0);
            feed.settle();
            return wrong(&why);
        }
    };
    if let Err(why) = loader.crashes.start() {
        return failed(&format!("error: no thread for crash reports: {why}"));
    }
    let troubles = loaded.troubles();
    troubles.iter().for_each(|trouble| fail(trouble));
    watcher.follow(&loaded.files, began);
    let may_pass = loaded.may_pass();
    let keeper = match Keeper::start(file) {
        Ok(keeper) => keeper,
        Err(why) => return failed(&format!("error: no thread to keep what serves: {why}")),
    };
    let rollouts = Rollouts::open(&mut loaded, file);
    let house = match House::open((loaded, rollouts), &loader, keeper, (file, began)) {
        Ok(house) => house,
        Err(why) => {
            feed.refused(&[why.to_string()], 0);
            feed.settle();
            return failed(&format!("error: {why}"));
        }
    };
    feed.applied(&house, &troubles);
    say("ready");
    crate::records::started(&house, &feed.origin());
    house.rollouts.begin(&house);
    if let Err(why) = crate::rollouts::drive(Arc::clone(&house)) {
        return failed(&format!("error: no thread for rollouts: {why}"));
    }
    if let Some(store) = feed.store()
        && let Err(why) = crate::rollouts::waves::follow(Arc::clone(&house), store)
    {
        return failed(&format!("error: no thread for waves: {why}"));
    }
    let crashes = Arc::clone(&loader.crashes);
    if let Err(why) = crate::reload::follow(Arc::clone(&house), (loader, may_pass), (feed, watcher), signals.reloads) {
        return failed(&format!("error: no thread for reloads: {why}"));
    }
    // Its other end is a thread that never ends.
    let _ = signals.stops.recv();
    house.close();
    crashes.stop();
    say("stopped");
    ExitCode::SUCCESS
}

fn failed(text: &str) -> ExitCode {
    fail(text);
    ExitCode::FAILURE
}
