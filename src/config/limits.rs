use std::time::Duration;

use super::TemplateLimits;
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
    /// `body_rate_min`: of a request's body, in bytes a second, after a grace of `body_timeout`; 240 B unless written,
    /// 0 is no minimum.
    pub body_rate_min: u64,
    /// `idle_timeout`: for a kept connection without a request; 60 s unless written.
    pub idle_timeout: Duration,
    /// `fields_max`: of one head; 256 unless written.
    pub fields_max: usize,
    /// `connections_max`: of all clients; 65,536 unless written. This and what follows: `usize::MAX` is no limit.
    pub connections_max: usize,
    /// `connections_per_address_max`: no limit unless written.
    pub connections_per_address_max: usize,
    /// `requests_per_connection_max`: no limit unless written.
    pub requests_per_connection_max: usize,
    /// `in_flight_max`: requests at once; no limit unless written.
    pub in_flight_max: usize,
    /// `memory_max`: of the process, in resident bytes; `u64::MAX`, no limit, unless written.
    pub memory_bytes_max: u64,
    /// `templates`
    pub templates: TemplateLimits,
}

const KEYS: &[&str] = &[
    "head",
    "body",
    "head_timeout",
    "body_timeout",
    "body_rate_min",
    "idle_timeout",
    "fields_max",
    "connections_max",
    "connections_per_address_max",
    "requests_per_connection_max",
    "in_flight_max",
    "memory_max",
    "templates",
];

/// More fields than any honest request has, and room for no more.
pub const FIELDS_MAX: usize = 256;
/// Of a limit that is a number.
const COUNT_MAX: u64 = 1 << 31;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes_max: 10_240,
            body_bytes_max: 10 << 20,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_rate_min: 240,
            idle_timeout: Duration::from_secs(60),
            fields_max: FIELDS_MAX,
            connections_max: 65_536,
            connections_per_address_max: usize::MAX,
            requests_per_connection_max: usize::MAX,
            in_flight_max: usize::MAX,
            memory_bytes_max: u64::MAX,
            templates: TemplateLimits::default(),
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
            body_rate_min: table.or("body_rate_min", default.body_rate_min, |value| value.size(0..=1 << 30)),
            idle_timeout: table.or("idle_timeout", default.idle_timeout, timeout),
            fields_max: table.or("fields_max", default.fields_max, read_fields_max),
            connections_max: table.or("connections_max", default.connections_max, read_count),
            connections_per_address_max: table.or("connections_per_address_max", usize::MAX, read_count),
            requests_per_connection_max: table.or("requests_per_connection_max", usize::MAX, read_count),
            in_flight_max: table.or("in_flight_max", usize::MAX, read_count),
            memory_bytes_max: table.or("memory_max", u64::MAX, read_memory),
            templates: table.or("templates", default.templates, TemplateLimits::read),
        })
    }
}

fn read_head_size(value: Value<'_>) -> Option<usize> {
    value.size(256..=1 << 20).and_then(|bytes| usize::try_from(bytes).ok())
}

fn read_fields_max(value: Value<'_>) -> Option<usize> {
    value.integer(8..=FIELDS_MAX as u64).and_then(|fields| usize::try_from(fields).ok())
}

/// A number, or "unlimited".
fn read_count(value: Value<'_>) -> Option<usize> {
    if is_unlimited(value) {
        return Some(usize::MAX);
    }
    value.integer(1..=COUNT_MAX).and_then(|count| usize::try_from(count).ok())
}

fn read_memory(value: Value<'_>) -> Option<u64> {
    if is_unlimited(value) { Some(u64::MAX) } else { value.size(1 << 20..=1 << 50) }
}

/// The size of a body, or "unlimited".
pub(super) fn read_body_size(value: Value<'_>) -> Option<u64> {
    if is_unlimited(value) { Some(u64::MAX) } else { value.size(0..=1 << 40) }
}

fn is_unlimited(value: Value<'_>) -> bool {
    value.written() == "unlimited"
}
