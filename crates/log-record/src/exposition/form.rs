//! The forms of a page, and which one a request asks for.

/// A form in which the page can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Prometheus' text, version 0.0.4: what everybody reads, without exemplars.
    Text,
    /// OpenMetrics 1.0.0: text with exemplars.
    OpenMetrics,
    /// Prometheus' messages, each with its length before it: with exemplars and native histograms.
    Protobuf,
}

/// LIMIT: media ranges of one request that are looked at.
const RANGES_MAX: usize = 32;

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Text, Self::OpenMetrics, Self::Protobuf];

    /// The content type of a page in this form.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// The form that the values of `accept` want most; the text where they want nothing that there is, for somebody who looks is better
    /// served by it than by an error (RFC 9110, section 12.5.1, allows both).
    pub fn wanted<'a>(accept: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges = accept.into_iter().flat_map(|value| value.split(',')).take(RANGES_MAX);
        let mut best = (0, Self::Text);
        for (form, quality) in ranges.filter_map(read) {
            if quality > best.0 {
                best = (quality, form);
            }
        }
        best.1
    }
}

/// A media range that one of our forms fits, and its quality in thousandths.
fn read(range: &str) -> Option<(Form, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?.to_ascii_lowercase();
    let (mut version, mut proto, mut encoding, mut quality) = (None, None, None, 1000);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value),
            "proto" => proto = Some(value),
            "encoding" => encoding = Some(value),
            "q" => quality = thousandths(value)?,
            _ => {}
        }
    }
    let form = match kind.as_str() {
        "application/openmetrics-text" if version.is_none_or(|version| version == "1.0.0") => Form::OpenMetrics,
        "application/vnd.google.protobuf"
            if proto.is_none_or(|proto| proto == "io.prometheus.client.MetricFamily")
                && encoding == Some("delimited") =>
        {
            Form::Protobuf
        }
        // Version 1.0.0 only adds names in other alphabets, of which there are none here.
        "text/plain" if version.is_none_or(|version| ["0.0.4", "1.0.0"].contains(&version)) => Form::Text,
        "text/*" | "*/*" => Form::Text,
        _ => return None,
    };
    Some((form, quality))
}

fn thousandths(quality: &str) -> Option<u16> {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    match whole {
        "1" => Some(1000),
        "0" => format!("{fraction:0<3}").parse().ok(),
        _ => None,
    }
}
