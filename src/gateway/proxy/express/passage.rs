use std::cell::Cell;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

thread_local! {
    /// The one of this worker, while nobody has it.
    static FREE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What bytes are read into on their way from one socket to another.
///
/// All of a worker pass through the same memory, as long as each gives it back before its task waits: that is in the
/// processor's cache, which buffers of each request's own are not. Who has it when a task waits keeps others from nothing
/// but that.
#[derive(Debug)]
pub(super) struct Passage {
    buffer: Vec<u8>,
    filled: usize,
}

impl Passage {
    /// Few and big reads cost least, and larger ones than this leave the nearest caches.
    pub(super) const ROOM: usize = 64 << 10;

    pub(super) fn take() -> Passage {
        let mut buffer = FREE.take();
        buffer.resize(Passage::ROOM, 0);
        Passage { buffer, filled: 0 }
    }

    /// Reads once, behind what was read before. Returns how many bytes came; 0: the other side has closed.
    pub(super) fn poll_read(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.poll_read_to(Passage::ROOM, from, cx)
    }

    /// The same, until there are at most `end` bytes.
    pub(super) fn poll_read_to(
        &mut self,
        end: usize,
        from: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(&mut self.buffer[self.filled..end]);
        ready!(Pin::new(from).poll_read(cx, &mut room))?;
        let count = room.filled().len();
        self.filled += count;
        Poll::Ready(Ok(count))
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == Passage::ROOM
    }

    /// Drops the first `len` bytes.
    pub(super) fn discard(&mut self, len: usize) {
        self.buffer.copy_within(len..self.filled, 0);
        self.filled -= len;
    }
}

/// What was read.
impl Deref for Passage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        FREE.set(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_memory_serves_all_who_give_it_back_and_another_who_does_not() {
        let first = Passage::take().buffer.as_ptr();
        let (second, third) = (Passage::take(), Passage::take());
        assert_eq!(second.buffer.as_ptr(), first);
        assert_ne!(third.buffer.as_ptr(), first);
    }

    #[test]
    fn reads_go_on_behind_each_other_until_it_is_full() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let sent = vec![b'x'; Passage::ROOM + 3];
        let (mut from, mut passage) = (&sent[..], Passage::take());
        assert!(matches!(passage.poll_read_to(4, &mut from, &mut cx), Poll::Ready(Ok(4))));
        assert!(matches!(passage.poll_read(&mut from, &mut cx), Poll::Ready(Ok(_))));
        assert!(passage.is_full() && from.len() == 3);
        passage.discard(3);
        assert!(matches!(passage.poll_read(&mut from, &mut cx), Poll::Ready(Ok(3))));
        assert!(matches!(passage.poll_read(&mut from, &mut cx), Poll::Ready(Ok(0))));
    }
}
