//! What an operator begins beside a configuration: another module, configuration or other steps for one plugin.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::plan::{Plan, Plugin};

/// The keys that may be said; all other keys of the plugin stay as they are configured.
const KEYS: [&str; 3] = ["source", "config", "steps"];

/// What may be said of a source: which module it is, not how it is had.
const SOURCE_KEYS: [&str; 5] = ["file", "oci", "digest", "sha256", "pull"];

/// Puts what was begun for a plugin into a plan: a JSON object with some of the keys `source`, `config` and `steps`, as they are written in
/// a configuration, the latter as in `rollout`.
///
/// # Errors
/// When there is no such plugin, or something is wrong with the keys.
pub fn begin(plan: &mut Plan, plugin: &str, order: &str) -> Result<(), String> {
    let order: Map<String, Value> =
        serde_json::from_str(order).map_err(|why| format!("what is begun is no JSON object: {why}"))?;
    if let Some(other) = order.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("what is begun has `{other}`; there are {}", KEYS.join(", ")));
    }
    let source = order.get("source").and_then(Value::as_object);
    let mut source = source.into_iter().flat_map(Map::keys);
    if let Some(other) = source.find(|key| !SOURCE_KEYS.contains(&key.as_str())) {
        return Err(format!(
            "the source of what is begun has `{other}`; there are {}",
            SOURCE_KEYS.join(", ")
        ));
    }
    let mut plugins = plan.plugins.iter_mut();
    let found = plugins.find(|known| known.name == plugin);
    let found = found.ok_or_else(|| format!("no plugin is called `{plugin}`"))?;
    let alone = alone(found, &order)?;
    let changed = Arc::make_mut(found);
    if order.contains_key("source") {
        changed.source.clone_from(&alone.source);
    }
    if order.contains_key("config") {
        changed.config.clone_from(&alone.config);
    }
    if let Some(wanted) = alone.rollout.clone().filter(|_| order.contains_key("steps")) {
        match &mut changed.rollout {
            Some(rollout) => rollout.steps = wanted.steps,
            none => *none = Some(wanted),
        }
    }
    Ok(())
}

/// The plugin as if a configuration had nothing else: so the same words are read, and the same is wrong.
fn alone(configured: &Plugin, order: &Map<String, Value>) -> Result<Arc<Plugin>, String> {
    let unchanged = json!({ "file": "unchanged.wasm" });
    let mut written = Map::from_iter([
        (String::from("name"), json!(configured.name)),
        (
            String::from("source"),
            order.get("source").cloned().unwrap_or(unchanged),
        ),
    ]);
    if let Some(config) = order.get("config") {
        written.insert(String::from("config"), config.clone());
    }
    if let Some(steps) = order.get("steps") {
        let has_shadow = configured
            .rollout
            .as_ref()
            .is_some_and(|rollout| rollout.shadow.is_some());
        // Steps without a share of their own need it.
        let rollout = match has_shadow {
            true => json!({ "steps": steps, "shadow": {} }),
            false => json!({ "steps": steps }),
        };
        written.insert(String::from("rollout"), rollout);
    }
    let text = json!({
        "listeners": [{ "name": "none", "listen": "127.0.0.1:0" }],
        "plugins": [written],
        "routes": [{ "name": "none", "respond": { "status": 204 } }],
    });
    let plan = crate::check(&text.to_string(), "what is begun").map_err(|findings| findings.to_string())?;
    let mut plugins = plan.plugins.into_iter();
    plugins.next().ok_or_else(|| String::from("the plugin is switched off"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::plan::Source;

    const TEXT: &str = "
listeners: [{ name: l, listen: '127.0.0.1:0' }]
plugins:
  - { name: p, source: { file: p.wasm }, config: old, retire_after: 2s }
  - { name: q, source: { file: q.wasm } }
routes: [{ name: r, echo: true, plugins: [p, q] }]
";

    fn begun(plugin: &str, order: &Value) -> Result<Plan, String> {
        let mut plan = crate::check(TEXT, "test").unwrap();
        begin(&mut plan, plugin, &order.to_string())?;
        Ok(plan)
    }

    #[test]
    fn what_is_said_is_changed_and_nothing_else() {
        let before = crate::check(TEXT, "test").unwrap();
        let order = json!({
            "source": { "oci": "example.com/p:2" },
            "config": "new",
            "steps": [{ "share": "5%", "pause": "10m" }, { "share": "50%", "pause": "manual" }],
        });
        let plan = begun("p", &order).unwrap();
        let changed = &plan.plugins[0];
        assert!(matches!(&changed.source, Source::Oci { name, .. } if name == "example.com/p:2"));
        assert_eq!(changed.config, b"new");
        let shares: Vec<u32> = changed
            .rollout
            .iter()
            .flat_map(|rollout| &rollout.steps)
            .map(|step| step.share)
            .collect();
        assert_eq!(shares, [50_000, 500_000]);
        let mut same = Plugin::clone(changed);
        same.source.clone_from(&before.plugins[0].source);
        same.config.clone_from(&before.plugins[0].config);
        same.rollout = None;
        assert_eq!(same, *before.plugins[0]);
        assert_eq!(plan.plugins[1], before.plugins[1]);
        let only = begun("p", &json!({ "config": { "b": 1, "a": 2 } })).unwrap();
        assert_eq!(only.plugins[0].config, br#"{"b":1,"a":2}"#);
        assert_eq!(only.plugins[0].source, before.plugins[0].source);
    }

    #[test]
    fn what_is_wrong_is_said_as_of_a_configuration() {
        for (plugin, order, part) in [
            ("x", json!({}), "no plugin is called `x`"),
            ("p", json!({ "grant": "all" }), "has `grant`"),
            ("p", json!({ "source": {} }), "the source names no module"),
            ("p", json!({ "steps": [{ "share": "5", "pause": "1m" }] }), "has no `%`"),
            (
                "p",
                json!({ "source": { "http": "https://example.com/p.wasm" } }),
                "the source of what is begun has `http`",
            ),
            (
                "p",
                json!({ "source": { "oci": "example.com/p:2", "plain_http": true } }),
                "the source of what is begun has `plain_http`",
            ),
        ] {
            let why = begun(plugin, &order).err().unwrap();
            assert!(why.contains(part), "{why}");
        }
        let mut plan = crate::check(TEXT, "test").unwrap();
        assert!(begin(&mut plan, "p", "[]").unwrap_err().contains("no JSON object"));
    }
}
