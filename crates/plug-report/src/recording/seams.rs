//! Bodies that a guest reads or writes in pieces: what stands over the seam of two pieces is found in both.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use plug_abi::BufferKind;

use super::RecordingFault;
use super::mask::Finder;
use super::steps::{Given, Step, Steps};

/// What is found in bodies: for each step, by its number, where in its piece.
#[derive(Default)]
pub(super) struct Seams {
    places: HashMap<usize, Vec<Range<usize>>>,
    /// Values that stand over a seam, whole: a guest that reads a body again gets them in one piece.
    pub(super) values: Vec<Vec<u8>>,
}

/// Whose body it is, which one, and whether the guest wrote it.
type Key = (u32, u64, bool);

/// The pieces of one body, behind each other.
#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
    /// The step of each piece, and where it begins.
    pieces: Vec<(usize, usize)>,
}

impl Seams {
    /// Looks through all bodies; no more is held than they have bytes.
    pub(super) fn find(steps: &[u8], finder: Finder<'_>) -> Result<Self, RecordingFault> {
        let mut seams = Self::default();
        let mut bodies: BTreeMap<Key, Body> = BTreeMap::new();
        let (mut context, mut reads) = (0, None);
        let (mut steps, mut number) = (Steps::of(steps), 0_usize);
        while let Some(step) = steps.next()? {
            match step {
                Step::Entry(code, words) => (context, reads) = (of_entry(code, &words), None),
                Step::Call {
                    name,
                    arguments,
                    inputs,
                } => {
                    let kind = arguments.first().copied();
                    let body = kind.filter(|kind| is_body(*kind));
                    reads = body.filter(|_| name == b"proxy_get_buffer_bytes");
                    if name == b"proxy_set_effective_context" {
                        context = kind.and_then(|kind| u32::try_from(kind).ok()).unwrap_or(context);
                    }
                    let written = inputs.iter().find(|input| input.given == Given::Bytes);
                    if let (Some(kind), Some(input), b"proxy_set_buffer_bytes") = (body, written, name) {
                        let key = (context, kind, true);
                        bodies.entry(key).or_default().push(number, input.kept);
                        let kept = u64::try_from(input.kept.len());
                        if kept != Ok(input.length) {
                            // What follows does not stand behind what is here.
                            seams.look(bodies.remove(&key), finder);
                        }
                    }
                }
                Step::Value(bytes) => {
                    if let Some(kind) = reads.take() {
                        bodies.entry((context, kind, false)).or_default().push(number, bytes);
                    }
                }
                _ => {}
            }
            number = number.saturating_add(1);
        }
        for body in bodies.into_values() {
            seams.look(Some(body), finder);
        }
        Ok(seams)
    }

    /// What is found in the piece of a step.
    pub(super) fn of(&self, step: usize) -> &[Range<usize>] {
        self.places.get(&step).map_or(&[], Vec::as_slice)
    }

    fn look(&mut self, body: Option<Body>, finder: Finder<'_>) {
        // In one piece everything is found without us.
        let Some(body) = body.filter(|body| body.pieces.len() > 1) else {
            return;
        };
        for found in finder(&body.bytes) {
            let found = found.start..found.end.min(body.bytes.len());
            let ends = body
                .pieces
                .iter()
                .skip(1)
                .map(|(_, from)| *from)
                .chain([body.bytes.len()]);
            let parts = body.pieces.iter().zip(ends).filter_map(|((step, from), end)| {
                let part = found.start.max(*from)..found.end.min(end);
                (!part.is_empty()).then(|| (*step, part.start.saturating_sub(*from)..part.end.saturating_sub(*from)))
            });
            let mut count = 0_usize;
            for (step, part) in parts {
                self.places.entry(step).or_default().push(part);
                count = count.saturating_add(1);
            }
            if let Some(value) = body.bytes.get(found).filter(|_| count > 1) {
                self.values.push(value.to_vec());
            }
        }
    }
}

impl Body {
    fn push(&mut self, step: usize, bytes: &[u8]) {
        self.pieces.push((step, self.bytes.len()));
        self.bytes.extend_from_slice(bytes);
    }
}

/// The context in which an entry runs: behind the direction of a body, of trailers, of bytes and of a close (codes 6, 7, 11 and 12), first in any
/// other.
fn of_entry(code: u8, words: &[u32]) -> u32 {
    let at = usize::from(matches!(code, 6 | 7 | 11 | 12));
    words.get(at).copied().unwrap_or_default()
}

/// Whether pieces of it stand behind each other; messages and configurations are whole.
fn is_body(kind: u64) -> bool {
    let bodies = [
        BufferKind::HttpRequestBody,
        BufferKind::HttpResponseBody,
        BufferKind::DownstreamData,
        BufferKind::UpstreamData,
    ];
    bodies.iter().any(|body| u64::from(body.raw()) == kind)
}
