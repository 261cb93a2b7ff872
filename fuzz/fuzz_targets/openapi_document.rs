//! The shape of a document is kept, and its values are anything: how far the readers of operations get is up to the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::openapi::parse;

fuzz_target!(|text: &str| {
    let mut parts = text.split('\0');
    let (operation, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("{}"));
    let document = format!(
        r##"{{"openapi": "3.0.1", "servers": [{{"url": "http://b"}}], "components": {{"schemas": {{"A": {rest}}}}},
        "paths": {{"/a/{{b}}": {{"post": {operation}}}}}}}"##
    );
    if let Err(faults) = parse(&document) {
        assert!(!faults.render(false).is_empty());
    }
});
