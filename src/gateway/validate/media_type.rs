use indexmap::IndexMap;

use crate::schema::SchemaId;

/// `type/subtype` of a field's value, without its parameters; empty for what is none.
pub(super) fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// The contents that an operation declares: media types in lower case, with the schemas of what is checked.
#[derive(Debug, Default)]
pub(super) struct Contents(Box<[(Box<str>, Option<SchemaId>)]>);

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Json,
    Form,
    Other,
}

impl Contents {
    pub(super) fn new<S>(written: &IndexMap<String, Option<S>>, mut compile: impl FnMut(&S) -> SchemaId) -> Contents {
        let each = |(name, schema): (&String, &Option<S>)| (name.as_str().into(), schema.as_ref().map(&mut compile));
        Contents(written.iter().map(each).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// `None`: the type is not declared. Else what is declared of it: the type itself goes before a range.
    pub(super) fn find(&self, media_type: &str) -> Option<Option<SchemaId>> {
        let exact = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(media_type));
        let wide =
            || self.0.iter().find(|(name, _)| name.ends_with("/*") && &**name != "*/*" && covers(name, media_type));
        let any = || self.0.iter().find(|(name, _)| &**name == "*/*");
        Some(exact.or_else(wide).or_else(any)?.1)
    }
}

/// Whether the range `type/*` or `*/*` has this type in it, or is it.
pub(super) fn covers(range: &str, media_type: &str) -> bool {
    match range.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => media_type.split('/').next().is_some_and(|own| own.eq_ignore_ascii_case(kind)),
        None => range.eq_ignore_ascii_case(media_type),
    }
}

impl Notation {
    pub(super) fn of(media_type: &str) -> Notation {
        let ends_with = |suffix: &str| {
            let start = media_type.len().checked_sub(suffix.len());
            start.and_then(|start| media_type.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
        };
        match media_type {
            // RFC 6839 section 3.1.
            _ if ends_with("/json") || ends_with("+json") => Notation::Json,
            _ if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Notation::Form,
            _ => Notation::Other,
        }
    }
}
