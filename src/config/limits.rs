use std::time::Duration;

/// `[server.limits]`: what one request may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `head`: request line and fields, in bytes; 10,240 unless written.
    pub head_bytes_max: usize,
    /// `body`: in bytes, 10 MiB unless written; `"unlimited"` is `u64::MAX`.
    pub body_bytes_max: u64,
    /// `head_timeout`: for reading a head once it has begun; 10 s unless written.
    pub head_timeout: Duration,
    /// `body_timeout`: between two reads of a body; 30 s unless written.
    pub body_timeout: Duration,
    /// `idle_timeout`: for a kept connection without a request; 60 s unless written.
    pub idle_timeout: Duration,
}
