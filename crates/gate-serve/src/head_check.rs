//! What RFC 9112 and RFC 9113 demand of a request's head and hyper does not check.

use gate_plan::Limits;
use http::{Method, Request, Version, header};

use crate::head_tap::{Finding, Framing};
use crate::refusal::Refusal;

/// Checks a parsed head, together with what its raw bytes showed.
pub(crate) fn check_head<B>(request: &Request<B>, finding: Finding, limits: &Limits) -> Result<(), Refusal> {
    if finding.bare_line_feed {
        return Err(Refusal::BareLineFeed);
    }
    // hyper counts lines on HTTP/1; h2 bounds their bytes only.
    if request.headers().len() > usize::from(limits.header_count_max) {
        return Err(Refusal::HeaderCount);
    }
    check_coding(request, finding)?;
    check_target(request)?;
    if request.version() == Version::HTTP_2 {
        check_authority(request)
    } else {
        check_host(request)
    }
}

/// How hyper frames the body of a parsed HTTP/1 request: chunks win over a length.
pub(crate) fn framing<B>(request: &Request<B>) -> Framing {
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Framing::Chunked;
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    match length {
        None | Some(0) => Framing::Empty,
        Some(length) => Framing::Length(length),
    }
}

fn check_coding<B>(request: &Request<B>, finding: Finding) -> Result<(), Refusal> {
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    // A length that came before the coding is taken out by hyper, one behind it never put in: the raw head knows of both.
    if finding.content_length || request.headers().contains_key(header::CONTENT_LENGTH) {
        return Err(Refusal::LengthAndEncoding);
    }
    if codings.next().is_some() || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Err(Refusal::TransferEncoding);
    }
    Ok(())
}

fn check_target<B>(request: &Request<B>) -> Result<(), Refusal> {
    if request.method() == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    let uri = request.uri();
    let asterisk = uri.path() == "*";
    let authority_form = uri.scheme().is_none() && uri.authority().is_some();
    if authority_form
        || (asterisk && request.method() != Method::OPTIONS)
        || (!asterisk && !uri.path().starts_with('/'))
    {
        return Err(Refusal::Target);
    }
    Ok(())
}

fn check_host<B>(request: &Request<B>) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        // RFC 9112 section 3.2 demands it of HTTP/1.1 only.
        return if request.version() == Version::HTTP_11 {
            Err(Refusal::HostMissing)
        } else {
            Ok(())
        };
    };
    if hosts.next().is_some() {
        return Err(Refusal::HostRepeated);
    }
    if is_host(host.as_bytes()) {
        Ok(())
    } else {
        Err(Refusal::HostInvalid)
    }
}

fn check_authority<B>(request: &Request<B>) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::HostRepeated);
    }
    match (request.uri().authority(), host) {
        (None, None) => Err(Refusal::HostMissing),
        (Some(authority), Some(host)) if !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()) => {
            Err(Refusal::HostMismatch)
        }
        (None, Some(host)) if !is_host(host.as_bytes()) => Err(Refusal::HostInvalid),
        _ => Ok(()),
    }
}

/// Whether the bytes may be `uri-host [ ":" port ]` of RFC 9110 section 7.2; empty is allowed there. No user, no path, no list.
fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'.' | b'-' | b':' | b'[' | b']' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')'
            )
            || matches!(byte, b'*' | b'+' | b';' | b'=')
    })
}

#[cfg(test)]
mod tests;
