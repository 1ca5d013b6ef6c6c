//! Three gateways of one store: a new generation comes to them in waves, and goes back everywhere when it goes back on one.

mod apart;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::{Connection, Request, Version};
use testkit::etcd::{Etcd, etcd};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::{Ended, finish, get, page, plugin};

const KEY: &str = "/gateway.yaml";
/// LIMIT: exchanges with each gateway until something must have happened.
const EXCHANGES_MAX: usize = 20_000;
/// As the configurations of some tests have it.
const GONE_AFTER: Duration = Duration::from_secs(3);
const BEGUN: &str = "step 1 of 1, ";
const PROMOTED: &str = ": promoted";
const BACK: &str = ": rolled back: ";

/// A configuration whose plugin says which generation it is, and dies in exchanges that say so when it is the new one.
fn configuration(generation: &str, rollout: &Value) -> Result<String> {
    let mut script = json!({"response_headers": [{"op": "add_response_header", "key": "x-arm", "value": generation}]});
    if generation == "new" {
        script["cases"] = json!({"die": {"request_headers": [{"op": "panic"}]}});
    }
    let mut plugin = plugin("p", "probe-021", script)?;
    plugin["source"]["file"] = json!(build(generation)?);
    plugin["rollout"] = rollout.clone();
    Ok(json!({
        "listeners": [{ "name": "web", "listen": "127.0.0.1:0" }],
        "plugins": [plugin],
        "routes": [{"name": "r", "respond": {"body": "answer"}, "plugins": ["p"]}],
    })
    .to_string())
}

/// Where modules of these tests are.
fn modules() -> PathBuf {
    std::env::temp_dir().join("cofferdam-e2e")
}

/// The guest as each generation has it: in a module of its own, so that going back needs the module before.
fn build(generation: &str) -> Result<PathBuf> {
    let mut bytes = fs::read(place::guest("probe-021")?)?;
    let length = u8::try_from(generation.len())?;
    bytes.extend([0, length + 1, length]);
    bytes.extend(generation.as_bytes());
    let folder = modules();
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("waves-{generation}.wasm"));
    // Gateways of other tests follow it.
    if fs::read(&file).is_ok_and(|there| there == bytes) {
        return Ok(file);
    }
    let mut part = tempfile::NamedTempFile::new_in(&folder)?;
    part.write_all(&bytes)?;
    part.persist(&file)?;
    Ok(file)
}

/// One step, and waves of one gateway more each. On a busy machine, too, nobody is silent for as long as these may be.
fn rollout(pause: &str) -> Value {
    json!({
        "steps": [{"share": "50%", "pause": pause}],
        "analysis": {"exchanges": 5, "latency": {"absolute": "1s"}, "cpu": {"absolute": "1s"}},
        "waves": {"gateways": [1, 2]},
    })
}

/// The same, where who is silent is soon waited for no more.
fn impatient(pause: &str) -> Value {
    let mut rollout = rollout(pause);
    rollout["waves"]["gone_after"] = json!(format!("{}s", GONE_AFTER.as_secs()));
    rollout
}

/// A store with gateways.
struct Fleet {
    etcd: Etcd,
    gateways: BTreeMap<String, Gateway>,
    lines: BTreeMap<String, Connection>,
    sent: usize,
    /// One of so many exchanges is of the kind in which the new generation dies.
    dies_every: usize,
}

impl Fleet {
    /// Three gateways that serve the old generation, and know of each other.
    async fn start(rollout: &Value) -> Result<Self> {
        let etcd = etcd().await?;
        etcd.ctl(&["put", KEY, &configuration("old", rollout)?])?;
        let (mut gateways, mut lines) = (BTreeMap::new(), BTreeMap::new());
        for number in 0..3 {
            let name = format!("gw-{number}");
            let store = json!({
                "etcd": { "endpoints": [etcd.address.to_string()] }, "key": KEY, "node": name, "wait": "20s",
            });
            let admin = json!({ "listen": "127.0.0.1:0", "rollouts_from": { "folders": [modules()] } });
            let file = json!({ "admin": admin, "workers": 1, "store": store });
            let gateway = Gateway::start(&file.to_string()).await?;
            let line = Connection::open(gateway.listener("web")?, Version::Http1).await?;
            lines.insert(name.clone(), line);
            gateways.insert(name, gateway);
        }
        let fleet = Self {
            etcd,
            gateways,
            lines,
            sent: 0,
            dies_every: 50,
        };
        let end = Instant::now() + DEADLINE;
        while fleet.keys("gateways/")?.len() < 3 {
            ensure!(Instant::now() < end, "not every gateway speaks to the others");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(fleet)
    }

    fn keys(&self, below: &str) -> Result<Vec<String>> {
        let prefix = format!("{KEY}.rollouts/{below}");
        let listed = self.etcd.ctl(&["get", "--prefix", "--keys-only", &prefix])?;
        Ok(listed
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect())
    }

    fn put(&self, generation: &str, rollout: &Value) -> Result<()> {
        self.etcd
            .ctl(&["put", KEY, &configuration(generation, rollout)?])
            .map(|_| ())
    }

    /// When a gateway first said something.
    fn said(&self, gateway: &str, words: &str) -> Option<Instant> {
        let lines = self.gateways.get(gateway)?.process.lines_from(0);
        lines.iter().find(|line| line.text.contains(words)).map(|line| line.at)
    }

    /// The gateways that said something, the first of them first.
    fn who_said(&self, words: &str) -> Vec<String> {
        let names = self.gateways.keys();
        let mut said: Vec<_> = names
            .filter_map(|name| Some((self.said(name, words)?, name.clone())))
            .collect();
        said.sort();
        said.into_iter().map(|(_, name)| name).collect()
    }

    /// One exchange with each gateway; of those with one that is among `dying`, some let the new generation die.
    async fn exchange(&mut self, dying: &[&str]) -> Result<()> {
        self.sent += 1;
        ensure!(self.sent < EXCHANGES_MAX, "nothing happened: {}", self.story());
        for (name, line) in &mut self.lines {
            let request = Request::get("/");
            let dies = dying.contains(&name.as_str()) && self.sent.is_multiple_of(self.dies_every);
            let request = if dies { request.field("x-case", "die") } else { request };
            line.send(&request).await?;
        }
        Ok(())
    }

    /// Goes on until so many gateways have said something.
    async fn until(&mut self, count: usize, words: &str, dying: &[&str]) -> Result<()> {
        while self.who_said(words).len() < count {
            self.exchange(dying).await?;
        }
        Ok(())
    }

    fn story(&self) -> String {
        let about = |line: &str| line.contains("rollout") || line.contains("wave") || line.contains("refused");
        let of = |(name, gateway): (&String, &Gateway)| {
            let lines = gateway.process.lines_from(0);
            let lines = lines.iter().filter(|line| about(&line.text));
            lines.map(|line| format!("\n{name}: {}", line.text)).collect::<String>()
        };
        self.gateways.iter().map(of).collect()
    }

    async fn arms(&self) -> Result<Vec<String>> {
        let mut arms = Vec::new();
        for gateway in self.gateways.values() {
            let answer = get(gateway, "/").await?;
            arms.push(answer.field("x-arm").unwrap_or_default().to_owned());
        }
        Ok(arms)
    }

    /// Workers take a generation over a moment after it is said; then all of them have it.
    async fn serves(&self, generation: &str) -> Result<()> {
        let end = Instant::now() + DEADLINE;
        loop {
            let arms = self.arms().await?;
            if arms.iter().all(|arm| arm == generation) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{arms:?}: {}", self.story());
        }
    }

    async fn page(&self, gateway: &str) -> Result<Value> {
        page(&self.gateways[gateway], "/plugins/p/rollout").await
    }

    /// Whether a gateway knows that all of them are so far.
    async fn has_heard_of(&self, gateway: &str, state: &str) -> Result<bool> {
        let shown = self.page(gateway).await?;
        let gateways = shown["waves"]["gateways"].as_array().context("the gateways")?;
        Ok(gateways.len() == 3 && gateways.iter().all(|gateway| gateway["state"] == state))
    }

    async fn command(&self, gateway: &str, words: &[&str]) -> Result<Ended> {
        let gateway = &self.gateways[gateway];
        let mut command = Command::new(place::cofferdam().await?);
        command
            .arg("rollout")
            .args(words)
            .args(["--admin", &gateway.admin.to_string()]);
        finish(&mut command, gateway.folder()).await
    }
}

/// Waits until a module is kept on disk as what serves.
async fn has_kept(gateway: &Gateway, module: &Path) -> Result<()> {
    let bytes = fs::read(module)?;
    let is_kept = || -> Result<bool> {
        let folder = fs::read_dir(gateway.folder().join("cofferdam/served"))?
            .next()
            .context("no folder")??
            .path();
        let served: Value = serde_json::from_slice(&fs::read(folder.join("served.json"))?)?;
        let name = served["plugins"][0]["module"].as_str().context("no module")?;
        Ok(fs::read(folder.join("modules").join(format!("{name}.wasm")))? == bytes)
    };
    let end = Instant::now() + DEADLINE;
    while !is_kept().unwrap_or(false) {
        ensure!(Instant::now() < end, "{}: {:?}", module.display(), is_kept());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

const EVERYBODY: [&str; 3] = ["gw-0", "gw-1", "gw-2"];

#[tokio::test]
async fn a_good_generation_comes_to_one_gateway_after_the_other() -> Result<()> {
    let rollout = rollout("300ms");
    let mut fleet = Fleet::start(&rollout).await?;
    fleet.put("new", &rollout)?;
    fleet.until(3, PROMOTED, &[]).await?;
    let order = fleet.who_said(BEGUN);
    assert_eq!(order.len(), 3);
    for pair in order.windows(2) {
        let (promoted, begun) = (fleet.said(&pair[0], PROMOTED), fleet.said(&pair[1], BEGUN));
        assert!(promoted.is_some() && promoted < begun, "{}", fleet.story());
    }
    fleet.serves("new").await?;
    // So much stands there as there are gateways and plugins, and no more after another change.
    fleet.put("newer", &rollout)?;
    let newer = || fleet.gateways.values();
    let end = Instant::now() + DEADLINE;
    let mut arms = Vec::new();
    while arms != ["newer"; 3] {
        ensure!(Instant::now() < end, "{arms:?}: {}", fleet.story());
        arms.clear();
        for gateway in newer() {
            arms.push(get(gateway, "/").await?.field("x-arm").unwrap_or_default().to_owned());
        }
    }
    assert_eq!(fleet.keys("gateways/")?.len(), 3);
    assert_eq!(fleet.keys("plugins/")?, [format!("{KEY}.rollouts/plugins/p")]);
    Ok(())
}

#[tokio::test]
async fn a_generation_that_goes_back_on_the_first_gateway_never_begins_on_the_others() -> Result<()> {
    let rollout = rollout("1h");
    let mut fleet = Fleet::start(&rollout).await?;
    fleet.put("new", &rollout)?;
    fleet.until(3, BACK, &EVERYBODY).await?;
    let begun = fleet.who_said(BEGUN);
    assert_eq!(begun.len(), 1, "{}", fleet.story());
    let first = &begun[0];
    for name in EVERYBODY.iter().filter(|name| *name != first) {
        let shown = fleet.page(name).await?;
        let why = shown["why"].as_str().context("a reason")?;
        for part in [
            format!("gateway `{first}` went back").as_str(),
            "its faults: ",
            "of the candidate",
        ] {
            assert!(why.contains(part), "{part} is not in: {why}");
        }
        assert_eq!(shown["waves"]["stopped"].as_str(), Some(why));
        let status = fleet.command(name, &["status", "p"]).await?;
        assert!(
            status.out.contains(&format!("gateway    {first}: rolled back")),
            "{status:?}"
        );
        let took = fleet
            .said(name, BACK)
            .zip(fleet.said(first, BACK))
            .map(|(here, there)| here - there);
        println!("{name} knew it {took:?} after {first} had gone back");
    }
    fleet.serves("old").await?;
    // A gateway that starts now does not try it either.
    let name = EVERYBODY.iter().find(|name| *name != first).context("another one")?;
    let gateway = fleet.gateways.remove(*name).context("a gateway")?;
    let gateway = gateway.start_again(Signal::KILL).await?;
    assert_eq!(get(&gateway, "/").await?.field("x-arm"), Some("old"));
    assert_eq!(page(&gateway, "/plugins/p/rollout").await?["state"], "rolled back");
    Ok(())
}

#[tokio::test]
async fn gateways_that_went_over_go_back_too_and_an_operator_tries_again_everywhere() -> Result<()> {
    let rollout = rollout("2s");
    let mut fleet = Fleet::start(&rollout).await?;
    fleet.dies_every = 4;
    fleet.put("new", &rollout)?;
    fleet.until(1, PROMOTED, &[]).await?;
    let first = fleet.who_said(PROMOTED).remove(0);
    let others: Vec<&str> = EVERYBODY.into_iter().filter(|name| *name != first).collect();
    fleet.until(3, BACK, &others).await?;
    fleet.serves("old").await?;
    let second = fleet.who_said(BEGUN).remove(1);
    assert_eq!(
        fleet.who_said(BEGUN),
        [first.as_str(), second.as_str()],
        "{}",
        fleet.story()
    );
    // The next start without a store would serve the same.
    for gateway in fleet.gateways.values() {
        has_kept(gateway, &build("old")?).await?;
    }
    let shown = fleet.page(&first).await?;
    let why = shown["why"].as_str().context("a reason")?;
    assert!(
        why.contains(&format!("gateway `{second}` went back")) && why.contains("its faults: "),
        "{shown}"
    );
    let stopped = fleet.command(&first, &["promote", "p", "--everywhere"]).await?;
    assert!(
        stopped.code == Some(1) && stopped.err.contains("tries it again"),
        "{stopped:?}"
    );
    assert_eq!(
        fleet.command(&first, &["start", "p", "--everywhere"]).await?.code,
        Some(0)
    );
    let end = Instant::now() + DEADLINE;
    while fleet.arms().await? != ["new"; 3] {
        ensure!(Instant::now() < end, "{}", fleet.story());
        fleet.exchange(&[]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_operator_promotes_one_gateway_or_all_of_them_without_waiting() -> Result<()> {
    let rollout = rollout("manual");
    let mut fleet = Fleet::start(&rollout).await?;
    fleet.put("new", &rollout)?;
    fleet.until(1, BEGUN, &[]).await?;
    let first = fleet.who_said(BEGUN).remove(0);
    let others: Vec<&str> = EVERYBODY.into_iter().filter(|name| *name != first).collect();
    let shown = fleet.page(others[0]).await?;
    assert_eq!(shown["state"], "waiting for its wave", "{shown}");
    assert_eq!(fleet.command(others[0], &["promote", "p"]).await?.code, Some(0));
    assert_eq!(fleet.who_said(PROMOTED), [others[0]], "{}", fleet.story());
    assert_eq!(fleet.page(others[1]).await?["state"], "waiting for its wave");
    assert_eq!(
        fleet.command(others[1], &["promote", "p", "--everywhere"]).await?.code,
        Some(0)
    );
    fleet.until(3, PROMOTED, &[]).await?;
    fleet.serves("new").await?;
    let end = Instant::now() + DEADLINE;
    while !fleet.has_heard_of(&first, "promoted").await? {
        ensure!(Instant::now() < end, "{}", fleet.page(&first).await?);
    }
    let over = fleet.command(&first, &["abort", "p", "--everywhere"]).await?;
    assert!(
        over.code == Some(1) && over.err.contains("it is over on every gateway"),
        "{over:?}"
    );
    fleet.put("newest", &rollout)?;
    while fleet.page(&first).await?["over"] == json!(true) {
        ensure!(Instant::now() < end, "nothing begins: {}", fleet.story());
    }
    assert_eq!(
        fleet.command(&first, &["abort", "p", "--everywhere"]).await?.code,
        Some(0)
    );
    fleet.until(3, BACK, &[]).await?;
    fleet.serves("new").await?;
    let shown = fleet.page(others[0]).await?;
    let why = shown["why"].as_str().context("a reason")?;
    assert!(why.contains("an operator gave it up everywhere"), "{why}");
    Ok(())
}

#[tokio::test]
async fn while_the_store_is_lost_who_has_begun_goes_on_and_who_has_not_waits() -> Result<()> {
    let rollout = impatient("1s");
    let mut fleet = Fleet::start(&rollout).await?;
    fleet.put("new", &rollout)?;
    fleet.until(1, BEGUN, &[]).await?;
    fleet.etcd.kill().await?;
    fleet.until(1, PROMOTED, &[]).await?;
    fleet.until(3, "waves: the other gateways are not reached", &[]).await?;
    // Longer than a gateway may be silent: nobody takes the others for gone.
    let end = Instant::now() + GONE_AFTER + Duration::from_secs(1);
    while Instant::now() < end {
        fleet.exchange(&[]).await?;
        fleet.sent = 0;
    }
    assert_eq!(fleet.who_said(BEGUN).len(), 1, "{}", fleet.story());
    fleet.etcd.start_again().await?;
    fleet.until(3, PROMOTED, &[]).await?;
    let order = fleet.who_said(BEGUN);
    let (promoted, begun) = (fleet.said(&order[1], PROMOTED), fleet.said(&order[2], BEGUN));
    assert!(promoted < begun, "{}", fleet.story());
    fleet.serves("new").await?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_killed_is_waited_for_no_longer_than_its_silence_may_be() -> Result<()> {
    let rollout = impatient("manual");
    let mut fleet = Fleet::start(&rollout).await?;
    fleet.put("new", &rollout)?;
    fleet.until(1, BEGUN, &[]).await?;
    let first = fleet.who_said(BEGUN).remove(0);
    let gateway = fleet.gateways.remove(&first).context("the first gateway")?;
    fleet.lines.remove(&first);
    gateway.process.signal(Signal::KILL)?;
    let killed = Instant::now();
    let end = killed + DEADLINE;
    while fleet.who_said(BEGUN).is_empty() {
        ensure!(Instant::now() < end, "nobody goes on: {}", fleet.story());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let waited = killed.elapsed();
    println!("the next gateway began {waited:?} after the first was killed");
    // It spoke last some time before it was killed.
    assert!(waited >= GONE_AFTER / 2, "{waited:?}: {}", fleet.story());
    Ok(())
}
