use super::Span;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where; `None` for a fault of a whole file.
    pub span: Option<Span>,
    /// Lower case, no full stop; names the thing and its value.
    pub message: String,
    /// What to try.
    pub help: Option<String>,
}

impl Fault {
    pub fn at(span: Span, message: impl Into<String>) -> Fault {
        Fault { span: Some(span), message: message.into(), help: None }
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }
}
