#![no_main]
//! A head that is accepted is read the same by a reader of the plainest kind, and whole or in part nothing else comes of it.

use libfuzzer_sys::fuzz_target;
use tollgate::gateway::proxy::fuzzing::{Body, request};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(head)) = request(bytes) else { return };
    // What follows a head is none of its business, and what there is of it so far is never more than a part.
    assert_eq!(request(&bytes[..head.len]), Ok(Some(head.clone())));
    for end in [1, head.len / 3, head.len / 2, head.len.saturating_sub(3), head.len - 1] {
        assert_eq!(request(&bytes[..end.min(head.len - 1)]), Ok(None), "a part of it is only waited for");
    }

    // The plainest reader: lines end in CR LF, a name is what stands before the first colon.
    let mut text = &bytes[..head.len];
    while let Some(rest) = text.strip_prefix(b"\r\n") {
        text = rest;
    }
    let mut lines = split(text);
    let first = lines.remove(0);
    let words: Vec<_> = first.split(|byte| *byte == b' ').collect();
    assert_eq!(words.len(), 3, "{first:?}");
    assert_eq!(words[0], head.method.as_bytes());
    assert_eq!(lines.len(), head.fields.len());
    let mut framing = Vec::new();
    for (line, (name, value)) in lines.iter().zip(&head.fields) {
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{line:?}");
        let colon = line.iter().position(|byte| *byte == b':').expect("a colon");
        assert_eq!(&line[..colon], &name[..]);
        assert_eq!(line[colon + 1..].trim_ascii(), value.trim_ascii());
        let spelt = name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
        let spelt: Vec<u8> = spelt.collect();
        let is_word = [name.first(), name.last()].iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric));
        if is_word && spelt == b"contentlength" || is_word && spelt == b"transferencoding" {
            framing.push((spelt, String::from_utf8_lossy(value).to_ascii_lowercase()));
        }
    }
    // However carelessly names are read, one field at most says where the body ends.
    match (&framing[..], head.body) {
        ([], Body::None) => {}
        ([(name, value)], Body::Length(length)) if name == b"contentlength" => {
            assert_eq!(value.trim().parse::<u64>(), Ok(length));
        }
        ([(name, value)], Body::Chunked) if name == b"transferencoding" => assert_eq!(value.trim(), "chunked"),
        (framing, body) => panic!("{framing:?} is read as {body:?}"),
    }
});

fn split(text: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut start) = (Vec::new(), 0);
    while let Some(at) = text[start..].windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&text[start..start + at]);
        start += at + 2;
    }
    assert_eq!(start, text.len(), "it ends with its last line");
    assert_eq!(lines.pop(), Some(&b""[..]), "it ends with an empty line");
    lines
}
