use indexmap::IndexMap;

use super::{Route, Span, Stage};

/// `[apis.NAME]`: a REST API with its routes and stages.
#[derive(Debug)]
pub struct Api {
    pub span: Span,
    pub errors: ErrorStyle,
    pub routes: Vec<Route>,
    pub stages: IndexMap<String, Stage>,
}

/// How refusals are worded, see `docs/errors.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorStyle {
    /// RFC 9457 problem documents.
    #[default]
    Standard,
    /// Byte for byte as API Gateway answers.
    Aws,
}
