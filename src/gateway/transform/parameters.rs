use std::borrow::Cow;

use http::HeaderName;
use indexmap::IndexMap;
use percent_encoding::percent_decode_str;

use super::context::{Context, write_address};
use super::mapping::find_plain;
use super::query::{self, Target};
use super::remap::Remapping;
use super::uri::{parameters_help, slot};
use crate::base::{Fields, Head};
use crate::config::{Fault, ParameterMapping, ParameterSource, ParameterTarget, Span};
use crate::template::{Budget, JsonPath, Override};

/// `request_parameters`, compiled: where each value comes from and where it goes.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) headers: Vec<(HeaderName, Source)>,
    pub(super) querystrings: Querystrings,
    pub(super) paths: Paths,
}

/// The parameters that are mapped to the back end's path.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Paths {
    pub(super) names: Box<[Box<str>]>,
    sources: Box<[Source]>,
}

/// The query parameters that are mapped.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Querystrings(Box<[(Box<str>, Source)]>);

/// Where a value comes from.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The index of a path parameter.
    Path(usize),
    Querystring(Box<str>),
    /// A value for each time that the parameter is there.
    Querystrings(Box<str>),
    Header(Box<str>),
    /// All values, joined with commas.
    Headers(Box<str>),
    Context(Fact),
    Body,
    /// Within the body.
    Found(Box<Found>),
    /// A text, or a stage variable's value.
    Constant(Box<str>),
    /// A stage variable that the stage lacks.
    Absent,
}

/// `context.…`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    RequestId,
    Stage,
    ApiId,
    SourceIp,
    ApiKeyId,
    HttpMethod,
    Path,
    ResourcePath,
}

impl Parameters {
    /// Compiles `mappings` of an integration at `span`, for a route whose path parameters are `names`.
    pub(super) fn compile(
        mappings: &[ParameterMapping],
        span: Span,
        variables: &IndexMap<String, String>,
        names: &[Box<str>],
        remapping: Remapping,
    ) -> Result<Parameters, Vec<Fault>> {
        let (mut headers, mut querystrings, mut paths, mut faults) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for mapping in mappings {
            let source = Source::compile(&mapping.source, span, variables, names).map(|source| match source {
                Source::Header(name) if remapping.hides(name.as_bytes()) => Source::Absent,
                source => source,
            });
            match (&mapping.target, source) {
                (_, Err(fault)) => faults.push(fault),
                (ParameterTarget::Querystring(name), Ok(source)) => querystrings.push((name.as_str().into(), source)),
                (ParameterTarget::Path(name), Ok(source)) => paths.push((name.as_str().into(), source)),
                (ParameterTarget::Header(name), Ok(source)) => match HeaderName::from_bytes(name.as_bytes()) {
                    Ok(name) => headers.push((name, source)),
                    Err(_) => faults.push(Fault::at(span, format!("\"{name}\" is not a header's name"))),
                },
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (names, sources): (Vec<Box<str>>, Vec<Source>) = paths.into_iter().unzip();
        let paths = Paths { names: names.into(), sources: sources.into() };
        Ok(Parameters { headers, querystrings: Querystrings(querystrings.into()), paths })
    }
}

/// A path into the body. Two are the same if they are written the same.
#[derive(Debug)]
pub(super) struct Found {
    written: Box<str>,
    path: JsonPath,
}

impl Found {
    fn compile(written: &str, span: Span) -> Result<Found, Fault> {
        match JsonPath::compile(written) {
            Ok(path) => Ok(Found { written: written.into(), path }),
            Err(why) => Err(Fault::at(span, format!("\"{written}\" is not a JSONPath: {why}"))),
        }
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Found) -> bool {
        self.written == other.written
    }
}

impl Eq for Found {}

impl std::hash::Hash for Found {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.written.hash(state);
    }
}

impl Paths {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Hands over the path's parameters, then these, as they stand in a path.
    pub(super) fn with_values(&self, request: &Request<'_>, use_them: impl FnOnce(&[&str])) {
        let mapped: Vec<String> =
            (0..self.names.len()).map(|index| query::encoded(&self.value(index, request))).collect();
        let values: Vec<&str> = request.values.iter().copied().chain(mapped.iter().map(String::as_str)).collect();
        use_them(&values);
    }

    /// What a template says, else what is mapped; nothing for a source that is absent.
    fn value<'a>(&'a self, index: usize, request: &Request<'a>) -> Cow<'a, [u8]> {
        let name = self.names.get(index).map_or("", |name| name);
        if let Some((_, value)) = request.context.path_overrides.iter().find(|(own, _)| own == name) {
            return match value {
                Override::One(text) => Cow::Borrowed(text.as_bytes()),
                Override::Many(texts) => Cow::Owned(texts.join(",").into_bytes()),
            };
        }
        self.sources.get(index).and_then(|source| source.value(request)).unwrap_or_default()
    }
}

impl Querystrings {
    /// Appends every mapped query parameter whose source is there.
    pub(super) fn write(&self, request: &Request<'_>, target: &mut Target<'_>) {
        for (name, source) in &self.0 {
            if let Source::Querystrings(own) = source {
                query::for_each_value(request.head.query, own, |value| target.push_pair(name, &value));
            } else if let Some(value) = source.value(request) {
                target.push_pair(name, &value);
            }
        }
    }
}

/// Where a mapping's values are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) head: &'a Head<'a>,
    pub(super) values: &'a [&'a str],
    pub(super) context: &'a Context<'a>,
}

impl Source {
    fn compile(
        source: &ParameterSource,
        span: Span,
        variables: &IndexMap<String, String>,
        names: &[Box<str>],
    ) -> Result<Source, Fault> {
        Ok(match source {
            ParameterSource::Path(name) => Source::Path(slot(name, names).ok_or_else(|| {
                let message = format!("the route's path has no parameter {{{name}}}");
                Fault::at(span, message).with_help(parameters_help(names))
            })?),
            ParameterSource::Querystring(name) => Source::Querystring(name.as_str().into()),
            ParameterSource::Querystrings(name) => Source::Querystrings(name.as_str().into()),
            ParameterSource::Header(name) => Source::Header(name.to_ascii_lowercase().into()),
            ParameterSource::Headers(name) => Source::Headers(name.to_ascii_lowercase().into()),
            ParameterSource::StageVariable(name) => {
                variables.get(name).map_or(Source::Absent, |value| Source::Constant(value.as_str().into()))
            }
            // A document may name one that is not known yet; it is told as not served.
            ParameterSource::Context(name) => Fact::of(name).map_or(Source::Absent, Source::Context),
            ParameterSource::Static(text) => Source::Constant(text.as_str().into()),
            ParameterSource::Body(None) => Source::Body,
            ParameterSource::Body(Some(path)) => Source::Found(Box::new(Found::compile(path, span)?)),
        })
    }

    /// The value, decoded; `None` when it is absent, which drops the parameter.
    pub(super) fn value<'a>(&'a self, request: &Request<'a>) -> Option<Cow<'a, [u8]>> {
        match self {
            Source::Path(index) => request.values.get(*index).map(|value| percent_decode_str(value).into()),
            Source::Querystring(name) => query::last_value(request.head.query, name),
            Source::Querystrings(name) => query::values(request.head.query, name).map(Cow::Owned),
            Source::Header(name) => last_header(&request.head.fields, name).map(Cow::Borrowed),
            Source::Headers(name) => all_headers(&request.head.fields, name).map(Cow::Owned),
            Source::Context(fact) => fact.value(request),
            Source::Body => Some(Cow::Borrowed(request.context.body)).filter(|body| !body.is_empty()),
            // What cannot be read has nothing to be found.
            Source::Found(path) => {
                let found = find_plain(&path.path, request.context.body, &Budget::default()).ok().flatten();
                found.map(|text| Cow::Owned(text.into_bytes()))
            }
            Source::Constant(text) => Some(Cow::Borrowed(text.as_bytes())),
            Source::Absent => None,
        }
    }
}

impl Fact {
    fn of(name: &str) -> Option<Fact> {
        Some(match name.strip_prefix("context.").unwrap_or(name) {
            "requestId" => Fact::RequestId,
            "stage" => Fact::Stage,
            "apiId" => Fact::ApiId,
            "identity.sourceIp" => Fact::SourceIp,
            "identity.apiKeyId" => Fact::ApiKeyId,
            "httpMethod" => Fact::HttpMethod,
            "path" => Fact::Path,
            "resourcePath" => Fact::ResourcePath,
            _ => return None,
        })
    }

    fn value<'a>(self, request: &Request<'a>) -> Option<Cow<'a, [u8]>> {
        let Request { head, context, .. } = *request;
        let text = match self {
            Fact::RequestId => return Some(Cow::Borrowed(context.request_id)),
            Fact::SourceIp => {
                let mut address = Vec::with_capacity(40);
                write_address(head.client, &mut address);
                return Some(Cow::Owned(address));
            }
            Fact::Stage => context.stage,
            Fact::ApiId => context.api,
            Fact::ApiKeyId => context.key?,
            Fact::HttpMethod => head.method,
            Fact::Path => context.path,
            Fact::ResourcePath => context.route,
        };
        Some(Cow::Borrowed(text.as_bytes()))
    }
}

fn all_headers(fields: &Fields<'_>, name: &str) -> Option<Vec<u8>> {
    let mut all: Option<Vec<u8>> = None;
    fields.for_each(name, |value| match &mut all {
        Some(all) => {
            all.push(b',');
            all.extend_from_slice(value);
        }
        None => all = Some(value.to_vec()),
    });
    all
}

fn last_header<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a [u8]> {
    let mut last = None;
    fields.for_each(name, |value| last = Some(value));
    last
}
