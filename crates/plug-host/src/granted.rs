//! What a grant says to each host call: asked before the call is made, and where a call sees more than its arguments name.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use plug_abi::{Abi, BufferKind, CALLS, MapKind, Status, call_name, call_number, host_call, property as property_name};
use plug_grant::{CallSet, Grant, Shown};

use crate::calls::property::Found;
use crate::calls::step::Step;
use crate::files::FIRST;
use crate::guest::{Guest, Host, cut};
use crate::outside::Saying;
use crate::tally::add;

/// How long nothing is said of a plugin's denials after something was.
const QUIET_MS: u64 = 1_000;
/// How much of what a denial is about is shown.
const ABOUT_BYTES_MAX: usize = 128;

/// How often each call was denied, or would have been; the owning worker alone writes.
pub(crate) struct Denied([AtomicU64; CALLS]);

impl Default for Denied {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; CALLS])
    }
}

impl Denied {
    fn once_more(&self, number: usize) {
        if let Some(count) = self.0.get(number) {
            add(count, 1);
        }
    }

    /// Calls that were denied, by name.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        let named = |(number, count)| Some((call_name(number)?, count));
        counts.enumerate().filter(|(_, count)| *count > 0).filter_map(named)
    }
}

/// When a plugin's denials were said last, on whatever worker, and how many were not.
#[derive(Debug, Default)]
pub(crate) struct Told {
    at_ms: AtomicU64,
    untold: AtomicU64,
}

impl Told {
    /// How many are to be told now, this one included; none while it is quiet.
    fn next(&self) -> Option<u64> {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let now = u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.next_at(now.saturating_add(QUIET_MS))
    }

    fn next_at(&self, now_ms: u64) -> Option<u64> {
        let told = self.at_ms.load(Ordering::Relaxed);
        let is_time = now_ms.saturating_sub(told) >= QUIET_MS;
        let is_first = is_time
            && self
                .at_ms
                .compare_exchange(told, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_first {
            return Some(self.untold.swap(0, Ordering::Relaxed).saturating_add(1));
        }
        self.untold.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// What a grant says to a call.
enum Judgement {
    /// It is granted.
    Granted,
    /// It is not, and this is what it is about.
    Denied(String),
    /// It goes on with something that was denied before.
    Void,
}

fn shown(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name.get(..ABOUT_BYTES_MAX).unwrap_or(name));
    name.replace('\0', ".").escape_debug().to_string()
}

fn about(is_granted: bool, name: &[u8]) -> Judgement {
    match is_granted {
        true => Judgement::Granted,
        false => Judgement::Denied(shown(name)),
    }
}

/// The same for what is not shown: a key may be a client's token.
fn unshown(is_granted: bool) -> Judgement {
    match is_granted {
        true => Judgement::Granted,
        false => Judgement::Denied(String::new()),
    }
}

impl Guest {
    /// Looks at what its plugins may do now, when that was changed for some plugin of the process.
    pub(crate) fn keep_to_grant(&mut self) {
        let narrowings = self.process.narrowings.load(Ordering::Acquire);
        if narrowings != self.narrowings {
            self.narrowings = narrowings;
            self.narrow();
        }
    }

    /// Plugins that share an instance have the same grant, and may be narrowed apart: what none of them may do, nobody does.
    #[cold]
    fn narrow(&mut self) {
        let first = self.first.grant();
        let grants = self
            .allowances
            .iter()
            .filter_map(|allowance| allowance.plugin().grant());
        let least = |least: Option<Arc<Grant>>, grant: Arc<Grant>| match least {
            Some(least) if least != grant => Some(Arc::new(least.meet(&grant))),
            Some(least) => Some(least),
            None => Some(grant),
        };
        let grant = grants.fold(first, least);
        self.free = grant.as_ref().map_or(CallSet::ALL, |grant| grant.free());
        if let Some(files) = &mut self.files {
            files.narrow(grant.as_deref());
        }
        self.grant = grant;
    }

    /// A call of which not all is shown that there is: it is counted, and said where it would be shown all the same.
    pub(crate) fn hides(&self, call: &'static str, about: &[u8]) {
        if self.grant.as_ref().is_some_and(|grant| grant.only_reports()) {
            self.refuses(call, &shown(about));
            return;
        }
        if let Some(stats) = self.plugin().workers.get(self.worker) {
            stats.denied.once_more(call_number(call));
        }
    }

    /// A call that is not granted is counted and said; whether it is therefore denied.
    pub(crate) fn refuses(&self, call: &'static str, about: &str) -> bool {
        let Some(grant) = &self.grant else { return false };
        let plugin = self.plugin();
        if let Some(stats) = plugin.workers.get(self.worker) {
            stats.denied.once_more(call_number(call));
        }
        if let Some(times) = plugin.told.next() {
            self.outside.say(Saying::Denied {
                plugin: &plugin.spec.name,
                call,
                about: cut(about, ABOUT_BYTES_MAX),
                times,
                enforced: !grant.only_reports(),
            });
        }
        !grant.only_reports()
    }

    /// Whether a callout may reach the upstream that the plugin names so. Of one that is not there, the call itself tells.
    pub(crate) fn may_reach(&self, call: &'static str, named: &str) -> bool {
        let Some(grant) = self.grant.as_ref().filter(|grant| !grant.upstreams.is_all()) else {
            return true;
        };
        let Some(upstream) = self.outside.upstream_name(named) else {
            return true;
        };
        grant.reaches(&upstream) || !self.refuses(call, &upstream)
    }

    /// Whether an expression may read a property.
    pub(crate) fn may_evaluate(&self, path: &[&[u8]]) -> bool {
        let Some(grant) = &self.grant else { return true };
        grant.reads_property(path) || !self.refuses("proxy_call_foreign_function", &shown(&path.join(&b'.')))
    }

    /// A property without the headers that may not be read.
    pub(crate) fn visible(&self, path: &[&[u8]], found: Found) -> Found {
        let Some(grant) = &self.grant else { return found };
        match (found, grant.shown(path)) {
            (Found::Known(plug_abi::property::PropertyValue::Map(mut entries)), Shown::Map(kind)) => {
                let hidden = entries.iter().find(|(name, _)| !grant.reads_header(kind, name));
                if let Some((name, _)) = hidden {
                    self.hides("proxy_get_property", name);
                }
                entries.retain(|(name, _)| grant.only_reports() || grant.reads_header(kind, name));
                Found::Known(plug_abi::property::PropertyValue::Map(entries))
            }
            (found, _) => found,
        }
    }

    /// The grant, when it hides or protects headers of a map.
    pub(crate) fn narrows(&self, kind: MapKind) -> Option<&Grant> {
        let grant = self.grant.as_ref()?;
        let is_all = |access: &plug_grant::Access| access.read.is_all() && access.write.is_all();
        let all = match kind {
            MapKind::HttpRequestHeaders => is_all(&grant.request_headers),
            MapKind::HttpResponseHeaders => is_all(&grant.response_headers),
            MapKind::HttpRequestTrailers | MapKind::HttpResponseTrailers => is_all(&grant.trailers),
            _ => true,
        };
        (!all).then_some(grant)
    }

    /// A queue that was found or made by its name: its number may be used from now on, as long as the name may.
    pub(crate) fn knows_queue(&mut self, id: u32, vm_id: Option<&str>, name: &[u8]) {
        let other = vm_id.filter(|vm_id| *vm_id != self.first.vm_id());
        self.queues.insert(id, (other.map(str::to_owned), name.to_owned()));
    }
}

impl Host<'_> {
    /// The number to answer at once, when the grant denies the call.
    #[cold]
    pub(crate) fn denied(&mut self, step: &Step<'_>) -> Option<u32> {
        let grant = self.guest.grant.as_ref()?;
        match self.judge(grant, step) {
            Judgement::Granted => return None,
            Judgement::Denied(about) if !self.guest.refuses(step.name, &about) => return None,
            Judgement::Denied(_) => {}
            Judgement::Void if grant.only_reports() => return None,
            Judgement::Void => {}
        }
        Some(match host_call(step.name) {
            Some(call) => self.denial(step, call),
            None => self.denied_of_wasi(step),
        })
    }

    /// The status of the call's row, with zeroes where its answers would be.
    fn denial(&mut self, step: &Step<'_>, call: &plug_abi::HostCall) -> u32 {
        // 0.1.0 knew no "not found"; its SDKs take an empty value for it.
        if step.name == "proxy_get_header_map_value" && self.guest.abi == Abi::V0_1_0 {
            return Status::Ok.raw();
        }
        if call.denied == Status::Ok {
            let wide = matches!(step.name, "proxy_get_current_time_nanoseconds" | "proxy_get_metric");
            let zeroes: &[u8] = if wide { &[0; 8] } else { &[0; 4] };
            let answers = call.params.iter().zip(step.arguments);
            for (_, place) in answers.filter(|(param, _)| param.name.starts_with("return_")) {
                // A place outside its memory is its own fault.
                let _ = u32::try_from(*place).map(|place| self.write(place, zeroes));
            }
        }
        call.denied.raw()
    }

    fn number(step: &Step<'_>, at: usize) -> u32 {
        step.arguments
            .get(at)
            .and_then(|argument| u32::try_from(*argument).ok())
            .unwrap_or(u32::MAX)
    }

    /// Bytes that an argument and the length behind it mean; none when they are not there, of which the call itself tells.
    fn given<'a>(&'a self, step: &Step<'_>, at: usize) -> Option<&'a [u8]> {
        self.read(Self::number(step, at), Self::number(step, at.checked_add(1)?))
            .ok()
    }

    fn judge(&self, grant: &Grant, step: &Step<'_>) -> Judgement {
        // Files are granted by their own functions; this one's is the log.
        let is_of_file = step.name == "fd_write" && self.guest.files.is_some() && Self::number(step, 0) >= FIRST;
        if is_of_file {
            return Judgement::Granted;
        }
        if grant.denies_call(step.name, step.number) {
            return Judgement::Denied(String::new());
        }
        let name = |at| self.given(step, at);
        let judged = match step.name {
            "proxy_get_header_map_value" => return self.of_header(step, |kind, name| grant.reads_header(kind, name)),
            "proxy_add_header_map_value" | "proxy_replace_header_map_value" | "proxy_remove_header_map_value" => {
                return self.of_header(step, |kind, name| grant.writes_header(kind, name));
            }
            "proxy_get_buffer_bytes" | "proxy_get_buffer_status" => {
                let kind = BufferKind::from_raw(Self::number(step, 0));
                return unshown(kind.is_none_or(|kind| grant.reads_buffer(step.number, kind)));
            }
            "proxy_set_buffer_bytes" => {
                let kind = BufferKind::from_raw(Self::number(step, 0));
                return unshown(kind.is_none_or(|kind| grant.body(kind).write));
            }
            "proxy_inject_encoded_data_to_filter_chain" => return unshown(grant.bodies.response.write),
            "proxy_get_property" => name(0).map(|path| {
                let names: Vec<&[u8]> = property_name::segments(property_name::name(path)).collect();
                let has_call = grant.has_call(step.number) || grant.reads_own(&names);
                about(has_call && grant.reads_property(&names), path)
            }),
            "proxy_set_property" => name(0).map(|path| {
                let names: Vec<&[u8]> = property_name::segments(property_name::name(path)).collect();
                about(grant.writes_property(&names), path)
            }),
            "proxy_get_shared_data" => name(0).map(|key| unshown(grant.shared_data.read.has(key))),
            "proxy_set_shared_data" => name(0).map(|key| unshown(grant.shared_data.write.has(key))),
            "proxy_call_foreign_function" => name(0).map(|name| about(grant.functions().has(name), name)),
            "proxy_send_local_response" => return self.of_local_reply(grant, step),
            "proxy_redis_init" => name(0).map(|named| {
                let database = crate::calls::redis::database(&String::from_utf8_lossy(named));
                about(grant.reaches_database(database), named)
            }),
            "proxy_redis_call" => name(2).map(|query| match grant.asks_redis(query) {
                Ok(()) => Judgement::Granted,
                Err(why) => Judgement::Denied(why.to_string()),
            }),
            _ => return self.of_numbered(grant, step),
        };
        judged.unwrap_or(Judgement::Granted)
    }

    fn of_header(&self, step: &Step<'_>, is_granted: impl Fn(MapKind, &[u8]) -> bool) -> Judgement {
        let kind = MapKind::from_raw(Self::number(step, 0));
        let named = kind.zip(self.given(step, 1));
        named.map_or(Judgement::Granted, |(kind, name)| about(is_granted(kind, name), name))
    }

    /// A reply in place of an answer that is there already changes all of it: its body, its status, and the headers that it brings along.
    fn of_local_reply(&self, grant: &Grant, step: &Step<'_>) -> Judgement {
        let exchange = self.guest.exchange();
        if !exchange.is_some_and(|exchange| exchange.response.borrow().is_some()) {
            return Judgement::Granted;
        }
        if !grant.bodies.response.write {
            return Judgement::Denied("the body of a response".to_owned());
        }
        let pairs = self
            .given(step, 5)
            .and_then(|pairs| plug_abi::pairs::decode(pairs).ok());
        let brought = pairs.iter().flatten().map(|(name, _)| *name);
        let mut changed = [&b":status"[..]].into_iter().chain(brought);
        let beyond = changed.find(|name| !grant.writes_header(MapKind::HttpResponseHeaders, name));
        beyond.map_or(Judgement::Granted, |name| Judgement::Denied(shown(name)))
    }

    /// Queues and metrics: by name where they are made, afterwards by the number that they have.
    fn of_numbered(&self, grant: &Grant, step: &Step<'_>) -> Judgement {
        let judged = match step.name {
            "proxy_register_shared_queue" => self
                .given(step, 0)
                .map(|name| about(grant.uses_queue(None, name), name)),
            "proxy_resolve_shared_queue" => self.given(step, 0).zip(self.given(step, 2)).map(|(vm_id, name)| {
                let vm_id = String::from_utf8_lossy(vm_id);
                let is_own = vm_id.is_empty() || vm_id == self.guest.first.vm_id();
                about(grant.uses_queue((!is_own).then_some(&vm_id), name), name)
            }),
            "proxy_enqueue_shared_queue" | "proxy_dequeue_shared_queue" => {
                Some(match Self::number(step, 0) {
                    // What a denied registration answered.
                    0 => Judgement::Void,
                    id => {
                        let queue = self.guest.queues.get(&id);
                        unshown(queue.is_some_and(|(vm_id, name)| grant.uses_queue(vm_id.as_deref(), name)))
                    }
                })
            }
            "proxy_define_metric" => self.given(step, 1).map(|name| about(grant.metrics.has(name), name)),
            "proxy_record_metric" | "proxy_increment_metric" | "proxy_get_metric" => {
                let id = Self::number(step, 0);
                match self.guest.metrics.name(id) {
                    Some(name) => Some(about(grant.metrics.has(name.as_bytes()), name.as_bytes())),
                    // No metric has this number but those whose definition was denied.
                    None => (id == 0).then_some(Judgement::Void),
                }
            }
            _ => None,
        };
        judged.unwrap_or(Judgement::Granted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_denials_one_a_second_is_said_with_the_number_of_the_others() {
        let told = Told::default();
        assert_eq!(told.next_at(1_000), Some(1));
        for later in 0..5 {
            assert_eq!(told.next_at(1_000 + later * 199), None);
        }
        assert_eq!(told.next_at(2_000), Some(6));
        assert_eq!(told.next_at(2_999), None);
        assert_eq!(told.next_at(10_000), Some(2));
    }
}
