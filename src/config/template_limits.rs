use std::time::Duration;

use super::read::Value;

/// `[server.limits.templates]`: what one rendering of a mapping template may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateLimits {
    /// `nesting`: blocks and expressions that are open at once, and the depth of JSON and XML; 256 unless written.
    pub nesting: u32,
    /// `iterations`: turns of one `#foreach`; 1,000 unless written, as with API Gateway.
    pub iterations: u32,
    /// `steps`: 1,000,000 unless written.
    pub steps: u64,
    /// `output`: in bytes, 10 MiB unless written.
    pub output_bytes: usize,
    /// `memory`: of all values, in bytes, 64 MiB unless written.
    pub memory_bytes: usize,
    /// `time`: wall clock, 1 s unless written.
    pub time: Duration,
}

const KEYS: &[&str] = &["nesting", "iterations", "steps", "output", "memory", "time"];

/// What a worker's stack bears.
const NESTING_MAX: u64 = 256;

impl Default for TemplateLimits {
    fn default() -> TemplateLimits {
        TemplateLimits {
            nesting: 256,
            iterations: 1_000,
            steps: 1_000_000,
            output_bytes: 10 << 20,
            memory_bytes: 64 << 20,
            time: Duration::from_secs(1),
        }
    }
}

impl TemplateLimits {
    pub(super) fn read(value: Value<'_>) -> Option<TemplateLimits> {
        let table = value.table("[server.limits.templates]", KEYS)?;
        let default = TemplateLimits::default();
        let small = |value: Value<'_>, max| value.integer(1..=max).and_then(|count| u32::try_from(count).ok());
        let bytes = |value: Value<'_>| value.size(1 << 10..=1 << 30).and_then(|bytes| usize::try_from(bytes).ok());
        Some(TemplateLimits {
            nesting: table.or("nesting", default.nesting, |value| small(value, NESTING_MAX)),
            iterations: table.or("iterations", default.iterations, |value| small(value, 1_000_000)),
            steps: table.or("steps", default.steps, |value| value.integer(1_000..=1_000_000_000)),
            output_bytes: table.or("output", default.output_bytes, bytes),
            memory_bytes: table.or("memory", default.memory_bytes, bytes),
            time: table
                .or("time", default.time, |value| value.duration(Duration::from_millis(1)..=Duration::from_secs(60))),
        })
    }
}
