use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue};
use indexmap::IndexMap;

use super::Sink;
use super::pieces::{Asking, Pieces, escape_of, push_plain};
use crate::base::{Refusal, ResponseType};
use crate::config::{ErrorStyle, Fault, GatewayResponse};
use crate::gateway::transform::is_of_cors;
use crate::telemetry::Escape;

/// What an API says in one variant of a stage instead of the gateway's own answers, compiled: the type that a refusal
/// has, else the default of its status's class, else nothing.
#[derive(Debug)]
pub struct GatewayResponses {
    responses: Box<[Response]>,
    /// By refusal, in the order of [`Refusal::all`].
    places: Box<[Option<u8>]>,
}

/// One of them.
#[derive(Debug)]
pub struct Response {
    status: Option<u16>,
    fields: Box<[(HeaderName, Pieces)]>,
    /// Empty: the body is the refusal's own.
    templates: Box<[Template]>,
}

#[derive(Debug)]
struct Template {
    media_type: HeaderValue,
    escape: Escape,
    body: Pieces,
}

/// The gateway's: these would contradict it.
const FRAMING: [HeaderName; 4] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE];

/// The media type that is sent where the client says nothing of another.
const JSON: &str = "application/json";

impl GatewayResponses {
    /// Compiles what is `written` for a stage with these variables; `None` where nothing is. `ignores_cors`: fields of
    /// CORS are the gateway's to say.
    pub fn compile(
        written: &IndexMap<ResponseType, GatewayResponse>,
        style: ErrorStyle,
        variables: &IndexMap<String, String>,
        ignores_cors: bool,
    ) -> Result<Option<GatewayResponses>, Vec<Fault>> {
        let (mut responses, mut faults) = (Vec::new(), Vec::new());
        for response in written.values() {
            match Response::compile(response, variables, ignores_cors) {
                Ok(response) => responses.push(response),
                Err(mut bad) => faults.append(&mut bad),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let place = |kind: ResponseType| written.get_index_of(&kind).and_then(|at| u8::try_from(at).ok());
        let place_of = |refusal: Refusal| {
            let (kind, status) = (refusal.response_type(), status_of(refusal, style));
            let found = place(kind).or_else(|| place(ResponseType::default_of(status)));
            found.filter(|_| kind.is_customisable())
        };
        let places = Refusal::all().map(place_of).collect();
        Ok((!responses.is_empty()).then(|| GatewayResponses { responses: responses.into(), places }))
    }

    /// What is said instead of this refusal's own answer.
    pub fn of(&self, refusal: Refusal) -> Option<&Response> {
        let place = self.places.get(refusal as usize).copied().flatten()?;
        self.responses.get(usize::from(place))
    }
}

pub(super) fn status_of(refusal: Refusal, style: ErrorStyle) -> u16 {
    match style {
        ErrorStyle::Standard => refusal.status(),
        ErrorStyle::Aws => refusal.aws_status(),
    }
}

impl Response {
    fn compile(
        written: &GatewayResponse,
        variables: &IndexMap<String, String>,
        ignores_cors: bool,
    ) -> Result<Response, Vec<Fault>> {
        let (mut fields, mut templates, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (name, source) in written.headers.iter().filter(|(name, _)| !(ignores_cors && is_of_cors(name.as_bytes())))
        {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) if FRAMING.contains(&name) => faults.push(
                    Fault::at(written.span, format!("the gateway writes \"{name}\" itself")).with_help("leave it out"),
                ),
                Ok(name) => fields.push((name, Pieces::of_source(source, variables))),
                Err(_) => faults.push(Fault::at(written.span, format!("\"{name}\" is not a header's name"))),
            }
        }
        for (media_type, template) in &written.templates {
            let escape = escape_of(media_type);
            let body = Pieces::of_template(template, variables, escape);
            match HeaderValue::from_str(media_type) {
                Ok(media_type) => templates.push(Template { media_type, escape, body }),
                Err(_) => faults.push(Fault::at(template.span, format!("\"{media_type}\" is not a media type"))),
            }
        }
        // The first is the one that is sent where the client has no wish.
        templates.sort_by_key(|template| template.media_type != JSON);
        match faults.is_empty() {
            true => Ok(Response { status: written.status, fields: fields.into(), templates: templates.into() }),
            false => Err(faults),
        }
    }

    /// The refusal's own unless written.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether it has a body of its own.
    pub(super) fn has_body(&self) -> bool {
        !self.templates.is_empty()
    }

    /// Whether it says what the field `name` is, in lower case.
    pub(super) fn sets(&self, name: &str) -> bool {
        self.fields.iter().any(|(other, _)| other == name) || (name == "content-type" && self.has_body())
    }

    /// Hands over its fields. One whose value is not there, or cannot be a field's, is not sent.
    pub(super) fn fields(&self, asking: &Asking<'_>, sink: &mut impl Sink) {
        if let Some(template) = self.template(asking)
            && !self.fields.iter().any(|(name, _)| *name == CONTENT_TYPE)
        {
            sink.text("content-type", template.media_type.as_bytes());
        }
        let mut value = Vec::new();
        for (name, pieces) in &self.fields {
            value.clear();
            pieces.write(asking, push_plain, &mut value);
            if let Ok(value) = HeaderValue::from_bytes(&value)
                && !value.is_empty()
            {
                sink.named(name, value);
            }
        }
    }

    /// Appends its body, if it has one.
    pub(super) fn body(&self, asking: &Asking<'_>, out: &mut Vec<u8>) {
        if let Some(template) = self.template(asking) {
            template.body.write(asking, template.escape, out);
        }
    }

    /// The one that the client likes best, else JSON, else the first (RFC 9110 section 12.5.1).
    fn template(&self, asking: &Asking<'_>) -> Option<&Template> {
        let mut accepted = Vec::new();
        asking.head.fields.for_each("accept", |value| accepted.push(value));
        let liking = |template: &Template| {
            accepted.iter().map(|value| liking(value, template.media_type.as_bytes())).max().unwrap_or(0)
        };
        // Of equals the last is taken, and the first is wanted.
        self.templates.iter().rev().max_by_key(|template| liking(template))
    }
}

/// How much a client with this `Accept` likes a media type: thousandths, by the most specific range that has it.
fn liking(accept: &[u8], media_type: &[u8]) -> u16 {
    let bare = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let ranges = accept.split(|byte| *byte == b',').filter_map(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let precision = precision(parts.next()?, bare)?;
        let quality = parts.find_map(|part| part.strip_prefix(b"q=").or(part.strip_prefix(b"Q=")));
        Some((precision, quality.map_or(1000, thousandths)))
    });
    ranges.max().map_or(0, |(_, quality)| quality)
}

/// How exactly `range` names `media_type`; `None`: not at all.
fn precision(range: &[u8], media_type: &[u8]) -> Option<u8> {
    if range.eq_ignore_ascii_case(media_type) {
        return Some(2);
    }
    let kind = range.strip_suffix(b"/*")?;
    let slash = media_type.iter().position(|byte| *byte == b'/')?;
    match kind {
        b"*" => Some(0),
        kind => kind.eq_ignore_ascii_case(&media_type[..slash]).then_some(1),
    }
}

/// `0.8` is 800.
fn thousandths(quality: &[u8]) -> u16 {
    let number = std::str::from_utf8(quality).ok().and_then(|text| text.parse::<f32>().ok());
    number.map_or(0, |number| (number.clamp(0.0, 1.0) * 1000.0) as u16)
}

#[cfg(test)]
mod tests;
