#![no_main]
//! A parameter is found as the `url` crate's reader of forms finds it.

use libfuzzer_sys::fuzz_target;
use tollgate::gateway::transform::fuzzing::last_value;

fuzz_target!(|input: (&str, &str)| {
    let (query, name) = input;
    assert_eq!(last_value(None, name), None);
    let found = last_value(Some(query), name);
    let expected = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).last();
    // That reader replaces what is no UTF-8, so a name of replacements may be anything.
    if name.contains('\u{fffd}') {
        return;
    }
    let found = found.map(|value| String::from_utf8_lossy(&value).into_owned());
    assert_eq!(found, expected.map(|(_, value)| value.into_owned()), "{query:?} {name:?}");
});
