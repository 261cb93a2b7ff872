use super::{Located, Span, Throttle};

/// `[usage_plans.NAME]`
#[derive(Debug)]
pub struct UsagePlan {
    pub span: Span,
    /// `api/stage`
    pub stages: Vec<Located<String>>,
    pub throttle: Option<Throttle>,
    pub quota: Option<Quota>,
    /// `"api/stage METHOD /path" = { rate, burst }`
    pub route_throttle: Vec<(Located<String>, Throttle)>,
    /// Its keys may refresh cached answers. False unless written.
    pub may_invalidate_cache: bool,
}

/// `quota = { limit = 1000, period = "day", offset = 0 }`
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    pub span: Span,
    /// Requests per period.
    pub limit: u64,
    pub period: Period,
    /// Taken off the limit in the first period of a key.
    pub offset: u64,
}

/// Calendar periods in UTC; a week begins on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    Day,
    Week,
    Month,
}
