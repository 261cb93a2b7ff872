use std::path::Path;

use super::*;
use crate::config::{Faults, Sources};

fn read(text: &str) -> Result<Document, String> {
    let mut sources = Sources::default();
    let parsed = Document::parse(Path::new("api"), text.to_owned(), &mut sources);
    parsed.map_err(|fault| Faults::new(sources, vec![fault]).render(false))
}

#[track_caller]
fn check(text: &str, json: &str) {
    let document = read(text).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(document.root.to_json().to_string(), json, "{text}");
}

#[track_caller]
fn check_fault(text: &str, place: &str, message: &str) {
    let fault = read(text).expect_err("no document");
    assert!(fault.contains(place) && fault.contains(message), "{fault}");
}

#[test]
fn yaml_means_what_the_core_schema_says() {
    check("a: 1\nb: [x, 'y', \"z\"]\n", r#"{"a":1,"b":["x","y","z"]}"#);
    check(
        "a: yes\nb: on\nc: 2024-01-01\nd: ~\ne:\nf: True",
        r#"{"a":"yes","b":"on","c":"2024-01-01","d":null,"e":null,"f":true}"#,
    );
    check(
        "[0x1f, 0o17, 1_000, 1.0, .5, 1e3, -0, +7, 12e, 1.2.3]",
        r#"[31,15,"1_000",1.0,0.5,1000.0,-0.0,7,"12e","1.2.3"]"#,
    );
    check("200: ok\ntrue: t\n1.5: f", r#"{"200":"ok","true":"t","1.5":"f"}"#);
    check("a: !!str 12\nb: |\n  two\n  lines\nc: >-\n  one\n  line", r#"{"a":"12","b":"two\nlines\n","c":"one line"}"#);
}

#[test]
fn aliases_and_merge_keys_are_expanded() {
    check("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#);
    check("base: &b {x: 1, y: 1}\nc:\n  <<: *b\n  y: 2", r#"{"base":{"x":1,"y":1},"c":{"y":2,"x":1}}"#);
    check(
        "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc:\n  <<: [*a, *b]",
        r#"{"a":{"x":1},"b":{"x":2,"y":2},"c":{"x":1,"y":2}}"#,
    );
    check_fault("a: &a\n  b: *a", "api:2:6", "inside what it names");
    check_fault("a:\n  <<: 12", "api:2:7", "no object");
}

#[test]
fn json_is_read_strictly() {
    check(
        "\u{feff}{\"a\": [1, 1.50, -2e3, \"\\ud83d\\ude00\\/\"], \"b\": {}}",
        "{\"a\":[1,1.5,-2000.0,\"\u{1f600}/\"],\"b\":{}}",
    );
    check_fault("{\"a\": 1,}", "api:1:", "");
    check_fault("{\"a\": 1} // no", "api:1:", "");
    check_fault("{'a': 1}", "api:1:2", "");
    check_fault("{\"a\": 01}", "api:1:", "");
}

#[test]
fn a_name_stands_once_in_an_object() {
    check_fault("{\"a\": 1,\n \"a\": 2}", "api:2:2", "stands here twice");
    check_fault("a: 1\na: 2\n", "api:2:1", "stands here twice");
}

#[test]
fn what_cannot_end_well_ends_early() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    check_fault(&format!("{{\"a\": {deep}}}"), "api:1:", "deep");
    check_fault(&format!("a: {deep}"), "api:1:", "deep");
    check_fault(&"[".repeat(100_000), "api:1:", "");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = level - 1;
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", "));
    }
    check_fault(&bomb, "api:6:", "values");
    check_fault("", "api:1:1", "empty");
    check_fault("a: 1\n---\nb: 2", "api:2:1", "second document");
    check_fault("a: [1, 2", "api:1:", "not YAML");
}

#[test]
fn places_are_counted_in_bytes_whatever_the_characters() {
    let document = read("é: 1\nschlüssel: [ü, b]\n").unwrap();
    let node = document.root.get("schlüssel").and_then(|list| list.at(1)).unwrap();
    let text = "é: 1\nschlüssel: [ü, b]\n";
    assert_eq!(&text[node.range.start as usize..node.range.end as usize], "b");
}

#[test]
fn pointers_are_those_of_rfc_6901() {
    let document = read(r#"{"paths": {"/a/{b}": {"x~y": [10, 20]}}}"#).unwrap();
    let pointer = Pointer::root().join("paths").join("/a/{b}").join("x~y").join("1");
    assert_eq!(pointer.to_string(), "#/paths/~1a~1{b}/x~0y/1");
    assert_eq!(document.find(&pointer).and_then(Node::as_u64), Some(20));
    let read = Pointer::parse("/paths/~1a~1%7Bb%7D/x~0y/1").unwrap();
    assert_eq!(read, pointer);
    assert_eq!(document.find(&Pointer::parse("").unwrap()).map(Node::kind), Some("an object"));
    assert!(document.find(&pointer.join("2")).is_none());
    assert!(Pointer::parse("paths").unwrap_err().contains("#/"));
}
