//! Heads of messages as Google's suites write them: header by header, or as HTTP/1 has them on the wire.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use plug_host::{RequestHead, ResponseHead};

/// What goes into a phase.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) content: Option<Vec<u8>>,
}

/// A head that can be sent.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Of a request; of a response, the status is in `status`.
    pub(crate) method: Method,
    pub(crate) scheme: HeaderValue,
    pub(crate) authority: Option<HeaderValue>,
    pub(crate) path: PathAndQuery,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Pseudo-headers that were given.
    pub(crate) given: Vec<String>,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            method: Method::GET,
            scheme: HeaderValue::from_static("http"),
            authority: None,
            path: PathAndQuery::from_static("/"),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            given: Vec::new(),
        }
    }
}

impl Head {
    pub(crate) fn request(&self) -> RequestHead {
        RequestHead {
            method: self.method.clone(),
            scheme: self.scheme.clone(),
            authority: self.authority.clone(),
            path: self.path.clone(),
            headers: self.headers.clone(),
        }
    }

    pub(crate) fn response(&self) -> ResponseHead {
        ResponseHead {
            status: self.status,
            headers: self.headers.clone(),
        }
    }

    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        let shown = String::from_utf8_lossy(value);
        let no = |what: &str| format!("`{shown}` is no {what}");
        match name {
            ":method" => self.method = Method::from_bytes(value).map_err(|_| no("method"))?,
            ":path" => self.path = PathAndQuery::try_from(value).map_err(|_| no("path"))?,
            ":scheme" => self.scheme = HeaderValue::from_bytes(value).map_err(|_| no("scheme"))?,
            ":authority" => self.authority = Some(HeaderValue::from_bytes(value).map_err(|_| no("authority"))?),
            ":status" => self.status = StatusCode::from_bytes(value).map_err(|_| no("status"))?,
            _ => {
                let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header"))?;
                let value = HeaderValue::from_bytes(value).map_err(|_| no("header's value"))?;
                self.headers.append(header, value);
                return Ok(());
            }
        }
        self.given.push(name.to_owned());
        Ok(())
    }
}

/// The head that an input says.
///
/// # Errors
/// When it is none.
pub(crate) fn head(input: Input, is_request: bool) -> Result<Head, String> {
    let mut head = Head::default();
    for (name, value) in &input.headers {
        head.set(name, value)?;
    }
    if let Some(content) = &input.content {
        serialized(content, is_request, &mut head)?;
    }
    Ok(head)
}

fn serialized(content: &[u8], is_request: bool, head: &mut Head) -> Result<(), String> {
    let text = String::from_utf8_lossy(content);
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    let first = lines.next().unwrap_or_default();
    match is_request {
        true => request_line(first, head)?,
        false => {
            let mut words = first.split(' ');
            let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/"));
            let status = words.next().filter(|_| is_http);
            let status = status.ok_or_else(|| format!("`{first}` is no first line of a response"))?;
            head.set(":status", status.as_bytes())?;
        }
    }
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("`{line}` is no header"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        // As in HTTP/2, where it has a name of its own.
        let is_host = is_request && name == "host";
        match (is_host, head.authority.is_some()) {
            (true, true) => {}
            (true, false) => head.set(":authority", value.as_bytes())?,
            (false, _) => head.set(&name, value.as_bytes())?,
        }
    }
    Ok(())
}

fn request_line(line: &str, head: &mut Head) -> Result<(), String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words.as_slice() else {
        return Err(format!("`{line}` is no first line of a request"));
    };
    if !version.starts_with("HTTP/") {
        return Err(format!("`{version}` is no version of HTTP"));
    }
    head.set(":method", method.as_bytes())?;
    let uri: Uri = target.parse().map_err(|_| format!("`{target}` is no target"))?;
    if let Some(scheme) = uri.scheme_str() {
        head.set(":scheme", scheme.as_bytes())?;
    }
    if let Some(authority) = uri.authority() {
        head.set(":authority", authority.as_str().as_bytes())?;
    }
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    head.set(":path", path.as_bytes())
}
