//! Any text compiles or is refused with a place inside it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::template::{Limits, Template};

fuzz_target!(|text: &str| {
    if let Err(fault) = Template::compile(text, &Limits::default()) {
        assert!(fault.at.end <= text.len() && fault.place.line > 0 && !fault.message.is_empty());
    }
});
