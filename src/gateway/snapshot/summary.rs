use std::fmt;

use serde::Serialize;

/// How much a snapshot serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub apis: usize,
    pub stages: usize,
    pub routes: usize,
    pub usage_plans: usize,
    pub api_keys: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.apis, "API"),
            (self.stages, "stage"),
            (self.routes, "route"),
            (self.usage_plans, "usage plan"),
            (self.api_keys, "API key"),
        ];
        for (at, (count, thing)) in counts.into_iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let plural = if count == 1 { "" } else { "s" };
            write!(f, "{comma}{count} {thing}{plural}")?;
        }
        Ok(())
    }
}

/// One line of `tollgate routes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteRow {
    pub api: String,
    pub stage: String,
    pub method: String,
    pub path: String,
    pub api_key: bool,
    /// How long answers are cached; `off` where they are not.
    pub cache: String,
    /// What answers, as written.
    pub integration: String,
}
