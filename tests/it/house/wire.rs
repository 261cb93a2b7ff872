//! HTTP/1.1 as bytes: what the tests send is exactly what they wrote, and what comes back is read strictly.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

use super::{DEADLINE, tls};

/// Every field that an answer of the gateway may carry; those of scripted back ends begin with `x-origin-`.
/// A field that is not here fails the test that sees it.
const ALLOWED_FIELDS: &[&str] = &[
    "age",
    "allow",
    "cache-control",
    "cache-status",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "date",
    "etag",
    "grpc-status",
    "last-modified",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "set-cookie",
    "transfer-encoding",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-amz-apigw-id",
    "x-amzn-errortype",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-request-id",
];

/// What a test's origin or configuration says, and what API Gateway renames.
const ALLOWED_STARTS: &[&str] = &["x-origin-", "x-own-", "x-amzn-remapped-", "access-control-"];

/// One request, as it is to be sent.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    host: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

pub fn request(method: &str, target: &str) -> Request {
    let (method, target) = (method.to_owned(), target.to_owned());
    Request { method, target, host: "gateway.test".to_owned(), fields: Vec::new(), body: None }
}

pub fn get(target: &str) -> Request {
    request("GET", target)
}

pub fn delete(target: &str) -> Request {
    request("DELETE", target)
}

pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Request {
    request("POST", target).body(body)
}

impl Request {
    pub fn host(mut self, host: &str) -> Request {
        host.clone_into(&mut self.host);
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Request {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// With this API key in `x-api-key`.
    pub fn key(self, value: &str) -> Request {
        self.header("x-api-key", value)
    }

    /// With a body and its `Content-Length`.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// The same for HTTP/2: head and body.
    pub fn stream(&self) -> (http::Request<()>, Option<Vec<u8>>) {
        let uri = format!("http://{}{}", self.host, self.target);
        let mut head = http::Request::builder().method(self.method.as_str()).uri(uri);
        for (name, value) in &self.fields {
            head = head.header(name, value);
        }
        if let Some(body) = &self.body {
            head = head.header("content-length", body.len());
        }
        (head.body(()).expect("a request"), self.body.clone())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host).into_bytes();
        for (name, value) in &self.fields {
            out.extend(format!("{name}: {value}\r\n").bytes());
        }
        if let Some(body) = &self.body {
            out.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
        }
        out.extend(b"\r\n");
        out.extend(self.body.iter().flatten());
        out
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// In the order of the wire; names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a field that must occur at most once.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "{name} occurs twice in {:?}", self.fields);
        first
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {:?}", self.text()))
    }

    /// The `code` of a problem document.
    #[track_caller]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no code in {:?}", self.text())).to_owned()
    }

    /// Fails with the whole answer when the status is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{:?}\n{}", self.fields, String::from_utf8_lossy(&self.body));
        self
    }

    /// Whether the gateway said in `Cache-Status` that this came from its cache (RFC 9211 section 2.1).
    pub fn is_hit(&self) -> bool {
        let status = self.field("cache-status").unwrap_or_default();
        status.split(';').any(|parameter| parameter.trim() == "hit")
    }

    fn is_chunked(&self) -> bool {
        self.field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    pub fn announces_close(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// A socket, or TLS on one.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A connection of a client.
pub struct Wire {
    stream: Box<dyn Stream>,
    /// The socket itself, where there is nothing around it.
    plain: Option<TcpStream>,
    pending: Vec<u8>,
}

impl Wire {
    pub fn open(address: SocketAddr) -> Wire {
        Wire::try_open(address).unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"))
    }

    pub fn try_open(address: SocketAddr) -> io::Result<Wire> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        let plain = Some(stream.try_clone()?);
        Ok(Wire { stream: Box::new(stream), plain, pending: Vec::new() })
    }

    /// In TLS; sessions are resumed.
    #[track_caller]
    pub fn open_tls(address: SocketAddr) -> Wire {
        static CLIENT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        let secured = tls::connect(address, CLIENT.get_or_init(tls::client));
        Wire::over(secured.unwrap_or_else(|e| panic!("no handshake with {address}: {e}")))
    }

    /// Over whatever was connected.
    pub fn over(stream: impl Read + Write + Send + 'static) -> Wire {
        Wire { stream: Box::new(stream), plain: None, pending: Vec::new() }
    }

    /// Sends a request and reads its whole answer. The connection stays open for the next one.
    #[track_caller]
    pub fn ask(&mut self, request: &Request) -> Answer {
        self.try_ask(request).unwrap_or_else(|e| panic!("{} {}: {e}", request.method, request.target))
    }

    pub fn try_ask(&mut self, request: &Request) -> io::Result<Answer> {
        self.stream.write_all(&request.bytes())?;
        let mut answer = self.try_read_head()?;
        if request.method != "HEAD" {
            self.try_read_body(&mut answer)?;
        }
        Ok(answer)
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the gateway reads what it is sent");
    }

    /// Sends as much as the other side takes: a gateway that refuses early may have closed already.
    pub fn send_if_taken(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Reads a whole answer to what was sent as bytes (not for HEAD).
    #[track_caller]
    pub fn read(&mut self) -> Answer {
        let mut answer = self.read_head();
        self.read_body(&mut answer);
        answer
    }

    /// Reads status and fields only.
    #[track_caller]
    pub fn read_head(&mut self) -> Answer {
        self.try_read_head().unwrap_or_else(|e| panic!("no answer: {e}"))
    }

    /// Reads the body of an answer whose head was read.
    #[track_caller]
    pub fn read_body(&mut self, answer: &mut Answer) {
        self.try_read_body(answer).unwrap_or_else(|e| panic!("broken body: {e}"));
    }

    /// Whether the beginning of an answer is here, or the other side has closed. Not in TLS.
    #[track_caller]
    pub fn has_answer(&mut self) -> bool {
        let plain = self.plain.as_ref().expect("a connection in plaintext");
        plain.set_nonblocking(true).expect("an option");
        let peeked = plain.peek(&mut [0; 1]);
        plain.set_nonblocking(false).expect("an option");
        !matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Whether the other side closes the connection without sending anything more; in TLS, with an alert.
    pub fn is_closed(&mut self) -> bool {
        if !self.pending.is_empty() {
            return false;
        }
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(e) => e.kind() == ErrorKind::ConnectionReset,
        }
    }

    pub fn try_read_head(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(end) = find(&self.pending, b"\r\n\r\n") {
                let head: Vec<u8> = self.pending.drain(..end + 4).collect();
                let answer = parse_head(&head);
                if !(100..200).contains(&answer.status) {
                    check_fields(&answer);
                    return Ok(answer);
                }
                continue;
            }
            self.fill()?;
        }
    }

    pub fn try_read_body(&mut self, answer: &mut Answer) -> io::Result<()> {
        if matches!(answer.status, 204 | 304) {
            return Ok(());
        }
        if answer.is_chunked() {
            return self.read_chunks(&mut answer.body);
        }
        match answer.field("content-length").map(|length| length.parse().expect("a number")) {
            Some(length) => self.read_exactly(length, &mut answer.body),
            None if answer.announces_close() => self.read_to_end(&mut answer.body),
            None => panic!("an answer without framing: {answer:?}"),
        }
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let line = self.read_line()?;
            let size = line.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("chunk size {line:?}"));
            self.read_exactly(size, body)?;
            assert_eq!(self.read_line()?, "", "a chunk ends with a line break");
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.pending, b"\r\n") {
                let line: Vec<u8> = self.pending.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.fill()?;
        }
    }

    fn read_exactly(&mut self, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let target = into.len() + length;
        loop {
            let take = self.pending.len().min(target - into.len());
            into.extend(self.pending.drain(..take));
            if into.len() == target {
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn read_to_end(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        into.append(&mut self.pending);
        self.stream.read_to_end(into).map(|_| ())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut piece = [0; 64 * 1024];
        match self.stream.read(&mut piece)? {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, format!("closed after {:?}", self.pending.len()))),
            n => {
                self.pending.extend_from_slice(&piece[..n]);
                Ok(())
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn parse_head(head: &[u8]) -> Answer {
    let text = std::str::from_utf8(head).expect("a head of text");
    let mut lines = text.trim_end().split("\r\n");
    let status_line = lines.next().expect("a status line");
    let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|s| s.parse().ok());
    let status = status.unwrap_or_else(|| panic!("status line {status_line:?}"));
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("field line {line:?}"));
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    Answer { status, fields: lines.map(field).collect(), body: Vec::new() }
}

pub fn check_fields(answer: &Answer) {
    for (name, value) in &answer.fields {
        let is_ours = ALLOWED_FIELDS.contains(&name.as_str()) || ALLOWED_STARTS.iter().any(|it| name.starts_with(it));
        assert!(is_ours, "the answer carries a field that nobody announced: {name}: {value}");
    }
}
