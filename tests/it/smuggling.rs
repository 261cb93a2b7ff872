//! Shapes of request smuggling: whatever is sent, a back end reads from the gateway's bytes the requests that the gateway
//! judged and no other, however carelessly it reads them.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::house::frames::{self, Frames, fields_of, head};
use crate::house::{DEADLINE, Gateway, Service, eventually};

const FRONT: &str = r#"
[server]
listen = [{ address = "127.0.0.1:0", h2 = true }]
threads = 1
[server.limits]
head_timeout = "250ms"
body_timeout = "250ms"
idle_timeout = "250ms"
body = "10KB"

[domains."*"]
mappings = { "/" = "front/prod" }
[apis.front]
routes = [
    { method = "ANY", path = "/pass/{rest+}", integration = { type = "HTTP_PROXY", uri = "http://{BACK}/pass/{rest}" } },
    { method = "ANY", path = "/body/{id}", integration = { type = "HTTP", uri = "http://{BACK}/body/{id}" } },
    { method = "GET", path = "/kept/{id}", cache = { honor_origin = true }, integration = { type = "HTTP_PROXY", uri = "http://{BACK}/kept/{id}" } },
    { method = "ANY", path = "/far/{rest+}", integration = { type = "HTTP_PROXY", uri = "http://{FAR}/far/{rest}", protocol_version = "HTTP2" } },
    { method = "ANY", path = "/fixed", integration = { type = "MOCK", body = "fixed" } },
    { method = "ANY", path = "/keyed", api_key_required = true, integration = { type = "HTTP_PROXY", uri = "http://{BACK}/keyed" } },
]
[apis.front.stages.prod]
cache = { enabled = true }
"#;

/// What must never be read as a request of its own unless the gateway read it so too.
const HIDDEN: &str = "GET /pass/hidden HTTP/1.1\r\nHost: a\r\nX-Rest: ";

/// How many shapes are sent at once.
const CLIENTS: usize = 24;

/// A back end that keeps every byte, by connection, and answers each request that it reads by the book.
struct Recorder {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    fn start() -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let record = Arc::clone(&heard);
        thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                let record = Arc::clone(&record);
                let number = {
                    let mut heard = record.lock().expect("no panic");
                    heard.push(Vec::new());
                    heard.len() - 1
                };
                thread::spawn(move || answer_each(tcp, |bytes| record.lock().expect("no panic")[number].extend(bytes)));
            }
        });
        Recorder { address, heard }
    }
}

fn answer_each(mut tcp: TcpStream, record: impl Fn(&[u8])) {
    let (mut unread, mut piece) = (Vec::new(), [0; 16 << 10]);
    loop {
        while let Some((head, len)) = Reader::BY_THE_BOOK.read(&unread) {
            unread.drain(..len);
            if head.contains("/slow") {
                thread::sleep(Duration::from_millis(100));
            }
            if tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
        match tcp.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                record(&piece[..count]);
                unread.extend_from_slice(&piece[..count]);
            }
        }
    }
}

/// A way to read requests that some server has, or had.
#[derive(Clone, Copy, Debug)]
struct Reader {
    /// A lone line feed ends a line too.
    takes_lone_feeds: bool,
    /// Spaces around names, `_` for `-`, and codings that merely hold the word.
    takes_misspellings: bool,
    /// Of a length and chunks it believes the length.
    prefers_length: bool,
    /// Of two lengths it believes the last.
    takes_last_length: bool,
}

impl Reader {
    const BY_THE_BOOK: Reader =
        Reader { takes_lone_feeds: false, takes_misspellings: false, prefers_length: false, takes_last_length: false };

    fn all() -> impl Iterator<Item = Reader> {
        (0..16).map(|bits| Reader {
            takes_lone_feeds: bits & 1 > 0,
            takes_misspellings: bits & 2 > 0,
            prefers_length: bits & 4 > 0,
            takes_last_length: bits & 8 > 0,
        })
    }

    /// A request's head and how long it is with its body; `None`: it is not whole.
    fn read(self, bytes: &[u8]) -> Option<(String, usize)> {
        let mut at = 0;
        let mut lines = Vec::new();
        loop {
            let line = self.line(bytes, &mut at)?;
            match line.is_empty() {
                true if lines.is_empty() => {}
                true => break,
                false => lines.push(line),
            }
        }
        let (mut length, mut is_chunked) = (None, false);
        for line in &lines[1..] {
            let Some((name, value)) = line.split_once(':') else { continue };
            let (name, value) = (self.name(name), value.trim().to_ascii_lowercase());
            if name == "content-length" && (length.is_none() || self.takes_last_length) {
                let digits: String = value.trim_start_matches('+').chars().take_while(char::is_ascii_digit).collect();
                length = digits.parse::<usize>().ok();
            }
            is_chunked |= name == "transfer-encoding"
                && if self.takes_misspellings { value.contains("chunked") } else { value == "chunked" };
        }
        match length {
            Some(length) if self.prefers_length || !is_chunked => at += length,
            _ if is_chunked => self.skip_chunks(bytes, &mut at)?,
            _ => {}
        }
        (at <= bytes.len()).then(|| (lines.join("\n"), at))
    }

    fn line(self, bytes: &[u8], at: &mut usize) -> Option<String> {
        let rest = bytes.get(*at..)?;
        let is_end = |end: usize| rest[end] == b'\n' && (self.takes_lone_feeds || end > 0 && rest[end - 1] == b'\r');
        let end = (0..rest.len()).find(|end| is_end(*end))?;
        *at += end + 1;
        Some(String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_owned())
    }

    fn name(self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        match self.takes_misspellings {
            true => name.replace('_', "-").trim_matches(|c: char| c.is_whitespace() || c.is_control()).to_owned(),
            false => name,
        }
    }

    fn skip_chunks(self, bytes: &[u8], at: &mut usize) -> Option<()> {
        loop {
            let line = self.line(bytes, at)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            match usize::from_str_radix(digits, 16).ok()? {
                0 => break,
                size => *at += size + 2,
            }
        }
        while !self.line(bytes, at)?.is_empty() {}
        Some(())
    }
}

struct Front {
    recorder: Recorder,
    /// A back end that speaks HTTP/2.
    far: Service,
    gateway: Gateway,
}

impl Front {
    fn start() -> Front {
        let recorder = Recorder::start();
        let far = Service::start();
        let config = FRONT.replace("{BACK}", &recorder.address.to_string()).replace("{FAR}", &far.address());
        let gateway = Gateway::start(&config, &[]);
        Front { recorder, far, gateway }
    }

    /// Sends bytes, and after them an honest request. What comes back until the gateway has closed.
    fn say(&self, bytes: &[u8]) -> String {
        let mut tcp = TcpStream::connect(self.gateway.http()).expect("a connection");
        tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let _ = tcp.write_all(bytes);
        let _ = tcp.write_all(b"GET /pass/after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut answers = Vec::new();
        let _ = tcp.read_to_end(&mut answers);
        String::from_utf8_lossy(&answers).into_owned()
    }

    /// Sends each of `shapes`, some at once. What came back of each, in their order.
    fn say_all(&self, shapes: &[String]) -> Vec<String> {
        let of_one = shapes.len().div_ceil(CLIENTS);
        thread::scope(|scope| {
            let say = |some: &[String]| some.iter().map(|shape| self.say(shape.as_bytes())).collect::<Vec<_>>();
            let clients: Vec<_> = shapes.chunks(of_one).map(|some| scope.spawn(move || say(some))).collect();
            clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
        })
    }

    /// By every way of reading, the back end was sent what the log says, each request once and under its id.
    fn check(&self) {
        let heard = self.recorder.heard.lock().expect("no panic").clone();
        let asked = ids_of(&heard, Reader::BY_THE_BOOK);
        assert!(!asked.is_empty(), "the back end was asked nothing at all");
        eventually("all is in the log", || {
            let log = self.gateway.access_log();
            let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
            let logged: HashSet<_> =
                lines.map(|line| line["request_id"].as_str().unwrap_or_default().to_owned()).collect();
            asked.iter().all(|id| logged.contains(id))
        });
        let once: HashSet<_> = asked.iter().collect();
        assert_eq!(once.len(), asked.len(), "a request is sent twice");
        for reader in Reader::all() {
            assert_eq!(ids_of(&heard, reader), asked, "{reader:?} reads other requests");
        }
    }
}

/// The ids of the requests that a reader reads, which are all of the gateway's making.
fn ids_of(heard: &[Vec<u8>], reader: Reader) -> Vec<String> {
    let mut ids = Vec::new();
    for stream in heard {
        let mut rest = &stream[..];
        while let Some((request, len)) = reader.read(rest) {
            let id = request.lines().find_map(|line| line.strip_prefix("x-request-id: "));
            ids.push(id.unwrap_or_else(|| panic!("{reader:?} reads what nobody asked:\n{request}")).to_owned());
            assert_eq!(request.matches("via: 1.1 tollgate").count(), 1, "{reader:?}:\n{request}");
            rest = &rest[len..];
        }
    }
    ids
}

/// What becomes of a shape.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// It is refused, and nothing is read after it.
    Refused,
    /// It is refused, but where it ends is beyond doubt.
    Declined,
    /// It is read in the one way that there is.
    Passed,
}
use Fate::{Declined, Passed, Refused};

fn is_refusal(answers: &str) -> bool {
    matches!(answers.split(' ').nth(1), Some("400" | "413" | "414" | "431"))
}

#[track_caller]
fn check(shapes: impl IntoIterator<Item = (String, Fate)>) {
    let front = Front::start();
    let (shapes, fates): (Vec<_>, Vec<_>) = shapes.into_iter().unzip();
    let mut faults = Vec::new();
    for ((shape, fate), answers) in shapes.iter().zip(fates).zip(front.say_all(&shapes)) {
        let is_right = match fate {
            Refused => is_refusal(&answers) && !answers.contains("HTTP/1.1 200"),
            Declined => is_refusal(&answers),
            Passed => answers.starts_with("HTTP/1.1 200"),
        };
        if !is_right {
            faults.push(format!("not {fate:?}: {shape:?}\n  {answers:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    front.check();
}

/// A body that is over at once to who reads chunks, and holds a request to who does not.
fn post(fields: &str, body: &str) -> String {
    format!("POST /pass/a HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}")
}

#[test]
fn no_spelling_of_a_coding_hides_a_request() {
    let codings = [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: Chunked",
        "transfer-encoding:chunked",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding: chunked ",
        "Transfer-Encoding: chunked\t",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "\tTransfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: chunked\r\n , identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: chu\u{a0}nked",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: \u{c}chunked",
        "Transfer-Encoding: \u{1}chunked",
        "Transfer-Encoding: \u{85}chunked",
        "Transfer-Encoding: chunked\0",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: cow",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-encoding: cow",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding\u{b}: chunked",
        "\u{1}Transfer-Encoding: chunked",
        "Transfer\u{ad}-Encoding: chunked",
        "Transfer-\nEncoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\r\r\nTransfer-Encoding: chunked",
        "Content-Encoding: x\r\nTransfer-Encoding: chunked",
    ];
    let body = format!("0\r\n\r\n{HIDDEN}");
    let length = body.len();
    let mut shapes = Vec::new();
    for coding in codings {
        for (fields, is_alone) in [
            (coding.to_owned(), true),
            (format!("Content-Length: {length}\r\n{coding}"), false),
            (format!("{coding}\r\nContent-Length: {length}"), false),
            (format!("{coding}\r\nContent-Length: 4"), false),
            (format!("{coding}\r\nContent-Length: 0"), false),
        ] {
            // Alone, what is plainly chunked is read so, and what follows is the next request to everyone.
            let is_plain = coding.lines().all(|line| {
                let line = line.to_ascii_lowercase();
                line == "content-encoding: x" || line.replace([' ', '\t'], "") == "transfer-encoding:chunked"
            }) && coding.matches("hunked").count() == 1
                && !coding.contains(" :")
                && !coding.contains("\t:")
                && !coding.starts_with([' ', '\t'])
                && !coding.contains("\n ");
            let is_read = is_alone && is_plain && !coding.contains("\r\r");
            shapes.push((post(&fields, &body), if is_read { Passed } else { Refused }));
        }
    }
    check(shapes);
}

#[test]
fn no_spelling_of_a_length_hides_a_request() {
    let hidden = HIDDEN.len();
    let refused = [
        format!("Content-Length: {hidden}\r\nContent-Length: 0"),
        format!("Content-Length: 0\r\nContent-Length: {hidden}"),
        format!("Content-Length: {hidden}\r\ncontent-length: {hidden}"),
        format!("Content-Length: {hidden}, {hidden}"),
        format!("Content-Length: {hidden},0"),
        format!("Content-Length: +{hidden}"),
        format!("Content-Length: -{hidden}"),
        "Content-Length: -0".to_owned(),
        format!("Content-Length: 0x{hidden:x}"),
        format!("Content-Length: {hidden}.0"),
        format!("Content-Length: {hidden}e0"),
        format!("Content-Length: {hidden} 0"),
        format!("Content-Length: 0;{hidden}"),
        format!("Content-Length: \"{hidden}\""),
        format!("Content-Length: \u{b}{hidden}"),
        format!("Content-Length: {hidden}\0"),
        format!("Content-Length: 1{}", "0".repeat(30)),
        "Content-Length: 18446744073709551616".to_owned(),
        "Content-Length: 18446744073709551615".to_owned(),
        "Content-Length:".to_owned(),
        "Content-Length: a".to_owned(),
        format!("Content-Length : {hidden}"),
        format!(" Content-Length: {hidden}"),
        format!("X: y\r\n Content-Length: {hidden}"),
        format!("Content-Length:\r\n {hidden}"),
        format!("Content_Length: {hidden}"),
        format!("ContentLength: {hidden}"),
        format!("Content\u{ad}-Length: {hidden}"),
        format!("X: y\nContent-Length: {hidden}"),
        format!("X: y\rContent-Length: {hidden}"),
    ];
    let read = [
        format!("Content-Length: {hidden}"),
        format!("Content-Length:{hidden}"),
        format!("Content-Length: \t {hidden} \t"),
        format!("Content-Length: 000{hidden}"),
        "Content-Length: 0".to_owned(),
        "X-Content-Length: 5".to_owned(),
    ];
    let shape = |(fields, fate): (&String, Fate)| (post(fields, HIDDEN), fate);
    check(refused.iter().map(|each| (each, Refused)).chain(read.iter().map(|each| (each, Passed))).map(shape));
}

#[test]
fn no_chunk_hides_a_request() {
    let refused = [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5;\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\0\r\nhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n",
        "0\n\r\n",
        "0\r\n\n",
        "0\r\nX: y\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\nGET /pass/hidden HTTP/1.1\r\n\r\n",
        "5;\u{1}\r\nhello\r\n0\r\n\r\n",
        ";5\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
    ];
    let read = [
        "5\r\nhello\r\n0\r\n\r\n",
        "05\r\nhello\r\n000\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\\\"\"\r\nhello\r\n0;z\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\nHost: b\r\nX-Api-Key: c\r\n\r\n",
        "0\r\n\r\n",
    ];
    let chunked = |body: &&str| post("Transfer-Encoding: chunked", body) + HIDDEN;
    // Some are refused only after the back end was sent a part, which is then no whole request to anybody.
    check(refused.iter().map(|body| (chunked(body), Refused)).chain(read.iter().map(|body| (chunked(body), Passed))));
}

#[test]
fn no_request_line_or_host_hides_a_request() {
    let refused = [
        "GET /pass/a HTTP/1.1\nHost: a\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\r\n\n",
        "GET  /pass/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pass/a  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pass/a HTTP/1.1 \r\nHost: a\r\n\r\n",
        " GET /pass/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\t/pass/a\tHTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pass/a HTTP/1.1\rHost: a\r\n\r\n",
        "GET /pass/a\r\n\r\n",
        "GET /pass/a HTTP/0.9\r\nHost: a\r\n\r\n",
        "GET /pass/a HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /pass/a HTTP/1.10\r\nHost: a\r\n\r\n",
        "GET /pass/a http/1.1\r\nHost: a\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET http://b/pass/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a@b/pass/a HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET //pass/a\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pass/a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n",
        "POST /pass/a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GE(T /pass/a HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    let declined = [
        "GET /pass/a%0d%0aX:%20y HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pass/%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pass/a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    let read = [
        "\r\nGET /pass/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/pass/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pass/a?b=%0d%0aX:%20y HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pass/a HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n",
    ];
    let owned = |fate: Fate| move |shape: &&str| (shape.to_string(), fate);
    let refused = refused.iter().map(owned(Refused)).chain(declined.iter().map(owned(Declined)));
    check(refused.chain(read.iter().map(owned(Passed))));
}

#[test]
fn no_answer_that_comes_early_leaves_a_body_to_be_read_as_a_request() {
    // CL.0 and its kin: a body behind a request that nobody wants one of, that is refused, or that is answered at once.
    let hidden = HIDDEN.len();
    let mut shapes = Vec::new();
    for line in [
        "GET /fixed",
        "HEAD /fixed",
        "POST /fixed",
        "OPTIONS /fixed",
        "GET /kept/1",
        "GET /pass/a",
        "HEAD /pass/a",
        "DELETE /pass/a",
        "POST /keyed",
        "POST /nowhere",
        "PATCH /kept/1",
        "POST /body/1",
        "TRACE /pass/a",
        "ODD /pass/a",
        "GET /pass/../fixed",
        "OPTIONS *",
    ] {
        for framing in [
            format!("Content-Length: {hidden}\r\n\r\n{HIDDEN}"),
            format!("Content-Length: {hidden}\r\nExpect: 100-continue\r\n\r\n{HIDDEN}"),
            format!("Content-Length: {hidden}\r\nConnection: Content-Length\r\n\r\n{HIDDEN}"),
            format!(
                "Content-Length: {hidden}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n{HIDDEN}"
            ),
            format!("Content-Length: {hidden}\r\nExpect: nonsense\r\n\r\n{HIDDEN}"),
            format!("Transfer-Encoding: chunked\r\n\r\n{hidden:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
            format!(
                "Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding\r\n\r\n{hidden:x}\r\n{HIDDEN}\r\n0\r\n\r\n"
            ),
            format!("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n{hidden:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
            format!("Content-Length: {}\r\n\r\n{HIDDEN}", 20_000),
            format!("Content-Length: {}\r\n\r\n{HIDDEN}", hidden + 10),
        ] {
            shapes.push(format!("{line} HTTP/1.1\r\nHost: a\r\n{framing}"));
            shapes.push(format!("{line} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n{framing}"));
        }
    }
    let front = Front::start();
    front.say_all(&shapes);
    front.check();
    let log = front.gateway.access_log();
    assert!(!log.iter().any(|line| line.contains("/pass/hidden")), "the gateway itself reads a body as a request");
}

/// What all ways to a back end must refuse, behind whatever went before on the connection.
const AMBIGUOUS: &[&str] = &[
    "POST /pass/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "POST /pass/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /pass/a HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /pass/a HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "GET /pass/a HTTP/1.1\nHost: a\n\n",
];

#[test]
fn no_request_is_read_more_loosely_behind_one_that_goes_another_way() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    // A request that is in flight when the next one comes, and how it ends.
    let firsts = [
        ("POST /pass/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".to_owned(), "0\r\n\r\n"),
        ("POST /pass/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n".to_owned(), "abc"),
        ("POST /far/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".to_owned(), "0\r\n\r\n"),
        ("POST /far/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n".to_owned(), "abc"),
        ("GET /kept/slow HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), ""),
        (format!("GET /pass/slow HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n"), ""),
        (
            format!("POST /pass/a HTTP/1.1\r\nHost: a\r\n{upgrade}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
            "0\r\n\r\n",
        ),
        (format!("POST /pass/a HTTP/1.1\r\nHost: a\r\n{upgrade}Content-Length: 3\r\n\r\n"), "abc"),
        (
            "POST /pass/a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            "0\r\n\r\n",
        ),
    ];
    let front = Front::start();
    let say = |first: &str, end: &str, next: &str| {
        let mut tcp = TcpStream::connect(front.gateway.http()).expect("a connection");
        tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        tcp.write_all(first.as_bytes()).expect("it is taken");
        thread::sleep(Duration::from_millis(30));
        tcp.write_all((end.to_owned() + next + HIDDEN).as_bytes()).expect("it is taken");
        let mut answers = Vec::new();
        let _ = tcp.read_to_end(&mut answers);
        String::from_utf8_lossy(&answers).into_owned()
    };
    for (first, end) in &firsts {
        for next in AMBIGUOUS {
            let answers = say(first, end, next);
            assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{next:?} behind {first:?}:\n{answers}");
        }
        let answers = say(first, end, "GET /fixed HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let may_end = first.contains("Upgrade") || answers.contains("Connection: close");
        assert!(may_end || answers.contains("fixed"), "what honestly follows {first:?} is lost:\n{answers}");
    }
    front.check();
    assert!(!front.far.heads().is_empty());
}

#[test]
fn an_upgrade_to_http_2_is_ignored_since_it_would_be_a_tunnel() {
    let front = Front::start();
    for expects in ["", "Expect: 100-continue\r\nContent-Length: 0\r\n"] {
        for protocol in ["h2c", "H2C", "websocket, h2c", "h2c, foo", "HTTP/2.0"] {
            let fields =
                format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\nHTTP2-Settings: AAMAAABk");
            let asked = format!("GET /pass/a HTTP/1.1\r\nHost: a\r\n{expects}{fields}\r\n\r\n");
            assert!(front.say(asked.as_bytes()).contains("HTTP/1.1 200"), "{protocol}");
        }
    }
    let heard = front.recorder.heard.lock().expect("no panic").concat();
    let heard = String::from_utf8_lossy(&heard).to_ascii_lowercase();
    assert!(heard.contains("get /pass/a"));
    assert!(!heard.contains("upgrade:") && !heard.contains("settings"), "{heard}");
}

#[test]
fn an_upgrade_with_a_body_is_a_request_like_any_other() {
    let front = Front::start();
    let upgrade =
        "POST /pass/a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5000\r\n\r\n";
    let answers = front.say(upgrade.as_bytes());
    assert!(answers.starts_with("HTTP/1.1 408"), "{answers}");
}

#[test]
fn no_stream_of_http_2_hides_a_request_in_what_is_made_of_it() {
    let front = Front::start();
    let hidden = format!("0\r\n\r\n{HIDDEN}");
    let length = hidden.len().to_string();
    let pseudo = |name: &'static str, value: &'static str| {
        let whole = [(":method", "POST"), (":scheme", "http"), (":path", "/pass/a"), (":authority", "a")];
        let fields: Vec<_> = whole.into_iter().map(|(n, v)| if n == name { (n, value) } else { (n, v) }).collect();
        fields_of(&fields)
    };
    let with = |fields: &[(&str, &str)]| head("POST", "/pass/a", fields);
    // Of each: what it is, its head, and whether a back end may hear of it at all.
    let shapes = [
        ("H2.CL, too short", with(&[("content-length", "0")]), false),
        ("H2.CL, too long", with(&[("content-length", "10000")]), false),
        ("H2.CL, as it is", with(&[("content-length", &length)]), true),
        ("H2.CL, twice", with(&[("content-length", &length), ("content-length", "0")]), false),
        ("H2.CL, a list", with(&[("content-length", "0, 0")]), false),
        ("H2.CL, a sign", with(&[("content-length", "+0")]), false),
        ("H2.TE", with(&[("transfer-encoding", "chunked")]), false),
        ("H2.TE in a value", with(&[("x", "y\r\ntransfer-encoding: chunked")]), false),
        ("H2.TE in a name", with(&[("x: y\r\ntransfer-encoding", "chunked")]), false),
        ("H2.TE behind a colon", with(&[("transfer-encoding: chunked\r\nx", "y")]), false),
        ("H2.TE misspelt", with(&[("transfer_encoding", "chunked")]), false),
        ("H2.TE with a space", with(&[("transfer-encoding ", "chunked")]), false),
        ("a lone feed in a value", with(&[("x", "y\nhost: b")]), false),
        ("a name with a colon", with(&[(":x", "y")]), false),
        ("a line in a path", pseudo(":path", "/pass/a HTTP/1.1\r\nHost: b\r\n\r\nGET /pass/hidden"), false),
        ("a space in a path", pseudo(":path", "/pass/a HTTP/1.1"), false),
        ("an absolute path", pseudo(":path", "http://b/pass/a"), false),
        ("a line in a method", pseudo(":method", "GET /pass/hidden HTTP/1.1\r\nHost: a\r\n\r\nPOST"), false),
        ("a space in a method", pseudo(":method", "GET /pass/hidden HTTP/1.1"), false),
        ("a line in an authority", pseudo(":authority", "a\r\nX: y"), false),
        ("a path in an authority", pseudo(":authority", "a/pass/hidden"), false),
        ("a line in a scheme", pseudo(":scheme", "http://a/pass/hidden\r\nX: y"), false),
        ("connection", with(&[("connection", "content-length")]), false),
        ("upgrade", with(&[("upgrade", "h2c")]), false),
        ("another host", with(&[("host", "b")]), false),
        ("no length", with(&[]), true),
    ];
    for (what, block, is_heard) in shapes {
        let before = front.recorder.heard.lock().expect("no panic").iter().map(Vec::len).sum::<usize>();
        let mut frames = Frames::open(front.gateway.http(), &[]);
        frames.send(frames::HEADERS, frames::END_HEADERS, 1, &block);
        frames.send(frames::DATA, frames::END_STREAM, 1, hidden.as_bytes());
        frames.wait_for(|frame| {
            frame.kind == frames::GOAWAY
                || frame.stream == 1 && matches!(frame.kind, frames::HEADERS | frames::RST_STREAM)
        });
        if !is_heard {
            thread::sleep(Duration::from_millis(20));
            let heard = front.recorder.heard.lock().expect("no panic");
            let whole = heard.iter().flat_map(|stream| Reader::BY_THE_BOOK.read(&stream[..])).count();
            let now = heard.iter().map(Vec::len).sum::<usize>();
            assert!(now == before || whole == 0 || what.contains("too"), "{what} reaches a back end");
        }
    }
    front.check();
}
