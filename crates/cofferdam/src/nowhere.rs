//! An outside world for plugins that are tried out: upstreams have names, calls begin and never end.

use std::collections::HashMap;

use bytes::Bytes;
use plug_host::{
    CallRefused, Caller, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, LocalFuture, Outside, RedisClient, Saying,
};
use tokio::sync::mpsc;

use crate::sayings::{denied, plugin_line};
use crate::voice::{say, warn};

/// The outside world where there is none.
pub(crate) struct Nowhere {
    /// Upstreams that a plugin finds there, by all their names; any when there is no list.
    pub(crate) upstreams: Option<HashMap<String, String>>,
    /// Whether lines of plugins are said. A fault is what the caller reports, in any case.
    pub(crate) says_lines: bool,
}

impl Nowhere {
    fn pending<T: 'static>(&self) -> LocalFuture<T> {
        Box::pin(std::future::pending())
    }
}

impl Outside for Nowhere {
    fn say(&self, saying: Saying<'_>) {
        match saying {
            Saying::Line(line) if self.says_lines => say(&plugin_line(&line)),
            Saying::Denied { .. } => warn(&denied(saying)),
            _ => {}
        }
    }

    fn http_call(&self, _: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        Ok(self.pending())
    }

    fn grpc_call(
        &self,
        _: GrpcCall,
        _: mpsc::UnboundedReceiver<GrpcOut>,
        _: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        Ok(self.pending())
    }

    fn upstream_name(&self, named: &str) -> Option<String> {
        // Higress's four fields end with the name.
        let name = named.rsplit('|').next().unwrap_or(named);
        match &self.upstreams {
            None => Some(named.to_owned()),
            Some(known) => known.get(named).or_else(|| known.get(name)).cloned(),
        }
    }

    fn redis_call(&self, _: &RedisClient, _: Bytes, _: Caller<'_>) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        Ok(self.pending())
    }
}
