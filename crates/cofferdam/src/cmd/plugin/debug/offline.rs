//! One plugin's life without a gateway: started, configured, one request, its end; callouts fail and there is no upstream.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use plug_abi::HeadersAction;
use plug_host::{
    CallRefused, Caller, Debugging, Exchange, Facts, Fault, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply,
    LocalFuture, Outside, Plugin, Process, Property, RedisClient, RequestHead, ResponseHead, Saying, Services,
    WorkerPlugins,
};
use tokio::sync::mpsc;

use super::Header;
use crate::sayings;

/// LIMIT: how long a request waits for a plugin that has paused it, while no debugger holds the plugin.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// LIMIT: bytes of a body held for the plugin.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// The world outside: what the plugin writes is shown, its deaths are kept, nobody answers.
#[derive(Default)]
struct Desert {
    deaths: RefCell<Vec<Fault>>,
}

impl Outside for Desert {
    fn say(&self, saying: Saying<'_>) {
        match saying {
            Saying::Fault(fault) => self.deaths.borrow_mut().push(fault.clone()),
            Saying::Line(line) => sayings::show(&line),
            _ => {}
        }
    }

    fn http_call(&self, _: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        Ok(Box::pin(async { None }))
    }

    fn grpc_call(
        &self,
        _: GrpcCall,
        _: mpsc::UnboundedReceiver<GrpcOut>,
        _: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        Ok(Box::pin(async {}))
    }

    fn upstream_name(&self, named: &str) -> Option<String> {
        Some(named.to_owned())
    }

    fn redis_call(&self, _: &RedisClient, _: Bytes, _: Caller<'_>) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        Ok(Box::pin(async { None }))
    }
}

/// No gateway knows anything of the exchange.
impl Facts for Desert {
    fn property(&self, _: &Exchange, _: &[&[u8]]) -> Property {
        Property::Absent
    }

    fn upstream_hosts(&self, _: &Exchange) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Waits for LLDB, then runs the plugin; of what it died.
pub(super) fn run(
    plugin: &Arc<Plugin>,
    process: &Arc<Process>,
    debugging: &Debugging,
    headers: &[Header],
) -> anyhow::Result<Vec<Fault>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("no runtime for the plugin")?;
    let outside = Rc::new(Desert::default());
    let services = Services {
        process: Arc::clone(process),
        outside: Rc::<Desert>::clone(&outside),
        worker: 0,
        trial: None,
    };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        debugging.debugger().attached().await;
        if let Some(seat) = debugging.reserve() {
            debugging.give(seat);
        }
        let plugins = WorkerPlugins::arrange(std::slice::from_ref(plugin), &services, None);
        if plugins.warm().await.is_ok() {
            let exchange = Exchange::new(request(headers), Rc::<Desert>::clone(&outside), BODY_BYTES_MAX);
            // Its death has been said.
            let _ = pass(&plugins, &plugin.spec.name, &exchange).await;
        }
        if outside.deaths.borrow().is_empty() {
            plugins.close().await;
        }
        let code = u8::from(!outside.deaths.borrow().is_empty());
        debugging.debugger().exited(code).await;
    });
    Ok(outside.deaths.take())
}

fn request(headers: &[Header]) -> RequestHead {
    let mut head = RequestHead {
        method: Method::GET,
        scheme: HeaderValue::from_static("http"),
        authority: Some(HeaderValue::from_static("localhost")),
        path: PathAndQuery::from_static("/"),
        headers: HeaderMap::new(),
    };
    for header in headers {
        match header.clone() {
            Header::Method(method) => head.method = method,
            Header::Path(path) => head.path = path,
            Header::Authority(authority) => head.authority = Some(authority),
            Header::Other(name, value) => {
                head.headers.append(name, value);
            }
        }
    }
    head
}

/// Leads the exchange through the plugin, as far as the plugin lets it.
async fn pass(plugins: &WorkerPlugins, name: &str, exchange: &Rc<Exchange>) -> Result<(), Fault> {
    let Some(handle) = plugins.find(name) else {
        return Ok(());
    };
    let stream = handle.open(exchange).await?;
    let mut goes_on = stream.request_headers(true).await? == HeadersAction::Continue;
    if !goes_on {
        let resumed = tokio::time::timeout(PAUSE_MAX, exchange.request_bell.heard())
            .await
            .is_ok();
        goes_on = resumed && stream.context().request.resume.get();
    }
    if goes_on && exchange.local_reply.borrow().is_none() {
        *exchange.response.borrow_mut() = Some(ResponseHead {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
        });
        stream.response_headers(true).await?;
    }
    stream.end().await;
    Ok(())
}
