use super::Span;

/// `throttle = { rate = 10, burst = 20 }`: a token bucket.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    pub span: Span,
    /// Requests per second; fractions are fine; 0 admits none.
    pub rate: f64,
    /// The bucket's size; 0 admits none. The rate rounded up, at least 1, unless written.
    pub burst: u32,
}
