use super::media_type::covers;
use crate::base::Fields;

/// Whether the client takes any of `produced`, which are types or ranges: RFC 9110 section 12.5.1. Who says nothing,
/// or nothing that can be read, takes everything.
pub(super) fn accepts<'p>(fields: &Fields<'_>, mut produced: impl Iterator<Item = &'p str>) -> bool {
    let mut ranges = smallvec::SmallVec::<[(&str, bool); 8]>::new();
    fields.for_each("accept", |value| {
        let value = std::str::from_utf8(value).unwrap_or_default();
        ranges.extend(value.split(',').filter_map(read_range));
    });
    ranges.is_empty() || produced.any(|produced| takes(&ranges, produced))
}

/// A range and whether it is wanted, at whatever weight.
fn read_range(text: &str) -> Option<(&str, bool)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| range.contains('/'))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let is_zero = weight.is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
    Some((range, !is_zero))
}

/// The most specific range that has the type in it decides.
fn takes(ranges: &[(&str, bool)], produced: &str) -> bool {
    let specificity = |range: &str| match range.split_once('/') {
        Some(("*", _)) => 0,
        Some((_, "*")) => 1,
        _ => 2,
    };
    let suits = |range: &str| covers(range, produced) || covers(produced, range);
    let fitting = ranges.iter().filter(|(range, _)| suits(range));
    fitting.max_by_key(|(range, is_wanted)| (specificity(range), *is_wanted)).is_some_and(|(_, is_wanted)| *is_wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &[&str], produced: &[&str], expected: bool) {
        let list: Vec<_> = accept.iter().map(|value| ("Accept", value.as_bytes())).collect();
        assert_eq!(accepts(&Fields::List(&list), produced.iter().copied()), expected, "{accept:?} {produced:?}");
    }

    #[test]
    fn a_client_gets_what_it_takes() {
        check(&[], &["application/json"], true);
        check(&["*/*"], &["application/json"], true);
        check(&["text/html, application/*;q=0.1"], &["application/json"], true);
        check(&["text/html"], &["application/json"], false);
        check(&["text/html", "Application/JSON"], &["application/json"], true);
        check(&["*/*, application/json;q=0"], &["application/json"], false);
        check(&["*/*, application/json;q=0"], &["application/json", "text/csv"], true);
        check(&["application/json;q=0.000"], &["application/json"], false);
        check(&["application/json; version=1; q=0.5"], &["application/json"], true);
        check(&["image/png"], &["image/*"], true);
        check(&["nonsense"], &["application/json"], true);
        check(&["text/html"], &["*/*"], true);
    }
}
