use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::base::{Answer, Refusal};
use crate::gateway::snapshot::Live;

/// What `work` comes to, or `None` when the drain's time is over: its end wakes every connection once.
pub(super) async fn until_cut<F: Future>(live: &Live, mut work: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if live.is_cut() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// For who has no answer by then.
pub(super) fn stopping() -> Answer {
    Answer::new(Refusal::Unavailable, "the gateway is shutting down")
}
