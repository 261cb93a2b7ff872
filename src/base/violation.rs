/// Where a message is not what its operation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub place: Place,
    /// Of a parameter or a field.
    pub name: Option<Box<str>>,
    /// RFC 6901, where it is within a value.
    pub pointer: Option<Box<str>>,
    /// `an integer`, `at most 5 characters`
    pub expected: Box<str>,
    /// Shortened; `None` where nothing was sent, or a credential.
    pub sent: Option<Box<str>>,
}

/// Where in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Header,
    Path,
    Query,
    Cookie,
    Body,
    Status,
}

impl Place {
    /// As OpenAPI's `in`, which has the first four.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Header => "header",
            Place::Path => "path",
            Place::Query => "query",
            Place::Cookie => "cookie",
            Place::Body => "body",
            Place::Status => "status",
        }
    }
}

impl Violation {
    /// One that has neither a name nor a pointer.
    pub fn new(place: Place, expected: impl Into<Box<str>>) -> Violation {
        Violation { place, name: None, pointer: None, expected: expected.into(), sent: None }
    }

    pub fn named(mut self, name: &str) -> Violation {
        self.name = Some(name.into());
        self
    }

    pub fn at(mut self, pointer: impl Into<Box<str>>) -> Violation {
        self.pointer = Some(pointer.into());
        self
    }

    pub fn with_sent(mut self, sent: Option<impl Into<Box<str>>>) -> Violation {
        self.sent = sent.map(Into::into);
        self
    }

    /// For the log, without what was sent: `query limit: an integer expected`.
    pub fn for_log(&self) -> String {
        let part = |part: &Option<Box<str>>| part.as_ref().map(|part| format!(" {part}")).unwrap_or_default();
        format!("{}{}{}: {} expected", self.place.as_str(), part(&self.name), part(&self.pointer), self.expected)
    }
}
