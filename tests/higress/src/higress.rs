//! Higress's prebuilt plugins, unmodified, each loaded, configured and shown to do its work.
//!
//! What lives here: one test for each module of the wheel `gpustack-higress-plugins`, and the stage they play on: a
//! gateway, scripted upstreams that stand for a model provider, an authority, a judge and a meter, and a real Redis.
//! What never enters: knowledge of how the gateway is built; the tests see what a client, an upstream and an operator see.
//! The modules come from `cargo xtask peers`. They are compiled once and kept in `target/higress-cache`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod stage;
mod provider;
mod transformer;
mod identity;
mod ip_acl;
mod ext_auth;
mod proxy_router;
mod data_masking;
mod statistics;
mod token_usage;
mod rate_limit;
mod balance;
mod decision;
mod ai_proxy;

use std::collections::BTreeSet;
use std::fs;

use anyhow::Result;
use testkit::place::peer;

/// Every module that the tests here load.
const MODULES: [&str; 14] = [
    "ai-data-masking",
    "ai-statistics",
    "gpustack-ai-proxy",
    "gpustack-ext-auth",
    "gpustack-generic-proxy-router",
    "gpustack-ip-acl",
    "gpustack-lb",
    "gpustack-lb-decision-service",
    "gpustack-lb-least-load",
    "gpustack-lb-session-affinity",
    "gpustack-rate-limit",
    "gpustack-set-header-pre-route",
    "gpustack-token-usage",
    "transformer",
];

#[test]
fn the_wheel_holds_exactly_the_modules_that_are_tested() -> Result<()> {
    let folders = fs::read_dir(peer("higress_dir")?)?;
    let mut found = BTreeSet::new();
    for folder in folders {
        let folder = folder?;
        if folder.file_type()?.is_dir() && !folder.file_name().to_string_lossy().starts_with("__") {
            found.insert(folder.file_name().to_string_lossy().into_owned());
        }
    }
    assert_eq!(found, MODULES.map(str::to_owned).into());
    Ok(())
}
