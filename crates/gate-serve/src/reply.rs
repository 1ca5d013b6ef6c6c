//! The body that goes back to the client: the service's, or the text of a refusal; it ends the exchange's count when it is dropped.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::roster::InFlight;

pin_project_lite::pin_project! {
    /// A response body on its way to the client.
    pub(crate) struct Reply<B> {
        #[pin]
        body: Option<B>,
        text: Option<Bytes>,
        in_flight: Option<InFlight>,
    }
}

impl<B> Reply<B> {
    pub(crate) fn served(body: B, in_flight: InFlight) -> Self {
        Self {
            body: Some(body),
            text: None,
            in_flight: Some(in_flight),
        }
    }

    pub(crate) fn refused(text: Bytes) -> Self {
        Self {
            body: None,
            text: Some(text),
            in_flight: None,
        }
    }
}

impl<B> Body for Reply<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        match this.body.as_pin_mut() {
            Some(body) => body.poll_frame(cx).map_err(Into::into),
            None => Poll::Ready(this.text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Some(body) => body.is_end_stream(),
            None => self.text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(
                self.text
                    .as_ref()
                    .map_or(0, |text| u64::try_from(text.len()).unwrap_or(0)),
            ),
        }
    }
}
