use crate::config::Dialect;
use crate::openapi::At;

/// Which description language a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::openapi) enum Version {
    Swagger20,
    OpenApi30,
    OpenApi31,
}

impl Version {
    pub fn read(root: At<'_>) -> Option<Version> {
        let at = root.get("openapi").or_else(|| root.get("swagger"));
        let Some(at) = at else {
            return root.refuse("this is no OpenAPI document", "begin it with `openapi: 3.0.3`, or `swagger: \"2.0\"`");
        };
        let text = at.text()?;
        let is_swagger = root.get("openapi").is_none();
        match (is_swagger, text.split('.').next(), text.split('.').nth(1)) {
            (true, Some("2"), _) => Some(Version::Swagger20),
            (false, Some("3"), Some("0")) => Some(Version::OpenApi30),
            (false, Some("3"), Some("1")) => Some(Version::OpenApi31),
            _ => at.refuse(format!("version {text} is not read"), "write Swagger 2.0, OpenAPI 3.0 or OpenAPI 3.1"),
        }
    }

    pub fn is_swagger(self) -> bool {
        self == Version::Swagger20
    }

    pub fn dialect(self) -> Dialect {
        match self {
            Version::Swagger20 => Dialect::Draft4,
            Version::OpenApi30 => Dialect::OpenApi30,
            Version::OpenApi31 => Dialect::Draft202012,
        }
    }
}

impl Dialect {
    /// Every dialect, as an export names one that its format does not have by itself.
    pub(in crate::openapi) const NAMES: &[(&str, Dialect)] =
        &[("draft-04", Dialect::Draft4), ("openapi-3.0", Dialect::OpenApi30), ("draft-2020-12", Dialect::Draft202012)];
}
