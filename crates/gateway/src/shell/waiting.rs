//! Those who wait for the core: polls, sockets, and responses on their way.
//!
//! Owns: [`Ticket`], [`Line`], [`Receipt`]; each tells the core when it is dropped. Lives on: the connections' tasks. Must not
//! import: axum, hyper.

use tokio::sync::{mpsc, oneshot};

use super::GatewayState;
use crate::core::{Delivery, Id, Input, PollAnswer, PollId, SocketEnd};

/// A poll that waits. Dropping it tells the core that nobody waits any more, and gives back what it had got.
pub(crate) struct Ticket {
    pub(super) state: GatewayState,
    pub(super) session: Id,
    pub(super) poll: PollId,
    pub(super) receiver: Option<oneshot::Receiver<PollAnswer>>,
}

impl Ticket {
    /// Waits for the answer; whoever awaits must take a [`Receipt`] for its delivery at once.
    pub(crate) async fn wait(mut self) -> PollAnswer {
        let Some(receiver) = self.receiver.as_mut() else { return PollAnswer::Empty };
        let answer = receiver.await.unwrap_or(PollAnswer::Empty);
        self.receiver = None;
        answer
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(mut receiver) = self.receiver.take() else { return };
        receiver.close();
        match receiver.try_recv() {
            Ok(PollAnswer::Events { delivery, .. }) => self.state.input(Input::WriteFailed(delivery)),
            Ok(PollAnswer::Empty | PollAnswer::Gone) => {}
            Err(_) => {
                self.state.lock().polls.remove(&self.poll);
                self.state.input(Input::PollDropped { session: self.session.clone(), poll: self.poll });
            }
        }
    }
}

/// What a socket is to do.
pub(super) enum SocketOrder {
    Frame { body: String, delivery: Delivery },
    Close(SocketEnd),
}

/// What is to be sent over a socket. Dropping it tells the core that the socket is closed; a frame that was not reported as
/// written comes again.
pub(crate) struct Line {
    pub(super) state: GatewayState,
    pub(super) session: Id,
    pub(super) socket: PollId,
    pub(super) orders: mpsc::Receiver<SocketOrder>,
}

/// The next thing to do at a socket.
pub(crate) enum Say {
    /// This text; the receipt is to be reported as written.
    Frame(String, Receipt),
    /// Good-bye; `None`: the gateway is gone.
    Close(Option<SocketEnd>),
}

impl Line {
    /// Waits for what is to be done next.
    pub(crate) async fn next(&mut self) -> Say {
        match self.orders.recv().await {
            Some(SocketOrder::Frame { body, delivery }) => Say::Frame(body, Receipt::new(&self.state, delivery)),
            Some(SocketOrder::Close(why)) => Say::Close(Some(why)),
            None => Say::Close(None),
        }
    }

    /// The phone has every event up to this number.
    pub(crate) fn acknowledged(&self, after: u64) {
        self.state.input(Input::Acknowledged { session: self.session.clone(), socket: self.socket, after });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.state.lock().sockets.remove(&self.socket);
        self.state.input(Input::SocketClosed { session: self.session.clone(), socket: self.socket });
    }
}

/// Stands for a response on its way: reports it as written, or as lost when dropped before that.
pub(crate) struct Receipt {
    state: GatewayState,
    delivery: Option<Delivery>,
}

impl Receipt {
    pub(crate) fn new(state: &GatewayState, delivery: Delivery) -> Self {
        Self { state: state.clone(), delivery: Some(delivery) }
    }

    pub(crate) fn written(mut self) {
        if let Some(delivery) = self.delivery.take() {
            self.state.input(Input::Written(delivery));
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            self.state.input(Input::WriteFailed(delivery));
        }
    }
}
