//! What the ends of a TCP connection do.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::piece::Piece;

/// Something that an end of a connection does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// The client sends these bytes.
    Client(Piece),
    /// The upstream sends these bytes.
    Upstream(Piece),
    /// This end has sent everything.
    Ends(End),
    /// This end's side of the connection breaks.
    Breaks(End),
}

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// The client.
    Client,
    /// The upstream.
    Upstream,
}
