use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use std::future::poll_fn;
use tokio::time::{Instant, Sleep};

/// One timer for all the deadlines that a connection has in its life.
///
/// It is moved only when a deadline is earlier than where it stands, or when it rings too early: deadlines that are
/// always met, as nearly all are, cost no timer at all.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether it is known that the task is woken at `deadline` or before.
    pub(super) fn is_set(&self, deadline: Instant) -> bool {
        self.sleep.as_ref().is_some_and(|sleep| sleep.deadline() <= deadline && !sleep.is_elapsed())
    }

    /// Whether `deadline` is over; if not, the task is woken then.
    pub(super) fn poll_past(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline || Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }

    /// What `work` comes to, or `None` when `deadline` is over before. It is pinned by the caller: a future that is an
    /// argument takes its room twice.
    pub(super) async fn until<F: Future>(&mut self, deadline: Instant, mut work: Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.poll_past(cx, deadline).map(|()| None),
        })
        .await
    }
}

/// What `work` comes to, or `None` after `patience`. What is done at once, as most work is, starts no timer.
pub(super) async fn within<F: Future>(patience: Duration, mut work: Pin<&mut F>) -> Option<F::Output> {
    let at_once = poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await;
    match at_once {
        Some(done) => Some(done),
        None => tokio::time::timeout(patience, work).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn run(work: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(work);
    }

    #[test]
    fn an_alarm_rings_for_the_deadline_asked_about_however_it_stood_before() {
        run(async {
            let mut alarm = Alarm::default();
            let start = Instant::now();
            let millis = |ms| start + Duration::from_millis(ms);
            assert_eq!(alarm.until(millis(60_000), pin!(async { 7 })).await, Some(7));
            assert_eq!(alarm.until(millis(5), pin!(std::future::pending::<()>())).await, None);
            assert!(Instant::now() >= millis(5));
            // It stands at 5 and has rung; a later deadline must not be told that it is over.
            assert_eq!(alarm.until(millis(20), pin!(std::future::pending::<()>())).await, None);
            assert!(Instant::now() >= millis(20));
        });
    }

    #[test]
    fn patience_ends_and_is_not_needed_for_what_is_done_at_once() {
        run(async {
            assert_eq!(within(Duration::ZERO, pin!(async { 7 })).await, Some(7));
            assert_eq!(within(Duration::from_millis(2), pin!(std::future::pending::<()>())).await, None);
        });
    }
}
