//! Holds the tree against the schema and reports every difference with its place.

mod choice;
mod trail;

use std::collections::HashSet;

use serde_json::Value as Schema;

use self::trail::Trail;
use crate::findings::{Draft, Report};
use crate::nearest::{enumerated, nearest_key};
use crate::tree::{Entry, Home, Node, Value};
use crate::word::{Flaw, Format};

/// Reports what does not have the shape that `schema` asks for. Gives the entries and items that are to be left
/// out when the rest is read.
pub(crate) fn check(tree: &Node, schema: &Schema, report: &mut Report) -> HashSet<Home> {
    let mut walk = Walk {
        root: schema,
        report,
        spoiled: HashSet::new(),
    };
    walk.node(tree, schema, &Trail::ROOT);
    walk.spoiled
}

struct Walk<'w> {
    root: &'w Schema,
    report: &'w mut Report,
    spoiled: HashSet<Home>,
}

impl<'w> Walk<'w> {
    fn node(&mut self, node: &Node, schema: &'w Schema, trail: &Trail<'_>) {
        let bounds = schema;
        let schema = self.resolved(schema);
        if let Some(alternatives) = schema.get("oneOf").and_then(Schema::as_array) {
            return self.choice(node, alternatives, trail);
        }
        if !accepts(schema, &node.value) {
            return self.wrong_kind(node, schema, trail);
        }
        match &node.value {
            Value::Text(text) => self.text(node, text, bounds, trail),
            Value::Number(number) if format_of(bounds).is_some() => self.word(node, &number.to_string(), bounds, trail),
            Value::Number(number) => self.number_range(node, number, bounds, trail),
            Value::List(items) => self.list(node, items, schema, bounds, trail),
            Value::Map(entries) => self.map(node, entries, schema, trail),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// The schema itself, or the one that it refers to.
    fn resolved(&self, schema: &'w Schema) -> &'w Schema {
        let name = schema
            .get("$ref")
            .and_then(Schema::as_str)
            .and_then(|reference| reference.strip_prefix("#/$defs/"));
        let defined = name.and_then(|name| self.root.get("$defs").and_then(|defs| defs.get(name)));
        defined.unwrap_or(schema)
    }

    fn wrong(&mut self, trail: &Trail<'_>, draft: Draft) {
        self.spoiled.extend(trail.home());
        self.report.add(draft);
    }

    /// A map without a part that it needs is left out as a whole.
    fn inherit(&mut self, entry: &Entry, trail: &Trail<'_>) {
        if self.spoiled.contains(&entry.home()) {
            self.spoiled.extend(trail.home());
        }
    }

    fn wrong_kind(&mut self, node: &Node, schema: &Schema, trail: &Trail<'_>) {
        let wanted = wanted(schema);
        if node.value == Value::Null {
            let draft = Draft::error(node.span, format!("{trail} has no value"));
            return self.wrong(
                trail,
                draft.help(format!("give {wanted}{}, or remove the key", example(schema))),
            );
        }
        let scalar = match &node.value {
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        };
        let text_wanted = schema.get("type").is_some_and(|kind| kind == "string");
        let format = format_of(schema);
        // `connect: 5` is better answered with what a time span lacks than with what a number is.
        let flaw = scalar
            .as_ref()
            .zip(format)
            .and_then(|(text, format)| (format.check)(text).err());
        if let Some(flaw) = flaw {
            return self.flawed(node, flaw, &wanted, trail);
        }
        let draft = Draft::error(node.span, format!("{trail} is {}, not {wanted}", node.value.kind()));
        let help = match scalar {
            // The value itself is not said again: it may be a credential.
            Some(_) if text_wanted => "put it in quotes".to_owned(),
            _ if wanted == "a list" => {
                "a list is written `[one, two]`, or with one item on each line after `- `".to_owned()
            }
            None if wanted == "`true` or `false`" => {
                "YAML 1.2 knows no `yes`, `no`, `on` or `off`: write `true` or `false`".to_owned()
            }
            _ => format!("give {wanted}{}", example(schema)),
        };
        self.wrong(trail, draft.help(help));
    }

    fn text(&mut self, node: &Node, text: &str, schema: &Schema, trail: &Trail<'_>) {
        let least = schema.get("minLength").and_then(Schema::as_u64).unwrap_or(0);
        if least > 0 && text.is_empty() {
            return self.wrong(
                trail,
                Draft::error(node.span, format!("{trail} is empty")).help("write at least one character"),
            );
        }
        self.word(node, text, schema, trail);
    }

    fn word(&mut self, node: &Node, text: &str, schema: &Schema, trail: &Trail<'_>) {
        let Some(format) = format_of(schema) else {
            return;
        };
        match (format.check)(text) {
            Err(flaw) => self.flawed(node, flaw, format.wanted, trail),
            Ok(measure) => self.measure_range(node, (text, measure), (format, schema), trail),
        }
    }

    fn flawed(&mut self, node: &Node, flaw: Flaw, wanted: &str, trail: &Trail<'_>) {
        let span = flaw.part.map_or(node.span, |(from, to)| node.part(from, to));
        let draft = Draft::error(span, flaw.message);
        self.wrong(
            trail,
            draft.help(flaw.help.unwrap_or_else(|| format!("{trail} wants {wanted}"))),
        );
    }

    fn measure_range(
        &mut self,
        node: &Node,
        (text, measure): (&str, Option<u128>),
        bounds: (&Format, &Schema),
        trail: &Trail<'_>,
    ) {
        let (format, schema) = bounds;
        let bound = |key: &str| {
            let text = schema.get(key).and_then(Schema::as_str)?;
            (format.check)(text).ok().flatten().map(|measure| (measure, text))
        };
        let Some(measure) = measure else { return };
        let low = bound("x-minimum").filter(|(least, _)| measure < *least);
        let high = bound("x-maximum").filter(|(most, _)| measure > *most);
        if let Some((_, least)) = low {
            let draft = Draft::error(node.span, format!("{trail} is too small: `{text}`"));
            self.wrong(trail, draft.help(format!("it is at least `{least}`")));
        } else if let Some((_, most)) = high {
            let draft = Draft::error(node.span, format!("{trail} is too large: `{text}`"));
            self.wrong(trail, draft.help(format!("it is at most `{most}`")));
        }
    }

    fn number_range(&mut self, node: &Node, number: &serde_json::Number, schema: &Schema, trail: &Trail<'_>) {
        let bound = |key: &str| schema.get(key).and_then(Schema::as_i64);
        let value = number
            .as_i64()
            .map_or(i128::from(number.as_u64().unwrap_or(u64::MAX)), i128::from);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let low = least.is_some_and(|least| value < i128::from(least));
        let high = most.is_some_and(|most| value > i128::from(most));
        if !low && !high {
            return;
        }
        let range = match (least, most) {
            (Some(least), Some(most)) => format!("it is a whole number from {least} to {most}"),
            (Some(least), None) => format!("it is at least {least}"),
            (None, most) => format!("it is at most {}", most.unwrap_or(i64::MAX)),
        };
        let draft = Draft::error(
            node.span,
            format!("{trail} is too {}: `{number}`", if low { "small" } else { "large" }),
        );
        self.wrong(trail, draft.help(range));
    }

    fn list(&mut self, node: &Node, items: &[Node], schema: &'w Schema, bounds: &Schema, trail: &Trail<'_>) {
        let least = bounds.get("minItems").and_then(Schema::as_u64).unwrap_or(0);
        if least > 0 && items.is_empty() {
            self.wrong(
                trail,
                Draft::error(node.span, format!("{trail} is an empty list")).help("give at least one item"),
            );
        }
        let most = bounds.get("maxItems").and_then(Schema::as_u64);
        if let Some((most, item)) = most.and_then(|most| Some((most, items.get(usize::try_from(most).ok()?)?))) {
            let draft = Draft::error(item.span, format!("{trail} has {} items", items.len()));
            self.wrong(trail, draft.help(format!("it has {most} at most")));
        }
        let Some(item_schema) = schema.get("items") else { return };
        for (index, item) in items.iter().enumerate() {
            self.node(item, item_schema, &trail.item(index, item));
        }
    }

    fn map(&mut self, node: &Node, entries: &[Entry], schema: &'w Schema, trail: &Trail<'_>) {
        let properties = schema.get("properties");
        let others = schema.get("additionalProperties");
        for entry in entries {
            let trail = trail.key(entry);
            match (properties.and_then(|properties| properties.get(&entry.key)), others) {
                (Some(known), _) => self.node(&entry.value, known, &trail),
                (None, Some(Schema::Bool(false))) => self.unknown_key(entry, &known_keys(properties), &trail),
                (None, Some(any @ Schema::Object(_))) => {
                    self.key_name(entry, schema, &trail);
                    self.node(&entry.value, any, &trail);
                }
                (None, _) => {}
            }
        }
        self.required(node, schema, trail);
    }

    /// The key of a map whose keys the operator chooses, such as a header's name.
    fn key_name(&mut self, entry: &Entry, schema: &Schema, trail: &Trail<'_>) {
        let names = schema.get("propertyNames").and_then(|names| names.get("format"));
        let Some(format) = names.and_then(Schema::as_str).and_then(Format::named) else {
            return;
        };
        if let Err(flaw) = (format.check)(&entry.key) {
            let help = flaw.help.unwrap_or_else(|| format!("write {}", format.wanted));
            self.wrong(trail, Draft::error(entry.key_span, flaw.message).help(help));
        }
    }

    fn unknown_key(&mut self, entry: &Entry, known: &[&str], trail: &Trail<'_>) {
        // What YAML itself has said about a key is enough.
        if self.report.touches(entry.key_span) {
            self.spoiled.extend(trail.home());
            return;
        }
        let message = format!("unknown key `{}`{}", entry.key, trail.whereabouts());
        let help = match nearest_key(&entry.key, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => "write `{}`".to_owned(),
            None => format!("the keys here are {}", enumerated(known.iter().copied(), "and")),
        };
        self.wrong(trail, Draft::error(entry.key_span, message).help(help));
    }

    fn required(&mut self, node: &Node, schema: &Schema, trail: &Trail<'_>) {
        let required = schema.get("required").and_then(Schema::as_array).into_iter().flatten();
        for key in required.filter_map(Schema::as_str) {
            if let Some(entry) = node.entries().iter().find(|entry| entry.key == key) {
                self.inherit(entry, trail);
                continue;
            }
            self.spoiled.extend(trail.home());
            let properties = known_keys(schema.get("properties"));
            // A key that was meant to be this one has its own finding.
            let meant = |entry: &Entry| nearest_key(&entry.key, properties.iter().copied()) == Some(key);
            if node.entries().iter().any(meant) {
                continue;
            }
            let property = schema.get("properties").and_then(|properties| properties.get(key));
            let described = property
                .and_then(|property| property.get("description"))
                .and_then(Schema::as_str);
            let draft = Draft::error(node.span, format!("{trail} lacks the key `{key}`"));
            let help = described.map_or(format!("add `{key}: …`"), |text| {
                format!("add `{key}: …` ({})", first_sentence(text))
            });
            self.report.add(draft.help(help));
        }
    }
}

fn format_of(schema: &Schema) -> Option<&'static Format> {
    schema.get("format").and_then(Schema::as_str).and_then(Format::named)
}

fn known_keys(properties: Option<&Schema>) -> Vec<&str> {
    properties
        .and_then(Schema::as_object)
        .map_or(Vec::new(), |properties| properties.keys().map(String::as_str).collect())
}

/// The first sentence of a reference entry, as part of another sentence.
fn first_sentence(text: &str) -> String {
    let sentence = text
        .split_once(". ")
        .map_or(text, |(first, _)| first)
        .trim_end_matches('.')
        .replace('\n', " ");
    let mut letters = sentence.chars();
    letters.next().map_or(String::new(), |first| {
        format!("{}{}", first.to_lowercase(), letters.as_str())
    })
}

fn accepts(schema: &Schema, value: &Value) -> bool {
    let fits = |kind: &str| match value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Number(number) => kind == "number" || (kind == "integer" && !number.is_f64()),
        Value::Text(_) => kind == "string",
        Value::List(_) => kind == "array",
        Value::Map(_) => kind == "object",
    };
    match schema.get("type") {
        None => true,
        Some(Schema::Array(kinds)) => kinds.iter().filter_map(Schema::as_str).any(fits),
        Some(kind) => kind.as_str().is_some_and(fits),
    }
}

/// How a map begins that has the keys of `schema`.
fn example(schema: &Schema) -> String {
    let required = schema
        .get("required")
        .and_then(Schema::as_array)
        .and_then(|keys| keys.first());
    let key = required
        .and_then(Schema::as_str)
        .or_else(|| known_keys(schema.get("properties")).first().copied());
    key.map_or(String::new(), |key| format!(", such as `{{ {key}: … }}`"))
}

/// What a schema asks for, in the operator's words.
fn wanted(schema: &Schema) -> String {
    if let Some(format) = format_of(schema) {
        return format.wanted.to_owned();
    }
    let kinds = match schema.get("type") {
        Some(Schema::Array(kinds)) => kinds.iter().filter_map(Schema::as_str).collect(),
        Some(kind) => kind.as_str().into_iter().collect(),
        None => Vec::new(),
    };
    let words: Vec<&str> = kinds
        .into_iter()
        .map(|kind| match kind {
            "string" => "text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            "array" => "a list",
            "object" => "a map",
            other => other,
        })
        .collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => (*last).to_owned(),
        None => "a value".to_owned(),
    }
}
