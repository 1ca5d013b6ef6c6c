//! Paths to values of JSON, followed while the text goes by.

use crate::fault::Fault;

/// LIMIT: paths, as many as a number has bits, and names of one.
const PATHS_MAX: usize = 64;
const PARTS_MAX: usize = 32;

/// Paths, and what is done with what they lead to.
#[derive(Clone, Default, Debug)]
pub(crate) struct Paths(Vec<(Vec<String>, Aim)>);

/// What is done with the value that a path leads to, and with all within it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Aim {
    Mask,
    Skip,
}

/// Paths that still fit, of those that are followed: a bit for each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Following(u64);

impl Paths {
    /// Adds one: names with dots between, `*` for any name or any item; `$.` may stand before.
    pub(crate) fn add(&mut self, path: &str, aim: Aim) -> Result<(), Fault> {
        if self.0.len() >= PATHS_MAX {
            return Err(Fault::Paths(PATHS_MAX));
        }
        let parts: Vec<String> = path
            .strip_prefix("$.")
            .unwrap_or(path)
            .split('.')
            .map(str::to_owned)
            .collect();
        if parts.len() > PARTS_MAX || parts.iter().any(String::is_empty) {
            return Err(Fault::Path);
        }
        self.0.push((parts, aim));
        Ok(())
    }

    /// At the root all paths fit.
    pub(crate) fn begin(&self) -> Following {
        let unused = u32::try_from(PATHS_MAX.saturating_sub(self.0.len())).unwrap_or(64);
        Following(u64::MAX.checked_shr(unused).unwrap_or(0))
    }

    /// What fits one step deeper: into the member of that name, or into an item, which has none. And what is aimed at the value there.
    pub(crate) fn step(&self, following: Following, depth: usize, name: Option<&[u8]>) -> (Following, Option<Aim>) {
        let mut deeper = 0;
        let mut aim = None;
        let mut left = following.0;
        while left != 0 {
            let place = left.trailing_zeros();
            left &= left - 1;
            let Some((parts, aimed)) = self.0.get(place as usize) else {
                continue;
            };
            let fits = parts
                .get(depth)
                .is_some_and(|part| part == "*" || name == Some(part.as_bytes()));
            if !fits {
                continue;
            }
            deeper |= 1 << place;
            if parts.len() == depth + 1 && aim != Some(Aim::Mask) {
                aim = Some(*aimed);
            }
        }
        (Following(deeper), aim)
    }
}
