use std::sync::Arc;

use super::answers::{Answers, Response, Statuses};
use super::body::Body;
use super::media_type::Contents;
use super::parameter::Parameter;
use super::plan::{Checks, Plan};
use crate::config::{
    Definition, Dialect, ErrorStyle, Fault, MethodResponse, Operation, ParameterPlace, RequestValidation,
    ResponseValidation, Route, Validator,
};
use crate::gateway::route::Pattern;
use crate::schema::{Compiler, Flavor, Schemas};

/// How an API is checked.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub style: ErrorStyle,
    /// `validate_requests`, where it is written.
    pub requests: Option<RequestValidation>,
    pub responses: ResponseValidation,
}

/// Compiles the plans of all routes of a definition, in their order. Their schemas are compiled together: what many
/// refer to is there once.
pub fn compile(definition: &Definition, rules: Rules) -> (Vec<Plan>, Vec<Fault>) {
    let mut compiler = Compiler::new(&definition.models, flavor_of(definition, rules.style));
    let drafts: Vec<Option<Draft>> = definition
        .routes
        .iter()
        .map(|route| {
            let operation = route.operation.as_deref()?;
            Draft::read(route, operation, rules, validator_of(definition, operation, rules), &mut compiler)
        })
        .collect();
    let (schemas, faults) = compiler.finish();
    let schemas = Arc::new(schemas);
    let plan = |draft: Option<Draft>| Plan(draft.map(|draft| Arc::new(draft.finish(rules, &schemas))));
    (drafts.into_iter().map(plan).collect(), faults)
}

/// What the document means, not how errors look: a model of API Gateway is draft-04.
fn flavor_of(definition: &Definition, style: ErrorStyle) -> Flavor {
    let is_gateways = style == ErrorStyle::Aws || definition.errors == Some(ErrorStyle::Aws);
    match is_gateways && definition.models.dialect != Dialect::Draft202012 {
        true => Flavor::ApiGateway,
        false => Flavor::OpenApi,
    }
}

/// API Gateway checks what a document asks for. Another document is the contract itself.
fn validator_of(definition: &Definition, operation: &Operation, rules: Rules) -> Validator {
    let is_gateways = rules.style == ErrorStyle::Aws || definition.errors == Some(ErrorStyle::Aws);
    match rules.requests {
        Some(written) => written.validator(),
        None if is_gateways => operation.validator,
        None => RequestValidation::All.validator(),
    }
}

/// A plan whose schemas are not whole yet.
struct Draft {
    parameters: Vec<Parameter>,
    produced: Vec<Box<str>>,
    body: Option<Body>,
    responses: Vec<(Statuses, Response)>,
}

impl Draft {
    /// `None`: nothing is checked.
    fn read(
        route: &Route,
        operation: &Operation,
        rules: Rules,
        validator: Validator,
        compiler: &mut Compiler<'_>,
    ) -> Option<Draft> {
        let mut draft = Draft { parameters: Vec::new(), produced: Vec::new(), body: None, responses: Vec::new() };
        if validator.checks_parameters {
            draft.parameters = read_parameters(route, operation, rules.style, compiler);
            draft.produced = if rules.style == ErrorStyle::Aws { Vec::new() } else { produced(operation) };
        }
        if validator.checks_body && !operation.bodies.is_empty() {
            let contents = Contents::new(&operation.bodies, |schema| compiler.add(schema));
            draft.body = Some(Body { contents, is_required: operation.is_body_required });
        }
        if rules.responses != ResponseValidation::Off {
            draft.responses = read_responses(operation, compiler);
        }
        let is_empty = draft.parameters.is_empty()
            && draft.produced.is_empty()
            && draft.body.is_none()
            && draft.responses.is_empty();
        (!is_empty).then_some(draft)
    }

    fn finish(mut self, rules: Rules, schemas: &Arc<Schemas>) -> Checks {
        self.parameters.iter_mut().for_each(|parameter| parameter.settle(schemas));
        let is_enforced = rules.responses == ResponseValidation::Enforce;
        let by_status: Box<[_]> = self.responses.into();
        let answers = (!by_status.is_empty()).then(|| Answers { schemas: Arc::clone(schemas), by_status, is_enforced });
        Checks {
            style: rules.style,
            schemas: Arc::clone(schemas),
            parameters: self.parameters.into(),
            produced: self.produced.into(),
            body: self.body,
            answers,
        }
    }
}

fn read_parameters(
    route: &Route,
    operation: &Operation,
    style: ErrorStyle,
    compiler: &mut Compiler<'_>,
) -> Vec<Parameter> {
    let names = Pattern::new(&route.path).parameter_names();
    let mut read: Vec<Parameter> = operation
        .parameters
        .iter()
        .filter(|parameter| match style {
            ErrorStyle::Aws => parameter.is_required && parameter.place != ParameterPlace::Cookie,
            // OpenAPI 3.0 section 4.7.12.1: they are said elsewhere.
            ErrorStyle::Standard => {
                let is_said_elsewhere = matches!(&*parameter.name, "accept" | "content-type" | "authorization");
                parameter.place != ParameterPlace::Header || !is_said_elsewhere
            }
        })
        .filter_map(|parameter| {
            let schema = parameter.schema.as_ref().filter(|_| style == ErrorStyle::Standard);
            Parameter::new(parameter, &names, schema.map(|schema| compiler.add(schema)))
        })
        .collect();
    if style == ErrorStyle::Aws {
        read.sort_by(|one, other| (one.place, &one.name).cmp(&(other.place, &other.name)));
    }
    read
}

/// The media types of what is answered when all goes well; nothing where one of them may be anything.
fn produced(operation: &Operation) -> Vec<Box<str>> {
    let is_said = operation.responses.keys().any(|status| status.starts_with('2'));
    let is_good = |status: &str| status.starts_with('2') || !is_said && status == "default";
    let mut types: Vec<Box<str>> = Vec::new();
    for (_, response) in operation.responses.iter().filter(|(status, _)| is_good(status)) {
        types.extend(response.contents.keys().map(|name| Box::from(name.as_str())));
    }
    types.sort_unstable();
    types.dedup();
    if types.iter().any(|name| &**name == "*/*") { Vec::new() } else { types }
}

fn read_responses(operation: &Operation, compiler: &mut Compiler<'_>) -> Vec<(Statuses, Response)> {
    let mut responses: Vec<(Statuses, Response)> = operation
        .responses
        .iter()
        .filter_map(|(status, response)| Some((Statuses::read(status)?, read_response(response, compiler))))
        .collect();
    responses.sort_by_key(|(statuses, _)| *statuses);
    responses
}

fn read_response(response: &MethodResponse, compiler: &mut Compiler<'_>) -> Response {
    let contents = Contents::new(&response.contents, |schema| compiler.add(schema));
    let headers = response.headers.iter().filter_map(|(name, schema)| {
        // The type is what `contents` are about.
        (name != "content-type").then_some(())?;
        Some((name.as_str().into(), compiler.add(schema.as_ref()?)))
    });
    Response { headers: headers.collect(), contents }
}
