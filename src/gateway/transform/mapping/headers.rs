use std::borrow::Cow;

use http::{HeaderName, HeaderValue};

use super::scene::{Scene, find_plain};
use super::{Came, misconfigured};
use crate::base::Answer;
use crate::config::{AnswerSource, Fault, Span};
use crate::template::{Budget, Fact, JsonPath, Variable};

/// `method.response.header.NAME` and where its value comes from.
#[derive(Debug)]
pub(super) struct HeaderMapping {
    name: HeaderName,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Header(HeaderName),
    Headers(HeaderName),
    Body,
    Found(Box<JsonPath>),
    StageVariable(Box<str>),
    Variable(Variable),
    Constant(HeaderValue),
}

impl HeaderMapping {
    pub(super) fn compile(name: &str, source: &AnswerSource, span: Span) -> Result<HeaderMapping, Fault> {
        let no_field = |name: &str| Fault::at(span, format!("\"{name}\" is not a header's name"));
        let field = |name: &str| HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_field(name));
        let source = match source {
            AnswerSource::Header(name) => Source::Header(field(name)?),
            AnswerSource::Headers(name) => Source::Headers(field(name)?),
            AnswerSource::Body(None) => Source::Body,
            AnswerSource::Body(Some(path)) => {
                let compiled = JsonPath::compile(path);
                Source::Found(Box::new(
                    compiled.map_err(|why| Fault::at(span, format!("\"{path}\" is not a JSONPath: {why}")))?,
                ))
            }
            AnswerSource::StageVariable(name) => Source::StageVariable(name.as_str().into()),
            AnswerSource::Context(name) => Source::Variable(Variable::named(name).ok_or_else(|| {
                Fault::at(span, format!("unknown variable context.{name}")).with_help("see docs/templates.md")
            })?),
            AnswerSource::Static(text) => Source::Constant(
                HeaderValue::from_str(text)
                    .map_err(|_| Fault::at(span, format!("{text:?} cannot be a header's value")))?,
            ),
        };
        Ok(HeaderMapping { name: field(name)?, source })
    }

    /// A source that is absent drops the field.
    pub(super) fn write(
        &self,
        scene: &Scene<'_>,
        came: &Came<'_>,
        budget: &Budget,
        fields: &mut Vec<(HeaderName, HeaderValue)>,
    ) -> Result<(), Answer> {
        let Some(value) = self.source.value(scene, came, budget)? else { return Ok(()) };
        let value = HeaderValue::from_bytes(&value)
            .map_err(|_| misconfigured(format!("the value that is mapped to {} cannot be a header's", self.name)))?;
        fields.push((self.name.clone(), value));
        Ok(())
    }
}

impl Source {
    fn value<'v>(
        &'v self,
        scene: &'v Scene<'_>,
        came: &Came<'v>,
        budget: &Budget,
    ) -> Result<Option<Cow<'v, [u8]>>, Answer> {
        Ok(match self {
            Source::Header(name) => came.fields.get_all(name).iter().next_back().map(|value| value.as_bytes().into()),
            Source::Headers(name) => joined(came, name).map(Cow::Owned),
            Source::Body => Some(Cow::Borrowed(&came.body[..])).filter(|body| !body.is_empty()),
            Source::Found(path) => find_plain(path, came.body, budget)?.map(|text| Cow::Owned(text.into_bytes())),
            Source::StageVariable(name) => scene.variables.get(&**name).map(|value| value.as_bytes().into()),
            Source::Variable(variable) => scene.variable(*variable).map(|fact| match fact {
                Fact::Text(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
                Fact::Text(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
                Fact::Number(number) => Cow::Owned(number.to_string().into_bytes()),
                Fact::Flag(flag) => Cow::Borrowed(if flag { &b"true"[..] } else { b"false" }),
            }),
            Source::Constant(value) => Some(value.as_bytes().into()),
        })
    }
}

fn joined(came: &Came<'_>, name: &HeaderName) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> = came.fields.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!values.is_empty()).then(|| values.join(&b','))
}
