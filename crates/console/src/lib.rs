//! The room of the operator: the admin listener with health, readiness, metrics, configuration and plugins.
//!
//! What lives here: one thread with its own runtime, the table of pages, their HTTP.
//! What never enters: workers, plugins, plans; nothing here changes anything or waits for a worker on the thread that answers health.
//! Data comes from a [`house::House`], which `cofferdam` builds over everything else. It goes to whoever may reach the admin address.

pub mod house;

mod page;
mod profile;

pub mod listen;
