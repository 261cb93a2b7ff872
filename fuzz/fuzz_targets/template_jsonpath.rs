//! Any JSONPath is refused or followed within its budget, over any body. The text's part before the first NUL is the
//! body; without one, the bookshop of the JSONPath article is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::template::{Budget, JsonPath};

const SHOP: &str = r#"{"store": {"book": [{"author": "A", "price": 8.95}, {"author": "B", "isbn": "1", "price": 22}],
    "bicycle": {"color": "red", "price": 19.95}}, "expensive": 10, "n": [1, 2, 3, null, true, "x"]}"#;

fuzz_target!(|text: &str| {
    let (body, path) = text.split_once('\0').unwrap_or((SHOP, text));
    match JsonPath::compile(path) {
        Ok(path) => {
            let budget = Budget { steps: 50_000, output_bytes: 100_000, memory_bytes: 4 << 20, ..Budget::default() };
            let _ = path.find_json(body, &budget);
        }
        Err(fault) => assert!(fault.at <= path.len() && !fault.message.is_empty()),
    }
});
