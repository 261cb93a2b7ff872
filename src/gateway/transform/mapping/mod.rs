//! What a non-proxy integration makes of a whole request, and of its back end's whole answer.
//!
//! In: a [`Scene`] (the request as templates see it) and a body. Out: a [`Sent`] for the back end, or for MOCK to read
//! its status from; then, from what [`Came`] back, a [`Made`] answer for the client.
//! Promises: templates are compiled with the configuration; a template that fails is the gateway's own fault to the
//! client and a line with template, line and column to the log. What a template overrides in the request is still
//! there when the response's template reads it (section 6.6 of the service's guide).
//! Absent: what is passed on as it came, which needs no whole body ([`Outgoing`](super::Outgoing)).
//! Cost: a rendering; a body that no template names is not copied.

mod binary;
mod headers;
mod mock;
mod overridden;
mod scene;
mod selection;
mod templates;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

pub use binary::BinaryTypes;
pub use overridden::apply_overrides;
pub use scene::Scene;
pub(super) use scene::find_plain;

use crate::base::{Answer, Refusal};
use crate::config::{self, ContentHandling, Fault, Passthrough, Span, TemplateLimits};
use crate::template::{Budget, Overrides};
use binary::{decoded, encoded, first_type};
use scene::Seen;
use selection::Selection;
use templates::{Choice, Direction, Templates};

/// A [`config::Transformation`], compiled.
#[derive(Debug)]
pub struct Mapping {
    request: Templates,
    passthrough: Passthrough,
    request_handling: Option<ContentHandling>,
    responses: Selection,
    /// What each rendering may spend.
    budget: Budget,
}

/// What is sent to the back end.
#[derive(Debug)]
pub struct Sent {
    pub body: Bytes,
    /// Where it is not the client's any more.
    pub content_type: Option<HeaderValue>,
    pub overrides: Overrides,
}

/// What came back from it. A MOCK integration gives a status and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Came<'a> {
    pub status: u16,
    pub fields: &'a HeaderMap,
    pub body: &'a Bytes,
}

/// The client's answer, before what every answer carries.
#[derive(Debug)]
pub struct Made {
    pub status: u16,
    pub fields: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

impl Mapping {
    /// Compiles the transformation of an integration at `span`.
    pub fn compile(
        written: &config::Transformation,
        span: Span,
        limits: &TemplateLimits,
    ) -> Result<Mapping, Vec<Fault>> {
        let mut faults = Vec::new();
        let request = Templates::compile(Direction::Request, &written.request_templates, &mut faults);
        let responses = Selection::compile(&written.responses, span, &mut faults);
        match faults.is_empty() {
            true => Ok(Mapping {
                request,
                passthrough: written.passthrough,
                request_handling: written.content_handling,
                responses,
                budget: budget_of(limits),
            }),
            false => Err(faults),
        }
    }

    /// What the request with this body is to the integration.
    ///
    /// # Errors
    /// 415 for a type that has no template and may not pass, 500 for a template that fails.
    pub fn request(&self, scene: &Scene<'_>, binary: &BinaryTypes, body: Bytes) -> Result<Sent, Answer> {
        let content_type = scene.head.fields.text("content-type");
        let is_binary = binary.holds(content_type.unwrap_or(DEFAULT_TYPE));
        let payload = match (is_binary, self.request_handling) {
            (false, Some(ContentHandling::ConvertToBinary)) => decoded(&body)?,
            (true, Some(ContentHandling::ConvertToText)) => encoded(&body),
            _ => body,
        };
        match self.request.choose(content_type, self.passthrough) {
            Choice::AsIs => Ok(Sent { body: payload, content_type: None, overrides: Overrides::default() }),
            Choice::Refused => Err(Answer::new(
                Refusal::UnsupportedMediaType,
                "no mapping template is for this content type, and the route passes nothing on without one",
            )),
            Choice::Template(template) => {
                let is_base64 = is_binary && self.request_handling != Some(ContentHandling::ConvertToText);
                let seen = Seen::new(scene, &payload, is_base64);
                let rendered = template.render(&seen, &Overrides::default(), &self.budget)?;
                let content_type = template.content_type();
                Ok(Sent { body: rendered.text.into(), content_type, overrides: rendered.overrides })
            }
        }
    }

    /// Whether no response is written at all, so that answers pass as they come.
    pub fn passes_answers(&self) -> bool {
        self.responses.is_empty()
    }

    /// The status that MOCK's request template names.
    ///
    /// # Errors
    /// 500 where it names none: such an integration answers nothing else.
    pub fn mock_status(&self, sent: &Sent) -> Result<u16, Answer> {
        mock::status(&sent.body)
    }

    /// The client's answer to what came back.
    ///
    /// # Errors
    /// 500 where no response is selected, a template fails or a body is not the base64 that it should be.
    pub fn answer(
        &self,
        scene: &Scene<'_>,
        binary: &BinaryTypes,
        came: Came<'_>,
        overrides: &Overrides,
    ) -> Result<Made, Answer> {
        let Some(response) = self.responses.select(came.status) else {
            let problem = format!("no integration response is for the status {}, and there is no default", came.status);
            return Err(misconfigured(problem));
        };
        let mut made = Made { status: response.status(), fields: Vec::new(), body: came.body.clone() };
        response.write_headers(scene, &came, &self.budget, &mut made.fields)?;
        let came_type = came.fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_binary = binary.holds(came_type.unwrap_or(DEFAULT_TYPE)) && !came.body.is_empty();
        let accept = scene.last_header("accept");
        let (rendered, content_type) = match response.templates().for_accept(accept.as_deref()) {
            Some(template) => {
                let rendered = template.render(&Seen::new(scene, came.body, is_binary), overrides, &self.budget)?;
                made.body = rendered.text.into();
                (Some(rendered.overrides), template.content_type())
            }
            None => (None, came.fields.get(header::CONTENT_TYPE).cloned()),
        };
        let is_text = rendered.is_some() || !is_binary;
        let wants_binary = accept.as_deref().is_some_and(|accept| binary.holds(first_type(accept)));
        made.body = match (is_text, wants_binary, response.handling()) {
            (true, _, Some(ContentHandling::ConvertToBinary)) | (true, true, None) => decoded(&made.body)?,
            (true, ..) => made.body,
            (false, _, Some(ContentHandling::ConvertToText)) | (false, false, None) => encoded(&made.body),
            (false, ..) => made.body,
        };
        overridden::override_answer(rendered.as_ref().unwrap_or(overrides), &mut made);
        if !made.fields.iter().any(|(name, _)| name == header::CONTENT_TYPE) {
            let value = content_type.unwrap_or(HeaderValue::from_static(DEFAULT_TYPE));
            made.fields.push((header::CONTENT_TYPE, value));
        }
        Ok(made)
    }
}

fn budget_of(limits: &TemplateLimits) -> Budget {
    let TemplateLimits { nesting, iterations, steps, output_bytes, memory_bytes, time } = *limits;
    Budget { nesting, iterations, steps, output_bytes, memory_bytes, time }
}

/// What a body is where nobody says.
const DEFAULT_TYPE: &str = "application/json";

/// What API Gateway calls an API_CONFIGURATION_ERROR.
fn misconfigured(problem: String) -> Answer {
    Answer::new(Refusal::InternalError, "the gateway could not make an answer").with_log(problem)
}

#[cfg(test)]
mod tests;
