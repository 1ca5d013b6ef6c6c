//! The trace of an exchange, where the flow meets it: its beginning, its upstream, and its end.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use log_trace::Stage;
use plug_host::Direction;

use super::Journal;
use crate::chain::Chain;
use crate::stages::{End, Stages};
use crate::traced::{Ended, Going};
use crate::tracing::{Beginning, Tracing};

/// With what the codes of plugins' faults begin.
const PLUGIN: &str = "plugin.";

/// The flag of a request that no route matched: whoever sends it could else choose what is kept as a fault.
const NO_ROUTE: &str = "NR";

impl Journal {
    /// Begins the trace: the route has been looked up, and no plugin has seen the headers.
    pub(crate) fn begin_trace(&self, worker: &Rc<Tracing>, headers: &mut HeaderMap, is_led: bool) {
        let route = self.route_number();
        let traced = self.traced.get_or_init(|| {
            let beginning = Beginning {
                settings: &self.serving.tracing,
                listener: &self.connection.listener.name,
                route,
                clock: self.clock,
                is_led,
            };
            worker.begin(&beginning, headers)
        });
        if traced.stages.are_on() {
            let place = traced
                .stages
                .open_since(Stage::Route, route.unwrap_or(u32::MAX), self.clock);
            traced.stages.close(place, self.end_of_choice());
        }
    }

    /// The spans of the exchange.
    pub(crate) fn stages(&self) -> Option<&Stages> {
        self.traced.get().map(|traced| &traced.stages)
    }

    /// The plan's number of the route.
    pub(crate) fn route_number(&self) -> Option<u32> {
        self.chosen.borrow().as_ref().and_then(|chosen| chosen.number)
    }

    /// The plan's number of the upstream.
    pub(super) fn upstream_number(&self) -> u32 {
        let upstream = self.upstream.borrow();
        let number = upstream
            .as_ref()
            .and_then(|upstream| self.serving.upstream_number(upstream.name()));
        number.unwrap_or(u32::MAX)
    }

    /// Looks the route up again as a stage of its own.
    pub(super) fn choose_again(&self, choose: impl FnOnce()) {
        let since = std::time::Instant::now();
        choose();
        if let Some(stages) = self.stages().filter(|stages| stages.are_on()) {
            let number = self.route_number().unwrap_or(u32::MAX);
            stages.close(stages.open_since(Stage::Route, number, since), self.end_of_choice());
        }
    }

    fn end_of_choice(&self) -> End {
        match self.chosen.borrow().is_some() {
            true => End::Good,
            false => End::Verdict("route_not_found"),
        }
    }

    /// Bytes of a body go by.
    pub(crate) fn sees(&self, direction: Direction, bytes: &Bytes) {
        if let Some(traced) = self.traced.get()
            && traced.is_shown()
        {
            traced.sees(direction, self.route_number(), bytes);
        }
    }

    /// The exchange is over; none when it never began.
    pub(crate) fn end_trace(&self, chain: &Chain, duration: Duration) -> Option<Ended> {
        let traced = self.traced.get()?;
        let (flags, details) = (self.flags.get(), self.details.borrow());
        let details = details.as_deref().unwrap_or_default();
        let is_fault = !matches!(flags, "" | NO_ROUTE) || details.starts_with(PLUGIN);
        // A plugin that is passed by when it fails leaves no trace in the response.
        let verdicts = chain.verdicts.borrow();
        let passed_by = || {
            let words = verdicts.iter().map(|verdict| verdict.word);
            words.into_iter().find(|word| word.starts_with(PLUGIN))
        };
        Some(traced.end(&Going {
            route: self.route_number(),
            status: self.status.get(),
            flags,
            fault: if is_fault { Some(details) } else { passed_by() },
            duration_ns: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        }))
    }
}
