use super::{Located, Span};

/// `[domains."HOST"]`: base paths of one host; `*` is any host without an own entry.
#[derive(Debug)]
pub struct Domain {
    pub span: Span,
    pub mappings: Vec<Mapping>,
}

/// `"/base" = "api/stage"`
#[derive(Debug)]
pub struct Mapping {
    /// Starts with `/` and has no slash at its end, but for `/` itself.
    pub base_path: Located<String>,
    /// `api/stage`
    pub target: Located<String>,
}
