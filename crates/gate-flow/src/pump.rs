//! A body made by a future: it computes one frame at a time, only when the receiver asks, without a task of its own.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};

type Item<E> = Result<Frame<Bytes>, E>;

/// The future's end of the body.
pub(crate) struct Outlet<E> {
    slot: Rc<RefCell<Option<Item<E>>>>,
}

impl<E> Outlet<E> {
    /// Gives one frame, after the one before has been taken.
    pub(crate) async fn give(&self, item: Item<E>) {
        // No waker is kept: whoever takes the frame before polls this future again for the next one.
        poll_fn(|_| {
            if self.slot.borrow().is_some() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        *self.slot.borrow_mut() = Some(item);
    }
}

/// A body made by a future.
pub(crate) struct Pump<E> {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    slot: Rc<RefCell<Option<Item<E>>>>,
}

impl<E> Pump<E> {
    /// A body whose frames `make` gives.
    pub(crate) fn new<F: Future<Output = ()> + 'static>(make: impl FnOnce(Outlet<E>) -> F) -> Self {
        let slot = Rc::new(RefCell::new(None));
        let outlet = Outlet { slot: Rc::clone(&slot) };
        Self {
            future: Some(Box::pin(make(outlet))),
            slot,
        }
    }
}

impl<E> Body for Pump<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Item<E>>> {
        loop {
            if let Some(item) = self.slot.borrow_mut().take() {
                return Poll::Ready(Some(item));
            }
            let Some(future) = self.future.as_mut() else {
                return Poll::Ready(None);
            };
            match future.as_mut().poll(task) {
                Poll::Ready(()) => self.future = None,
                Poll::Pending if self.slot.borrow().is_some() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.future.is_none() && self.slot.borrow().is_none()
    }
}
