use std::mem::MaybeUninit;
use std::net::IpAddr;

use super::authority::{Authority, LastHost, is_of_authority};
use crate::base::{FieldSpan, FieldSpans, Fields, Head, Scheme, is_token};
use crate::config::{FIELDS_MAX, Limits};
use crate::gateway::proxy::asked::{Asked, HeadSize};

const LINE_END: &str = "a line does not end in a carriage return and a line feed";

/// A request's head as it stands in the bytes that were read, once it is known to be whole and unambiguous.
///
/// What is refused here is what two readers could understand differently (RFC 9112 sections 2.2, 3.2, 5.1, 5.2 and
/// 6.3, RFC 9110 section 7.2): the gateway and a back end must never disagree about where a request ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestHead<'b> {
    method: &'b str,
    target: Target<'b>,
    authority: Authority<'b>,
    pub(super) is_http_11: bool,
    pub(super) framing: Framing,
    /// In bytes: where the body begins.
    pub(super) len: usize,
    /// Whether the client would use the connection again.
    pub(super) keeps_alive: bool,
    pub(super) is_upgrade: bool,
    pub(super) expects_continue: bool,
}

/// How long a body says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// Why bytes are not a request that can be judged: one sentence for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadFault {
    Malformed(&'static str),
    TooManyFields,
}

impl From<&'static str> for HeadFault {
    fn from(why: &'static str) -> HeadFault {
        HeadFault::Malformed(why)
    }
}

/// Reads a head from the start of `bytes`; `None`: it is not whole yet.
pub(super) fn read_request<'b>(
    bytes: &'b [u8],
    spans: &mut FieldSpans,
    last_host: &'b mut LastHost,
) -> Result<Option<RequestHead<'b>>, HeadFault> {
    if bytes.first() == Some(&b'\n') {
        return Err(LINE_END.into());
    }
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(bytes, &mut fields).map_err(fault_of)?;
    let httparse::Status::Complete(len) = status else {
        return check_line_ends(bytes).map(|()| None);
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err("the request line is not whole".into());
    };
    check_empty_lines(&bytes[..method.as_ptr() as usize - bytes.as_ptr() as usize])?;
    spans.clear();
    let mut seen = Seen::default();
    for field in request.headers.iter() {
        let span = FieldSpan::of(bytes, field.name.as_bytes(), field.value);
        check_line_end(&bytes[..span.start()])?;
        seen.note(field)?;
        spans.push(span);
    }
    check_line_end(&bytes[..len - 2])?;
    check_line_end(&bytes[..len])?;
    let is_http_11 = version == 1;
    let framing = seen.framing(is_http_11)?;
    let target = Target::split(target)?;
    let authority = seen.authority(target.authority, is_http_11, last_host)?;
    if method == "CONNECT" {
        return Err("this gateway is no tunnel".into());
    }
    Ok(Some(RequestHead {
        method,
        target,
        authority,
        is_http_11,
        framing,
        len,
        keeps_alive: !seen.says_close && (is_http_11 || seen.says_keep_alive),
        is_upgrade: seen.is_upgrade && framing == Framing::None,
        expects_continue: seen.expects,
    }))
}

impl<'b> RequestHead<'b> {
    /// The request as the phases see it, with its path as it was sent. `bytes` and `spans` are what it was read from and
    /// into.
    pub(super) fn asked(&self, bytes: &'b [u8], spans: &'b FieldSpans, client: IpAddr, scheme: Scheme) -> Asked<'b> {
        let head = Head {
            method: self.method,
            host: self.authority.host,
            path: self.target.path,
            query: self.target.query,
            fields: Fields::Wire { bytes, spans },
            client,
            scheme,
        };
        Asked { head, authority: self.authority.text, protocol: if self.is_http_11 { "HTTP/1.1" } else { "HTTP/1.0" } }
    }

    /// Takes its number among the requests of its connection: the last that this may have ends it.
    pub(super) fn be_number(&mut self, number: usize, limits: &Limits) {
        self.keeps_alive &= number < limits.requests_per_connection_max;
    }

    /// Known from where the head and its first field begin, so no field is looked at.
    pub(super) fn size(&self) -> HeadSize {
        HeadSize::of_wire(self.method, self.target.len, self.len)
    }
}

fn fault_of(error: httparse::Error) -> HeadFault {
    match error {
        httparse::Error::HeaderName => "a field's name is not a token, or something stands before its colon".into(),
        httparse::Error::HeaderValue => "a field's value holds a control character".into(),
        httparse::Error::TooManyHeaders => HeadFault::TooManyFields,
        httparse::Error::Version => "the request is not HTTP/1.1 or HTTP/1.0".into(),
        httparse::Error::NewLine => LINE_END.into(),
        _ => "the request line is not HTTP".into(),
    }
}

/// RFC 9112 section 2.2 has empty lines before a request ignored.
fn check_empty_lines(before: &[u8]) -> Result<(), HeadFault> {
    if before.chunks(2).all(|line| line == b"\r\n") { Ok(()) } else { Err(LINE_END.into()) }
}

/// The line before a field ends in CR LF.
fn check_line_end(before: &[u8]) -> Result<(), HeadFault> {
    if before.ends_with(b"\r\n") { Ok(()) } else { Err(LINE_END.into()) }
}

/// Every line ends in CR LF. A lone LF is a line's end to some readers and none to others.
fn check_line_ends(head: &[u8]) -> Result<(), HeadFault> {
    let is_lone = |at: usize| at == 0 || head[at - 1] != b'\r';
    match memchr::memchr_iter(b'\n', head).any(is_lone) {
        true => Err(LINE_END.into()),
        false => Ok(()),
    }
}

/// What the fields say about the connection and the body.
#[derive(Default)]
struct Seen<'b> {
    host: Option<&'b [u8]>,
    length: Option<u64>,
    is_chunked: bool,
    says_close: bool,
    says_keep_alive: bool,
    is_upgrade: bool,
    expects: bool,
}

impl<'b> Seen<'b> {
    fn note(&mut self, field: &httparse::Header<'b>) -> Result<(), HeadFault> {
        let name = field.name.as_bytes();
        // Few names have these lengths, so most fields cost one comparison of a number.
        match field.name.len() {
            4 if is_token(name, b"host") => self.note_host(field.value)?,
            6 if is_token(name, b"expect") => self.expects = true,
            7 if is_token(name, b"upgrade") => self.is_upgrade = is_served_upgrade(field.value),
            10 if is_token(name, b"connection") => self.note_connection(field.value),
            14 if is_token(name, b"content-length") => self.note_length(field.value)?,
            17 if is_token(name, b"transfer-encoding") => self.note_coding(field.value)?,
            13.. if looks_like_framing(name) => return Err(LOOK_ALIKE.into()),
            _ => {}
        }
        Ok(())
    }

    fn note_host(&mut self, value: &'b [u8]) -> Result<(), HeadFault> {
        match self.host.replace(value) {
            Some(_) => Err("the request has two Host fields".into()),
            None => Ok(()),
        }
    }

    fn note_connection(&mut self, value: &[u8]) {
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.says_close |= token.eq_ignore_ascii_case(b"close");
            self.says_keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        let length = read_length(value).ok_or("the Content-Length field is not a number")?;
        match self.length.replace(length) {
            Some(_) => Err("the request has two Content-Length fields".into()),
            None => Ok(()),
        }
    }

    fn note_coding(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err("the only Transfer-Encoding that is read here is chunked".into());
        }
        self.is_chunked = true;
        Ok(())
    }

    fn framing(&self, is_http_11: bool) -> Result<Framing, HeadFault> {
        match (self.is_chunked, self.length) {
            (true, Some(_)) => Err("Content-Length and Transfer-Encoding contradict each other".into()),
            (true, None) if !is_http_11 => Err("HTTP/1.0 knows no Transfer-Encoding".into()),
            (true, None) => Ok(Framing::Chunked),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (false, None) => Ok(Framing::None),
        }
    }

    /// Host and port that the request is for. RFC 9112 section 3.2.2: a target in absolute form must say the same.
    fn authority(
        &self,
        of_target: Option<&'b str>,
        is_http_11: bool,
        last_host: &'b mut LastHost,
    ) -> Result<Authority<'b>, HeadFault> {
        let Some(host) = self.host else {
            return match is_http_11 {
                true => Err("the request has no Host field".into()),
                false => Ok(of_target.map(Authority::of).unwrap_or_default()),
            };
        };
        let host = last_host.read(host).ok_or("the Host field is not a host and a port")?;
        match of_target.is_some_and(|target| !host.text.eq_ignore_ascii_case(target)) {
            true => Err("the Host field and the request target contradict each other".into()),
            false => Ok(host),
        }
    }
}

/// Whether a client may change to this protocol. An upgrade to HTTP/2 would be a tunnel past every route, and RFC 9113
/// section 3.1 has given it up; it is ignored, as RFC 9110 section 7.8 lets a server do.
pub(in crate::gateway::proxy) fn is_served_upgrade(protocols: &[u8]) -> bool {
    let is_http = |protocol: &[u8]| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
        is_token(name, b"h2c") || is_token(name, b"h2") || is_token(name, b"http")
    };
    !protocols.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(is_http)
}

pub(super) const LOOK_ALIKE: &str = "a field's name is a misspelling of Content-Length or Transfer-Encoding";

/// Whether some readers may take a field for one that says where the body ends: those that turn names into variables
/// do not tell `_` from `-`. The right names are told apart before.
pub(super) fn looks_like_framing(name: &[u8]) -> bool {
    let ends = |first: u8, last: u8| {
        let (Some(begin), Some(end)) = (name.first(), name.last()) else { return false };
        begin.eq_ignore_ascii_case(&first) && end.eq_ignore_ascii_case(&last)
    };
    let is_spelt = |letters: &[u8]| {
        let found = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        found.map(u8::to_ascii_lowercase).eq(letters.iter().copied())
    };
    ends(b'c', b'h') && is_spelt(b"contentlength") || ends(b't', b'g') && is_spelt(b"transferencoding")
}

/// RFC 9110 section 8.6: digits and nothing else.
pub(super) fn read_length(value: &[u8]) -> Option<u64> {
    let is_plain = !value.is_empty() && value.len() <= 19 && value.iter().all(u8::is_ascii_digit);
    is_plain.then(|| value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// The parts of a request target.
#[derive(Clone, Copy, Debug)]
struct Target<'b> {
    len: usize,
    authority: Option<&'b str>,
    path: &'b str,
    query: Option<&'b str>,
}

impl<'b> Target<'b> {
    fn split(target: &'b str) -> Result<Target<'b>, HeadFault> {
        let (authority, rest) = match target.as_bytes().first() {
            Some(b'/' | b'*') => (None, target),
            _ => Target::absolute(target)?,
        };
        let (path, query) = match rest.bytes().position(|byte| matches!(byte, b'?' | b'#')) {
            Some(at) => (&rest[..at], Some(&rest[at..])),
            None => (rest, None),
        };
        // Either in its place or behind a query.
        if query.is_some_and(|query| query.as_bytes().contains(&b'#')) {
            return Err("the request target holds a fragment".into());
        }
        let query = query.map(|query| &query[1..]);
        // An absolute target may end after its authority.
        let path = if path.is_empty() { "/" } else { path };
        Ok(Target { len: target.len(), authority, path, query })
    }

    fn absolute(target: &'b str) -> Result<(Option<&'b str>, &'b str), HeadFault> {
        let (scheme, rest) = target.split_once("://").ok_or("the request target is no path")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err("the request target's scheme is not served here".into());
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        match !authority.is_empty() && authority.bytes().all(is_of_authority) {
            true => Ok((Some(authority), rest)),
            false => Err("the request target's authority is not a host and a port".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is refused is a sentence that holds `expected`, what is read is "METHOD host path query framing keep".
    #[track_caller]
    fn check(head: &str, expected: Result<&str, &str>) {
        let mut spans = FieldSpans::default();
        let bytes = head.as_bytes();
        match (read_request(bytes, &mut spans, &mut LastHost::default()), expected) {
            (Ok(Some(read)), Ok(expected)) => {
                let asked = read.asked(bytes, &spans, [127, 0, 0, 1].into(), Scheme::Http);
                let Head { method, host, path, query, .. } = asked.head;
                let said = format!("{method} {host} {path} {query:?} {:?} {}", read.framing, read.keeps_alive);
                assert_eq!(said, expected, "{head:?}");
                assert_eq!(read.len, head.find("\r\n\r\n").map_or(0, |at| at + 4));
            }
            (Err(HeadFault::Malformed(why)), Err(expected)) => assert!(why.contains(expected), "{head:?}: {why}"),
            (found, _) => panic!("{head:?}: {found:?}"),
        }
    }

    #[test]
    fn a_whole_head_is_read_and_the_body_left() {
        check("GET /a/b?c=d HTTP/1.1\r\nHost: x:80\r\n\r\nbody", Ok("GET x /a/b Some(\"c=d\") None true"));
        check("GET / HTTP/1.1\r\nhOST: x\r\nConnection: a, Close\r\n\r\n", Ok("GET x / None None false"));
        check("GET / HTTP/1.0\r\n\r\n", Ok("GET  / None None false"));
        check("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Ok("GET  / None None true"));
        check("PUT /? HTTP/1.1\r\nHost: x\r\nContent-Length: 07\r\n\r\n", Ok("PUT x / Some(\"\") Length(7) true"));
        check("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", Ok("PUT x / None Chunked true"));
        check("GET http://X/a HTTP/1.1\r\nHost: x\r\n\r\n", Ok("GET x /a None None true"));
        check("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", Ok("GET x / None None true"));
        check("OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", Ok("OPTIONS [::1] * None None true"));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n");
        for (fields, why) in [
            ("Content-Length: 3\r\nTransfer-Encoding: chunked", "contradict"),
            ("Content-Length: 3\r\nContent-Length: 3", "two Content-Length"),
            ("Content-Length: 3, 3", "not a number"),
            ("Content-Length: +3", "not a number"),
            ("Content-Length: 0x3", "not a number"),
            ("Content-Length:", "not a number"),
            ("Content-Length: 99999999999999999999", "not a number"),
            ("Transfer-Encoding: chunked, identity", "only Transfer-Encoding"),
            ("Transfer-Encoding: gzip, chunked", "only Transfer-Encoding"),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "only Transfer-Encoding"),
            ("Transfer-Encoding: \"chunked\"", "only Transfer-Encoding"),
            ("Transfer-Encoding : chunked", "before its colon"),
            ("X-A: b\r\n c", "not a token"),
            (" X-A: b", "not a token"),
            ("X-A: a\0b", "control"),
            ("X-A: a\rb", "control"),
            ("X(A: b", "not a token"),
            ("Host: y", "two Host"),
            ("X-A: b\nX-B: c", "line feed"),
            ("Content_Length: 3", "misspelling"),
            ("Transfer_Encoding: chunked", "misspelling"),
            ("Transfer---Encoding: chunked", "misspelling"),
            ("contentlength: 3", "misspelling"),
        ] {
            check(&post(fields), Err(why));
        }
        check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err("HTTP/1.0"));
        check("GET / HTTP/1.1\nHost: x\n\n", Err("line feed"));
        check("GET / HTTP/1.1\n", Err("line feed"));
        check("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Err("line feed"));
        check("\r\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Err("line feed"));
        check("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", Err("not HTTP"));
        check("GET /\r\n\r\n", Err("not HTTP"));
        check("GET / HTTP/2.0\r\nHost: x\r\n\r\n", Err("not HTTP/1.1"));
        check("GET / HTTP/1.1\r\n\r\n", Err("no Host"));
        for host in ["", "a, b", "a b", "a/b", "a@b"] {
            check(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), Err("not a host"));
        }
        check("GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", Err("contradict"));
        check("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", Err("scheme"));
        check("GET x HTTP/1.1\r\nHost: x\r\n\r\n", Err("no path"));
        check("GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", Err("fragment"));
        check("CONNECT http://x HTTP/1.1\r\nHost: x\r\n\r\n", Err("tunnel"));
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err("not HTTP/1.1"));
        check("NONSENSE\r\n\r\n", Err("not HTTP"));
    }

    #[test]
    fn a_part_of_a_head_is_waited_for() {
        let head = "GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\r\n";
        for end in 0..head.len() {
            assert!(
                matches!(
                    read_request(&head.as_bytes()[..end], &mut FieldSpans::default(), &mut LastHost::default()),
                    Ok(None)
                ),
                "{end}"
            );
        }
    }
}
