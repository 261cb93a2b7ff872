use std::path::PathBuf;

use indexmap::IndexMap;

use super::parameter::read_field_name;
use super::read::Value;
use super::{Definition, Located, LogFormat, Span, StageCache, Throttle, name};

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
    /// `definition`: an OpenAPI document to serve instead of the API's.
    pub document: Option<Located<PathBuf>>,
    /// What that document says, once it is read.
    pub definition: Option<Box<Definition>>,
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

const KEYS: &[&str] = &["variables", "cache", "throttle", "canary", "access_log"];

/// API Gateway's bound for one stage.
const VARIABLES_MAX: usize = 100;
const VARIABLE_BYTES_MAX: usize = 512;

impl Stage {
    pub(super) fn read(value: Value<'_>) -> Option<Stage> {
        name::STAGE.check(value);
        let table = value.table("a stage", KEYS)?;
        Some(Stage {
            span: value.name_span(),
            variables: table.or("variables", IndexMap::new(), read_variables),
            cache: table.optional("cache", StageCache::read),
            throttle: table.optional("throttle", Throttle::read),
            canary: table.optional("canary", Canary::read),
            access_log_format: table.optional("access_log", read_access_log),
        })
    }
}

impl Canary {
    fn read(value: Value<'_>) -> Option<Canary> {
        let table = value.table("a canary", &["percent", "variables", "use_stage_cache", "sticky", "definition"])?;
        let percent = table.required("percent", |value| value.located(|value| value.number(0.0..=100.0)));
        let variables = table.or("variables", IndexMap::new(), read_variables);
        let use_stage_cache = table.or("use_stage_cache", false, Value::bool);
        let sticky = table.or("sticky", Sticky::None, Sticky::read);
        let document = table.optional("definition", |value| value.located(Value::path));
        Some(Canary {
            span: value.name_span(),
            percent: percent?,
            variables,
            use_stage_cache,
            sticky,
            document,
            definition: None,
        })
    }
}

impl Sticky {
    fn read(value: Value<'_>) -> Option<Sticky> {
        if let Some(name) = value.text()?.strip_prefix("header.") {
            let header = read_field_name(name).map(Sticky::Header);
            return header.or_else(|| value.refuse_text("which names no header field", "write \"header.X-User\""));
        }
        let (none, api_key, ip) = (&Sticky::None, &Sticky::ApiKey, &Sticky::Ip);
        value.word(&[("none", none), ("api_key", api_key), ("ip", ip), ("header.<Name>", none)]).cloned()
    }
}

fn read_variables(value: Value<'_>) -> Option<IndexMap<String, String>> {
    let entries = value.entries()?;
    if entries.len() > VARIABLES_MAX {
        return value.refuse(
            format!("there are {} stage variables, more than {VARIABLES_MAX}", entries.len()),
            "remove some: a stage needs few",
        );
    }
    Some(entries.into_iter().filter_map(|value| Some((value.name().to_owned(), read_variable(value)?))).collect())
}

/// The characters that API Gateway allows in a stage variable.
fn read_variable(value: Value<'_>) -> Option<String> {
    name::STAGE_VARIABLE.check(value);
    let text = value.text()?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte);
    if (1..=VARIABLE_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed) {
        return Some(text.into_owned());
    }
    value.refuse_text(
        "which no stage variable may be",
        format!("use 1 to {VARIABLE_BYTES_MAX} letters, digits and - . _ ~ : / ? # & = ,"),
    )
}

fn read_access_log(value: Value<'_>) -> Option<LogFormat> {
    value.table("a stage's access log", &["format"])?.required("format", LogFormat::read)
}
