//! A document is read or refused, and what was read is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::openapi::{Format, export, parse};

fuzz_target!(|text: &str| {
    let Ok(config) = parse(text) else { return };
    let before = config.apis["api"].definition.describe();
    for format in [Format::OpenApi30, Format::Swagger20] {
        let exported = export(&config, "api/prod", format, true).expect("the stage is there");
        let again = parse(&exported.document.to_string()).unwrap_or_else(|faults| panic!("{faults}"));
        let mut after = again.apis["api"].definition.describe();
        // What is not served is told of the document that declares it.
        after["unserved"] = before["unserved"].clone();
        after["about"] = before["about"].clone();
        assert_eq!(before, after);
    }
});
