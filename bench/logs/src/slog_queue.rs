//! `slog` with `slog-json`, over `slog-async`'s thread, which drops what has no room and reports it.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Result;
use slog::{Drain, o};
use slog_async::{Async, AsyncGuard, OverflowStrategy};
use slog_json::Json;

use crate::exchange::Exchange;
use crate::logger::{Logger, QUEUE_RECORDS};

pub(crate) struct Queue {
    logger: slog::Logger,
    guard: AsyncGuard,
}

impl Queue {
    pub(crate) fn start(file: &Path) -> Result<Self> {
        // Without a buffer, each part of a line would be a call of the system.
        let out = BufWriter::with_capacity(64 * 1024, File::create(file)?);
        let json = Json::new(out).set_flush(false).add_default_keys().build().fuse();
        let (drain, guard) = Async::new(json)
            .chan_size(QUEUE_RECORDS)
            .overflow_strategy(OverflowStrategy::DropAndReport)
            .build_with_guard();
        Ok(Self {
            logger: slog::Logger::root(drain.fuse(), o!()),
            guard,
        })
    }
}

impl Logger for Queue {
    fn write(&mut self, exchange: &Exchange) {
        // A record crosses a thread, so that texts that are borrowed are copied by `slog` itself.
        slog::info!(self.logger, "access";
            "request_id" => &exchange.request_id,
            "client_address" => &exchange.client_text,
            "http_request_method" => exchange.method,
            "http_request_authority" => exchange.authority,
            "url_path" => &exchange.path,
            "network_protocol_version" => exchange.protocol,
            "http_response_status_code" => exchange.status,
            "http_response_body_size" => exchange.response_bytes,
            "duration_ms" => exchange.duration_ms(),
            "user_agent_original" => &exchange.user_agent,
        );
    }

    fn end(self: Box<Self>) -> Result<Option<u64>> {
        let Self { logger, guard } = *self;
        drop(logger);
        drop(guard);
        // It says in the log how many, and nowhere else.
        Ok(None)
    }
}
