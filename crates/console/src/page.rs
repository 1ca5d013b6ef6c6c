//! The table of pages, and what each answers.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use log_record::exposition::Form;
use serde_json::Value;

use crate::house::{House, Led, Ordered, RolloutOrder};

/// LIMIT: body that a request may declare. A small one that no page reads is thrown away so that the connection may be kept.
const BODY_BYTES_MAX: u64 = 64 * 1024;
/// LIMIT: body of the start of a rollout, the one page that reads one.
pub(crate) const ORDER_BYTES_MAX: u64 = 1024 * 1024;
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// What a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    Index,
    Healthz,
    Readyz,
    Metrics(Form),
    Config,
    Plugins,
    Crashes,
    /// A crash report, for programs.
    Crash(String),
    /// The same, for people.
    CrashText(String),
    /// Lets a plugin out of its quarantine.
    Lift(String),
    /// Gives a plugin another level for a time; with the query.
    Level(String, String),
    /// What a plugin computes in the next seconds.
    Profile(String),
    /// How a new generation of a plugin comes into force.
    Rollout(String),
    /// Leads it.
    LeadRollout(String, RolloutOrder),
    /// Begins one of something that the configuration does not have.
    BeginRollout(String, Bytes),
}

/// Every page: path, page, what it says of itself. The index, the routing and the answer to a wrong path are read from it.
const PAGES: &[(&str, Page, &str)] = &[
    ("/", Page::Index, "this list"),
    ("/healthz", Page::Healthz, "200 while the process lives"),
    (
        "/readyz",
        Page::Readyz,
        "200 when traffic is wanted, 503 before and while draining",
    ),
    (
        "/metrics",
        Page::Metrics(Form::Text),
        "metrics in the Prometheus text format, or as OpenMetrics or protobuf where `accept` says so",
    ),
    ("/config", Page::Config, "the configuration in force"),
    (
        "/plugins",
        Page::Plugins,
        "each plugin on each worker: state, generation, memory, faults, last error",
    ),
    (
        "/crashes",
        Page::Crashes,
        "why plugins died: one entry for each place of death, the latest first",
    ),
];

/// A page with a name in its path.
struct Named {
    before: &'static str,
    /// What the index calls the name.
    name: &'static str,
    after: &'static str,
    page: fn(String) -> Page,
    meaning: &'static str,
}

/// Every page with a name in its path; of two that fit, the first.
const NAMED: &[Named] = &[
    Named {
        before: "/crashes/",
        name: "ID",
        after: "/text",
        page: Page::CrashText,
        meaning: "a crash report for people",
    },
    Named {
        before: "/crashes/",
        name: "ID",
        after: "",
        page: Page::Crash,
        meaning: "a crash report for programs",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/lift",
        page: Page::Lift,
        meaning: "POST: starts a plugin in quarantine again, on every worker",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/level",
        page: |name| Page::Level(name, String::new()),
        meaning: "POST: lines of the plugin from `?level=debug` on are written for `&seconds=600`, on every worker; `&seconds=0` ends it",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/profile",
        page: Page::Profile,
        meaning: "POST: what a plugin computes in the next `?seconds=10`, or `&what=memory` keeps, as a file for https://profiler.firefox.com",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/rollout",
        page: Page::Rollout,
        meaning: "how a new generation of a plugin comes into force: step, share, both generations compared",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/rollout/start",
        page: |name| Page::LeadRollout(name, RolloutOrder::Start),
        meaning: "POST: tries the generation again that went back, or what its body says: `source`, `config`, `steps`, as JSON",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/rollout/pause",
        page: |name| Page::LeadRollout(name, RolloutOrder::Pause),
        meaning: "POST: lets the time of the step stand",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/rollout/resume",
        page: |name| Page::LeadRollout(name, RolloutOrder::Resume),
        meaning: "POST: lets it go on",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/rollout/promote",
        page: |name| Page::LeadRollout(name, RolloutOrder::Promote),
        meaning: "POST: lets the new generation take over now",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/rollout/abort",
        page: |name| Page::LeadRollout(name, RolloutOrder::Abort),
        meaning: "POST: goes back to the generation before now",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/rollout/start/everywhere",
        page: |name| Page::LeadRollout(name, RolloutOrder::StartEverywhere),
        meaning: "POST: tries again, on every gateway of the store, what one of them stopped",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/rollout/promote/everywhere",
        page: |name| Page::LeadRollout(name, RolloutOrder::PromoteEverywhere),
        meaning: "POST: lets the new generation take over now, on every gateway of the store",
    },
    Named {
        before: "/plugins/",
        name: "NAME",
        after: "/rollout/abort/everywhere",
        page: |name| Page::LeadRollout(name, RolloutOrder::AbortEverywhere),
        meaning: "POST: goes back to the generation before now, on every gateway of the store",
    },
];

impl Named {
    fn at(&self, path: &str) -> Option<Page> {
        let name = path.strip_prefix(self.before)?.strip_suffix(self.after)?;
        (!name.is_empty() && !name.contains('/')).then(|| (self.page)(name.to_owned()))
    }

    fn shown(&self) -> String {
        [self.before, self.name, self.after].concat()
    }
}

/// Which page a request asks for, or the answer that says why there is none.
pub(crate) fn find<B>(request: &Request<B>) -> Result<Page, Box<Response<Bytes>>> {
    let path = request.uri().path();
    let named = NAMED.iter().find_map(|named| named.at(path));
    let Some(mut page) = named.or_else(|| page_at(path)) else {
        return Err(Box::new(text(
            StatusCode::NOT_FOUND,
            format!("no such page; there are\n{}", list()),
        )));
    };
    if !page.allows(request.method()) {
        let mut answer = text(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("only {} is allowed\n", page.methods()),
        );
        answer
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(page.methods()));
        return Err(Box::new(answer));
    }
    // A browser says where a POST comes from: no page that an operator happens to look at changes anything here.
    if !request.method().is_safe() && request.headers().contains_key(header::ORIGIN) {
        return Err(Box::new(text(
            StatusCode::FORBIDDEN,
            "requests from web pages change nothing; send it without `origin`\n",
        )));
    }
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let bytes_max = match page {
        Page::LeadRollout(_, RolloutOrder::Start) => ORDER_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    };
    if length.is_some_and(|length| length > bytes_max) {
        let mut answer = text(StatusCode::PAYLOAD_TOO_LARGE, "request body too large\n");
        answer
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Err(Box::new(answer));
    }
    if let Page::Level(_, query) = &mut page {
        request.uri().query().unwrap_or_default().clone_into(query);
    }
    if let Page::Metrics(form) = &mut page {
        let accept = request.headers().get_all(header::ACCEPT).into_iter();
        *form = Form::wanted(accept.filter_map(|value| value.to_str().ok()));
    }
    Ok(page)
}

fn page_at(path: &str) -> Option<Page> {
    let (_, page, _) = PAGES.iter().find(|(known, ..)| *known == path)?;
    Some(page.clone())
}

impl Page {
    /// Whether making it may wait for something, and so must not happen on the console's own thread.
    pub(crate) fn may_wait(&self) -> bool {
        !matches!(self, Self::Index | Self::Healthz | Self::Readyz)
    }

    fn allows(&self, method: &Method) -> bool {
        match self {
            Self::Lift(_) | Self::Level(..) | Self::Profile(_) | Self::LeadRollout(..) | Self::BeginRollout(..) => {
                *method == Method::POST
            }
            _ => matches!(*method, Method::GET | Method::HEAD),
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Lift(_) | Self::Level(..) | Self::Profile(_) | Self::LeadRollout(..) | Self::BeginRollout(..) => {
                "POST"
            }
            _ => "GET, HEAD",
        }
    }

    /// Makes the answer for who asks from there.
    pub(crate) fn make(self, house: &Arc<dyn House>, from: IpAddr) -> Response<Bytes> {
        match self {
            Self::Index => text(StatusCode::OK, list()),
            Self::Healthz => text(StatusCode::OK, "ok\n"),
            Self::Readyz if house.ready() => text(StatusCode::OK, "ready\n"),
            Self::Readyz => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            Self::Metrics(form) => answer(StatusCode::OK, form.content_type(), house.metrics(form)),
            Self::Config => json(&house.config()),
            Self::Plugins => json(&house.plugins()),
            Self::Crashes => json(&house.crashes()),
            Self::Crash(id) => match house.crash(&id) {
                Some((report, _)) => json(&report),
                None => no_crash(&id),
            },
            Self::CrashText(id) => match house.crash(&id) {
                Some((_, report)) => text(StatusCode::OK, report),
                None => no_crash(&id),
            },
            Self::Lift(plugin) => lift(&plugin, (house, from)),
            Self::Level(plugin, query) => level(&plugin, &query, (house, from)),
            Self::Rollout(plugin) => match house.rollout(&plugin) {
                Some(rollout) => json(&rollout),
                None => no_rollout(&plugin),
            },
            Self::LeadRollout(plugin, order) => lead_rollout(&plugin, order, (house, from)),
            Self::BeginRollout(plugin, order) => begin_rollout(&plugin, &order, (house, from)),
            // It takes its time, which is not that of making a page.
            Self::Profile(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "no profile was made\n"),
        }
    }
}

fn lift(plugin: &str, (house, from): (&Arc<dyn House>, IpAddr)) -> Response<Bytes> {
    let known = house.lift(plugin);
    house.ordered(&Ordered {
        from,
        order: "lift",
        plugin,
        what: "",
        why_not: (!known).then_some("no plugin has that name"),
    });
    match known {
        true => text(StatusCode::OK, format!("plugin {plugin} is started again\n")),
        false => text(
            StatusCode::NOT_FOUND,
            format!("no plugin is named {plugin}; /plugins lists them\n"),
        ),
    }
}

fn level(plugin: &str, query: &str, (house, from): (&Arc<dyn House>, IpAddr)) -> Response<Bytes> {
    let set = house.set_level(plugin, query);
    house.ordered(&Ordered {
        from,
        order: "level",
        plugin,
        what: set.as_ref().and_then(|set| set.as_deref().ok()).unwrap_or_default(),
        why_not: match &set {
            Some(Ok(_)) => None,
            Some(Err(why)) => Some(why),
            None => Some("no plugin has that name"),
        },
    });
    match set {
        Some(Ok(what)) => text(StatusCode::OK, format!("{what}\n")),
        Some(Err(why)) => text(StatusCode::BAD_REQUEST, format!("{why}\n")),
        None => no_plugin(plugin),
    }
}

fn lead_rollout(plugin: &str, order: RolloutOrder, (house, from): (&Arc<dyn House>, IpAddr)) -> Response<Bytes> {
    let led = house.lead_rollout(plugin, order);
    house.ordered(&Ordered {
        from,
        order: order.word(),
        plugin,
        what: "",
        why_not: match &led {
            Some(Led::Done | Led::Already) => None,
            Some(Led::Refused(why)) => Some(why),
            None => Some("it has no rollout"),
        },
    });
    match led {
        Some(Led::Done) => text(StatusCode::OK, format!("rollout of {plugin}: {}\n", order.word())),
        Some(Led::Already) => text(StatusCode::OK, format!("rollout of {plugin}: it was so before\n")),
        Some(Led::Refused(why)) => text(StatusCode::CONFLICT, format!("rollout of {plugin}: {why}\n")),
        None => no_rollout(plugin),
    }
}

fn begin_rollout(plugin: &str, order: &[u8], (house, from): (&Arc<dyn House>, IpAddr)) -> Response<Bytes> {
    let begun = house.begin_rollout(plugin, order);
    house.ordered(&Ordered {
        from,
        order: RolloutOrder::Start.word(),
        plugin,
        what: "",
        why_not: begun.as_ref().err().map(|why| why.trim_end()),
    });
    match begun {
        Ok(what) => text(StatusCode::OK, format!("rollout of {plugin}: {what}\n")),
        Err(why) => text(
            StatusCode::CONFLICT,
            format!("rollout of {plugin}: {}\n", why.trim_end()),
        ),
    }
}

fn list() -> String {
    let shown = || {
        let named = NAMED.iter().map(|named| (named.shown(), named.meaning));
        let pages = PAGES.iter().map(|(path, _, meaning)| ((*path).to_owned(), *meaning));
        pages.chain(named)
    };
    let width = shown().map(|(path, _)| path.len()).max().unwrap_or(0);
    shown()
        .map(|(path, meaning)| format!("{path:width$}  {meaning}\n"))
        .collect()
}

fn no_crash(id: &str) -> Response<Bytes> {
    text(
        StatusCode::NOT_FOUND,
        format!("no crash report, or more than one, begins with {id}; /crashes lists them\n"),
    )
}

fn no_plugin(plugin: &str) -> Response<Bytes> {
    text(
        StatusCode::NOT_FOUND,
        format!("no plugin is named {plugin}; /plugins lists them\n"),
    )
}

fn no_rollout(plugin: &str) -> Response<Bytes> {
    text(
        StatusCode::NOT_FOUND,
        format!("no rollout of a plugin {plugin}; one begins when a plugin with `rollout` changes\n"),
    )
}

pub(crate) fn json(value: &Value) -> Response<Bytes> {
    answer(StatusCode::OK, JSON, format!("{value:#}\n"))
}

/// A plain answer.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    answer(status, TEXT, body)
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
