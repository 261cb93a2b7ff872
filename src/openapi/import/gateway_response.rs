use indexmap::IndexMap;

use super::Importer;
use super::transformation::read_templates;
use crate::base::nearest;
use crate::config::{GatewayResponse, ResponseHeaderSource, ResponseType};
use crate::openapi::words::{field_name, parse_response_source};
use crate::openapi::{At, Key};

const HEADER: &str = "gatewayresponse.header.";

impl<'d> Importer<'d> {
    /// `x-amazon-apigateway-gateway-responses`
    pub(super) fn read_gateway_responses(&self) -> IndexMap<ResponseType, GatewayResponse> {
        let Some(at) = self.root.get("x-amazon-apigateway-gateway-responses") else { return IndexMap::new() };
        let responses = at.object().into_iter().flat_map(At::members);
        responses.filter_map(|(key, response)| Some((read_type(at, key)?, read_response(response)?))).collect()
    }
}

fn read_type(at: At<'_>, key: &Key) -> Option<ResponseType> {
    ResponseType::from_name(&key.name).or_else(|| {
        let help = nearest(&key.name, ResponseType::all().map(ResponseType::as_str));
        at.refuse_name(key, format!("there is no gateway response {:?}", key.name), help)
    })
}

fn read_response(at: At<'_>) -> Option<GatewayResponse> {
    let at = at.object()?;
    let status = at.get("statusCode").filter(|status| !status.is_null());
    let parameters = at.get("responseParameters").and_then(At::object).into_iter().flat_map(At::members);
    Some(GatewayResponse {
        span: at.span(),
        status: status.and_then(|status| status.integer(200..=599)).and_then(|status| u16::try_from(status).ok()),
        headers: parameters.filter_map(|(key, source)| read_header(at, key, source)).collect(),
        templates: read_templates(at.get("responseTemplates")),
    })
}

fn read_header(response: At<'_>, key: &Key, at: At<'_>) -> Option<(String, ResponseHeaderSource)> {
    let Some(name) = key.name.strip_prefix(HEADER).and_then(field_name) else {
        let parameters = response.get("responseParameters")?;
        let message = format!("{:?} is not a field of a gateway response", key.name);
        return parameters.refuse_name(key, message, format!("write {HEADER}NAME"));
    };
    let text = at.text()?;
    match parse_response_source(&text) {
        Some(source) => Some((name, source)),
        None => at.refuse(
            format!("{text:?} is not a source of a gateway response's header"),
            "write method.request.{header|querystring|path}.NAME, context.NAME, stageVariables.NAME or 'text'",
        ),
    }
}
