//! What the system says of this process.

use std::fs;
use std::time::Duration;

use log_record::exposition::Exposition;
use log_record::metric;
use rustix::time::{ClockId, clock_gettime};

/// The process at one moment; nothing where the system does not tell.
#[derive(Debug)]
pub(super) struct Standing {
    computed: Duration,
    resident_bytes: Option<u64>,
    descriptors: Option<u64>,
    descriptors_max: Option<u64>,
    threads: Option<u64>,
}

impl Standing {
    /// Reads `/proc/self`.
    pub(super) fn of_this() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let descriptors = fs::read_dir("/proc/self/fd").ok();
        Self {
            computed: Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default(),
            resident_bytes: number_behind(&status, "VmRSS:").map(|kibibytes| kibibytes * 1024),
            // The folder that is read is one itself, for that moment.
            descriptors: descriptors.map(|entries| (entries.count() as u64).saturating_sub(1)),
            descriptors_max: number_behind(&limits, "Max open files"),
            threads: number_behind(&status, "Threads:"),
        }
    }

    /// Writes it down.
    pub(super) fn tell(&self, page: &mut Exposition) {
        page.family(&metric::PROCESS_CPU)
            .sample_float(&[], self.computed.as_secs_f64());
        let gauges = [
            (&metric::PROCESS_RESIDENT, self.resident_bytes),
            (&metric::PROCESS_FDS, self.descriptors),
            (&metric::PROCESS_FDS_MAX, self.descriptors_max),
            (&metric::PROCESS_THREADS, self.threads),
        ];
        for (metric, number) in gauges {
            let mut family = page.family(metric);
            if let Some(number) = number {
                family.sample(&[], number);
            }
        }
    }
}

/// The number behind a word at the beginning of a line.
fn number_behind(text: &str, word: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        let standing = Standing::of_this();
        assert!(standing.computed > Duration::ZERO);
        assert!(standing.resident_bytes.unwrap() > 1024 * 1024);
        assert!(standing.descriptors.unwrap() >= 3);
        assert!(
            standing
                .descriptors_max
                .is_none_or(|max| max >= standing.descriptors.unwrap())
        );
        assert!(standing.threads.unwrap() >= 1);
    }
}
