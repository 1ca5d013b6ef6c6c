//! How a dashboard becomes the JSON that Grafana imports.

use serde_json::{Value, json};

/// What a panel looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Lines over time.
    Lines,
    /// One number.
    Number,
    /// Buckets of a native histogram over time.
    Heat,
}

/// One panel.
pub(crate) struct Panel {
    pub(crate) look: Look,
    pub(crate) title: &'static str,
    /// Grafana's word for the unit.
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    /// Expressions with their legends. `@` stands for the gateways that are chosen, `[~]` for the window.
    pub(crate) queries: &'static [(&'static str, &'static str)],
}

/// One dashboard.
pub(crate) struct Board {
    /// Name of its file, and its id.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    /// Labels to choose by, each with the metric that has them.
    pub(crate) choices: &'static [(&'static str, &'static str)],
    pub(crate) panels: &'static [Panel],
}

/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;
/// Current Grafana reads this and makes of it what it needs.
const SCHEMA_VERSION: u64 = 39;

impl Board {
    /// The dashboard as a file.
    pub(crate) fn json(&self) -> String {
        let choices = [("job", "cofferdam_build_info"), ("instance", "cofferdam_build_info")];
        let choices = choices
            .iter()
            .chain(self.choices)
            .map(|(label, metric)| choice(label, metric));
        let source = json!({
            "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
            "regex": "", "hide": 0, "includeAll": false, "multi": false, "options": [], "current": {},
        });
        let variables: Value = [source].into_iter().chain(choices).collect();
        let board = json!({
            "uid": format!("cofferdam-{}", self.name),
            "title": format!("Cofferdam: {}", self.title),
            "description": self.description,
            "tags": ["cofferdam"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-1h", "to": "now" },
            "timezone": "browser",
            "annotations": { "list": [] },
            "links": [{
                "title": "Cofferdam", "type": "dashboards", "tags": ["cofferdam"], "asDropdown": true,
                "includeVars": true, "keepTime": true,
            }],
            "templating": { "list": variables },
            "panels": self.placed(),
        });
        format!("{board:#}\n")
    }

    /// Numbers four in a row, everything else two in a row.
    fn placed(&self) -> Vec<Value> {
        let (mut x, mut y, mut row) = (0, 0, 0);
        let place = |(at, panel): (u64, &Panel)| {
            let (width, height) = match panel.look {
                Look::Number => (COLUMNS / 4, 4),
                Look::Lines | Look::Heat => (COLUMNS / 2, 8),
            };
            if x + width > COLUMNS || (row != height && x > 0) {
                (x, y) = (0, y + row);
            }
            row = height;
            let place = json!({ "x": x, "y": y, "w": width, "h": height });
            x += width;
            panel.json(at, &place)
        };
        (1..).zip(self.panels).map(place).collect()
    }

    /// The choices in a selector of every expression.
    pub(crate) fn expression(written: &str) -> String {
        let chosen = written.replace('@', "job=~\"$job\",instance=~\"$instance\"");
        chosen.replace("[~]", "[$__rate_interval]")
    }
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn choice(label: &str, metric: &str) -> Value {
    let query = format!("label_values({metric}, {label})");
    json!({
        "name": label, "label": label, "type": "query", "datasource": source(), "definition": query,
        "query": { "query": query, "refId": "choices" },
        "refresh": 2, "regex": "", "sort": 1, "hide": 0, "includeAll": true, "allValue": ".*", "multi": true,
        "options": [], "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
    })
}

impl Panel {
    fn json(&self, id: u64, place: &Value) -> Value {
        let targets = ('A'..).zip(self.queries).map(|(letter, (written, legend))| {
            json!({
                "refId": letter.to_string(), "datasource": source(), "editorMode": "code",
                "expr": Board::expression(written), "legendFormat": legend,
                "instant": self.look == Look::Number, "range": self.look != Look::Number,
                "exemplar": self.look == Look::Lines && written.contains("_bucket"),
                "format": if self.look == Look::Heat { "heatmap" } else { "time_series" },
            })
        });
        let targets: Value = targets.collect();
        json!({
            "id": id, "title": self.title, "description": self.description, "type": self.kind(),
            "datasource": source(), "gridPos": place, "fieldConfig": { "defaults": self.field(), "overrides": [] },
            "options": self.options(), "targets": targets,
        })
    }

    fn kind(&self) -> &'static str {
        match self.look {
            Look::Lines => "timeseries",
            Look::Number => "stat",
            Look::Heat => "heatmap",
        }
    }

    fn field(&self) -> Value {
        match self.look {
            Look::Lines => json!({
                "unit": self.unit, "min": 0,
                "custom": { "drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never" },
            }),
            Look::Number => json!({ "unit": self.unit, "color": { "mode": "fixed", "fixedColor": "blue" } }),
            Look::Heat => json!({}),
        }
    }

    fn options(&self) -> Value {
        match self.look {
            Look::Lines => json!({
                "legend": { "displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"] },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Look::Number => json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "textMode": "auto",
            }),
            Look::Heat => json!({
                "calculate": false, "yAxis": { "unit": self.unit }, "cellGap": 1,
                "color": { "mode": "scheme", "scheme": "Blues", "steps": 64 },
                "tooltip": { "mode": "single", "yHistogram": true }, "legend": { "show": true },
            }),
        }
    }
}
