#![no_main]
//! A back end's head is whole or waited for, and a whole one stays as it is.

use libfuzzer_sys::fuzz_target;
use tollgate::gateway::proxy::fuzzing::answer;

fuzz_target!(|bytes: &[u8]| {
    for is_answer_to_head in [false, true] {
        let Ok(Some((status, len, fields))) = answer(bytes, is_answer_to_head) else { continue };
        assert!((100..1000).contains(&status) && len <= bytes.len());
        assert_eq!(answer(&bytes[..len], is_answer_to_head), Ok(Some((status, len, fields.clone()))));
        for end in [len / 2, len - 1] {
            assert_eq!(answer(&bytes[..end], is_answer_to_head), Ok(None), "a part of it is only waited for");
        }
        for (name, value) in fields {
            // What is forwarded can neither end its line nor begin another.
            assert!(!name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':'), "{name:?}");
            assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{value:?}");
        }
    }
});
