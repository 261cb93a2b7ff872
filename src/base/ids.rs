use std::sync::Arc;

/// A stage of one snapshot, counted over all APIs. Numbers change with every snapshot; names do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub u32);

/// A route of one snapshot, counted over all APIs. A route has one id in all stages of its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

/// Which half of a stage answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    Stable,
    Canary,
}

impl Variant {
    /// The value of the `variant` label and log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Variant::Stable => "stable",
            Variant::Canary => "canary",
        }
    }
}

/// `api/stage`, as a configuration names a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StageName {
    pub api: Arc<str>,
    pub stage: Arc<str>,
}

impl std::fmt::Display for StageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.api, self.stage)
    }
}
