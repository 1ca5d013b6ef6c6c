//! Connections that brought no exchange, or no further one, for what their client did or failed to do.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use gate_plan::Listener;
use h2::Reason;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

/// A connection that ends without serving what its client wanted, where no request is known that could be refused.
#[derive(Debug)]
pub struct Unserved<'a> {
    /// The other end.
    pub peer: SocketAddr,
    /// This end.
    pub local: SocketAddr,
    /// The listener on which it came.
    pub listener: &'a Listener,
    /// Name that the client asked for (SNI), lower case, when its hello was read.
    pub server_name: Option<&'a str>,
    /// How long the connection lasted, or its handshake.
    pub lasted: Duration,
    /// Why.
    pub why: Why,
}

/// Why a connection was not served. The side is the client's, but for [`Handshake::Internal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The handshake of TLS came to no end.
    Handshake(Handshake),
    /// The client broke the framing of HTTP/2, and we ended the connection with this error (RFC 9113 section 7).
    Http2(Reason),
    /// The client ended the connection of HTTP/2 with this error: it says that we broke the framing.
    Http2Told(Reason),
    /// The client closed in the middle of a request's head.
    HeadUnfinished,
}

/// What became of a handshake that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// The first bytes are no hello of TLS.
    NotTls,
    /// The client speaks neither TLS 1.2 nor TLS 1.3.
    NoCommonVersion,
    /// No cipher suite, group or signature is known to both.
    NoCommonCipher,
    /// No protocol that the client named by ALPN is spoken here.
    NoCommonProtocol,
    /// A certificate of the client is required, and it showed none.
    NoCertificate,
    /// The client's certificate is out of date.
    CertificateExpired,
    /// The client's certificate is of no authority that is trusted here.
    CertificateUnknownIssuer,
    /// The client's certificate is refused for another reason.
    CertificateRefused,
    /// The client refused, most often our certificate, and said so by an alert.
    Alert(AlertDescription),
    /// It was not over within `limits.header_timeout`.
    Timeout,
    /// The client closed in the middle of it.
    Closed,
    /// The client broke a rule of the protocol.
    Misbehaved,
    /// Something of ours failed.
    Internal,
}

/// Codes of alerts, by their names in RFC 8446 section 6.
macro_rules! alerts {
    ($($alert:ident = $name:literal),* $(,)?) => {
        fn alert_code(alert: AlertDescription) -> &'static str {
            match alert {
                $(AlertDescription::$alert => concat!("tls.handshake_failed.alert.", $name),)*
                _ => "tls.handshake_failed.alert",
            }
        }
    };
}

alerts! {
    CloseNotify = "close_notify",
    UnexpectedMessage = "unexpected_message",
    BadRecordMac = "bad_record_mac",
    RecordOverflow = "record_overflow",
    HandshakeFailure = "handshake_failure",
    NoCertificate = "no_certificate",
    BadCertificate = "bad_certificate",
    UnsupportedCertificate = "unsupported_certificate",
    CertificateRevoked = "certificate_revoked",
    CertificateExpired = "certificate_expired",
    CertificateUnknown = "certificate_unknown",
    IllegalParameter = "illegal_parameter",
    UnknownCA = "unknown_ca",
    AccessDenied = "access_denied",
    DecodeError = "decode_error",
    DecryptError = "decrypt_error",
    ProtocolVersion = "protocol_version",
    InsufficientSecurity = "insufficient_security",
    InternalError = "internal_error",
    InappropriateFallback = "inappropriate_fallback",
    UserCanceled = "user_canceled",
    MissingExtension = "missing_extension",
    UnsupportedExtension = "unsupported_extension",
    UnrecognisedName = "unrecognized_name",
    BadCertificateStatusResponse = "bad_certificate_status_response",
    UnknownPSKIdentity = "unknown_psk_identity",
    CertificateRequired = "certificate_required",
    NoApplicationProtocol = "no_application_protocol",
}

impl Why {
    /// Its code, for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Handshake(handshake) => handshake.code(),
            Self::Http2(reason) => http2_code(reason),
            Self::Http2Told(reason) => http2_told_code(reason),
            Self::HeadUnfinished => "client.head_unfinished",
        }
    }
}

impl Handshake {
    /// Its code, for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotTls => "tls.handshake_failed.not_tls",
            Self::NoCommonVersion => "tls.handshake_failed.no_common_version",
            Self::NoCommonCipher => "tls.handshake_failed.no_common_cipher",
            Self::NoCommonProtocol => "tls.handshake_failed.no_common_protocol",
            Self::NoCertificate => "tls.handshake_failed.no_certificate",
            Self::CertificateExpired => "tls.handshake_failed.certificate_expired",
            Self::CertificateUnknownIssuer => "tls.handshake_failed.certificate_unknown_issuer",
            Self::CertificateRefused => "tls.handshake_failed.certificate_refused",
            Self::Alert(alert) => alert_code(alert),
            Self::Timeout => "tls.handshake_failed.timeout",
            Self::Closed => "tls.handshake_failed.closed",
            Self::Misbehaved => "tls.handshake_failed.misbehaved",
            Self::Internal => "tls.handshake_failed.internal",
        }
    }

    /// What the fault of a handshake means; `greeted` says whether the client's hello had been read.
    pub(crate) fn of(fault: &io::Error, greeted: bool) -> Self {
        let Some(source) = fault
            .get_ref()
            .and_then(|source| source.downcast_ref::<rustls::Error>())
        else {
            return Self::Closed;
        };
        match source {
            rustls::Error::PeerIncompatible(what) => Self::of_incompatible(what),
            rustls::Error::NoApplicationProtocol => Self::NoCommonProtocol,
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::InvalidCertificate(what) => Self::of_certificate(what),
            rustls::Error::AlertReceived(alert) => Self::Alert(*alert),
            rustls::Error::FailedToGetCurrentTime
            | rustls::Error::FailedToGetRandomBytes
            | rustls::Error::EncryptError
            | rustls::Error::General(_)
            | rustls::Error::Other(_) => Self::Internal,
            _ if greeted => Self::Misbehaved,
            _ => Self::NotTls,
        }
    }

    fn of_incompatible(what: &PeerIncompatible) -> Self {
        match what {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled => Self::NoCommonVersion,
            _ => Self::NoCommonCipher,
        }
    }

    fn of_certificate(what: &CertificateError) -> Self {
        match what {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::CertificateExpired,
            CertificateError::UnknownIssuer => Self::CertificateUnknownIssuer,
            _ => Self::CertificateRefused,
        }
    }
}

/// Codes of errors of HTTP/2, by their names in RFC 9113 section 7: those that we find, and those that we are told of.
macro_rules! http2_errors {
    ($($reason:ident = $name:literal),* $(,)?) => {
        fn http2_code(reason: Reason) -> &'static str {
            match reason {
                $(Reason::$reason => concat!("client.http2.", $name),)*
                _ => "client.http2.error",
            }
        }

        fn http2_told_code(reason: Reason) -> &'static str {
            match reason {
                $(Reason::$reason => concat!("client.http2.told.", $name),)*
                _ => "client.http2.told.error",
            }
        }
    };
}

http2_errors! {
    PROTOCOL_ERROR = "protocol_error",
    INTERNAL_ERROR = "internal_error",
    FLOW_CONTROL_ERROR = "flow_control_error",
    SETTINGS_TIMEOUT = "settings_timeout",
    STREAM_CLOSED = "stream_closed",
    FRAME_SIZE_ERROR = "frame_size_error",
    COMPRESSION_ERROR = "compression_error",
    ENHANCE_YOUR_CALM = "enhance_your_calm",
    INADEQUATE_SECURITY = "inadequate_security",
}

/// The error that ended a connection of HTTP/2, by whoever found it; none when there was no error, or the client was gone.
///
/// Where both sides told of one, h2 gives the client's.
pub(crate) fn http2_why(fault: &hyper::Error) -> Option<Why> {
    let mut next = fault.source();
    while let Some(cause) = next {
        let Some(fault) = cause.downcast_ref::<h2::Error>() else {
            next = cause.source();
            continue;
        };
        let reason = fault.reason().filter(|_| fault.is_go_away())?;
        return match reason {
            Reason::NO_ERROR | Reason::CANCEL => None,
            reason if fault.is_remote() => Some(Why::Http2Told(reason)),
            reason => fault.is_library().then_some(Why::Http2(reason)),
        };
    }
    None
}
