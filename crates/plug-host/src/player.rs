//! Answers host calls out of a recording, and notices where a guest does something else than was recorded.

use std::rc::Rc;

use bytes::Bytes;
use plug_abi::host_call;
use plug_report::recording::{Given, Input, RecordingFault, Step, Steps};

use crate::calls::step::ARGUMENTS_MAX;

/// LIMIT: differences that are told; after the first, most follow from it.
const DIVERGENCES_MAX: usize = 16;
/// LIMIT: how far behind an argument a recorded write may lie to be taken as meant by it.
const REACH: u64 = 1 << 16;

/// Something handed over with a recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    given: Given,
    length: u64,
    kept: Vec<u8>,
    digest: u64,
}

impl Kept {
    fn input(&self) -> Input<'_> {
        Input {
            given: self.given,
            length: self.length,
            kept: &self.kept,
            digest: self.digest,
        }
    }
}

/// A recorded host call.
#[derive(Debug, Clone, Default)]
struct Call {
    name: String,
    arguments: Vec<u64>,
    inputs: Vec<Kept>,
    writes: Vec<(u32, Vec<u8>)>,
    value: Option<Bytes>,
    /// None when the guest did not come back from it.
    answer: Option<u32>,
}

/// A recorded entry into the guest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene {
    pub(crate) code: u8,
    pub(crate) words: Vec<u32>,
    /// What the guest answered; none when it never came back.
    pub(crate) returned: Option<u32>,
    /// The rest of it was not recorded.
    pub(crate) is_cut: bool,
    calls: Vec<Call>,
}

/// All entries of a recording.
pub(crate) fn scenes(steps: &[u8]) -> Result<Vec<Scene>, RecordingFault> {
    let mut steps = Steps::of(steps);
    let mut all: Vec<Scene> = Vec::new();
    while let Some(step) = steps.next()? {
        match (step, all.last_mut()) {
            (Step::Entry(code, words), _) => all.push(Scene {
                code,
                words,
                ..Scene::default()
            }),
            (step, Some(scene)) => scene.take(step),
            // A recording begins with an entry.
            (_, None) => return Err(RecordingFault::Steps(0)),
        }
    }
    Ok(all)
}

impl Scene {
    fn take(&mut self, step: Step<'_>) {
        match step {
            Step::Call {
                name,
                arguments,
                inputs,
            } => self.calls.push(Call {
                name: String::from_utf8_lossy(name).into_owned(),
                arguments,
                inputs: inputs.iter().map(kept).collect(),
                ..Call::default()
            }),
            Step::Returned(answer) => self.returned = Some(answer),
            Step::Cut => {
                self.is_cut = true;
                // The call in which the room ended has no answer that could be given again.
                self.calls.pop_if(|call| call.answer.is_none());
            }
            Step::Entry(..) => {}
            step => {
                if let Some(call) = self.calls.last_mut() {
                    call.take(step);
                }
            }
        }
    }
}

fn kept(input: &Input<'_>) -> Kept {
    Kept {
        given: input.given,
        length: input.length,
        kept: input.kept.to_vec(),
        digest: input.digest,
    }
}

/// A host call that a guest makes now.
pub(crate) struct Asked<'a> {
    /// The callback that makes it.
    pub(crate) callback: &'static str,
    pub(crate) name: &'static str,
    pub(crate) arguments: &'a [u64],
    /// Which arguments are plain numbers.
    pub(crate) is_number: &'a [bool; ARGUMENTS_MAX],
    pub(crate) inputs: Vec<Input<'a>>,
}

/// What a recording answers.
pub(crate) struct Played {
    pub(crate) status: u32,
    pub(crate) value: Option<Bytes>,
    pub(crate) writes: Vec<(u32, Vec<u8>)>,
}

impl Call {
    fn take(&mut self, step: Step<'_>) {
        match step {
            Step::Write(address, bytes) => self.writes.push((address, bytes.to_vec())),
            Step::Value(bytes) => self.value = Some(Bytes::copy_from_slice(bytes)),
            Step::Answer(status) => self.answer = Some(status),
            _ => {}
        }
    }

    /// Whether it is the same call: to the last byte for the same module, by what it means for another build of it.
    fn is(&self, asked: &Asked<'_>, same_module: bool) -> bool {
        if self.name != asked.name || self.inputs.len() != asked.inputs.len() {
            return false;
        }
        let mut pairs = self.inputs.iter().zip(&asked.inputs);
        if !pairs.all(|(kept, now)| kept.input().matches(now)) {
            return false;
        }
        if same_module {
            return self.arguments == asked.arguments;
        }
        let mut numbers = self.arguments.iter().zip(asked.arguments).zip(asked.is_number);
        numbers.all(|((recorded, now), is_number)| !is_number || recorded == now)
    }

    fn played(&self, asked: &Asked<'_>) -> Played {
        let moved = |(address, bytes): &(u32, Vec<u8>)| (self.moved(*address, asked), self.rebased(bytes, asked));
        Played {
            status: self.answer.unwrap_or_default(),
            value: self.value.clone(),
            writes: self.writes.iter().map(moved).collect(),
        }
    }

    /// Where a recorded write goes now: as far behind its argument as it was.
    fn moved(&self, address: u32, asked: &Asked<'_>) -> u32 {
        let distances = self.arguments.iter().enumerate().filter_map(|(at, argument)| {
            let distance = u64::from(address).checked_sub(*argument)?;
            (distance < REACH).then_some((distance, at))
        });
        let now = distances.min().and_then(|(distance, at)| {
            let argument = asked.arguments.get(at)?;
            u32::try_from(argument.checked_add(distance)?).ok()
        });
        now.unwrap_or(address)
    }

    /// `environ_get` writes places of the guest's memory, which are others now.
    fn rebased(&self, bytes: &[u8], asked: &Asked<'_>) -> Vec<u8> {
        let (Some(before), Some(now), Ok(word)) = (self.arguments.get(1), asked.arguments.get(1), bytes.try_into())
        else {
            return bytes.to_vec();
        };
        let place = u64::from(u32::from_le_bytes(word));
        if asked.name != "environ_get" || place < *before || place.saturating_sub(*before) >= REACH {
            return bytes.to_vec();
        }
        let place = now.saturating_add(place.saturating_sub(*before));
        u32::try_from(place).unwrap_or_default().to_le_bytes().to_vec()
    }

    fn describe(&self) -> String {
        let inputs = self.inputs.iter().map(Kept::input);
        describe(&self.name, &self.arguments, inputs)
    }
}

/// A call for people: what it hands over, and its numbers.
fn describe<'a>(name: &str, arguments: &[u64], inputs: impl Iterator<Item = Input<'a>>) -> String {
    let mut words: Vec<String> = inputs
        .map(|input| match (input.given, input.kept) {
            (Given::Map | Given::Secret, _) | (_, []) => format!("{} bytes", input.length),
            (_, kept) if u64::try_from(kept.len()).is_ok_and(|kept| kept < input.length) => {
                format!("{:?}... ({} bytes)", String::from_utf8_lossy(kept), input.length)
            }
            (_, kept) => format!("{:?}", String::from_utf8_lossy(kept)),
        })
        .collect();
    if words.is_empty() {
        words = arguments.iter().map(u64::to_string).collect();
    }
    format!("{name}({})", words.join(", "))
}

/// Where a guest did something else than was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The callback, counted from 1 over the whole recording.
    pub callback_number: usize,
    /// Its name.
    pub callback: String,
    /// Host calls of this callback before it.
    pub after_calls: usize,
    /// What was recorded.
    pub recorded: String,
    /// What happened now.
    pub now: String,
}

/// Answers from a recording.
pub(crate) struct Player {
    scenes: Rc<[Scene]>,
    same_module: bool,
    at_scene: usize,
    at_call: usize,
    /// Host calls that were as recorded.
    pub(crate) calls: u64,
    /// The recording says nothing of what comes now.
    over: bool,
    pub(crate) divergences: Vec<Divergence>,
}

impl Player {
    pub(crate) fn new(scenes: Rc<[Scene]>, same_module: bool) -> Self {
        Self {
            scenes,
            same_module,
            at_scene: 0,
            at_call: 0,
            calls: 0,
            over: false,
            divergences: Vec::new(),
        }
    }

    /// The entry of that number begins.
    pub(crate) fn enter(&mut self, number: usize) {
        self.at_scene = number;
        self.at_call = 0;
    }

    /// Whether the guest has done all that is known of its last entry: it was stopped where it is now.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The answer to a call; none when the host is to give its own.
    pub(crate) fn answer(&mut self, asked: &Asked<'_>) -> Option<Played> {
        let scenes = Rc::clone(&self.scenes);
        let scene = scenes.get(self.at_scene)?;
        let expected = scene.calls.get(self.at_call);
        if expected.is_some_and(|call| call.is(asked, self.same_module)) {
            self.at_call = self.at_call.saturating_add(1);
            self.calls = self.calls.saturating_add(1);
            return expected.map(|call| call.played(asked));
        }
        if expected.is_none() && scene.is_cut {
            // What it went on to do was not recorded; most often it is more of the same.
            return self.elsewhere(scene, asked);
        }
        if expected.is_none() && scene.returned.is_none() {
            // Here it was stopped.
            self.over = true;
            return Some(denied(asked));
        }
        let recorded = expected.map_or_else(|| "it returned".to_owned(), Call::describe);
        let now = describe(asked.name, asked.arguments, asked.inputs.iter().copied());
        self.diverged(asked.callback, recorded, now);
        self.elsewhere(scene, asked)
    }

    /// An answer for a call that is not the expected one: the same call later or earlier, if there is one.
    fn elsewhere(&mut self, scene: &Scene, asked: &Asked<'_>) -> Option<Played> {
        let later = scene.calls.iter().enumerate().skip(self.at_call);
        let mut later = later.filter(|(_, call)| call.is(asked, self.same_module));
        if let Some((at, call)) = later.next() {
            self.at_call = at.saturating_add(1);
            return Some(call.played(asked));
        }
        let scenes = Rc::clone(&self.scenes);
        let until_now = scenes.iter().take(self.at_scene.saturating_add(1)).rev();
        let mut calls = until_now.flat_map(|scene| scene.calls.iter().rev());
        let before = calls.find(|call| call.is(asked, false));
        match before {
            Some(call) => Some(call.played(asked)),
            None if needs_nobody(asked.name) => None,
            None => Some(denied(asked)),
        }
    }

    /// The guest came back from its entry, in this callback.
    pub(crate) fn returned(&mut self, callback: &str, answer: u32) {
        let scenes = Rc::clone(&self.scenes);
        let Some(scene) = scenes.get(self.at_scene) else { return };
        let now = format!("it returned {answer}");
        match (scene.calls.get(self.at_call), scene.returned) {
            (Some(call), _) if !scene.is_cut => self.diverged(callback, call.describe(), now),
            (_, Some(recorded)) if recorded != answer => {
                self.diverged(callback, format!("it returned {recorded}"), now)
            }
            (_, None) if !scene.is_cut => self.diverged(callback, "it never returned".to_owned(), now),
            _ => {}
        }
    }

    fn diverged(&mut self, callback: &str, recorded: String, now: String) {
        if self.divergences.len() < DIVERGENCES_MAX {
            self.divergences.push(Divergence {
                callback_number: self.at_scene.saturating_add(1),
                callback: callback.to_owned(),
                after_calls: self.at_call,
                recorded,
                now,
            });
        }
    }
}

/// An answer that SDKs survive.
fn denied(asked: &Asked<'_>) -> Played {
    Played {
        status: host_call(asked.name).map_or(0, |call| call.denied.raw()),
        value: None,
        writes: Vec::new(),
    }
}

/// Calls that the host can answer without an exchange, for a build that makes more of them than were recorded.
fn needs_nobody(name: &str) -> bool {
    let of_wasi = !name.starts_with("proxy_");
    let others = [
        "proxy_log",
        "proxy_get_log_level",
        "proxy_get_current_time_nanoseconds",
        "proxy_define_metric",
        "proxy_increment_metric",
        "proxy_record_metric",
        "proxy_get_metric",
    ];
    of_wasi || others.contains(&name)
}

/// Calls by which a guest says something: it is said again.
pub(crate) fn has_effect_here(name: &str) -> bool {
    matches!(name, "proxy_log" | "fd_write")
}
