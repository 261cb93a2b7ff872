use std::time::Duration;

use super::read::Value;

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

const KEYS: &[&str] = &["head", "body", "head_timeout", "body_timeout", "idle_timeout"];

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes_max: 10_240,
            body_bytes_max: 10 << 20,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

impl Limits {
    pub(super) fn read(value: Value<'_>) -> Option<Limits> {
        let table = value.table("[server.limits]", KEYS)?;
        let default = Limits::default();
        let timeout = |value: Value<'_>| value.duration(Duration::from_millis(1)..=Duration::from_secs(86_400));
        Some(Limits {
            head_bytes_max: table.or("head", default.head_bytes_max, read_head_size),
            body_bytes_max: table.or("body", default.body_bytes_max, read_body_size),
            head_timeout: table.or("head_timeout", default.head_timeout, timeout),
            body_timeout: table.or("body_timeout", default.body_timeout, timeout),
            idle_timeout: table.or("idle_timeout", default.idle_timeout, timeout),
        })
    }
}

fn read_head_size(value: Value<'_>) -> Option<usize> {
    value.size(256..=1 << 20).and_then(|bytes| usize::try_from(bytes).ok())
}

/// The size of a body, or "unlimited".
pub(super) fn read_body_size(value: Value<'_>) -> Option<u64> {
    if value.written() == "unlimited" {
        return Some(u64::MAX);
    }
    value.size(0..=1 << 40)
}
