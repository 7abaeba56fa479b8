//! Response bodies that know whether they were written.
//!
//! Owns: [`Connection`], the ledger of one connection, and [`Tracked`], a body that enters itself there. Lives on: the
//! connection's task. Must not import: the core beyond receipts.
//!
//! How it works: hyper takes a body's data (or drops an empty body) when it encodes the response, then writes its buffer
//! and, only when everything was taken by the operating system, flushes the stream. So a receipt handed over at the first
//! moment is good at the next successful flush, and void when a write fails or the connection ends before.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::shell::Receipt;

/// The responses of one connection that are encoded but not written.
#[derive(Clone, Default)]
pub(crate) struct Connection(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    pending: Vec<Receipt>,
    closed: bool,
}

impl Connection {
    fn enter(&self, receipt: Receipt) {
        let mut ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ledger.closed {
            // Reported as lost, outside the lock.
            drop(ledger);
            drop(receipt);
        } else {
            ledger.pending.push(receipt);
        }
    }

    /// Everything encoded so far was written.
    pub(crate) fn flushed(&self) {
        for receipt in self.take(false) {
            receipt.written();
        }
    }

    /// Nothing more will be written.
    pub(crate) fn broken(&self) {
        drop(self.take(true));
    }

    fn take(&self, close: bool) -> Vec<Receipt> {
        let mut ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.closed |= close;
        std::mem::take(&mut ledger.pending)
    }
}

/// A body with a receipt.
struct Tracked {
    data: Option<Bytes>,
    empty: bool,
    receipt: Option<Receipt>,
    connection: Option<Connection>,
}

impl Tracked {
    fn hand_over(&mut self) {
        match (self.receipt.take(), &self.connection) {
            (Some(receipt), Some(connection)) => connection.enter(receipt),
            // Without a socket of ours, read is written.
            (Some(receipt), None) => receipt.written(),
            (None, _) => {}
        }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let data = self.data.take();
        self.hand_over();
        Poll::Ready(data.map(|d| Ok(Frame::data(d))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |d| d.len() as u64))
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // An empty body is dropped unread when its response is encoded; a body with data that was not read is lost.
        if self.empty {
            self.hand_over();
        }
    }
}

/// Puts a tracked body into a response. `text` must be what the response is to carry, empty for none.
pub(super) fn track(
    response: Response<Body>,
    text: String,
    receipt: Receipt,
    connection: Option<Connection>,
) -> Response<Body> {
    let empty = text.is_empty();
    let data = (!empty).then(|| Bytes::from(text));
    response.map(|_| Body::new(Tracked { data, empty, receipt: Some(receipt), connection }))
}
