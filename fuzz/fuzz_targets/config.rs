#![no_main]
//! Any text is a configuration or has faults, and faults can be shown.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match tollgate::config::parse(text) {
        Ok(config) => drop(config.describe()),
        Err(faults) => {
            assert!(!faults.is_empty());
            assert!(!faults.render(false).is_empty());
            let _ = faults.to_json();
        }
    }
});
