//! What the plan holds of logs and traces for what the file says, and what rules of masks do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log_mask::field::{Fields, Untrusted};
use serde_json::Value;

use crate::Plan;
use crate::logs::{
    Class, Faults, FieldFrom, Format, Keep, Level, Login, Mask, OtlpProtocol, Piece, RateEach, Secret, Statuses, Sync,
    SyslogTransport, To,
};
use crate::tracing::{Parents, TraceFormat, Trust};

const SECOND: Duration = Duration::from_secs(1);

fn plan(rest: &str) -> Plan {
    let text = format!(
        "listeners: [{{ name: web, listen: 127.0.0.1:0 }}, {{ name: inside, listen: 127.0.0.1:0 }}]\n\
         plugins: [{{ name: off, source: {{ file: o.wasm }}, default_config_disable: true }}, {{ name: auth, source: {{ file: a.wasm }} }}]\n\
         routes: [{{ name: any, echo: true, plugins: [auth] }}, {{ name: pay, match: {{ path: {{ prefix: /pay }} }}, echo: true }}]\n{rest}"
    );
    crate::check(&text, "t.yaml").unwrap_or_else(|findings| panic!("{findings}"))
}

fn example(name: &str) -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    crate::check(&std::fs::read_to_string(path).unwrap(), name).unwrap_or_else(|findings| panic!("{findings}"))
}

fn masked(mask: &Mask, value: Untrusted<'_>) -> String {
    let digest = |bytes: &[u8]| [u8::try_from(bytes.len()).unwrap(); 32];
    let rules = mask.rules(Some(Box::new(digest))).unwrap();
    let mut out = Vec::new();
    Fields::new(Arc::new(rules)).append(value, &mut out);
    String::from_utf8(out).unwrap()
}

fn masked_text(mask: &Mask, text: &str) -> String {
    masked(mask, Untrusted::Text(text.as_bytes()))
}

#[test]
fn what_is_not_said_of_logs_and_traces_has_its_default() {
    let plan = plan("");
    let logs = &plan.logs;
    assert_eq!(
        (logs.rings.dir.as_ref(), logs.rings.bytes, logs.level),
        (None, 8 << 20, Level::Info)
    );
    assert!(logs.sinks.is_empty() && logs.debug.is_none() && logs.sandbox.is_none() && logs.tenant.is_none());
    assert_eq!(
        (logs.sampling.keep, logs.sampling.always_from),
        (Keep::Part(1_000_000), Level::Error)
    );
    assert_eq!(logs.sampling.tail.statuses, [Statuses::Class(5)]);
    assert_eq!(logs.sampling.tail.faults, Faults::Any);
    assert_eq!(logs.mask, Some(Mask::default()));
    assert_eq!(plan.tracing, None);
}

#[test]
fn tracing_that_says_nothing_has_its_defaults() {
    let tracing = plan("tracing: {}\n").tracing.unwrap();
    assert_eq!(
        (&*tracing.accept, &*tracing.send),
        (&[TraceFormat::W3c][..], &[TraceFormat::W3c][..])
    );
    assert_eq!((&tracing.trust, tracing.parents), (&Trust::Nobody, Parents::Obeyed));
    assert!(tracing.keep.is_none() && tracing.spans.is_none());
}

#[test]
fn a_sink_has_the_defaults_of_its_kind() {
    let plan = plan(
        "logs:
  sinks:
    - { name: out, stdout: {} }
    - { name: disk, file: { path: g.log } }
    - { name: chain, audit: { dir: chain } }
    - { name: far, http: { url: 'http://c:1/x' }, spool: { dir: s } }
    - { name: loki, loki: { url: 'http://c:1' } }
    - { name: otlp, otlp: { url: 'http://c:1/' } }
    - { name: grpc, otlp: { url: 'http://c:1', protocol: grpc } }
    - { name: sys, syslog: { to: { tcp: 'c:601' } } }
",
    );
    let sinks = &plan.logs.sinks;
    let durable: Vec<bool> = sinks.iter().map(|sink| sink.durable).collect();
    assert_eq!(durable, [false, true, true, true, false, false, false, false]);
    let all_but_span: Vec<Class> = Class::ALL.into_iter().filter(|class| *class != Class::Span).collect();
    assert_eq!(sinks[0].takes.classes, all_but_span);
    assert_eq!(
        (sinks[0].takes.level_min, sinks[0].takes.level_max),
        (Level::Trace, Level::Critical)
    );
    assert_eq!(sinks[2].takes.classes, [Class::Audit]);
    assert_eq!(sinks[0].format, Format::Json);
    let uri = |sink: usize| match &sinks[sink].to {
        To::Http { target, .. } => target.uri.to_string(),
        To::Loki(loki) => loki.target.uri.to_string(),
        To::Otlp(otlp) => otlp.target.uri.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(uri(3), "http://c:1/x");
    assert_eq!(uri(4), "http://c:1/loki/api/v1/push");
    assert_eq!(
        (uri(5).as_str(), uri(6).as_str()),
        ("http://c:1/v1/logs", "http://c:1/")
    );
    let To::Otlp(grpc) = &sinks[6].to else { panic!() };
    assert_eq!((grpc.protocol, grpc.target.gzip), (OtlpProtocol::Grpc, false));
    let To::Syslog(syslog) = &sinks[7].to else { panic!() };
    assert_eq!(
        (&syslog.transport, syslog.facility),
        (&SyslogTransport::Tcp("c:601".to_owned()), 16)
    );
    let To::Audit(audit) = &sinks[2].to else { panic!() };
    assert_eq!((audit.sync, audit.hash.key.as_ref()), (Sync::Always, None));
}

#[test]
fn routes_and_plugins_have_the_numbers_of_the_plan() {
    let plan = plan(
        "logs:
  tenant: { request_header: X-Tenant }
  sampling:
    rules:
      - { plugin: auth, route: pay, level: warn, rate: { count: 5, each: [tenant, route, tenant] } }
      - { levels: [info, trace], tenant: shop, keep: 0.5% }
      - { plugin: off, keep: none }
    tail: { slow_routes: { pay: 2s }, faults: [plugin.slice_exceeded], statuses: [429] }
  debug: { bodies: { routes: [pay] } }
",
    );
    let at = |name: &str| plan.plugins.iter().position(|plugin| plugin.name == name);
    let sampling = &plan.logs.sampling;
    let rule = &sampling.rules[0];
    let plugin = rule.plugin.as_ref().unwrap();
    assert_eq!(
        (plugin.name.as_str(), Some(plugin.number as usize)),
        ("auth", at("auth"))
    );
    assert_eq!(plan.routes.iter().nth(1).unwrap().name, "pay");
    assert_eq!(rule.route.as_ref().unwrap().number, 1);
    assert_eq!(rule.levels, [Level::Warn, Level::Error, Level::Critical]);
    let rate = rule.rate.as_ref().unwrap();
    assert_eq!((rate.count, rate.per, rate.burst), (5, SECOND, 5));
    assert_eq!(rate.each, [RateEach::Tenant, RateEach::Route]);
    assert_eq!(rule.keep, Keep::Part(1_000_000));
    let other = &sampling.rules[1];
    assert_eq!(other.levels, [Level::Trace, Level::Info]);
    assert_eq!(
        (other.keep.ratio(), other.tenant.as_deref()),
        (Some(0.005), Some("shop"))
    );
    assert_eq!(sampling.rules.len(), if at("off").is_some() { 3 } else { 2 });
    assert_eq!(sampling.tail.slow_routes[0].0.number, 1);
    assert_eq!(
        sampling.tail.faults,
        Faults::Codes(vec!["plugin.slice_exceeded".to_owned()])
    );
    assert_eq!(sampling.tail.statuses, [Statuses::One(429)]);
    let debug = plan.logs.debug.as_ref().unwrap();
    assert_eq!(debug.bodies.as_ref().unwrap().routes[0].number, 1);
    let trigger = debug.server_errors.unwrap();
    assert_eq!(
        (trigger.events_min, trigger.share_ppm, trigger.calm_ppm),
        (50, 100_000, 50_000)
    );
    assert!(debug.slow.is_none());
    assert_eq!(plan.logs.tenant.as_ref().unwrap().as_str(), "x-tenant");
}

#[test]
fn files_have_lanes_beside_each_other_and_the_last_takes_the_rest() {
    let plan = example("logs.yaml");
    let To::Files(files) = &plan.logs.sinks[1].to else {
        panic!()
    };
    let path = |lane: usize| files.lanes[lane].path.to_str().unwrap();
    assert_eq!(path(0), "/var/log/cofferdam/gateway.debug.log");
    assert_eq!(path(1), "/var/log/cofferdam/gateway.info.log");
    assert_eq!(path(2), "/var/log/cofferdam/warnings.log");
    assert_eq!((path(3), files.lanes.len()), ("/var/log/cofferdam/gateway.log", 4));
    let lane_of = |level| {
        files
            .lanes
            .iter()
            .position(|lane| lane.takes.takes(level, Class::Access))
    };
    let lanes = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error].map(lane_of);
    assert_eq!(lanes, [0, 0, 1, 2, 3].map(Some));
    assert_eq!(files.lanes[0].keep.age_max, Some(Duration::from_secs(3600)));
    assert_eq!(files.lanes[3].keep.bytes_max, Some(50 << 30));
}

#[test]
fn a_template_is_text_and_fields() {
    let plan = plan(
        "logs: { sinks: [{ name: out, stdout: {}, format: { template: '{{{url.path}}} is {http.response.status_code}.' } }] }\n",
    );
    let text = |text: &str| Piece::Text(text.to_owned());
    let field = |name: &str| Piece::Field(name.to_owned());
    let expected = vec![
        text("{"),
        field("url.path"),
        text("} is "),
        field("http.response.status_code"),
        text("."),
    ];
    assert_eq!(plan.logs.sinks[0].format, Format::Template(expected));
    let described = plan.describe();
    assert_eq!(
        described["logs"]["sinks"][0]["format"]["template"],
        "{{{url.path}}} is {http.response.status_code}."
    );
}

#[test]
fn without_rules_only_what_a_name_tells_is_masked() {
    let mask = plan("").logs.mask.unwrap();
    let header = |name: &'static str| {
        masked(
            &mask,
            Untrusted::Header {
                name: name.as_bytes(),
                value: b"abc",
            },
        )
    };
    assert_eq!(header("authorization"), "[REDACTED]");
    assert_eq!(header("x-other"), "abc");
    assert_eq!(
        masked(&mask, Untrusted::Target(b"/a?sig=abc&x=1")),
        "/a?sig=REDACTED&x=1"
    );
    assert_eq!(masked_text(&mask, "alice@example.com"), "alice@example.com");
    assert!(plan("logs: { mask: off }\n").logs.mask.is_none());
}

#[test]
fn what_is_said_of_a_class_counts_whatever_a_pack_says() {
    let mask = example("logs.yaml").logs.mask.unwrap();
    assert_eq!(masked_text(&mask, "13812345678"), "13812345678");
    assert_eq!(masked_text(&mask, "card 4111111111111111."), "card 411111******1111.");
    assert_eq!(masked_text(&mask, "GB82WEST12345698765432"), "[IBAN]");
    assert_eq!(masked_text(&mask, "from 192.0.2.7"), "from 192.0.2.0");
    assert_eq!(
        masked_text(&mask, "a blue-heron, a Blue-Heron"),
        "a [REDACTED], a Blue-Heron"
    );
    assert_eq!(masked_text(&mask, "CUST-1234567 and CUST-1"), "[REDACTED] and CUST-1");
    let header = Untrusted::Header {
        name: b"X-Customer",
        value: b"7",
    };
    assert_eq!(masked(&mask, header), "[REDACTED]");
    assert_eq!(masked(&mask, Untrusted::Query(b"invite=abc")), "invite=REDACTED");
    let json = Untrusted::Json(br#"{"order":{"buyer":{"name":"Ann"},"id":"x"},"items":[{"serial":"9"}]}"#);
    assert_eq!(
        masked(&mask, json),
        r#"{"order":{"buyer":{"name":"[REDACTED]"},"id":"x"},"items":[{"serial":"[REDACTED]"}]}"#
    );
    // The digest of `email`, a zero byte and the address in small letters, by the stand-in of this test: the length.
    let hash = format!("email:{}", "17".repeat(16));
    assert_eq!(masked_text(&mask, "Alice@example.com"), hash);
    assert!(mask.rules(None).is_err());
}

#[test]
fn every_path_is_shown_once_and_follows_the_folder() {
    let text = "logs:
  rings: { dir: p1 }
  mask: { hash: { key: { file: p2 } } }
  sandbox: { plugins: [{ name: g, module: p3, files: { f: p4 } }] }
  sinks:
    - { name: a, file: { path: p5, lanes: [{ up_to: debug, path: p6 }] } }
    - { name: b, audit: { dir: p7, hash: { key: { file: p8 } } } }
    - name: c
      http: { url: 'https://c', login: { bearer: { file: p9 } }, tls: { authorities: p10, certificate: { chain: p11, key: p12 } } }
      spool: { dir: p13 }
    - { name: d, loki: { url: 'https://c', login: { basic: { user: u, password: { file: p14 } } } } }
    - { name: e, otlp: { url: 'https://c', login: { header: { name: x-key, value: { file: p15 } } } } }
    - { name: f, syslog: { to: { unix_stream: p16 } } }
    - { name: g, syslog: { to: { unix_datagram: p17 } } }
tracing:
  spans: { otlp: { url: 'https://c', login: { bearer: { file: p18 } } }, spool: { dir: p19 } }
";
    let mut plan = plan(text);
    let before = plan.clone();
    let (folder, mut seen) = (Path::new("/base"), Vec::new());
    let mut place = |path: &mut PathBuf| {
        seen.push(path.to_str().unwrap().trim_start_matches('p').parse::<u32>().unwrap());
        *path = folder.join(&*path);
    };
    plan.logs.each_path(&mut place);
    plan.tracing.as_mut().unwrap().each_path(&mut place);
    seen.sort_unstable();
    assert_eq!(seen, (1..=19).collect::<Vec<u32>>());
    assert_ne!((plan.logs, plan.tracing), (before.logs, before.tracing));
}

#[test]
fn a_reload_sees_what_changed_and_what_did_not() {
    let (one, other) = (example("logs.yaml"), example("logs.yaml"));
    assert_eq!((&one.logs, &one.tracing), (&other.logs, &other.tracing));
    let text = |keep: &str| plan(&format!("logs: {{ sampling: {{ keep: {keep} }} }}\n")).logs;
    assert_ne!(text("10%"), text("10.0001%"));
    assert_eq!(text("10%"), text("10.0%"));
}

#[test]
fn callers_are_trusted_where_it_says_so() {
    let trusted = |written: &str| {
        let trust = plan(&format!("tracing: {{ trust: {written} }}\n"))
            .tracing
            .unwrap()
            .trust;
        ["web", "inside"].map(|listener| trust.holds_on(listener))
    };
    assert_eq!(trusted("nobody"), [false, false]);
    assert_eq!(trusted("callers"), [true, true]);
    assert_eq!(trusted("{ listeners: [inside] }"), [false, true]);
    let plan = example("tracing.yaml");
    let tracing = plan.tracing.unwrap();
    assert_eq!(tracing.accept, [TraceFormat::W3c, TraceFormat::B3]);
    assert_eq!(tracing.keep, Some(Keep::Part(100_000)));
    let spans = tracing.spans.unwrap();
    assert_eq!(spans.to.target.uri.to_string(), "http://127.0.0.1:4318/v1/traces");
    assert_eq!((spans.per_exchange_max, spans.batch.records_max), (64, 512));
}

#[test]
fn fields_come_from_headers_and_properties() {
    let fields = example("logs.yaml").logs.fields;
    let from: Vec<&FieldFrom> = fields.iter().map(|field| &field.from).collect();
    assert!(matches!(from[0], FieldFrom::RequestHeader(name) if name == "x-tenant"));
    assert!(matches!(from[1], FieldFrom::ResponseHeader(name) if name == "x-cache"));
    assert!(matches!(from[2], FieldFrom::Property(path) if path == &["source", "address"]));
}

#[test]
fn the_description_of_logs_holds_no_secret() {
    let plan = plan(
        "logs:
  mask: { words: [s3cret-word], patterns: [s3cret-pattern], hash: { key: { env: KEY } } }
  sandbox: { plugins: [{ name: g, module: g.wasm, config: { key: s3cret-config } }] }
  sinks:
    - name: far
      http: { url: 'https://c/x?key=s3cret-query', headers: { x-scope: s3cret-header }, login: { bearer: { file: token } } }
",
    );
    let Some(To::Http { target, .. }) = plan.logs.sinks.first().map(|sink| &sink.to) else {
        panic!()
    };
    assert_eq!(target.uri.to_string(), "https://c/x?key=s3cret-query");
    assert_eq!(target.login, Some(Login::Bearer(Secret::File("token".into()))));
    let described = plan.describe();
    assert!(!described.to_string().contains("s3cret"), "{described:#}");
    let http = &described["logs"]["sinks"][0]["http"];
    assert_eq!(
        (&http["url"], &http["headers"]["x-scope"]),
        (&Value::from("https://c/x"), &Value::from("***"))
    );
    assert_eq!(http["login"]["bearer"]["file"], "token");
}
