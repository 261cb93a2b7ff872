use super::name::read_stage_name;
use super::read::Value;
use super::{Located, Span, Throttle, name};

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

const KEYS: &[&str] = &["stages", "throttle", "quota", "route_throttle", "may_invalidate_cache"];

impl UsagePlan {
    pub(super) fn read(value: Value<'_>) -> Option<UsagePlan> {
        name::USAGE_PLAN.check(value);
        let table = value.table("a usage plan", KEYS)?;
        let overrides = table.optional("route_throttle", Value::entries).unwrap_or_default();
        Some(UsagePlan {
            span: value.name_span(),
            stages: table.list("stages", |value| value.located(read_stage_name)),
            throttle: table.optional("throttle", Throttle::read),
            quota: table.optional("quota", Quota::read),
            route_throttle: overrides.into_iter().filter_map(read_route_throttle).collect(),
            may_invalidate_cache: table.or("may_invalidate_cache", false, Value::bool),
        })
    }
}

fn read_route_throttle(value: Value<'_>) -> Option<(Located<String>, Throttle)> {
    let words: Vec<&str> = value.name().split(' ').collect();
    let is_route = matches!(words[..], [stage, method, path]
        if stage.contains('/') && !method.is_empty() && path.starts_with('/'));
    if !is_route {
        value.at_name(
            format!("\"{}\" does not name a stage's route", value.name()),
            "write stage, method and path, such as \"orders/prod GET /orders/{id}\"",
        );
    }
    Some((Located::new(value.name().to_owned(), value.name_span()), Throttle::read(value)?))
}

impl Quota {
    fn read(value: Value<'_>) -> Option<Quota> {
        let table = value.table("a quota", &["limit", "period", "offset"])?;
        let limit = table.required("limit", |value| value.integer(1..=i64::MAX as u64));
        let period = table.required("period", Period::read);
        let offset = table.or("offset", 0, |value| value.integer(0..=limit.unwrap_or(i64::MAX as u64)));
        Some(Quota { span: table.span(), limit: limit?, period: period?, offset })
    }
}

impl Period {
    fn read(value: Value<'_>) -> Option<Period> {
        value.word(&[Period::Day, Period::Week, Period::Month].map(|period| (period.as_str(), period)))
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        }
    }
}
