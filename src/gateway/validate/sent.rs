use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

use crate::base::{Head, Place};
use crate::config::ParameterPlace;

/// A request as its parameters see it.
pub(super) struct Sent<'h, 'p> {
    pub head: &'h Head<'p>,
    /// The values of the path parameters, by their number.
    pub path: &'h dyn Fn(usize) -> Option<&'p str>,
}

/// Names that a credential goes by, or a part of one.
const SECRETS: [&str; 10] =
    ["authorization", "cookie", "token", "secret", "password", "passwd", "api-key", "apikey", "api_key", "signature"];

/// So much of a text is repeated, in characters.
const SHOWN_MAX: usize = 64;

impl<'p> Sent<'_, 'p> {
    /// Calls `each` with the names, decoded, and the values, as they are, of the query.
    pub(super) fn for_each_pair(&self, mut each: impl FnMut(Cow<'p, str>, &'p str)) {
        let pairs = self.head.query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        for pair in pairs {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            each(decode_query(name), value);
        }
    }

    /// The values of a parameter as they are: those of paths and queries are encoded.
    pub(super) fn texts(&self, place: ParameterPlace, name: &str, index: usize) -> SmallVec<[Cow<'p, str>; 2]> {
        let mut texts = SmallVec::new();
        match place {
            ParameterPlace::Path => texts.extend((self.path)(index).map(Cow::Borrowed)),
            ParameterPlace::Querystring => self.for_each_pair(|own, value| {
                if own == name {
                    texts.push(value.into());
                }
            }),
            ParameterPlace::Header => {
                self.head.fields.for_each(name, |value| texts.push(String::from_utf8_lossy(value)));
            }
            ParameterPlace::Cookie => self.head.fields.for_each("cookie", |value| {
                let value = std::str::from_utf8(value).unwrap_or_default();
                let pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
                texts.extend(pairs.filter(|(own, _)| *own == name).map(|(_, value)| value.into()));
            }),
        }
        texts
    }
}

/// `+` is a space (the URL standard's `application/x-www-form-urlencoded`).
pub(super) fn decode_query(text: &str) -> Cow<'_, str> {
    match text.contains('+') {
        true => decode_percent(&text.replace('+', " ")).into_owned().into(),
        false => decode_percent(text),
    }
}

pub(super) fn decode_percent(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

pub(super) fn place_of(place: ParameterPlace) -> Place {
    match place {
        ParameterPlace::Header => Place::Header,
        ParameterPlace::Path => Place::Path,
        ParameterPlace::Querystring => Place::Query,
        ParameterPlace::Cookie => Place::Cookie,
    }
}

/// Whether a value under this name may be a credential, so that it is not repeated.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS.iter().any(|secret| name.contains(secret))
}

/// A text as it is repeated.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
