//! Methods that are awaited from foreign code. Whatever ends one, a thread of this file's own tells the foreign side: the
//! threads that carry signalling and packets never wait for an interpreter's lock.
//!
//! Owns: that thread, and its queue. Lives on: the foreign executor that polls, and that thread. Must not import: `runtime`,
//! `core`, `signal`.

use super::error::PhoneError;
use super::link::Link;
use crate::api::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};

/// Who is to be woken. Bounded without a limit of its own: each awaited method is in it once, and the phone bounds these.
static WAKES: LazyLock<mpsc::Sender<Arc<Relay>>> = LazyLock::new(|| {
    let (sender, queue) = mpsc::channel::<Arc<Relay>>();
    let run = move || queue.into_iter().for_each(|relay| relay.link.wake(relay.number));
    // Without a thread the queue's end is dropped, and wakers do the work themselves.
    if let Err(error) = std::thread::Builder::new().name("ewebrtc-wakes".into()).spawn(run) {
        log::warn!("no thread for the ends of awaited methods: {error}");
    }
    sender
});

struct Relay {
    link: Arc<Link>,
    number: u64,
    queued: AtomicBool,
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel)
            && let Err(mpsc::SendError(relay)) = WAKES.send(self)
        {
            relay.link.wake(relay.number);
        }
    }
}

/// Work that foreign code awaits; dropping it ends the waiting, not the command. It fails with [`PhoneError::Closed`] when the
/// link is cut before it is done: what was done before has its own outcome, also when the foreign side looks at it only now.
struct Waited<'a, T> {
    link: Arc<Link>,
    relay: Option<Arc<Relay>>,
    work: Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>,
}

impl<T> Future for Waited<'_, T> {
    type Output = Result<T, PhoneError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.relay.as_ref().map(|relay| relay.number);
        let Some(number) = self.link.wait(number, context.waker()) else {
            // Nothing is begun any more.
            if number.is_none() {
                return Poll::Ready(Err(PhoneError::Closed));
            }
            return match self.work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => Poll::Ready(outcome.map_err(PhoneError::from)),
                Poll::Pending => Poll::Ready(Err(PhoneError::Closed)),
            };
        };
        let link = self.link.clone();
        let relay =
            self.relay.get_or_insert_with(|| Arc::new(Relay { link, number, queued: AtomicBool::new(false) })).clone();
        relay.queued.store(false, Ordering::Release);
        let waker = Waker::from(relay);
        let outcome = self.work.as_mut().poll(&mut Context::from_waker(&waker));
        outcome.map_err(PhoneError::from)
    }
}

impl<T> Drop for Waited<'_, T> {
    fn drop(&mut self) {
        if let Some(relay) = &self.relay {
            self.link.forget(relay.number);
        }
    }
}

/// Awaits `work` on behalf of foreign code.
pub(super) fn wait<'a, T>(
    link: &Arc<Link>,
    work: impl Future<Output = Result<T, Error>> + Send + 'a,
) -> impl Future<Output = Result<T, PhoneError>> + Send + 'a
where
    T: Send + 'a,
{
    Waited { link: link.clone(), relay: None, work: Box::pin(work) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::uniffi::process;
    use std::task::ready;
    use tokio::sync::oneshot;

    type Awaited = Pin<Box<dyn Future<Output = Result<u8, PhoneError>>>>;

    /// What foreign code has begun to await, and how its work ends.
    fn begun() -> (Arc<Link>, oneshot::Sender<u8>, Awaited) {
        let (link, (done, mut work)) = (process::link(None), oneshot::channel());
        let work = std::future::poll_fn(move |context| {
            Poll::Ready(ready!(Pin::new(&mut work).poll(context)).map_err(|_| Error::Closed))
        });
        let mut waited: Awaited = Box::pin(wait(&link, work));
        assert!(waited.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        (link, done, waited)
    }

    fn outcome(mut waited: Awaited) -> Poll<Result<u8, PhoneError>> {
        waited.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_was_done_before_the_link_was_cut_has_its_own_outcome() {
        let (link, done, waited) = begun();
        done.send(7).expect("it is awaited");
        link.cut();
        assert!(matches!(outcome(waited), Poll::Ready(Ok(7))));
    }

    #[test]
    fn what_is_under_way_when_the_link_is_cut_is_told_so() {
        let (link, _done, waited) = begun();
        link.cut();
        assert!(matches!(outcome(waited), Poll::Ready(Err(PhoneError::Closed))));
    }

    #[test]
    fn nothing_is_begun_on_a_link_that_is_cut() {
        let link = process::link(None);
        link.cut();
        let waited = wait(&link, async { panic!("it was begun") });
        assert!(matches!(outcome(Box::pin(waited)), Poll::Ready(Err(PhoneError::Closed))));
    }
}
