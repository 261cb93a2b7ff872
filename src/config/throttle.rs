use super::Span;
use super::read::Value;

/// `throttle = { rate = 10, burst = 20 }`: a token bucket.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    pub span: Span,
    /// Requests per second; fractions are fine; 0 admits none.
    pub rate: f64,
    /// The bucket's size; 0 admits none. The rate rounded up, at least 1, unless written.
    pub burst: u32,
}

/// Enough for any machine, and small enough to count in nanoseconds.
const RATE_MAX: f64 = 1_000_000_000.0;

impl Throttle {
    pub(super) fn read(value: Value<'_>) -> Option<Throttle> {
        let table = value.table("a throttle", &["rate", "burst"])?;
        let rate = table.required("rate", |value| value.number(0.0..=RATE_MAX));
        let burst = table.optional("burst", |value| value.integer(0..=u64::from(u32::MAX))?.try_into().ok());
        let rate = rate?;
        Some(Throttle { span: table.span(), rate, burst: burst.unwrap_or(rate.ceil().max(1.0) as u32) })
    }
}
