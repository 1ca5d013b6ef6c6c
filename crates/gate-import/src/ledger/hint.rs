//! What to do about a key that nobody read: a table for the keys of all formats.

/// Keys without `_` in small letters, what is said of them, and what to do.
const HINTS: &[(&[&str], &str, &str)] = &[
    (
        &[
            "selector",
            "targetref",
            "targetrefs",
            "workloadselector",
            "targetselectors",
        ],
        NONE,
        "the gateway that reads the configuration is the one that is meant; name the plugin in the `plugins` of those routes that it is for",
    ),
    (
        &["imagepullpolicy", "pullpolicy"],
        NONE,
        "with a digest the same bytes are loaded always",
    ),
    (
        &["imagepullsecret", "pullsecretref"],
        NONE,
        "a Kubernetes Secret is not read; fetch the module with its credentials",
    ),
    (
        &["verificationkey"],
        NONE,
        "Istio and Higress never checked it either; give a digest",
    ),
    (
        &[
            "namespace",
            "labels",
            "annotations",
            "creationtimestamp",
            "generation",
            "resourceversion",
            "uid",
            "managedfields",
            "ownerreferences",
            "finalizers",
            "status",
            "selflink",
            "generatename",
        ],
        "belongs to Kubernetes",
        "nothing is to be done",
    ),
    (
        &["capabilityrestrictionconfig"],
        NONE,
        "what a plugin may call cannot be restricted by the configuration; look whether you trust it",
    ),
    (
        &["filterchain", "proxy"],
        NONE,
        "plugins stand in the chain in the order of the file; `phase` and `priority` change that",
    ),
    (
        &["useremoteaddress", "skipxffappend"],
        NONE,
        "forwarding headers are always appended; `forwarding` says whose are believed",
    ),
    (
        &["priority", "regexpriority"],
        NONE,
        "the most specific route comes first, whatever the order",
    ),
    (&["routetype"], NONE, "the rule holds for gRPC and for other HTTP"),
    (&["runtime"], NONE, "there is one engine"),
    (
        &["allowprecompiled", "nackoncodecachemiss"],
        NONE,
        "nothing is to be done: modules are compiled here, and a change is tried out before it is used",
    ),
    (
        &["hostenvkeys"],
        NONE,
        "the process's environment is not passed on; write the values under `environment`",
    ),
    (
        &["statprefix"],
        NONE,
        "metrics carry the names of listeners, routes and plugins",
    ),
    (
        &["accesslog", "accesslogpath"],
        NONE,
        "one JSON line for each exchange goes to stdout; `access_log` changes that",
    ),
    (
        &["retrypolicy", "retries", "retry", "hedgepolicy", "numretries"],
        NONE,
        "only a request that the upstream cannot have read is sent again",
    ),
    (
        &["healthchecks", "healthcheckconfig", "checks", "healthchecks"],
        NONE,
        "endpoints are not probed",
    ),
    (
        &["circuitbreakers", "outlierdetection", "maxrequestsperconnection"],
        NONE,
        "`limits.connections_max` bounds clients, `idle_connections_max` the pool of an upstream",
    ),
    (
        &["dynamicresources", "ads", "rds"],
        "comes from a control plane",
        "write it into the configuration",
    ),
    (
        &[
            "node",
            "layeredruntime",
            "statssinks",
            "statsconfig",
            "tracing",
            "overloadmanager",
            "clustermanager",
            "flagspath",
        ],
        NONE,
        "it belongs to Envoy as a process",
    ),
    (&["metadata"], NONE, "there is no metadata of routes and upstreams"),
    (
        &[
            "typedperfilterconfig",
            "perfilterconfig",
            "requestmirrorpolicies",
            "cors",
            "hashpolicy",
            "ratelimits",
            "upgradeconfigs",
        ],
        NONE,
        "look whether a plugin does it",
    ),
    (
        &[
            "tags",
            "id",
            "createdat",
            "updatedat",
            "createtime",
            "updatetime",
            "desc",
        ],
        "belongs to the other gateway's database",
        "nothing is to be done",
    ),
    (
        &["lua", "extproc", "dynamicmodule"],
        "is no Wasm",
        "only Wasm plugins are imported",
    ),
    (
        &["writetimeout", "send", "requesttimeout"],
        NONE,
        "`timeouts` of the upstream has `connect`, `request` and `idle`",
    ),
];

const NONE: &str = "has no counterpart";

/// What is said of an unread key.
pub(super) fn hint(key: &str) -> (&'static str, &'static str) {
    let letters: String = key
        .chars()
        .filter(|char| *char != '_')
        .flat_map(char::to_lowercase)
        .collect();
    let known = HINTS.iter().find(|(keys, ..)| keys.contains(&letters.as_str()));
    known.map_or(
        (
            "is not known to the importer, and was left out",
            "look whether you need it",
        ),
        |(_, message, hint)| (*message, *hint),
    )
}
