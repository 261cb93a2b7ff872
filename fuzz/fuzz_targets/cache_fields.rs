#![no_main]
//! Fields of caching: whatever they say, a part is within the answer, and what a word says is no matter of its case or spaces.

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tollgate::base::Fields;
use tollgate::gateway::cache::fuzzing::{
    Directives, Part, Validators, Variance, Wishes, is_not_modified, located, part, tags,
};

const NAMES: [&str; 16] = [
    "cache-control", "cdn-cache-control", "surrogate-control", "vary", "age", "expires", "date", "etag", "last-modified",
    "range", "if-range", "if-none-match", "if-modified-since", "cache-tag", "location", "content-location",
];

fuzz_target!(|lines: Vec<(u8, Vec<u8>)>| {
    let mut map = HeaderMap::new();
    for (name, value) in &lines {
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        map.append(HeaderName::from_static(NAMES[usize::from(*name) % NAMES.len()]), value);
    }
    let fields = Fields::Map(&map);
    let directives = Directives::of_answer(&fields);
    let spelt: Vec<(String, Vec<u8>)> = map.iter().map(|(n, v)| (n.as_str().to_uppercase(), v.as_bytes().to_vec())).collect();
    let list: Vec<(&str, &[u8])> = spelt.iter().map(|(n, v)| (n.as_str(), &v[..])).collect();
    assert_eq!(directives, Directives::of_answer(&Fields::List(&list)), "it depends on how fields are held");

    let stored = Validators::of(&fields);
    for len in [0, 1, 1000] {
        match part(&fields, stored, len) {
            Part::Bytes(range) => assert!(range.start < range.end && range.end <= len, "{range:?} of {len}"),
            Part::Whole | Part::Unsatisfiable => {}
        }
    }
    let _ = is_not_modified(&fields, stored, map.get("date").map(HeaderValue::as_bytes));
    let _ = Wishes::of_request(&fields).without_demands();
    for path in located(&fields, "host", "/a/b") {
        assert!(path.starts_with('/'), "{path:?}");
    }
    for tag in tags(&map) {
        assert!(!tag.is_empty() && !tag.contains(&b','), "{tag:?}");
    }
    if let Variance::On(vary) = Variance::of_answer(&map) {
        assert_eq!(vary.union(&vary).as_ref(), Some(&vary));
        assert!(vary.variant(&fields).suits(&fields), "a variant suits who asked for it");
        assert!(vary.variant(&Fields::List(&list)).suits(&fields), "it depends on how fields are held");
    }
});
