//! The end of an exchange: plugins are told, then the record is written; exactly once, however it ended.

use std::rc::Rc;

use crate::chain::Chain;
use crate::flow::Flow;
use crate::journal::Journal;

/// Ends an exchange when it is dropped.
pub(crate) struct Finish {
    parts: Option<(Rc<Flow>, Rc<Journal>, Rc<Chain>)>,
}

impl Finish {
    pub(crate) fn new(flow: Rc<Flow>, journal: Rc<Journal>, chain: Rc<Chain>) -> Self {
        flow.began();
        Self {
            parts: Some((flow, journal, chain)),
        }
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let Some((flow, journal, chain)) = self.parts.take() else {
            return;
        };
        journal.end();
        if journal.status.get().is_none() {
            journal.note("DC", "downstream_remote_disconnect");
        }
        if !chain.is_touched() {
            flow.ended(&journal, &chain);
            return;
        }
        // The connections may serve others while the plugins are told.
        journal.read_wires();
        // What plugins write to properties while they log belongs into the record, so it comes after them.
        tokio::task::spawn_local(async move {
            chain.end().await;
            flow.ended(&journal, &chain);
        });
    }
}
