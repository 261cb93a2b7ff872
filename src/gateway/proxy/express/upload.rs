use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::broken::Broken;
use super::pump::Stopped;

/// A request's body on its way.
pub(super) struct Upload<F> {
    /// `None`: it has ended.
    pub(super) rest: Option<Pin<Box<F>>>,
    /// How many of the bytes that were read with the head are the body's.
    pub(super) taken: usize,
    /// That number, or why the body did not pass whole.
    pub(super) ended: Option<Result<usize, Stopped>>,
}

impl<F: Future<Output = Result<(), Stopped>>> Upload<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        let Some(rest) = &mut self.rest else { return Ok(()) };
        let Poll::Ready(ended) = rest.as_mut().poll(cx) else { return Ok(()) };
        self.rest = None;
        match ended {
            Ok(()) => self.ended = Some(Ok(self.taken)),
            Err(stopped) => self.stop(stopped)?,
        }
        Ok(())
    }

    /// A back end that stops reading may still answer; a client that stops sending ends the exchange.
    pub(super) fn stop(&mut self, stopped: Stopped) -> Result<(), Broken> {
        if !matches!(stopped, Stopped::Write | Stopped::WriteTooSlow) {
            return Err(Broken::by_client(stopped));
        }
        self.ended = Some(Err(stopped));
        Ok(())
    }
}

/// Carries `work` on, and the upload beside it as long as it lasts. A client that is gone ends both.
pub(super) async fn alongside<T, E>(
    upload: &mut Upload<impl Future<Output = Result<(), Stopped>>>,
    mut work: Pin<&mut impl Future<Output = Result<T, E>>>,
    broken: impl Fn(E) -> Broken,
    mut poll_gone: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Result<T, Broken> {
    poll_fn(|cx| {
        upload.poll(cx)?;
        match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done.map_err(&broken)),
            Poll::Pending => poll_gone(cx).map(|()| Err(Broken::Gone)),
        }
    })
    .await
}
