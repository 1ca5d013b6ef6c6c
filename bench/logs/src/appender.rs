//! `tracing` with its JSON format, over `tracing-appender`'s thread: lossy, as it is by default.

use std::fs::File;
use std::path::Path;

use anyhow::Result;
use tracing::dispatcher::DefaultGuard;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};

use crate::exchange::Exchange;
use crate::logger::{Logger, QUEUE_RECORDS};

pub(crate) struct Appender {
    counter: ErrorCounter,
    guard: WorkerGuard,
    _default: DefaultGuard,
}

impl Appender {
    pub(crate) fn start(file: &Path) -> Result<Self> {
        let builder = NonBlockingBuilder::default().buffered_lines_limit(QUEUE_RECORDS);
        let (writer, guard) = builder.finish(File::create(file)?);
        let counter = writer.error_counter();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_target(false)
            .with_writer(writer)
            .finish();
        Ok(Self {
            counter,
            guard,
            _default: tracing::subscriber::set_default(subscriber),
        })
    }
}

impl Logger for Appender {
    fn write(&mut self, exchange: &Exchange) {
        tracing::info!(
            request_id = exchange.request_id,
            client_address = exchange.client_text,
            http_request_method = exchange.method,
            http_request_authority = exchange.authority,
            url_path = exchange.path,
            network_protocol_version = exchange.protocol,
            http_response_status_code = exchange.status,
            http_response_body_size = exchange.response_bytes,
            duration_ms = exchange.duration_ms(),
            user_agent_original = exchange.user_agent,
            "access"
        );
    }

    fn end(self: Box<Self>) -> Result<Option<u64>> {
        drop(self.guard);
        Ok(Some(self.counter.dropped_lines() as u64))
    }
}
