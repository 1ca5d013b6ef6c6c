//! Higress's Redis calls: raw RESP out, raw RESP back.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use plug_abi::Status;
use plug_abi::tokens::CalloutKind;

use crate::calls::Done;
use crate::calls::http_call::{NAME_BYTES_MAX, status_of};
use crate::guest::{Effect, Host};
use crate::outside::{Caller, LocalFuture, RedisClient};
use crate::trace::CalloutStep;

/// LIMIT: Redis clients one instance may define.
const CLIENTS_MAX: usize = 64;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);

/// The part of a name before its options, and the database the options choose.
fn split(name: &str) -> (&str, u32) {
    let (upstream, options) = name.split_once('?').unwrap_or((name, ""));
    let database = options
        .split('&')
        .find_map(|option| option.strip_prefix("db="))
        .and_then(|db| db.parse().ok());
    (upstream, database.unwrap_or(0))
}

/// The database that a name chooses.
pub(crate) fn database(name: &str) -> u32 {
    split(name).1
}

pub(crate) fn proxy_redis_init(
    host: &mut Host<'_>,
    upstream: (u32, u32),
    username: (u32, u32),
    password: (u32, u32),
    timeout_ms: u32,
) -> Done {
    let root = host.guest.root_id().ok_or(Status::BadArgument)?;
    let name = host.name(upstream, NAME_BYTES_MAX)?;
    let (upstream, database) = split(&name);
    let known = host.guest.outside.upstream_name(upstream).is_some();
    if !known || !host.guest.may_reach("proxy_redis_init", upstream) {
        return Err(Status::BadArgument);
    }
    let timeout = match timeout_ms {
        0 => TIMEOUT_DEFAULT,
        milliseconds => Duration::from_millis(u64::from(milliseconds)),
    };
    let client = RedisClient {
        upstream: upstream.to_owned(),
        username: host.name(username, NAME_BYTES_MAX)?,
        password: host.name(password, NAME_BYTES_MAX)?,
        database,
        timeout,
    };
    let key = (root, upstream.to_owned());
    if host.guest.redis.len() >= CLIENTS_MAX && !host.guest.redis.contains_key(&key) {
        return Err(Status::InternalFailure);
    }
    host.guest.redis.insert(key, client);
    Ok(())
}

/// The same, and its end is told; Redis knows no status, so that any answer is none of an error.
fn followed(reply: LocalFuture<Option<Bytes>>, step: Option<Rc<dyn CalloutStep>>) -> LocalFuture<Option<Bytes>> {
    let Some(step) = step else { return reply };
    Box::pin(async move {
        let reply = reply.await;
        step.ends(reply.as_ref().map(|_| 0));
        reply
    })
}

pub(crate) fn proxy_redis_call(host: &mut Host<'_>, upstream: (u32, u32), query: (u32, u32), token_at: u32) -> Done {
    let root = host.guest.root_id().ok_or(Status::BadArgument)?;
    let name = host.name(upstream, NAME_BYTES_MAX)?;
    let query = host.copy(query)?;
    let client = host
        .guest
        .redis
        .get(&(root, split(&name).0.to_owned()))
        .ok_or(Status::BadArgument)?;
    if !host.guest.may_reach("proxy_redis_call", &client.upstream) {
        return Err(Status::BadArgument);
    }
    let grant = host.guest.grant.as_ref();
    let is_beyond = grant.is_some_and(|grant| !grant.reaches_database(client.database));
    if is_beyond && host.guest.refuses("proxy_redis_call", &name) {
        return Err(Status::BadArgument);
    }
    host.check_u32(token_at)?;
    if !host.guest.may_call() {
        return Err(Status::InternalFailure);
    }
    let step = host.guest.step(&client.upstream);
    let ids = step.as_ref().and_then(|step| step.ids());
    let plugin = &host.guest.plugin().spec.name;
    let by = Caller { plugin, ids };
    let reply = host.guest.outside.redis_call(client, query, by).map_err(status_of)?;
    let reply = followed(reply, step);
    let token = host.guest.begin_callout(CalloutKind::Redis)?;
    host.guest.effects.push(Effect::Redis { root, token, reply });
    host.write_u32(token_at, token)
}
