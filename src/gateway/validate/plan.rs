use std::borrow::Cow;
use std::sync::Arc;

use super::accept::accepts;
use super::answers::Answers;
use super::body::{Body, announces_body, can_be_unpacked};
use super::parameter::Parameter;
use super::sent::Sent;
use crate::base::{Answer, Head, Refusal, Violation};
use crate::config::ErrorStyle;
use crate::schema::{BREACHES_MAX, Schemas};

/// What is checked of a route's requests and answers; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Plan(pub(super) Option<Arc<Checks>>);

#[derive(Debug)]
pub(super) struct Checks {
    pub style: ErrorStyle,
    pub schemas: Arc<Schemas>,
    /// In the order in which they are named. In API Gateway's style only those that are required.
    pub parameters: Box<[Parameter]>,
    /// Media types that the operation answers with; empty: not checked.
    pub produced: Box<[Box<str>]>,
    pub body: Option<Body>,
    pub answers: Option<Answers>,
}

impl Plan {
    /// Checks what the head can tell. `path` gives the values of the path parameters, by their number.
    ///
    /// Parameters of a request whose body is checked too are left to [`Plan::check_whole`], so that all that is wrong
    /// is said at once.
    ///
    /// # Errors
    /// 400, 406 or 415, with what is wrong.
    pub fn check_head<'p>(&self, head: &Head<'p>, path: impl Fn(usize) -> Option<&'p str>) -> Result<(), Answer> {
        match &self.0 {
            None => Ok(()),
            Some(checks) => checks.head(&Sent { head, path: &path }),
        }
    }

    /// Whether [`Plan::check_whole`] must have its say on a request with this head.
    pub fn wants_body(&self, head: &Head<'_>) -> bool {
        let body = self.0.as_ref().and_then(|checks| checks.body.as_ref());
        body.is_some_and(|body| body.model(&head.fields).is_some())
    }

    /// Checks the body, and the parameters again or for the first time.
    ///
    /// # Errors
    /// 400 with everything that is wrong.
    pub fn check_whole<'p>(
        &self,
        head: &Head<'p>,
        path: impl Fn(usize) -> Option<&'p str>,
        body: &[u8],
    ) -> Result<(), Answer> {
        match &self.0 {
            None => Ok(()),
            Some(checks) => checks.whole(&Sent { head, path: &path }, body),
        }
    }

    /// What the back end's answers are held to.
    pub fn answers(&self) -> Option<&Answers> {
        self.0.as_ref()?.answers.as_ref()
    }
}

impl Checks {
    fn head(&self, sent: &Sent<'_, '_>) -> Result<(), Answer> {
        let fields = &sent.head.fields;
        if !self.produced.is_empty() && !accepts(fields, self.produced.iter().map(|name| &**name)) {
            return Err(not_acceptable(&self.produced));
        }
        let model = self.body.as_ref().and_then(|body| body.model(fields));
        let is_aws = self.style == ErrorStyle::Aws;
        if let Some(body) = &self.body {
            if !is_aws && announces_body(sent.head) && !body.takes(fields) {
                return Err(unsupported(body));
            }
            if model.is_some() && !can_be_unpacked(fields) {
                return Err(packed());
            }
        }
        match model.is_some() && !is_aws {
            true => Ok(()),
            false => self.answer_of(self.parameters(sent), Vec::new()),
        }
    }

    fn whole(&self, sent: &Sent<'_, '_>, body: &[u8]) -> Result<(), Answer> {
        let found = self.body.as_ref().and_then(|body| Some((body, body.model(&sent.head.fields)?)));
        let of_body = match &found {
            Some((checks, model)) => checks.check(&self.schemas, model, self.style, body),
            None => Vec::new(),
        };
        self.answer_of(self.parameters(sent), of_body)
    }

    /// What is answered for violations, those of parameters first.
    fn answer_of(&self, parameters: Vec<Violation>, body: Vec<Violation>) -> Result<(), Answer> {
        let is_aws = self.style == ErrorStyle::Aws;
        let (refusal, detail): (_, Cow<'static, str>) = match (parameters.is_empty(), body.is_empty()) {
            (true, true) => return Ok(()),
            (false, _) if is_aws => (Refusal::InvalidParameters, name_missing(&parameters).into()),
            (true, false) => (Refusal::InvalidBody, "the body is not what this operation takes".into()),
            (false, true) => (Refusal::InvalidParameters, "parameters are not what this operation takes".into()),
            (false, false) => {
                (Refusal::InvalidParameters, "parameters and the body are not what this operation takes".into())
            }
        };
        let mut violations = parameters;
        violations.extend(body);
        violations.truncate(BREACHES_MAX);
        let log = in_words(&violations);
        Err(Answer::new(refusal, detail).with_violations(violations).with_log(log))
    }

    fn parameters(&self, sent: &Sent<'_, '_>) -> Vec<Violation> {
        let mut violations = Vec::new();
        for parameter in &self.parameters {
            match self.style {
                ErrorStyle::Standard => parameter.check(&self.schemas, sent, &mut violations),
                ErrorStyle::Aws if parameter.is_blank(sent) => violations.push(parameter.is_missing()),
                ErrorStyle::Aws => {}
            }
        }
        violations
    }
}

/// In API Gateway's words.
fn name_missing(parameters: &[Violation]) -> String {
    let names: Vec<&str> = parameters.iter().filter_map(|violation| violation.name.as_deref()).collect();
    format!("Missing required request parameters: [{}]", names.join(", "))
}

/// For the log.
pub(super) fn in_words(violations: &[Violation]) -> String {
    violations.iter().map(Violation::for_log).collect::<Vec<_>>().join("; ")
}

fn not_acceptable(produced: &[Box<str>]) -> Answer {
    let detail = format!("this operation answers with {}", produced.join(", "));
    Answer::new(Refusal::NotAcceptable, detail)
}

fn unsupported(body: &Body) -> Answer {
    let names: Vec<&str> = body.contents.names().collect();
    let detail = format!("this operation takes {}", names.join(", "));
    Answer::new(Refusal::UnsupportedMediaType, detail)
}

fn packed() -> Answer {
    Answer::new(Refusal::UnsupportedMediaType, "the body's coding is none of gzip, deflate and identity")
}
