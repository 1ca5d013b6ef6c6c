//! What a process has in use, second by second, and whether it climbs.

use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::usage::resident_mb;

/// One look at a process: resident memory in MB and open descriptors.
pub(super) fn take(process: u32) -> Result<(f64, f64)> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).context("the server is gone")?;
    Ok((resident_mb(process)?, open.count() as f64))
}

/// Looks with their times.
#[derive(Default)]
pub(super) struct Samples {
    memory_mb: Vec<(f64, f64)>,
    descriptors: Vec<(f64, f64)>,
}

impl Samples {
    pub(super) fn add(&mut self, at: Duration, (memory_mb, descriptors): (f64, f64)) {
        let hours = at.as_secs_f64() / 3600.0;
        self.memory_mb.push((hours, memory_mb));
        self.descriptors.push((hours, descriptors));
    }

    pub(super) fn memory_mb(&self) -> Course {
        Course::of(&self.memory_mb)
    }

    pub(super) fn descriptors(&self) -> Course {
        Course::of(&self.descriptors)
    }
}

/// How one figure went.
#[derive(Debug, PartialEq)]
pub(super) struct Course {
    /// Median of the first fifth.
    first: f64,
    /// Median of the last fifth.
    last: f64,
    most: f64,
    /// By least squares over all of it.
    climb_per_hour: f64,
}

impl Course {
    fn of(points: &[(f64, f64)]) -> Self {
        let fifth = points.len().div_ceil(5);
        Self {
            first: median(points.iter().take(fifth)),
            last: median(points.iter().rev().take(fifth)),
            most: points.iter().map(|(_, value)| *value).fold(0.0, f64::max),
            climb_per_hour: climb(points),
        }
    }

    /// How far the end is above the beginning.
    pub(super) fn climb_percent(&self) -> f64 {
        (self.last / self.first - 1.0) * 100.0
    }
}

impl fmt::Display for Course {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "first fifth {:.1}, last fifth {:.1} ({:+.2} %), most {:.1}, {:+.2} per hour",
            self.first,
            self.last,
            self.climb_percent(),
            self.most,
            self.climb_per_hour
        )
    }
}

fn median<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> f64 {
    let mut values: Vec<f64> = points.map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The slope of the line that is nearest to all points.
fn climb(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / count;
    let (at, value) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points.iter().map(|point| (point.0 - at) * (point.1 - value)).sum();
    let spread: f64 = points.iter().map(|point| (point.0 - at).powi(2)).sum();
    if spread == 0.0 { 0.0 } else { both / spread }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_climbs_is_seen_and_a_single_peak_is_not() {
        let flat: Vec<_> = (0..100)
            .map(|at| (f64::from(at), if at == 95 { 90.0 } else { 10.0 }))
            .collect();
        let flat = Course::of(&flat);
        assert_eq!((flat.climb_percent(), flat.most), (0.0, 90.0));
        let climbing: Vec<_> = (0..100).map(|at| (f64::from(at), 100.0 + f64::from(at))).collect();
        let climbing = Course::of(&climbing);
        assert!((climbing.climb_per_hour - 1.0).abs() < 1e-9);
        assert!(climbing.climb_percent() > 70.0);
    }

    #[test]
    fn our_own_process_can_be_looked_at() {
        let (memory_mb, descriptors) = take(std::process::id()).unwrap();
        assert!(memory_mb > 0.5 && descriptors >= 3.0);
    }

    #[test]
    fn nothing_seen_is_no_success() {
        assert!(Course::of(&[]).climb_percent().is_nan());
    }
}
