use indexmap::IndexMap;

use super::Importer;
use crate::config::{AnswerSource, ContentHandling, IntegrationResponse, Located, Passthrough, Transformation};
use crate::openapi::{At, Key};

const PASSTHROUGH: &[(&str, Passthrough)] = &[
    ("WHEN_NO_MATCH", Passthrough::WhenNoMatch),
    ("WHEN_NO_TEMPLATES", Passthrough::WhenNoTemplates),
    ("NEVER", Passthrough::Never),
];

const HANDLING: &[(&str, ContentHandling)] =
    &[("CONVERT_TO_BINARY", ContentHandling::ConvertToBinary), ("CONVERT_TO_TEXT", ContentHandling::ConvertToText)];

const HEADER: &str = "method.response.header.";

impl<'d> Importer<'d> {
    /// What an integration that is no proxy makes of requests and answers.
    pub(super) fn read_transformation(&self, at: At<'d>) -> Option<Transformation> {
        let passthrough = at.get("passthroughBehavior").map(|at| at.word(PASSTHROUGH));
        let responses = at.get("responses").and_then(At::object).into_iter().flat_map(At::members);
        Some(Transformation {
            passthrough: passthrough.unwrap_or(Some(Passthrough::default()))?,
            request_templates: read_templates(at.get("requestTemplates")),
            content_handling: at.get("contentHandling").and_then(|at| at.word(HANDLING)),
            responses: responses.filter_map(|(key, response)| read_response(at, key, response)).collect(),
        })
    }
}

fn read_response(integration: At<'_>, key: &Key, at: At<'_>) -> Option<IntegrationResponse> {
    let at = at.object()?;
    let Some(status) = at.get("statusCode") else {
        return at.refuse("this response has no statusCode", "write `statusCode: 200`");
    };
    let pattern = (&*key.name != "default").then(|| Located::new(key.name.to_string(), integration.name_span(key)));
    let parameters = at.get("responseParameters").and_then(At::object).into_iter().flat_map(At::members);
    Some(IntegrationResponse {
        pattern,
        status: u16::try_from(status.integer(100..=599)?).ok()?,
        headers: parameters.filter_map(|(key, source)| read_header(at, key, source)).collect(),
        templates: read_templates(at.get("responseTemplates")),
        content_handling: at.get("contentHandling").and_then(|at| at.word(HANDLING)),
    })
}

fn read_header(response: At<'_>, key: &Key, at: At<'_>) -> Option<(String, AnswerSource)> {
    let Some(name) = key.name.strip_prefix(HEADER).filter(|name| http::HeaderName::from_bytes(name.as_bytes()).is_ok())
    else {
        let at = response.get("responseParameters")?;
        return at.refuse_name(
            key,
            format!("{:?} is not a field of an answer", key.name),
            format!("write {HEADER}NAME"),
        );
    };
    let text = at.text()?;
    match AnswerSource::parse(&text) {
        Some(source) => Some((name.to_owned(), source)),
        None => at.refuse(
            format!("{text:?} is not a source of a response's header"),
            "write integration.response.header.NAME, integration.response.body, context.NAME, stageVariables.NAME or \
             'text'",
        ),
    }
}

/// Templates by media type. `null` stands for passing the body on as it is.
pub(super) fn read_templates(at: Option<At<'_>>) -> IndexMap<String, Located<String>> {
    let members = at.and_then(At::object).into_iter().flat_map(At::members);
    members
        .filter(|(_, template)| !template.is_null())
        .filter_map(|(key, template)| Some((key.name.to_string(), template.located(template.string()?))))
        .collect()
}
