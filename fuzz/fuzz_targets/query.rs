#![no_main]
//! A parameter is found as the `url` crate's reader finds it, but for `+`, which stays a plus here.

use libfuzzer_sys::fuzz_target;
use tollgate::gateway::transform::fuzzing::last_value;

fuzz_target!(|input: (&str, &str)| {
    let (query, name) = input;
    let found = last_value(Some(query), name);
    assert_eq!(last_value(None, name), None);
    let escaped = query.replace('+', "%2B");
    let expected = form_urlencoded::parse(escaped.as_bytes()).filter(|(key, _)| key == name).last();
    // That reader replaces what is no UTF-8, so only text is compared.
    match (found.as_deref().map(std::str::from_utf8), expected) {
        (Some(Ok(found)), Some((_, value))) if !query.contains('%') => assert_eq!(found, value),
        (None, Some((_, _))) if name.contains('\u{fffd}') => {}
        (None, expected) => assert_eq!(expected, None, "{query:?} {name:?}"),
        _ => {}
    }
});
