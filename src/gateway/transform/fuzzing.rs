//! What reads a client's text here, for fuzz targets.

use std::borrow::Cow;

use super::query;

/// The last value of the parameter `name`, decoded.
pub fn last_value<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, [u8]>> {
    query::last_value(query, name)
}
