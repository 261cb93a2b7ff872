use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

/// A string value: lent by the template or the event, or a part of one that the rendering made. Cloning and slicing
/// copy no bytes.
#[derive(Clone)]
pub(super) enum Text<'r> {
    Lent(&'r str),
    Made { whole: Rc<str>, start: u32, end: u32 },
}

impl<'r> Text<'r> {
    pub const EMPTY: Text<'static> = Text::Lent("");

    pub fn as_str(&self) -> &str {
        match self {
            Text::Lent(text) => text,
            Text::Made { whole, start, end } => &whole[*start as usize..*end as usize],
        }
    }

    /// A part, by bytes on character boundaries.
    pub fn slice(&self, range: Range<usize>) -> Text<'r> {
        match self {
            Text::Lent(text) => Text::Lent(&text[range]),
            Text::Made { whole, start, .. } => {
                let part = *start + range.start as u32..*start + range.end as u32;
                Text::Made { whole: Rc::clone(whole), start: part.start, end: part.end }
            }
        }
    }

    /// Without white space at both ends, by Java's `trim`: everything up to U+0020.
    pub fn trimmed(&self) -> Text<'r> {
        let text = self.as_str();
        let end = text.trim_end_matches(|c| c <= ' ').len();
        let start = end - text[..end].trim_start_matches(|c| c <= ' ').len();
        self.slice(start..end)
    }
}

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<'r> From<&'r str> for Text<'r> {
    fn from(text: &'r str) -> Text<'r> {
        Text::Lent(text)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        let end = text.len() as u32;
        Text::Made { whole: text.into(), start: 0, end }
    }
}

impl<'r> From<std::borrow::Cow<'r, str>> for Text<'r> {
    fn from(text: std::borrow::Cow<'r, str>) -> Text<'r> {
        match text {
            std::borrow::Cow::Borrowed(text) => Text::Lent(text),
            std::borrow::Cow::Owned(text) => Text::from(text),
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}
