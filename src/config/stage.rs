use indexmap::IndexMap;

use super::{Located, LogFormat, Span, StageCache, Throttle};

/// `[apis.NAME.stages.NAME]`
#[derive(Debug)]
pub struct Stage {
    pub span: Span,
    /// Stage variables.
    pub variables: IndexMap<String, String>,
    pub cache: Option<StageCache>,
    pub throttle: Option<Throttle>,
    pub canary: Option<Canary>,
    /// `access_log = { format = "…" }`: instead of the telemetry's format.
    pub access_log_format: Option<LogFormat>,
}

/// `[apis.NAME.stages.NAME.canary]`
#[derive(Debug)]
pub struct Canary {
    pub span: Span,
    /// 0.0 to 100.0
    pub percent: Located<f64>,
    /// Override the stage's.
    pub variables: IndexMap<String, String>,
    /// Share the stage's cached answers. False unless written.
    pub use_stage_cache: bool,
    pub sticky: Sticky,
}

/// What keeps a caller on one variant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sticky {
    /// Random per request, as API Gateway does.
    #[default]
    None,
    ApiKey,
    Ip,
    /// `header.NAME`, in lower case. A request without it is assigned at random.
    Header(String),
}
