use std::fmt;

/// A route's path, cut into segments: `/orders/{id}/{rest+}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Canonical text.
    Static(Box<str>),
    /// `{name}`: one segment.
    Param(Box<str>),
    /// `{name+}`: one or more segments; always the last.
    Greedy(Box<str>),
}

impl Pattern {
    /// Cuts a path whose syntax `config` has checked. Empty segments, and so a slash at the end, do not count.
    pub fn new(path: &str) -> Pattern {
        let segments = path.split('/').filter(|text| !text.is_empty()).map(Segment::new).collect();
        Pattern { segments }
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The names of the parameters, in the order in which a match yields their values.
    pub fn parameter_names(&self) -> Vec<Box<str>> {
        self.segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Static(_) => None,
                Segment::Param(name) | Segment::Greedy(name) => Some(name.clone()),
            })
            .collect()
    }
}

impl Segment {
    fn new(text: &str) -> Segment {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Segment::Greedy(name.into()),
                None => Segment::Param(name.into()),
            },
            None => Segment::Static(canonical_segment(text)),
        }
    }
}

/// Requests are matched in canonical form, so a static segment is held in that form too.
fn canonical_segment(text: &str) -> Box<str> {
    let path = format!("/{text}");
    match crate::base::canonical_path(&path) {
        Ok(canonical) if canonical.len() > 1 => canonical[1..].into(),
        _ => text.into(),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Static(text) => write!(f, "/{text}"),
            Segment::Param(name) => write!(f, "/{{{name}}}"),
            Segment::Greedy(name) => write!(f, "/{{{name}+}}"),
        })
    }
}
