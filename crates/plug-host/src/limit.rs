//! The limits of a plugin by name, their values beside those of one callback, and how often each was reached.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plug_instrument::Changes;

use crate::engine::TABLE_ENTRIES_MAX;
use crate::file_counts::FileBounds;
use crate::shared_data::{QUEUE_LENGTH_MAX, SHARED_DATA_BYTES_MAX};

/// What a plugin may use, beside its memory, its stack and the CPU time of one callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of all tables of one instance.
    pub table_entries_max: usize,
    /// Callouts of one instance that have not ended.
    pub callouts_max: usize,
    /// Bytes that shared data of its `vm_id` may have after a write of this plugin.
    pub shared_data_bytes_max: usize,
    /// Keys that shared data of its `vm_id` may have after a write of this plugin.
    pub shared_keys_max: usize,
    /// Entries that a queue may have after this plugin has put one into it.
    pub queue_length_max: usize,
    /// Lines of the log for each second on one worker; none when 0.
    pub log_lines_per_s_max: u32,
    /// Shortest period of a timer; shorter ones are raised to it.
    pub timer_min: Duration,
    /// Files and folders of its grant that all its instances have open at a time, and bytes that they may write.
    pub files: FileBounds,
    /// Share of one worker's CPU time in percent; not measured when 100.
    pub cpu_share_percent_max: u8,
    /// Frames of the guest that may stand on its stack; not counted when absent. Its module is loaded with [`Limits::changes`].
    pub call_depth_max: Option<u32>,
}

impl Limits {
    /// What must be changed in a module, so that it is held to these.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes {
            call_depth_max: self.call_depth_max,
            ..Changes::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            table_entries_max: TABLE_ENTRIES_MAX,
            callouts_max: 4_096,
            shared_data_bytes_max: SHARED_DATA_BYTES_MAX,
            shared_keys_max: 100_000,
            queue_length_max: QUEUE_LENGTH_MAX,
            log_lines_per_s_max: 1_000,
            timer_min: Duration::from_millis(1),
            files: FileBounds::default(),
            cpu_share_percent_max: 100,
            call_depth_max: None,
        }
    }
}

macro_rules! limits {
    ($($limit:ident = $word:literal, $what:literal;)*) => {
        /// A limit that a plugin can reach.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Limit {
            $(#[doc = $what] $limit,)*
        }

        impl Limit {
            /// Every limit, in the order in which it is declared.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$limit),*];

            /// Its name in the configuration.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$limit => $word,)*
                }
            }
        }
    };
}

limits! {
    Memory = "memory", "Its memory did not grow.";
    CpuSlice = "cpu_slice", "A callback was stopped.";
    Stack = "stack", "A callback ran out of stack.";
    CallDepth = "call_depth", "A callback called one frame too deep.";
    Body = "body", "A body was too long to be held for it.";
    Table = "table", "A table did not grow.";
    Callouts = "callouts", "A callout was refused.";
    SharedData = "shared_data", "A value was not written, because of its bytes.";
    SharedKeys = "shared_keys", "A value was not written, because its key was one too many.";
    QueueLength = "queue_length", "An entry was not put into a queue.";
    LogLines = "log_lines", "A line was left out.";
    Timer = "timer", "A period was raised.";
    OpenFiles = "open_files", "A file was not opened.";
    Written = "written", "Bytes were not written to a file, or a file was not made.";
    Instances = "instances", "An exchange found no place for an instance of its own.";
    CpuShare = "cpu_share", "An exchange was refused, or a timer or the wake-up of a queue had to wait.";
}

/// How often a plugin reached its limits on one worker.
#[derive(Debug, Default)]
pub(crate) struct Reached([AtomicU64; Limit::ALL.len()]);

impl Reached {
    /// Once more.
    pub(crate) fn add(&self, limit: Limit) {
        let mut counts = Limit::ALL.into_iter().zip(&self.0);
        if let Some((_, count)) = counts.find(|(known, _)| *known == limit) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every limit with its number.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Limit, u64)> + '_ {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Limit::ALL.into_iter().zip(counts)
    }
}
