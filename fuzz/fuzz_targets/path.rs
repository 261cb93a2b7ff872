#![no_main]
//! Paths have one spelling, and it stays as it is.

use libfuzzer_sys::fuzz_target;
use tollgate::base::{canonical_path, loose_path};

fuzz_target!(|path: &str| {
    let Ok(once) = canonical_path(path) else { return };
    assert!(once.starts_with('/'));
    assert_eq!(canonical_path(&once).as_deref(), Ok(&*once), "a canonical path stays as it is");
    assert!(once.bytes().all(|byte| byte.is_ascii_graphic()), "{once:?}");
    assert!(!once.contains("//") && !once.contains('\\'), "{once:?}");
    assert!(once.split('/').all(|segment| segment != "." && segment != ".."), "{once:?}");
    let lower = once.to_ascii_lowercase();
    for hidden in ["%2e", "%00", "%5c", "%0d", "%0a", "%41", "%7e"] {
        assert!(!lower.contains(hidden), "{once:?} still hides {hidden}");
    }
    // A careless reading is a path too, and reads carelessly as itself or as yet another, never as what it was.
    if let Some(loose) = loose_path(&once) {
        assert!(loose.starts_with('/') && loose != *once, "{loose:?}");
    }
});
