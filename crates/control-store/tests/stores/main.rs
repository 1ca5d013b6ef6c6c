//! Stores as a gateway meets them: real servers of etcd and Redis, a fake of Consul, and folders.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod setting;
mod folder;
mod etcd;
mod consul;
mod redis;
mod encrypted;
