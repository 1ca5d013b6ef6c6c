//! What host calls set going during a callback, and how its outcome comes back into the guest.

use std::future::Future;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local};

use crate::entry::Entry;
use crate::guest::{Answer, Current, Effect, Visit};
use crate::instance::Instance;
use crate::outside::{GrpcEvent, HttpReply, LocalFuture};

/// Higress's status of a Redis call whose connection failed.
const REDIS_FAILED: u32 = 1;
/// gRPC's `UNAVAILABLE`, for a stream that broke off without a status.
const UNAVAILABLE: u32 = 14;
/// gRPC's `INTERNAL`: Envoy's status for an answer that is OK and holds no message.
const INTERNAL: u32 = 13;

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Instance {
    /// Does what host calls set going during a callback.
    pub(crate) fn apply(self: &Rc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            let weak = Rc::downgrade(self);
            match effect {
                Effect::Tick { root, period } => self.set_tick(root, period),
                Effect::Http { root, token, reply } => self.wait(token, http_call(weak, root, token, reply)),
                Effect::Grpc { token, drive, events } => self.wait(token, grpc_call(weak, token, drive, events)),
                Effect::Redis { root, token, reply } => self.wait(token, redis_call(weak, root, token, reply)),
                Effect::Cancel { token } => {
                    if let Some(waiting) = self.waiting.borrow_mut().remove(&token) {
                        waiting.abort();
                    }
                }
                Effect::RootDone => self.quiet.ring(),
                Effect::Rebuild => self.rebuild.set(true),
            }
        }
    }

    /// Starts the task that waits for a callout. It ends with the instance: Envoy too cancels callouts when their plugin goes.
    fn wait(&self, token: u32, task: impl Future<Output = ()> + 'static) {
        let waiting = spawn_local(task).abort_handle();
        self.waiting.borrow_mut().insert(token, waiting);
    }

    /// A callout has ended: gives its answer to the guest.
    async fn answer(self: Rc<Self>, token: u32, root: u32, answer: Answer, entry: Entry) {
        self.waiting.borrow_mut().remove(&token);
        let mut turn = self.turn().await;
        if let Some(store) = turn.as_mut() {
            store.data_mut().0.end_callout(token);
        }
        // A fault has been said.
        let _ = self
            .visit(
                turn,
                Visit {
                    entry,
                    current: Current::Root(root),
                    answer,
                },
            )
            .await;
    }

    /// Arms the one timer of a root context anew; 0 disarms it.
    fn set_tick(self: &Rc<Self>, root: u32, period: Duration) {
        let mut ticks = self.ticks.borrow_mut();
        if let Some(before) = ticks.remove(&root) {
            before.abort();
        }
        if period.is_zero() {
            return;
        }
        let (instance, services) = (Rc::downgrade(self), self.services.clone());
        let tick = spawn_local(async move {
            loop {
                services.sleep(period).await;
                let Some(instance) = with_cpu_time(&instance, root).await else {
                    return;
                };
                // A fault has been said already; the instance is dead and its ticks end with it.
                let entered = instance.enter(Visit::new(Current::Root(root), Entry::Tick { root }));
                if entered.await.is_err() {
                    return;
                }
            }
        });
        ticks.insert(root, tick);
    }

    /// Calls `proxy_on_queue_ready` for each wake-up of a queue that a plugin here registered.
    pub(crate) fn listen_to_queues(self: &Rc<Self>, mut wakes: mpsc::Receiver<(u32, u32)>) {
        let instance = Rc::downgrade(self);
        let task = spawn_local(async move {
            while let Some((root, queue)) = wakes.recv().await {
                let Some(instance) = with_cpu_time(&instance, root).await else {
                    return;
                };
                let entry = Entry::QueueReady { root, queue };
                let _ = instance.enter(Visit::new(Current::Root(root), entry)).await;
            }
        });
        *self.queue_task.borrow_mut() = Some(task);
    }
}

/// The instance, once the plugin may use CPU time; none when it has gone meanwhile.
async fn with_cpu_time(instance: &Weak<Instance>, root: u32) -> Option<Rc<Instance>> {
    loop {
        let there = instance.upgrade()?;
        let place = there.roots.iter().position(|known| *known == root);
        let allowance = place.and_then(|place| there.allowances.get(place));
        match allowance.and_then(|allowance| allowance.wait()) {
            None => return Some(there),
            Some(wait) => {
                drop(there);
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn http_call(instance: Weak<Instance>, root: u32, token: u32, reply: LocalFuture<Option<HttpReply>>) {
    let reply = reply.await;
    let Some(instance) = instance.upgrade() else { return };
    // No headers is how a callout that failed without an answer is told.
    let (headers, size, trailers) = reply.as_ref().map_or((0, 0, 0), |reply| {
        let headers = reply.head.headers.len().saturating_add(1);
        (count(headers), count(reply.body.len()), count(reply.trailers.len()))
    });
    let entry = Entry::HttpCallResponse {
        root,
        token,
        headers,
        size,
        trailers,
    };
    instance
        .answer(token, root, Answer::Http(reply.map(Box::new)), entry)
        .await;
}

async fn redis_call(instance: Weak<Instance>, root: u32, token: u32, reply: LocalFuture<Option<Bytes>>) {
    let reply = reply.await;
    let Some(instance) = instance.upgrade() else { return };
    let (status, size) = reply
        .as_ref()
        .map_or((REDIS_FAILED, 0), |reply| (0, count(reply.len())));
    let entry = Entry::RedisResponse {
        root,
        token,
        status,
        size,
    };
    instance
        .answer(token, root, Answer::Redis(reply.map(Box::new)), entry)
        .await;
}

/// Ends what drives a gRPC callout when nobody waits for its events any more.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn grpc_call(
    instance: Weak<Instance>,
    token: u32,
    drive: LocalFuture<()>,
    mut events: mpsc::Receiver<GrpcEvent>,
) {
    let _driver = Driver(spawn_local(drive));
    let mut message = None;
    loop {
        let event = events.recv().await;
        let event = event.unwrap_or_else(|| GrpcEvent::Close(UNAVAILABLE, "broken off".to_owned()));
        let Some(instance) = instance.upgrade() else { return };
        if !instance.grpc_event(token, event, &mut message).await {
            instance.waiting.borrow_mut().remove(&token);
            return;
        }
    }
}

impl Instance {
    /// Gives one event to the guest; false when no further one is wanted.
    async fn grpc_event(self: &Rc<Self>, token: u32, event: GrpcEvent, message: &mut Option<Bytes>) -> bool {
        let mut turn = self.turn().await;
        let Some(guest) = turn.as_mut().map(|store| &mut store.data_mut().0) else {
            return false;
        };
        // Cancelled meanwhile.
        let Some(call) = guest.grpc.get(&token).cloned() else {
            return false;
        };
        let event = match (call.streaming, event) {
            (true, event) => event,
            (false, event) => match unary(event, message) {
                Some(event) => event,
                None => return true,
            },
        };
        let closing = !call.streaming || matches!(event, GrpcEvent::Close(..));
        if closing {
            guest.end_callout(token);
        }
        let entry = grpc_entry(call.root, token, &event);
        let entered = self
            .visit(
                turn,
                Visit {
                    entry,
                    current: Current::Root(call.root),
                    answer: Answer::Grpc(Box::new(event)),
                },
            )
            .await;
        entered.is_ok() && !closing
    }
}

/// What a unary call is told, when its answer is complete: its message, which implies status OK, or a close with another status, as in
/// Envoy. Until then the message is kept.
fn unary(event: GrpcEvent, message: &mut Option<Bytes>) -> Option<GrpcEvent> {
    match event {
        GrpcEvent::Message(bytes) => {
            message.get_or_insert(bytes);
            None
        }
        GrpcEvent::InitialMetadata(_) | GrpcEvent::TrailingMetadata(_) => None,
        GrpcEvent::Close(0, _) => Some(
            message
                .take()
                .map_or_else(|| GrpcEvent::Close(INTERNAL, String::new()), GrpcEvent::Message),
        ),
        GrpcEvent::Close(status, text) => Some(GrpcEvent::Close(status, text)),
    }
}

fn grpc_entry(root: u32, token: u32, event: &GrpcEvent) -> Entry {
    let entries = |metadata: &HeaderMap| count(metadata.len());
    match event {
        GrpcEvent::InitialMetadata(head) => Entry::GrpcInitialMetadata {
            root,
            token,
            // `:status` is one of them.
            entries: entries(&head.headers).saturating_add(1),
        },
        GrpcEvent::Message(message) => Entry::GrpcReceive {
            root,
            token,
            size: count(message.len()),
        },
        GrpcEvent::TrailingMetadata(metadata) => Entry::GrpcTrailingMetadata {
            root,
            token,
            entries: entries(metadata),
        },
        GrpcEvent::Close(status, _) => Entry::GrpcClose {
            root,
            token,
            status: *status,
        },
    }
}
