//! `spdlog-rs` with its JSON format and its pool of one thread, which drops what has no room.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use spdlog::formatter::JsonFormatter;
use spdlog::sink::{AsyncPoolSink, FileSink, OverflowPolicy};
use spdlog::{Logger as Spdlog, ThreadPool};

use crate::exchange::Exchange;
use crate::logger::{Logger, QUEUE_RECORDS};

pub(crate) struct Pool {
    logger: Spdlog,
    errors: Arc<AtomicU64>,
}

impl Pool {
    pub(crate) fn start(file: &Path) -> Result<Self> {
        let capacity = NonZeroUsize::new(QUEUE_RECORDS).context("no queue")?;
        let threads = ThreadPool::builder().capacity(capacity).build_arc()?;
        let formatter = JsonFormatter::new();
        let sink = FileSink::builder()
            .path(file)
            .truncate(true)
            .formatter(formatter)
            .build_arc()?;
        let errors = Arc::new(AtomicU64::new(0));
        let counting = || {
            let errors = Arc::clone(&errors);
            move |_: spdlog::Error| {
                errors.fetch_add(1, Ordering::Relaxed);
            }
        };
        let pool = AsyncPoolSink::builder()
            .sink(sink)
            .overflow_policy(OverflowPolicy::DropIncoming)
            .thread_pool(threads)
            .error_handler(counting())
            .build_arc()?;
        // A full queue is an error of whoever calls the sink.
        let logger = Spdlog::builder().sink(pool).error_handler(counting()).build()?;
        Ok(Self { logger, errors })
    }
}

impl Logger for Pool {
    fn write(&mut self, exchange: &Exchange) {
        let duration_ms = exchange.duration_ms();
        spdlog::info!(logger: self.logger, "access", kv: {
            request_id = exchange.request_id.as_str(),
            client_address = exchange.client_text.as_str(),
            http_request_method = exchange.method,
            http_request_authority = exchange.authority,
            url_path = exchange.path.as_str(),
            network_protocol_version = exchange.protocol,
            http_response_status_code = exchange.status,
            http_response_body_size = exchange.response_bytes,
            duration_ms = duration_ms,
            user_agent_original = exchange.user_agent.as_str(),
        });
    }

    fn end(self: Box<Self>) -> Result<Option<u64>> {
        let Self { logger, errors } = *self;
        logger.flush();
        // The pool writes what waits when nobody has it any more.
        drop(logger);
        Ok(Some(errors.load(Ordering::Relaxed)))
    }
}
