use http::HeaderName;

use super::headers::HeaderMapping;
use super::scene::Scene;
use super::templates::{Direction, Templates};
use super::{Came, HeaderValue};
use crate::base::{Answer, push_number};
use crate::config::{ContentHandling, Fault, IntegrationResponse, Span};
use crate::template::{Budget, Pattern};

/// The integration responses, in the order in which they are tried.
#[derive(Debug)]
pub(super) struct Selection {
    patterns: Box<[(Pattern, Response)]>,
    default: Option<Response>,
}

#[derive(Debug)]
pub(super) struct Response {
    status: u16,
    headers: Box<[HeaderMapping]>,
    templates: Templates,
    handling: Option<ContentHandling>,
}

impl Selection {
    pub(super) fn compile(written: &[IntegrationResponse], span: Span, faults: &mut Vec<Fault>) -> Selection {
        let (mut patterns, mut default) = (Vec::new(), None);
        for response in written {
            let compiled = Response::compile(response, span, faults);
            match &response.pattern {
                None => drop(default.get_or_insert(compiled)),
                Some(pattern) => match Pattern::compile(pattern, true) {
                    Ok(regex) => patterns.push((regex, compiled)),
                    Err(why) => faults.push(
                        Fault::at(pattern.span, format!("the selection pattern {:?} is not one: {why}", pattern.value))
                            .with_help("write a regular expression that a whole status matches, such as 4\\d{2}"),
                    ),
                },
            }
        }
        Selection { patterns: patterns.into(), default }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.default.is_none()
    }

    /// The first whose pattern the whole status matches, else the one without a pattern.
    pub(super) fn select(&self, status: u16) -> Option<&Response> {
        let mut text = Vec::with_capacity(3);
        push_number(&mut text, u64::from(status));
        let text = String::from_utf8_lossy(&text);
        let found = self.patterns.iter().find(|(pattern, _)| pattern.is_match(&text));
        found.map(|(_, response)| response).or(self.default.as_ref())
    }
}

impl Response {
    fn compile(written: &IntegrationResponse, span: Span, faults: &mut Vec<Fault>) -> Response {
        let headers = written.headers.iter().filter_map(|(name, source)| {
            HeaderMapping::compile(name, source, span).map_err(|fault| faults.push(fault)).ok()
        });
        let headers = headers.collect();
        let templates = Templates::compile(Direction::Response, &written.templates, faults);
        Response { status: written.status, headers, templates, handling: written.content_handling }
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn templates(&self) -> &Templates {
        &self.templates
    }

    pub(super) fn handling(&self) -> Option<ContentHandling> {
        self.handling
    }

    /// Adds every mapped field whose source is there.
    pub(super) fn write_headers(
        &self,
        scene: &Scene<'_>,
        came: &Came<'_>,
        budget: &Budget,
        fields: &mut Vec<(HeaderName, HeaderValue)>,
    ) -> Result<(), Answer> {
        self.headers.iter().try_for_each(|mapping| mapping.write(scene, came, budget, fields))
    }
}
