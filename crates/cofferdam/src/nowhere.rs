//! An outside world for plugins that are tried out: upstreams have names, calls begin and never end.

use std::collections::HashSet;

use bytes::Bytes;
use plug_host::{
    CallRefused, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, LocalFuture, Outside, RedisClient, Saying,
};
use tokio::sync::mpsc;

use crate::sayings::plugin_line;
use crate::voice::say;

/// The outside world where there is none.
pub(crate) struct Nowhere {
    /// Upstreams that a plugin finds there; any when there is no list.
    pub(crate) upstreams: Option<HashSet<String>>,
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
        if let Saying::Line(line) = saying
            && self.says_lines
        {
            say(&plugin_line(&line));
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

    fn knows_upstream(&self, upstream: &str) -> bool {
        // Higress's four fields end with the name.
        let name = upstream.rsplit('|').next().unwrap_or(upstream);
        let known = self.upstreams.as_ref();
        known.is_none_or(|known| known.contains(upstream) || known.contains(name))
    }

    fn redis_call(&self, _: &RedisClient, _: Bytes) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        Ok(self.pending())
    }
}
