use super::{Integration, Located, RouteCache, Span, Throttle};

/// One `[[apis.NAME.routes]]`.
#[derive(Debug)]
pub struct Route {
    pub span: Span,
    pub method: Located<Method>,
    /// Starts with `/`; `{name}` is one segment, `{name+}` the rest.
    pub path: Located<String>,
    /// False unless written.
    pub api_key_required: bool,
    pub integration: Integration,
    pub cache: Option<RouteCache>,
    pub throttle: Option<Throttle>,
    /// `body_limit`: in bytes, instead of the server's.
    pub body_bytes_max: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `ANY`: DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT.
    Any,
    /// In upper case.
    Exact(String),
}
