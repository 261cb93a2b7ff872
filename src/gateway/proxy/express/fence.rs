use super::chunks::{BadChunk, Chunks};
use super::head::Framing;

/// Where the request ends that the full lane has.
///
/// Pingora reads as far as it can, and would read the next head in its own way, which is laxer than ours.
#[derive(Debug)]
pub(in crate::gateway::proxy) enum Fence {
    /// So many bytes of the body are still to come.
    After(u64),
    /// The body is over when its chunks are.
    Chunks(Chunks),
    /// What follows may be of another protocol: once anything was read of it, there is no request after this one.
    Open { has_read: bool },
}

impl Fence {
    /// Of a request's body and those `bytes` of it that are here. Returns how many of them are the request's, too.
    pub(super) fn of(framing: Framing, bytes: &[u8]) -> Result<(usize, Fence), BadChunk> {
        let mut fence = match framing {
            Framing::None => Fence::After(0),
            Framing::Length(length) => Fence::After(length),
            Framing::Chunked => Fence::Chunks(Chunks::default()),
        };
        let here = fence.take(bytes)?;
        Ok((here, fence))
    }

    /// Whether nothing of the request is still to come.
    pub(in crate::gateway::proxy) fn is_reached(&self) -> bool {
        match self {
            Fence::After(left) => *left == 0,
            Fence::Chunks(chunks) => chunks.is_done(),
            Fence::Open { .. } => false,
        }
    }

    /// Whether another request may follow.
    pub(in crate::gateway::proxy) fn is_between_requests(&self) -> bool {
        self.is_reached() || matches!(self, Fence::Open { has_read: false })
    }

    /// How many of the next `bytes` are the request's.
    pub(in crate::gateway::proxy) fn take(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        match self {
            Fence::After(left) => {
                let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= taken as u64;
                Ok(taken)
            }
            Fence::Chunks(chunks) => chunks.read(bytes, |_| {}),
            Fence::Open { has_read } => {
                *has_read |= !bytes.is_empty();
                Ok(bytes.len())
            }
        }
    }
}
