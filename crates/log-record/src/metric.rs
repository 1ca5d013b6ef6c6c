//! The table of the gateway's metrics: the only place where their names are spelled.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    #[default]
    Gauge,
    /// Counts by bucket.
    Histogram,
}

impl Kind {
    /// The word of the Prometheus text format.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, unit last.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Its labels, in the order in which samples give their values.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*
        /// Every metric, in the order in which a page carries them.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO = "cofferdam_build_info", Gauge, ["version"], "Always 1; the label is the version.";
    START_TIME = "cofferdam_start_time_seconds", Gauge, [], "When the process started, in seconds since 1970.";
    WORKERS = "cofferdam_workers", Gauge, [], "Worker threads that run.";
    WORKER_PANICS = "cofferdam_worker_panics_total", Counter, ["worker"], "Panics of the gateway's own code that ended one connection or stream.";
    WORKER_MAILBOX_REFUSALS = "cofferdam_worker_mailbox_refusals_total", Counter, ["worker"], "Messages that a worker's full mailbox refused.";

    CONFIG_GENERATION = "cofferdam_config_generation", Gauge, [], "Number of the configuration in force, counted from 1.";
    CONFIG_CHANGES = "cofferdam_config_changes_total", Counter, ["result"], "Changes of the configuration seen, by result: applied or refused.";
    STORE_CONNECTED = "cofferdam_store_connected", Gauge, [], "1 while the store of the configuration is there, 0 while it is not.";
    STORE_SILENT = "cofferdam_store_silent_seconds", Gauge, [], "How long ago the store last answered.";
    STORE_REVISION = "cofferdam_store_revision", Gauge, ["which"], "Revisions of the configuration in the store: wanted, and the one of it that serves; 0 where nobody counts.";
    STORE_RECONNECTS = "cofferdam_store_reconnects_total", Counter, [], "Connections to the store after the first.";
    STORE_REJECTED = "cofferdam_store_rejected_total", Counter, [], "Revisions out of the store that were refused, or not even taken.";
    CERTIFICATE_RELOADS = "cofferdam_certificate_reloads_total", Counter, ["listener", "result"], "Changes of certificate files seen, by result: applied or refused.";
    CERTIFICATE_EXPIRY = "cofferdam_certificate_expiry_seconds", Gauge, ["listener", "subject"], "When a listener's certificate ends, in seconds since 1970; of several with one subject the first.";

    CONNECTIONS = "cofferdam_connections", Gauge, ["listener"], "Open client connections.";
    CONNECTIONS_TOTAL = "cofferdam_connections_total", Counter, ["listener"], "Client connections accepted.";
    CONNECTIONS_REFUSED = "cofferdam_connections_refused_total", Counter, ["listener", "reason"], "Client connections ended by the gateway before a request, by reason.";
    ACCEPT_FAILURES = "cofferdam_accept_failures_total", Counter, ["listener"], "Failed accepts, as when file descriptors run out.";
    REQUESTS_REFUSED = "cofferdam_requests_refused_total", Counter, ["listener", "reason"], "Requests refused because of how they were written, by reason.";

    EXCHANGES = "cofferdam_exchanges_total", Counter, ["route", "code_class"], "Ended exchanges by route and class of status; `none` when no status was sent.";
    EXCHANGES_IN_FLIGHT = "cofferdam_exchanges_in_flight", Gauge, [], "Exchanges under way.";
    EXCHANGE_DURATION = "cofferdam_exchange_duration_seconds", Histogram, ["route"], "From a request's headers to the response's last byte.";
    REQUEST_BYTES = "cofferdam_request_body_bytes_total", Counter, ["route"], "Body bytes received from clients.";
    RESPONSE_BYTES = "cofferdam_response_body_bytes_total", Counter, ["route"], "Body bytes sent to clients.";

    UPSTREAM_CONNECTIONS = "cofferdam_upstream_connections", Gauge, ["upstream"], "Open connections to an upstream.";
    UPSTREAM_CONNECTIONS_TOTAL = "cofferdam_upstream_connections_total", Counter, ["upstream"], "Connections made to an upstream.";
    UPSTREAM_REQUESTS = "cofferdam_upstream_requests_total", Counter, ["upstream", "code_class"], "Answered requests by upstream and class of status.";
    UPSTREAM_REQUESTS_IN_FLIGHT = "cofferdam_upstream_requests_in_flight", Gauge, ["upstream"], "Requests under way to an upstream.";
    UPSTREAM_FAILURES = "cofferdam_upstream_failures_total", Counter, ["upstream", "code"], "Requests that an upstream did not answer, by fault.";
    UPSTREAM_RETRIES = "cofferdam_upstream_retries_total", Counter, ["upstream"], "Requests sent again on a fresh connection because a pooled one was closed.";
    UPSTREAM_DURATION = "cofferdam_upstream_duration_seconds", Histogram, ["upstream"], "From a request sent upstream to its response's headers.";
    UPSTREAM_ENDPOINTS = "cofferdam_upstream_endpoints", Gauge, ["upstream", "health"], "Endpoints of an upstream, by health: unhealthy while any worker passes it over, else healthy.";

    PLUGIN_INSTANCES = "cofferdam_plugin_instances", Gauge, ["plugin"], "Running instances of a plugin.";
    PLUGIN_MEMORY = "cofferdam_plugin_memory_bytes", Gauge, ["plugin", "worker"], "Linear memory of a plugin's instances.";
    PLUGIN_MEMORY_GROWN = "cofferdam_plugin_memory_grown_bytes_total", Counter, ["plugin"], "Bytes by which the memory of a plugin's instances has grown since their starts.";
    PLUGIN_CALLBACKS = "cofferdam_plugin_callbacks_total", Counter, ["plugin"], "Callbacks of a plugin that began, those that it does not export included.";
    PLUGIN_FAULTS = "cofferdam_plugin_faults_total", Counter, ["plugin", "code"], "Faults of a plugin, by code.";
    PLUGIN_FAULTS_BY_CALLBACK = "cofferdam_plugin_faults_by_callback_total", Counter, ["plugin", "callback"], "Faults of a plugin, by the callback in which they happened.";
    PLUGIN_HOST_CALLS = "cofferdam_plugin_host_calls_total", Counter, ["plugin", "call"], "Host calls of a plugin, by name.";
    PLUGIN_DENIED_CALLS = "cofferdam_plugin_denied_calls_total", Counter, ["plugin", "call"], "Host calls of a plugin that its grant lacks, by name; they are let through where the grant only reports.";
    PLUGIN_CALLBACK_DURATION = "cofferdam_plugin_callback_duration_seconds", Histogram, ["plugin"], "Time that a plugin computed in a callback, sampled in steps of 0.25 to 1 ms: the sum is right on average, a single callback is off by up to a step.";
    PLUGIN_RESTARTS = "cofferdam_plugin_restarts_total", Counter, ["plugin"], "Instances made to replace a faulted one.";
    PLUGIN_DEBUGGED = "cofferdam_plugin_debugged_exchanges_total", Counter, ["plugin"], "Exchanges of a plugin that a debugger looked at.";
    PLUGIN_QUARANTINES = "cofferdam_plugin_quarantines_total", Counter, ["plugin"], "Times that a worker set a plugin aside after repeated faults.";
    PLUGIN_QUARANTINED = "cofferdam_plugin_quarantined", Gauge, ["plugin"], "Workers on which a plugin is set aside now.";
    PLUGIN_LIMIT = "cofferdam_plugin_limit", Gauge, ["plugin", "limit"], "A plugin's limits by their names in the configuration, in bytes, seconds and counts; a share of 1 for `cpu_share`.";
    PLUGIN_LIMIT_REACHED = "cofferdam_plugin_limit_reached_total", Counter, ["plugin", "limit"], "Times that a plugin was held to a limit: something was refused, left out or made to wait.";
    PLUGIN_REFUSED = "cofferdam_plugin_refused", Gauge, ["plugin"], "1 while a plugin does not run as the configuration wants it, 0 when it does; `/plugins` says why.";
    ROLLOUT_SHARE = "cofferdam_rollout_share", Gauge, ["plugin"], "Part of the exchanges that goes to the generation of a plugin that its rollout tries, from 0 to 1.";
    ROLLOUT_EXCHANGES = "cofferdam_rollout_exchanges_total", Counter, ["plugin", "arm"], "Exchanges that took part in a rollout, by arm: control or candidate.";
    ROLLOUT_FAULTS = "cofferdam_rollout_faults_total", Counter, ["plugin", "arm"], "Faults of a plugin during a rollout, by arm: control or candidate.";
    ROLLOUT_SHADOWED = "cofferdam_rollout_shadowed_total", Counter, ["plugin", "outcome"], "Exchanges of the control that the generation which a rollout tries was to be run over aside, by outcome: same, different or not_compared.";
    ROLLOUT_DIFFERENCES = "cofferdam_rollout_differences_total", Counter, ["plugin", "kind"], "Exchanges of the control of which the generation that a rollout tries made something else aside, by what differed.";
    ROLLOUT_NOT_COMPARED = "cofferdam_rollout_not_compared_total", Counter, ["plugin", "reason"], "Exchanges of the control that were not compared, by reason.";

    LOG_LINES = "cofferdam_log_lines_total", Counter, ["level"], "Lines written to stderr, plugins' lines included, by level.";

    WORKER_EXCHANGES = "cofferdam_worker_exchanges_total", Counter, ["worker"], "Ended exchanges by worker.";
    WORKER_FAILED = "cofferdam_worker_failed_exchanges_total", Counter, ["worker"], "Ended exchanges by worker that were answered with 5xx or not at all.";
    WORKER_EXCHANGE_DURATION = "cofferdam_worker_exchange_duration_seconds", Histogram, ["worker"], "From a request's headers to the response's last byte, by worker.";
    WORKER_EXCHANGES_IN_FLIGHT = "cofferdam_worker_exchanges_in_flight", Gauge, ["worker"], "Exchanges under way by worker.";
    WORKER_CPU = "cofferdam_worker_cpu_seconds_total", Counter, ["worker"], "Time that a worker's thread has computed: its rate is the part of a core that is used.";
    WORKER_LAG = "cofferdam_worker_lag_seconds", Histogram, ["worker"], "How late a worker came back to a timer of its own, looked at four times a second: what it does at a stretch, everybody else waits for.";
    PROCESS_CPU = "process_cpu_seconds_total", Counter, [], "Time that the process has computed, on all its threads.";
    PROCESS_RESIDENT = "process_resident_memory_bytes", Gauge, [], "Memory of the process that is in RAM.";
    PROCESS_FDS = "process_open_fds", Gauge, [], "Open file descriptors.";
    PROCESS_FDS_MAX = "process_max_fds", Gauge, [], "File descriptors that the system allows the process.";
    PROCESS_THREADS = "process_threads", Gauge, [], "Threads of the process.";

    LOG_SINK_ACCEPTED = "cofferdam_log_sink_accepted_records_total", Counter, ["sink"], "Records that a sink was given and is for, those included that it found in its spool at its start.";
    LOG_SINK_DELIVERED = "cofferdam_log_sink_delivered_records_total", Counter, ["sink"], "Records that the other side of a sink has taken.";
    LOG_SINK_DROPPED = "cofferdam_log_sink_dropped_records_total", Counter, ["sink", "level", "reason"], "Records that a sink dropped, by level and reason; those that happened.";
    LOG_SINK_DELIVERY = "cofferdam_log_sink_delivery_duration_seconds", Histogram, ["sink"], "How long each try of a sink to deliver a batch took, those that failed included.";
    LOG_SINK_HELD = "cofferdam_log_sink_held_records", Gauge, ["sink"], "Records of a sink in memory, on their way or in its spool.";
    LOG_SINK_SPOOLED = "cofferdam_log_sink_spooled_records", Gauge, ["sink"], "Of those, the ones in the spool.";
    LOG_SINK_QUEUE = "cofferdam_log_sink_queue_bytes", Gauge, ["sink"], "Bytes in the queue of a sink.";
    LOG_SINK_QUEUE_CAPACITY = "cofferdam_log_sink_queue_capacity_bytes", Gauge, ["sink"], "Bytes that the queue of a sink can hold.";
    LOG_SINK_SPOOL = "cofferdam_log_sink_spool_bytes", Gauge, ["sink"], "Bytes in the spool of a sink.";
    LOG_SINK_SPOOL_CAPACITY = "cofferdam_log_sink_spool_capacity_bytes", Gauge, ["sink"], "Bytes that the spool of a sink can hold; 0 without one.";
    LOG_SINK_RETRIES = "cofferdam_log_sink_retries_total", Counter, ["sink"], "Deliveries of a sink that failed and are tried again.";
    LOG_SINK_SPOOL_FAULTS = "cofferdam_log_sink_spool_faults_total", Counter, ["sink"], "Times that the disk of a sink's spool refused.";
    LOG_SINK_TORN = "cofferdam_log_sink_torn_spools_total", Counter, ["sink"], "Torn ends of a spool that were cut at its start.";
    LOG_SINK_ASIDE = "cofferdam_log_sink_set_aside_files_total", Counter, ["sink"], "Files of a spool that cannot be read and were set aside.";
    LOG_SINK_QUOTED = "cofferdam_log_sink_quoted_records_total", Counter, ["sink"], "Records that went out in quotes, because their line is no JSON object and another form was asked for.";
    LOG_SINK_LEFT = "cofferdam_log_sink_left_records", Gauge, ["sink"], "Records that sinks of this name left in their spools when they ended, and none has found since.";
    LOG_RING = "cofferdam_log_ring_bytes", Gauge, ["worker"], "Bytes in the ring of a worker that are not safe elsewhere yet.";
    LOG_RING_CAPACITY = "cofferdam_log_ring_capacity_bytes", Gauge, ["worker"], "Bytes that the ring of a worker can hold.";
    LOG_RING_RECORDS = "cofferdam_log_ring_records_total", Counter, ["worker"], "Records that were taken out of the ring of a worker.";
    LOG_RING_REFUSED = "cofferdam_log_ring_refused_records_total", Counter, ["worker", "level", "class", "reason"], "Records that the ring of a worker had no room for, by level, class and reason; those that happened.";
    LOG_RING_GAPS = "cofferdam_log_ring_gap_records_total", Counter, ["worker"], "Records in which the ring of a worker says that it refused others.";
    LOG_MASKED = "cofferdam_log_masked_values_total", Counter, ["class"], "Values that were masked before they rested anywhere, by what they were; those that happened.";
    LOG_SAMPLED = "cofferdam_log_sampled_records_total", Counter, ["decision", "why"], "Records of exchanges that were kept or dropped, and why; those that happened.";
    LOG_UNACCOUNTED = "cofferdam_log_unaccounted_records_total", Counter, [], "Records that a rate dropped and that no factor stands for: whoever they were of wrote none since, and others have the place.";
    LOG_DEBUG_REFUSED = "cofferdam_log_debug_refused_records_total", Counter, [], "Records of debug windows, and of the seconds before them, for which there was no room.";
    LOG_GUEST_RECORDS = "cofferdam_log_guest_records_total", Counter, ["guest", "outcome"], "Records that came to a log guest, by outcome: unchanged, changed, or marked because the guest did not do its work on them.";
    LOG_GUEST_DEATHS = "cofferdam_log_guest_deaths_total", Counter, ["guest", "reason"], "Deaths of a log guest, by reason.";
    LOG_GUEST_QUARANTINES = "cofferdam_log_guest_quarantines_total", Counter, ["guest"], "Times that a log guest was set aside after repeated deaths.";
}

/// The label value for a status: `2xx` and so on, `none` when no status was sent.
pub const fn code_class(status: Option<u16>) -> &'static str {
    match status {
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        Some(_) => "other",
        None => "none",
    }
}
