use http::StatusCode;

use super::push_number;

/// Appends a status line of HTTP/1.1; the reason is the status's own unless there is another.
pub fn push_status_line(out: &mut Vec<u8>, status: u16, reason: Option<&[u8]>) {
    let digit = |at: u16| b'0' + (status / at % 10) as u8;
    let mut start = *b"HTTP/1.1 000 ";
    start[9..12].copy_from_slice(&[digit(100), digit(10), digit(1)]);
    out.extend_from_slice(&start);
    let own = || StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    out.extend_from_slice(reason.unwrap_or_else(|| own().as_bytes()));
    out.extend_from_slice(b"\r\n");
}

/// Appends a field line of HTTP/1.1.
pub fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a field line whose value is digits.
pub fn push_number_line(out: &mut Vec<u8>, name: &[u8], number: u64) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    push_number(out, number);
    out.extend_from_slice(b"\r\n");
}
