//! What is left out of a recording before it rests anywhere: values of sensitive headers and properties, in their length.

use std::ops::Range;

use plug_abi::pairs;

use super::seams::Seams;
use super::steps::{Given, Input, Step, Steps, Writer};
use super::{Recording, RecordingFault};

/// Bytes of a left-out value.
const INSTEAD: u8 = b'*';

/// Shorter values are not looked for elsewhere: they would be found everywhere.
const VALUE_BYTES_MIN: usize = 4;
/// LIMIT: different values that are looked for elsewhere.
const VALUES_MAX: usize = 64;

/// Whose values are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sensitive {
    /// Names of headers, in small letters.
    pub headers: Vec<String>,
    /// Paths of properties, their parts joined by dots; those that begin with it are meant too.
    pub properties: Vec<String>,
}

impl Sensitive {
    fn header(&self, name: &[u8]) -> bool {
        self.headers
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }

    fn property(&self, path: &[u8]) -> bool {
        let path: Vec<u8> = path.iter().map(|byte| if *byte == 0 { b'.' } else { *byte }).collect();
        let begins = |known: &String| {
            let rest = path.strip_prefix(known.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
        };
        let last = path.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        self.properties.iter().any(begins) || self.header(last)
    }
}

/// Says where in a value something stands that is left out, whatever it is the value of.
pub type Finder<'a> = &'a dyn Fn(&[u8]) -> Vec<Range<usize>>;

/// What the values of the current call are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Anything,
    /// A map, of which some values are left out.
    Map,
    /// Something sensitive.
    Sensitive,
}

impl Recording {
    /// The recording without the values of sensitive headers and properties, and without what `finder` finds in any other, or in the pieces of a
    /// body behind each other; a value keeps its length, so that the rest stays true.
    ///
    /// # Errors
    /// When its steps are damaged.
    pub fn masked(mut self, sensitive: &Sensitive, finder: Finder<'_>) -> Result<Self, RecordingFault> {
        let mut writer = Writer::default();
        let mut steps = Steps::of(&self.steps);
        let seams = Seams::find(&self.steps, finder)?;
        let mut mask = Mask {
            sensitive,
            finder,
            seams: &seams,
            number: 0,
            about: About::Anything,
            count: 0,
            values: Vec::new(),
        };
        seams.values.iter().for_each(|value| mask.remember(value));
        while let Some(step) = steps.next()? {
            mask.step(&step, &mut writer);
            mask.number = mask.number.saturating_add(1);
        }
        self.head.masked = self.head.masked.saturating_add(mask.count);
        self.steps = writer.0;
        Ok(self)
    }
}

struct Mask<'a> {
    sensitive: &'a Sensitive,
    finder: Finder<'a>,
    seams: &'a Seams,
    /// Which step it is.
    number: usize,
    about: About,
    count: u64,
    /// What was left out, to be found again in what the guest says.
    values: Vec<Vec<u8>>,
}

impl Mask<'_> {
    fn step(&mut self, step: &Step<'_>, writer: &mut Writer) {
        match step {
            Step::Call {
                name,
                arguments,
                inputs,
            } => {
                self.about = self.about(name, inputs);
                let owned: Vec<Vec<u8>> = inputs.iter().map(|input| self.input(input)).collect();
                let has_stars = self.count > 0;
                let inputs = inputs.iter().zip(&owned);
                let inputs = inputs.map(|(input, kept)| Input {
                    kept,
                    // With stars in its memory a guest hands over something else in what was not kept, too.
                    digest: if has_stars { 0 } else { input.digest },
                    ..*input
                });
                writer.call(&String::from_utf8_lossy(name), arguments, inputs);
            }
            Step::Value(bytes) => writer.value(&self.value(bytes)),
            other => writer.step(other),
        }
    }

    fn about(&self, call: &[u8], inputs: &[Input<'_>]) -> About {
        let name = inputs.iter().find(|input| input.given == Given::Name);
        let name = name.map_or(&[][..], |input| input.kept);
        match call {
            b"proxy_get_header_map_pairs" => About::Map,
            b"proxy_get_header_map_value" | b"proxy_add_header_map_value" | b"proxy_replace_header_map_value"
                if self.sensitive.header(name) =>
            {
                About::Sensitive
            }
            b"proxy_get_property" | b"proxy_set_property" if self.sensitive.property(name) => About::Sensitive,
            _ => About::Anything,
        }
    }

    fn input(&mut self, input: &Input<'_>) -> Vec<u8> {
        match input.given {
            Given::Map => self.map(input.kept),
            Given::Bytes if self.about == About::Sensitive => self.instead(input.kept),
            _ => self.without_values(input.kept),
        }
    }

    /// The bytes with stars for values that were left out elsewhere: a guest may log what it has read.
    fn without_values(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = self.without_found(bytes);
        for value in &self.values {
            let mut from = 0;
            while let Some(found) = find(bytes.get(from..).unwrap_or_default(), value) {
                let at = from.saturating_add(found);
                let end = at.saturating_add(value.len()).min(bytes.len());
                bytes.get_mut(at..end).unwrap_or_default().fill(INSTEAD);
                from = end;
            }
        }
        bytes
    }

    /// The bytes with stars for what is found in them; it is looked for elsewhere too.
    fn without_found(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut kept = bytes.to_vec();
        // The steps of bodies have one piece each, so that a place is in no other bytes.
        let mut places = self.seams.of(self.number).to_vec();
        let over = places.len();
        for place in (self.finder)(bytes) {
            let known = places.iter().take(over);
            if !known
                .into_iter()
                .any(|seam| seam.start <= place.start && place.end <= seam.end)
            {
                places.push(place);
            }
        }
        for place in places {
            if let (Some(found), Some(room)) = (bytes.get(place.clone()), kept.get_mut(place)) {
                room.copy_from_slice(&self.instead(found));
            }
        }
        kept
    }

    fn value(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self.about {
            About::Anything => self.without_values(bytes),
            About::Map => self.map(bytes),
            About::Sensitive => self.instead(bytes),
        }
    }

    fn instead(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.count = self.count.saturating_add(1);
        self.remember(bytes);
        vec![INSTEAD; bytes.len()]
    }

    /// It is looked for elsewhere.
    fn remember(&mut self, bytes: &[u8]) {
        if bytes.len() >= VALUE_BYTES_MIN
            && self.values.len() < VALUES_MAX
            && !self.values.iter().any(|known| known == bytes)
        {
            self.values.push(bytes.to_vec());
        }
    }

    /// A map in which sensitive values are left out; one that cannot be read is left out as a whole.
    fn map(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(pairs) = pairs::decode(bytes) else {
            return self.instead(bytes);
        };
        let pairs: Vec<(&[u8], Vec<u8>)> = pairs
            .into_iter()
            .map(|(name, value)| match self.sensitive.header(name) {
                true => (name, self.instead(value)),
                false => (name, self.without_found(value)),
            })
            .collect();
        pairs::encode(pairs.iter().map(|(name, value)| (*name, value.as_slice())))
    }
}

/// Where `value` is in `bytes`. Of a value at their end its beginning is enough: what a guest hands over is kept only so far.
fn find(bytes: &[u8], value: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|at| {
        let rest = bytes.get(*at..).unwrap_or_default();
        rest.starts_with(value) || (rest.len() >= VALUE_BYTES_MIN && value.starts_with(rest))
    })
}
