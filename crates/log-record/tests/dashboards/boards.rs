//! The dashboards: what each shows, and by which expressions.

use crate::grafana::Look::{Heat, Lines, Number};
use crate::grafana::{Board, Look, Panel};

/// Every dashboard.
pub(crate) const ALL: &[Board] = &[OVERVIEW, UPSTREAMS, PLUGINS, LOGS, WORKERS, CONTROL];

/// What a panel says, and by which expressions with their legends.
type Queries = &'static [(&'static str, &'static str)];

const fn panel(look: Look, [title, unit, description]: [&'static str; 3], queries: Queries) -> Panel {
    Panel {
        look,
        title,
        unit,
        description,
        queries,
    }
}

const OVERVIEW: Board = Board {
    name: "overview",
    title: "overview",
    description: "Rate, errors and duration of exchanges, by route.",
    choices: &[("route", "cofferdam_exchanges_total")],
    panels: &[
        panel(
            Number,
            ["Exchanges", "reqps", "Ended exchanges per second."],
            &[(r#"sum(rate(cofferdam_exchanges_total{@,route=~"$route"}[~]))"#, "")],
        ),
        panel(
            Number,
            [
                "Error share",
                "percentunit",
                "Part of the exchanges that ended with a status of 5xx.",
            ],
            &[(
                r#"sum(rate(cofferdam_exchanges_total{@,route=~"$route",code_class="5xx"}[~])) / sum(rate(cofferdam_exchanges_total{@,route=~"$route"}[~]))"#,
                "",
            )],
        ),
        panel(
            Number,
            ["p99", "s", "Of a hundred exchanges, 99 were quicker."],
            &[(
                r#"histogram_quantile(0.99, sum by (le) (rate(cofferdam_exchange_duration_seconds_bucket{@,route=~"$route"}[~])))"#,
                "",
            )],
        ),
        panel(
            Number,
            ["In flight", "short", "Exchanges under way, of all routes."],
            &[("sum(cofferdam_exchanges_in_flight{@})", "")],
        ),
        panel(
            Lines,
            ["Exchanges by route", "reqps", "Ended exchanges per second."],
            &[(
                r#"sum by (route) (rate(cofferdam_exchanges_total{@,route=~"$route"}[~]))"#,
                "{{route}}",
            )],
        ),
        panel(
            Lines,
            [
                "Exchanges by class of status",
                "reqps",
                "`none` is an exchange to which no status was sent, as when the client has gone.",
            ],
            &[(
                r#"sum by (code_class) (rate(cofferdam_exchanges_total{@,route=~"$route"}[~]))"#,
                "{{code_class}}",
            )],
        ),
        panel(
            Lines,
            [
                "Error share by route",
                "percentunit",
                "Part of the exchanges of a route that ended with a status of 5xx.",
            ],
            &[(
                r#"sum by (route) (rate(cofferdam_exchanges_total{@,route=~"$route",code_class="5xx"}[~])) / sum by (route) (rate(cofferdam_exchanges_total{@,route=~"$route"}[~]))"#,
                "{{route}}",
            )],
        ),
        panel(
            Lines,
            [
                "Duration",
                "s",
                "From a request's headers to the response's last byte. Where exemplars are on, a point leads to the trace of its exchange.",
            ],
            &[
                (
                    r#"histogram_quantile(0.5, sum by (le) (rate(cofferdam_exchange_duration_seconds_bucket{@,route=~"$route"}[~])))"#,
                    "p50",
                ),
                (
                    r#"histogram_quantile(0.95, sum by (le) (rate(cofferdam_exchange_duration_seconds_bucket{@,route=~"$route"}[~])))"#,
                    "p95",
                ),
                (
                    r#"histogram_quantile(0.99, sum by (le) (rate(cofferdam_exchange_duration_seconds_bucket{@,route=~"$route"}[~])))"#,
                    "p99",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "p99 by route",
                "s",
                "Of a hundred exchanges of a route, 99 were quicker.",
            ],
            &[(
                r#"histogram_quantile(0.99, sum by (le, route) (rate(cofferdam_exchange_duration_seconds_bucket{@,route=~"$route"}[~])))"#,
                "{{route}}",
            )],
        ),
        panel(
            Lines,
            [
                "p99 by route, native histogram",
                "s",
                "The same out of native buckets, off by 4.5 % at most; empty where Prometheus does not take native histograms.",
            ],
            &[(
                r#"histogram_quantile(0.99, sum by (route) (rate(cofferdam_exchange_duration_seconds{@,route=~"$route"}[~])))"#,
                "{{route}}",
            )],
        ),
        panel(
            Heat,
            [
                "Durations, native histogram",
                "s",
                "How many exchanges took how long; empty where Prometheus does not take native histograms.",
            ],
            &[(
                r#"sum(rate(cofferdam_exchange_duration_seconds{@,route=~"$route"}[~]))"#,
                "",
            )],
        ),
        panel(
            Lines,
            ["Body bytes", "Bps", "Bodies without headers and framing."],
            &[
                (
                    r#"sum(rate(cofferdam_request_body_bytes_total{@,route=~"$route"}[~]))"#,
                    "from clients",
                ),
                (
                    r#"sum(rate(cofferdam_response_body_bytes_total{@,route=~"$route"}[~]))"#,
                    "to clients",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "Refused before any route",
                "reqps",
                "Requests refused because of how they were written, and connections ended before a request, by reason.",
            ],
            &[
                (
                    "sum by (reason) (rate(cofferdam_requests_refused_total{@}[~]))",
                    "request: {{reason}}",
                ),
                (
                    "sum by (reason) (rate(cofferdam_connections_refused_total{@}[~]))",
                    "connection: {{reason}}",
                ),
            ],
        ),
        panel(
            Lines,
            ["Client connections", "short", "Open connections by listener."],
            &[("sum by (listener) (cofferdam_connections{@})", "{{listener}}")],
        ),
    ],
};

const UPSTREAMS: Board = Board {
    name: "upstreams",
    title: "upstreams",
    description: "Rate, errors and duration of requests to upstreams, and their connections.",
    choices: &[("upstream", "cofferdam_upstream_requests_total")],
    panels: &[
        panel(
            Lines,
            ["Requests by upstream", "reqps", "Answered requests per second."],
            &[(
                r#"sum by (upstream) (rate(cofferdam_upstream_requests_total{@,upstream=~"$upstream"}[~]))"#,
                "{{upstream}}",
            )],
        ),
        panel(
            Lines,
            ["Answers by class of status", "reqps", "What upstreams answered."],
            &[(
                r#"sum by (upstream, code_class) (rate(cofferdam_upstream_requests_total{@,upstream=~"$upstream"}[~]))"#,
                "{{upstream}} {{code_class}}",
            )],
        ),
        panel(
            Lines,
            [
                "Error share by upstream",
                "percentunit",
                "Part of the requests that were answered with 5xx or not at all.",
            ],
            &[(
                r#"(sum by (upstream) (rate(cofferdam_upstream_requests_total{@,upstream=~"$upstream",code_class="5xx"}[~])) + sum by (upstream) (rate(cofferdam_upstream_failures_total{@,upstream=~"$upstream"}[~])) or sum by (upstream) (rate(cofferdam_upstream_requests_total{@,upstream=~"$upstream",code_class="5xx"}[~]))) / (sum by (upstream) (rate(cofferdam_upstream_requests_total{@,upstream=~"$upstream"}[~])) + sum by (upstream) (rate(cofferdam_upstream_failures_total{@,upstream=~"$upstream"}[~])) or sum by (upstream) (rate(cofferdam_upstream_requests_total{@,upstream=~"$upstream"}[~])))"#,
                "{{upstream}}",
            )],
        ),
        panel(
            Lines,
            [
                "Requests without an answer",
                "reqps",
                "By the code of the fault, as it stands in the access record.",
            ],
            &[(
                r#"sum by (upstream, code) (rate(cofferdam_upstream_failures_total{@,upstream=~"$upstream"}[~]))"#,
                "{{upstream}} {{code}}",
            )],
        ),
        panel(
            Lines,
            [
                "Time to the headers",
                "s",
                "From a request sent upstream to its response's headers.",
            ],
            &[
                (
                    r#"histogram_quantile(0.5, sum by (le) (rate(cofferdam_upstream_duration_seconds_bucket{@,upstream=~"$upstream"}[~])))"#,
                    "p50",
                ),
                (
                    r#"histogram_quantile(0.95, sum by (le) (rate(cofferdam_upstream_duration_seconds_bucket{@,upstream=~"$upstream"}[~])))"#,
                    "p95",
                ),
                (
                    r#"histogram_quantile(0.99, sum by (le) (rate(cofferdam_upstream_duration_seconds_bucket{@,upstream=~"$upstream"}[~])))"#,
                    "p99",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "p99 by upstream",
                "s",
                "Of a hundred responses, the headers of 99 came sooner.",
            ],
            &[(
                r#"histogram_quantile(0.99, sum by (le, upstream) (rate(cofferdam_upstream_duration_seconds_bucket{@,upstream=~"$upstream"}[~])))"#,
                "{{upstream}}",
            )],
        ),
        panel(
            Lines,
            [
                "p99 by upstream, native histogram",
                "s",
                "The same out of native buckets; empty where Prometheus does not take native histograms.",
            ],
            &[(
                r#"histogram_quantile(0.99, sum by (upstream) (rate(cofferdam_upstream_duration_seconds{@,upstream=~"$upstream"}[~])))"#,
                "{{upstream}}",
            )],
        ),
        panel(
            Heat,
            [
                "Times to the headers, native histogram",
                "s",
                "How many responses took how long; empty where Prometheus does not take native histograms.",
            ],
            &[(
                r#"sum(rate(cofferdam_upstream_duration_seconds{@,upstream=~"$upstream"}[~]))"#,
                "",
            )],
        ),
        panel(
            Lines,
            ["Requests under way", "short", "Requests and raw streams in flight."],
            &[(
                r#"sum by (upstream) (cofferdam_upstream_requests_in_flight{@,upstream=~"$upstream"})"#,
                "{{upstream}}",
            )],
        ),
        panel(
            Lines,
            ["Connections", "short", "Open connections."],
            &[(
                r#"sum by (upstream) (cofferdam_upstream_connections{@,upstream=~"$upstream"})"#,
                "{{upstream}}",
            )],
        ),
        panel(
            Lines,
            [
                "New connections",
                "cps",
                "Many of them for few requests mean that the upstream does not keep connections.",
            ],
            &[(
                r#"sum by (upstream) (rate(cofferdam_upstream_connections_total{@,upstream=~"$upstream"}[~]))"#,
                "{{upstream}}",
            )],
        ),
        panel(
            Lines,
            [
                "Retries",
                "reqps",
                "Requests sent again on a fresh connection because a pooled one was closed.",
            ],
            &[(
                r#"sum by (upstream) (rate(cofferdam_upstream_retries_total{@,upstream=~"$upstream"}[~]))"#,
                "{{upstream}}",
            )],
        ),
        panel(
            Lines,
            ["Unhealthy endpoints", "short", "Endpoints that a worker passes over."],
            &[(
                r#"sum by (upstream) (cofferdam_upstream_endpoints{@,upstream=~"$upstream",health="unhealthy"})"#,
                "{{upstream}}",
            )],
        ),
        panel(
            Lines,
            ["Healthy endpoints", "short", "Endpoints that no worker passes over."],
            &[(
                r#"sum by (upstream) (cofferdam_upstream_endpoints{@,upstream=~"$upstream",health="healthy"})"#,
                "{{upstream}}",
            )],
        ),
    ],
};

const PLUGINS: Board = Board {
    name: "plugins",
    title: "plugins",
    description: "What plugins do, what they cost, how they fail, and how new generations of them come into force.",
    choices: &[("plugin", "cofferdam_plugin_instances")],
    panels: &[
        panel(
            Number,
            [
                "Plugins in quarantine",
                "short",
                "Plugins that are set aside on a worker now.",
            ],
            &[(
                r#"count(max by (plugin) (cofferdam_plugin_quarantined{@,plugin=~"$plugin"}) > 0) or vector(0)"#,
                "",
            )],
        ),
        panel(
            Number,
            [
                "Plugins not as configured",
                "short",
                "Plugins that do not run as the configuration wants them; `/plugins` says why.",
            ],
            &[(
                r#"sum(max by (plugin) (cofferdam_plugin_refused{@,plugin=~"$plugin"}))"#,
                "",
            )],
        ),
        panel(
            Number,
            ["Faults", "short", "Faults per second."],
            &[(
                r#"sum(rate(cofferdam_plugin_faults_total{@,plugin=~"$plugin"}[~]))"#,
                "",
            )],
        ),
        panel(
            Number,
            ["Memory", "bytes", "Linear memory of all instances."],
            &[(r#"sum(cofferdam_plugin_memory_bytes{@,plugin=~"$plugin"})"#, "")],
        ),
        panel(
            Lines,
            ["Callbacks", "ops", "Callbacks that began, by plugin."],
            &[(
                r#"sum by (plugin) (rate(cofferdam_plugin_callbacks_total{@,plugin=~"$plugin"}[~]))"#,
                "{{plugin}}",
            )],
        ),
        panel(
            Lines,
            [
                "Faults by code",
                "ops",
                "A code is explained in the crash report, and by `cofferdam crash list`.",
            ],
            &[(
                r#"sum by (plugin, code) (rate(cofferdam_plugin_faults_total{@,plugin=~"$plugin"}[~]))"#,
                "{{plugin}} {{code}}",
            )],
        ),
        panel(
            Lines,
            ["Faults by callback", "ops", "The callback in which a plugin failed."],
            &[(
                r#"sum by (plugin, callback) (rate(cofferdam_plugin_faults_by_callback_total{@,plugin=~"$plugin"}[~]))"#,
                "{{plugin}} {{callback}}",
            )],
        ),
        panel(
            Lines,
            [
                "Cores used",
                "short",
                "Time computed in callbacks: 1 is one whole core.",
            ],
            &[(
                r#"sum by (plugin) (rate(cofferdam_plugin_callback_duration_seconds_sum{@,plugin=~"$plugin"}[~]))"#,
                "{{plugin}}",
            )],
        ),
        panel(
            Lines,
            ["Callback p99", "s", "Sampled in steps of 0.25 to 1 ms."],
            &[(
                r#"histogram_quantile(0.99, sum by (le, plugin) (rate(cofferdam_plugin_callback_duration_seconds_bucket{@,plugin=~"$plugin"}[~])))"#,
                "{{plugin}}",
            )],
        ),
        panel(
            Lines,
            [
                "Memory of an instance, as a part of its limit",
                "percentunit",
                "The mean of all instances of a plugin.",
            ],
            &[(
                r#"sum by (instance, plugin) (cofferdam_plugin_memory_bytes{@,plugin=~"$plugin"}) / sum by (instance, plugin) (cofferdam_plugin_instances{@,plugin=~"$plugin"}) / on (instance, plugin) cofferdam_plugin_limit{@,plugin=~"$plugin",limit="memory"}"#,
                "{{instance}} {{plugin}}",
            )],
        ),
        panel(
            Lines,
            [
                "Memory growth",
                "Bps",
                "Bytes by which memories have grown since their starts: a leak shows here first.",
            ],
            &[(
                r#"sum by (plugin) (rate(cofferdam_plugin_memory_grown_bytes_total{@,plugin=~"$plugin"}[~]))"#,
                "{{plugin}}",
            )],
        ),
        panel(
            Lines,
            [
                "Workers on which a plugin is in quarantine",
                "short",
                "`POST /plugins/NAME/lift` starts it again.",
            ],
            &[(
                r#"sum by (plugin) (cofferdam_plugin_quarantined{@,plugin=~"$plugin"})"#,
                "{{plugin}}",
            )],
        ),
        panel(
            Lines,
            [
                "Restarts and quarantines",
                "ops",
                "Instances made to replace a faulted one, and plugins set aside.",
            ],
            &[
                (
                    r#"sum by (plugin) (rate(cofferdam_plugin_restarts_total{@,plugin=~"$plugin"}[~]))"#,
                    "{{plugin}}: restart",
                ),
                (
                    r#"sum by (plugin) (rate(cofferdam_plugin_quarantines_total{@,plugin=~"$plugin"}[~]))"#,
                    "{{plugin}}: quarantine",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "Held to a limit",
                "ops",
                "Times that something was refused, left out or made to wait.",
            ],
            &[(
                r#"sum by (plugin, limit) (rate(cofferdam_plugin_limit_reached_total{@,plugin=~"$plugin"}[~])) > 0"#,
                "{{plugin}} {{limit}}",
            )],
        ),
        panel(
            Lines,
            [
                "Calls that the grant lacks",
                "ops",
                "They are let through where the grant only reports.",
            ],
            &[(
                r#"sum by (plugin, call) (rate(cofferdam_plugin_denied_calls_total{@,plugin=~"$plugin"}[~])) > 0"#,
                "{{plugin}} {{call}}",
            )],
        ),
        panel(
            Lines,
            ["Host calls", "ops", "What plugins ask of the gateway."],
            &[(
                r#"sum by (plugin, call) (rate(cofferdam_plugin_host_calls_total{@,plugin=~"$plugin"}[~]))"#,
                "{{plugin}} {{call}}",
            )],
        ),
        panel(
            Lines,
            [
                "Rollouts: share of the new generation",
                "percentunit",
                "0 where none is under way.",
            ],
            &[(
                r#"max by (plugin) (cofferdam_rollout_share{@,plugin=~"$plugin"})"#,
                "{{plugin}}",
            )],
        ),
        panel(
            Lines,
            ["Rollouts: faults by arm", "ops", "The candidate beside the control."],
            &[(
                r#"sum by (plugin, arm) (rate(cofferdam_rollout_faults_total{@,plugin=~"$plugin"}[~]))"#,
                "{{plugin}} {{arm}}",
            )],
        ),
        panel(
            Lines,
            [
                "Rollouts: exchanges by arm",
                "reqps",
                "The candidate beside the control.",
            ],
            &[(
                r#"sum by (plugin, arm) (rate(cofferdam_rollout_exchanges_total{@,plugin=~"$plugin"}[~]))"#,
                "{{plugin}} {{arm}}",
            )],
        ),
        panel(
            Lines,
            [
                "Rollouts: what the shadow made otherwise",
                "ops",
                "Exchanges over which the new generation ran aside, by outcome and by what differed.",
            ],
            &[
                (
                    r#"sum by (plugin, outcome) (rate(cofferdam_rollout_shadowed_total{@,plugin=~"$plugin"}[~]))"#,
                    "{{plugin}} {{outcome}}",
                ),
                (
                    r#"sum by (plugin, kind) (rate(cofferdam_rollout_differences_total{@,plugin=~"$plugin"}[~])) > 0"#,
                    "{{plugin}} differs: {{kind}}",
                ),
            ],
        ),
    ],
};

const LOGS: Board = Board {
    name: "logs",
    title: "logs",
    description: "Where records go: sinks, rings, what is dropped, masked and sampled.",
    choices: &[("sink", "cofferdam_log_sink_accepted_records_total")],
    panels: &[
        panel(
            Number,
            ["Delivered", "ops", "Records that the other sides have taken."],
            &[(
                r#"sum(rate(cofferdam_log_sink_delivered_records_total{@,sink=~"$sink"}[~]))"#,
                "",
            )],
        ),
        panel(
            Number,
            ["Dropped by sinks", "ops", "Records that sinks dropped."],
            &[(
                r#"sum(rate(cofferdam_log_sink_dropped_records_total{@,sink=~"$sink"}[~])) or vector(0)"#,
                "",
            )],
        ),
        panel(
            Number,
            ["Refused by rings", "ops", "Records that rings had no room for."],
            &[(
                "sum(rate(cofferdam_log_ring_refused_records_total{@}[~])) or vector(0)",
                "",
            )],
        ),
        panel(
            Number,
            ["Held", "short", "Records in memory, on their way or in a spool."],
            &[(r#"sum(cofferdam_log_sink_held_records{@,sink=~"$sink"})"#, "")],
        ),
        panel(
            Lines,
            [
                "Records by sink",
                "ops",
                "What a sink was given and what arrived. Both meet again when a sink has caught up.",
            ],
            &[
                (
                    r#"sum by (sink) (rate(cofferdam_log_sink_accepted_records_total{@,sink=~"$sink"}[~]))"#,
                    "{{sink}}: accepted",
                ),
                (
                    r#"sum by (sink) (rate(cofferdam_log_sink_delivered_records_total{@,sink=~"$sink"}[~]))"#,
                    "{{sink}}: delivered",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "Dropped by sink and reason",
                "ops",
                "What is dropped is of the lowest level there is; audit records go last.",
            ],
            &[(
                r#"sum by (sink, reason) (rate(cofferdam_log_sink_dropped_records_total{@,sink=~"$sink"}[~]))"#,
                "{{sink}} {{reason}}",
            )],
        ),
        panel(
            Lines,
            [
                "Dropped by level",
                "ops",
                "Errors here mean that everything below is gone already.",
            ],
            &[(
                r#"sum by (level) (rate(cofferdam_log_sink_dropped_records_total{@,sink=~"$sink"}[~]))"#,
                "{{level}}",
            )],
        ),
        panel(
            Lines,
            ["Held and spooled", "short", "What waits for the other side."],
            &[
                (
                    r#"sum by (sink) (cofferdam_log_sink_held_records{@,sink=~"$sink"})"#,
                    "{{sink}}: held",
                ),
                (
                    r#"sum by (sink) (cofferdam_log_sink_spooled_records{@,sink=~"$sink"})"#,
                    "{{sink}}: in the spool",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "Queues, as a part of what they hold",
                "percentunit",
                "A full queue goes to the spool, or is dropped from.",
            ],
            &[(
                r#"sum by (instance, sink) (cofferdam_log_sink_queue_bytes{@,sink=~"$sink"}) / sum by (instance, sink) (cofferdam_log_sink_queue_capacity_bytes{@,sink=~"$sink"})"#,
                "{{instance}} {{sink}}",
            )],
        ),
        panel(
            Lines,
            [
                "Spools, as a part of what they hold",
                "percentunit",
                "A full spool is dropped from.",
            ],
            &[(
                r#"sum by (instance, sink) (cofferdam_log_sink_spool_bytes{@,sink=~"$sink"}) / (sum by (instance, sink) (cofferdam_log_sink_spool_capacity_bytes{@,sink=~"$sink"}) > 0)"#,
                "{{instance}} {{sink}}",
            )],
        ),
        panel(
            Lines,
            [
                "Time of a delivery",
                "s",
                "How long a try to deliver a batch takes, failed ones included; native histogram, empty where Prometheus takes none.",
            ],
            &[
                (
                    r#"histogram_quantile(0.5, sum by (sink) (rate(cofferdam_log_sink_delivery_duration_seconds{@,sink=~"$sink"}[~])))"#,
                    "{{sink}}: p50",
                ),
                (
                    r#"histogram_quantile(0.99, sum by (sink) (rate(cofferdam_log_sink_delivery_duration_seconds{@,sink=~"$sink"}[~])))"#,
                    "{{sink}}: p99",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "Retries and refusing disks",
                "ops",
                "Deliveries that failed and are tried again, and writes to a spool that failed.",
            ],
            &[
                (
                    r#"sum by (sink) (rate(cofferdam_log_sink_retries_total{@,sink=~"$sink"}[~]))"#,
                    "{{sink}}: retry",
                ),
                (
                    r#"sum by (sink) (rate(cofferdam_log_sink_spool_faults_total{@,sink=~"$sink"}[~])) > 0"#,
                    "{{sink}}: disk",
                ),
                (
                    r#"sum by (sink) (increase(cofferdam_log_sink_torn_spools_total{@,sink=~"$sink"}[~])) > 0"#,
                    "{{sink}}: torn at the start",
                ),
                (
                    r#"sum by (sink) (increase(cofferdam_log_sink_set_aside_files_total{@,sink=~"$sink"}[~])) > 0"#,
                    "{{sink}}: set aside",
                ),
                (
                    r#"sum by (sink) (rate(cofferdam_log_sink_quoted_records_total{@,sink=~"$sink"}[~])) > 0"#,
                    "{{sink}}: in quotes",
                ),
                (
                    r#"sum by (sink) (cofferdam_log_sink_left_records{@,sink=~"$sink"}) > 0"#,
                    "{{sink}}: left in a spool",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "Rings, as a part of what they hold",
                "percentunit",
                "A ring is emptied several times a second; from a fuller one, lower levels are refused first.",
            ],
            &[(
                "cofferdam_log_ring_bytes{@} / cofferdam_log_ring_capacity_bytes{@}",
                "{{instance}} worker {{worker}}",
            )],
        ),
        panel(
            Lines,
            ["Records through rings", "ops", "By worker."],
            &[(
                "sum by (instance, worker) (rate(cofferdam_log_ring_records_total{@}[~]))",
                "{{instance}} worker {{worker}}",
            )],
        ),
        panel(
            Lines,
            [
                "Refused by rings, by class and reason",
                "ops",
                "By class, level and reason; gap records say so in the log itself.",
            ],
            &[
                (
                    "sum by (class, level, reason) (rate(cofferdam_log_ring_refused_records_total{@}[~]))",
                    "{{class}} {{level}} {{reason}}",
                ),
                ("sum(rate(cofferdam_log_ring_gap_records_total{@}[~]))", "gap records"),
            ],
        ),
        panel(
            Lines,
            [
                "Masked values",
                "ops",
                "By what they were. A class that was never there before is worth a look at who writes it.",
            ],
            &[(
                "sum by (class) (rate(cofferdam_log_masked_values_total{@}[~]))",
                "{{class}}",
            )],
        ),
        panel(
            Lines,
            [
                "Sampling",
                "ops",
                "Records of exchanges that were kept and dropped, and why.",
            ],
            &[
                (
                    "sum by (decision, why) (rate(cofferdam_log_sampled_records_total{@}[~]))",
                    "{{decision}}: {{why}}",
                ),
                (
                    "sum (rate(cofferdam_log_unaccounted_records_total{@}[~])) > 0",
                    "dropped, and in no factor",
                ),
                (
                    "sum (rate(cofferdam_log_debug_refused_records_total{@}[~])) > 0",
                    "no room in a debug window",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "Lines on stderr",
                "ops",
                "What the gateway and its plugins say, by level.",
            ],
            &[("sum by (level) (rate(cofferdam_log_lines_total{@}[~]))", "{{level}}")],
        ),
        panel(
            Lines,
            [
                "Log guests",
                "ops",
                "Records that came to each guest, by outcome. Those that are marked lost what others had sent, for the guest did not do its work on them.",
            ],
            &[(
                "sum by (guest, outcome) (rate(cofferdam_log_guest_records_total{@}[~]))",
                "{{guest}}: {{outcome}}",
            )],
        ),
        panel(
            Lines,
            [
                "Deaths of log guests",
                "ops",
                "By reason, and the times that one was set aside because it died again and again.",
            ],
            &[
                (
                    "sum by (guest, reason) (rate(cofferdam_log_guest_deaths_total{@}[~]))",
                    "{{guest}}: {{reason}}",
                ),
                (
                    "sum by (guest) (rate(cofferdam_log_guest_quarantines_total{@}[~]))",
                    "{{guest}}: set aside",
                ),
            ],
        ),
    ],
};

const WORKERS: Board = Board {
    name: "workers",
    title: "workers and process",
    description: "Whether the threads that carry traffic are well, and what the process needs.",
    choices: &[],
    panels: &[
        panel(
            Number,
            ["Workers", "short", "Worker threads that run."],
            &[("sum(cofferdam_workers{@})", "")],
        ),
        panel(
            Number,
            ["Cores used", "short", "Of the whole process."],
            &[("sum(rate(process_cpu_seconds_total{@}[~]))", "")],
        ),
        panel(
            Number,
            ["Memory", "bytes", "Memory that is in RAM."],
            &[("sum(process_resident_memory_bytes{@})", "")],
        ),
        panel(
            Number,
            ["Panics", "short", "Panics of the gateway's own code in the last day."],
            &[("sum(increase(cofferdam_worker_panics_total{@}[1d]))", "")],
        ),
        panel(
            Lines,
            ["Cores used by workers", "short", "At 1 a worker has no time left."],
            &[(
                "rate(cofferdam_worker_cpu_seconds_total{@}[~])",
                "{{instance}} worker {{worker}}",
            )],
        ),
        panel(
            Lines,
            [
                "Exchanges by worker",
                "reqps",
                "The system spreads connections over workers; few long connections may lie on one.",
            ],
            &[(
                "rate(cofferdam_worker_exchanges_total{@}[~])",
                "{{instance}} worker {{worker}}",
            )],
        ),
        panel(
            Lines,
            ["In flight by worker", "short", "Exchanges under way."],
            &[(
                "cofferdam_worker_exchanges_in_flight{@}",
                "{{instance}} worker {{worker}}",
            )],
        ),
        panel(
            Lines,
            [
                "Failed exchanges",
                "reqps",
                "Exchanges that were answered with 5xx or not at all: one worker alone points at its core, all of them at something behind.",
            ],
            &[(
                "sum by (instance, worker) (rate(cofferdam_worker_failed_exchanges_total{@}[~]))",
                "{{instance}} worker {{worker}}",
            )],
        ),
        panel(
            Lines,
            [
                "Time of an exchange, p99",
                "s",
                "From the request's headers to the response's last byte, by worker.",
            ],
            &[(
                "histogram_quantile(0.99, sum by (le, instance, worker) (rate(cofferdam_worker_exchange_duration_seconds_bucket{@}[~])))",
                "{{instance}} worker {{worker}}",
            )],
        ),
        panel(
            Lines,
            [
                "Lag p99",
                "s",
                "How late a worker comes back to a timer: what it does at a stretch, everybody else waits for.",
            ],
            &[(
                "histogram_quantile(0.99, sum by (le, instance, worker) (rate(cofferdam_worker_lag_seconds_bucket{@}[~])))",
                "{{instance}} worker {{worker}}",
            )],
        ),
        panel(
            Lines,
            [
                "Lag, native histogram",
                "s",
                "The median and the longest hundredth; empty where Prometheus does not take native histograms.",
            ],
            &[
                (
                    "histogram_quantile(0.5, sum(rate(cofferdam_worker_lag_seconds{@}[~])))",
                    "p50",
                ),
                (
                    "histogram_quantile(0.99, sum(rate(cofferdam_worker_lag_seconds{@}[~])))",
                    "p99",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "Panics and full mailboxes",
                "ops",
                "A panic ends one connection or stream. A full mailbox refuses an order of the control side.",
            ],
            &[
                (
                    "rate(cofferdam_worker_panics_total{@}[~])",
                    "{{instance}} worker {{worker}}: panic",
                ),
                (
                    "rate(cofferdam_worker_mailbox_refusals_total{@}[~])",
                    "{{instance}} worker {{worker}}: mailbox full",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "Cores used by the process",
                "short",
                "Compiling, configuration and logs included.",
            ],
            &[("rate(process_cpu_seconds_total{@}[~])", "{{instance}}")],
        ),
        panel(
            Lines,
            [
                "Memory by gateway",
                "bytes",
                "Memory that is in RAM, and the plugins' part of it.",
            ],
            &[
                ("process_resident_memory_bytes{@}", "{{instance}}"),
                (
                    "sum by (instance) (cofferdam_plugin_memory_bytes{@})",
                    "{{instance}}: plugins",
                ),
            ],
        ),
        panel(
            Lines,
            [
                "File descriptors, as a part of what is allowed",
                "percentunit",
                "Near 1 no connection is accepted.",
            ],
            &[("process_open_fds{@} / process_max_fds{@}", "{{instance}}")],
        ),
        panel(
            Lines,
            ["Threads", "short", "Threads of the process."],
            &[("process_threads{@}", "{{instance}}")],
        ),
        panel(
            Lines,
            [
                "Plugin memory by worker",
                "bytes",
                "Linear memory of plugins' instances.",
            ],
            &[(
                "sum by (instance, worker) (cofferdam_plugin_memory_bytes{@})",
                "{{instance}} worker {{worker}}",
            )],
        ),
    ],
};

const CONTROL: Board = Board {
    name: "control",
    title: "configuration and listeners",
    description: "What serves, where it came from, and who is kept out.",
    choices: &[],
    panels: &[
        panel(
            Number,
            ["Gateways", "short", "Processes by version."],
            &[("count by (version) (cofferdam_build_info{@})", "{{version}}")],
        ),
        panel(
            Number,
            ["Youngest process", "s", "How long ago the youngest process started."],
            &[("time() - max(cofferdam_start_time_seconds{@})", "")],
        ),
        panel(
            Number,
            [
                "Refused changes",
                "short",
                "Changes of the configuration that were refused in the last day.",
            ],
            &[(
                r#"sum(increase(cofferdam_config_changes_total{@,result="refused"}[1d]))"#,
                "",
            )],
        ),
        panel(
            Number,
            ["First certificate ends", "s", "Time until the first certificate ends."],
            &[("min(cofferdam_certificate_expiry_seconds{@}) - time()", "")],
        ),
        panel(
            Lines,
            [
                "Configuration in force",
                "short",
                "Number of the configuration, by gateway.",
            ],
            &[("cofferdam_config_generation{@}", "{{instance}}")],
        ),
        panel(
            Lines,
            ["Changes of the configuration", "short", "By result."],
            &[(
                "sum by (result) (increase(cofferdam_config_changes_total{@}[~]))",
                "{{result}}",
            )],
        ),
        panel(
            Lines,
            ["Store: silence", "s", "How long ago the store last answered."],
            &[("cofferdam_store_silent_seconds{@}", "{{instance}}")],
        ),
        panel(
            Lines,
            ["Store: there", "short", "1 while the store is there."],
            &[("cofferdam_store_connected{@}", "{{instance}}")],
        ),
        panel(
            Lines,
            ["Store: revisions", "short", "Wanted, and the one that serves."],
            &[("cofferdam_store_revision{@}", "{{instance}} {{which}}")],
        ),
        panel(
            Lines,
            [
                "Store: reconnects and refused revisions",
                "ops",
                "A store that comes and goes, and texts that nobody can use.",
            ],
            &[
                (
                    "rate(cofferdam_store_reconnects_total{@}[~])",
                    "{{instance}}: reconnect",
                ),
                ("rate(cofferdam_store_rejected_total{@}[~])", "{{instance}}: refused"),
            ],
        ),
        panel(
            Lines,
            ["Plugins not as configured", "short", "`/plugins` says why."],
            &[(
                "sum by (instance, plugin) (cofferdam_plugin_refused{@}) > 0",
                "{{instance}} {{plugin}}",
            )],
        ),
        panel(
            Lines,
            [
                "Certificates: time left",
                "s",
                "Until the first of several with one subject ends.",
            ],
            &[(
                "min by (listener, subject) (cofferdam_certificate_expiry_seconds{@}) - time()",
                "{{listener}} {{subject}}",
            )],
        ),
        panel(
            Lines,
            ["Certificates: reloads", "short", "Changes of files, by result."],
            &[(
                "sum by (listener, result) (increase(cofferdam_certificate_reloads_total{@}[~]))",
                "{{listener}} {{result}}",
            )],
        ),
        panel(
            Lines,
            ["Connections accepted", "cps", "By listener."],
            &[(
                "sum by (listener) (rate(cofferdam_connections_total{@}[~]))",
                "{{listener}}",
            )],
        ),
        panel(
            Lines,
            ["Connections refused", "cps", "By listener and reason."],
            &[
                (
                    "sum by (listener, reason) (rate(cofferdam_connections_refused_total{@}[~]))",
                    "{{listener}} {{reason}}",
                ),
                (
                    "sum by (listener) (rate(cofferdam_accept_failures_total{@}[~])) > 0",
                    "{{listener}} accept failed",
                ),
            ],
        ),
        panel(
            Lines,
            ["Requests refused", "reqps", "Because of how they were written."],
            &[(
                "sum by (listener, reason) (rate(cofferdam_requests_refused_total{@}[~])) > 0",
                "{{listener}} {{reason}}",
            )],
        ),
    ],
};
