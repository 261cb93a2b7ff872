//! `tollgate demo-backend`: a small HTTP/1.1 server to put behind a gateway while learning or testing.
//!
//! It answers every request with a JSON document of what it got. `/slow?ms=500` answers late, `/status/503` with that
//! status and `/bytes/1000` with so many bytes. One thread a connection: it is for tours and tests, not for load.

use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Failure;

/// A longer request line or field ends the connection.
const LINE_BYTES_MAX: u64 = 64 * 1024;
const FIELDS_MAX: usize = 200;
const DELAY_MAX: Duration = Duration::from_secs(60);
/// What `/bytes/N` sends at most.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

#[derive(Debug, clap::Args)]
pub(super) struct DemoBackend {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9001")]
    listen: String,
    /// What it calls itself in its answers
    #[arg(long, value_name = "NAME", default_value = "demo")]
    name: String,
}

impl DemoBackend {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let cannot = |error: io::Error| Failure::new(format!("cannot listen on {}: {error}", self.listen));
        let listener = TcpListener::bind(&self.listen).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        eprintln!("tollgate: demo back end {} on http://{address}", self.name);
        match serve(&listener, &self.name) {
            Ok(never) => match never {},
            Err(error) => Err(cannot(error)),
        }
    }
}

struct BackEnd {
    name: String,
    served: AtomicU64,
}

struct Request {
    method: String,
    path: String,
    query: Option<String>,
    /// Names in lower case, in the order of the wire.
    fields: Vec<(String, String)>,
    is_http_10: bool,
}

/// Serves connections of `listener` as the back end `name`, for ever.
///
/// # Errors
/// When connections can no longer be accepted.
pub fn serve(listener: &TcpListener, name: &str) -> io::Result<Infallible> {
    let back_end = Arc::new(BackEnd { name: name.to_owned(), served: AtomicU64::new(0) });
    loop {
        let (stream, _) = listener.accept()?;
        let back_end = Arc::clone(&back_end);
        let talk = move || back_end.talk(&stream);
        thread::Builder::new().name("demo-backend".to_owned()).spawn(talk)?;
    }
}

impl BackEnd {
    /// Answers requests until the client goes away or breaks the grammar.
    fn talk(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        let (mut reader, mut writer) = (BufReader::new(stream), BufWriter::new(stream));
        loop {
            match self.turn(&mut reader, &mut writer) {
                Ok(true) => {}
                Ok(false) => return,
                Err(e) if e.kind() == ErrorKind::InvalidData => {
                    let _ = write_head(&mut writer, 400, "text/plain", 0, true).and_then(|()| writer.flush());
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// One request and its answer; false when the connection ends.
    fn turn(&self, reader: &mut impl BufRead, writer: &mut impl Write) -> io::Result<bool> {
        let Some(request) = read_request(reader)? else { return Ok(false) };
        if request.field("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            writer.flush()?;
        }
        skip_body(&request, reader)?;
        let closes = request.closes();
        self.answer(&request, closes, writer)?;
        writer.flush()?;
        Ok(!closes)
    }

    fn answer(&self, request: &Request, closes: bool, writer: &mut impl Write) -> io::Result<()> {
        let served = self.served.fetch_add(1, Ordering::Relaxed) + 1;
        let mut status = 200;
        match request.path.trim_start_matches('/').split_once('/').unwrap_or((request.path.trim_matches('/'), "")) {
            ("slow", _) => thread::sleep(request.delay()),
            ("status", code) => status = code.parse().ok().filter(|code| (200..600).contains(code)).unwrap_or(400),
            ("soap", id) => return write_soap(request, id, closes, writer),
            ("bytes", count) => return write_bytes(request, count.parse().unwrap_or(0), closes, writer),
            _ => {}
        }
        if matches!(status, 204 | 304) {
            return write!(
                writer,
                "HTTP/1.1 {status} Demo\r\n{}\r\n",
                if closes { "Connection: close\r\n" } else { "" }
            );
        }
        let body = format!("{}\n", self.describe(request, served));
        write_head(writer, status, "application/json", body.len() as u64, closes)?;
        if request.method == "HEAD" { Ok(()) } else { writer.write_all(body.as_bytes()) }
    }

    fn describe(&self, request: &Request, served: u64) -> Value {
        let headers: Map<String, Value> =
            request.fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        json!({
            "back_end": self.name,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "served": served,
            "headers": headers,
        })
    }
}

/// An order in an envelope of SOAP 1.1.
fn write_soap(request: &Request, id: &str, closes: bool, writer: &mut impl Write) -> io::Result<()> {
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    let body = format!(
        "<?xml version=\"1.0\"?>\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <o:getOrderResponse xmlns:o=\"urn:demo:orders\"><o:order id=\"{id}\"><o:customer>Doe &amp; Sons</o:customer>\
         <o:item sku=\"A-1\">2</o:item><o:item sku=\"B-2\">5</o:item></o:order></o:getOrderResponse></s:Body></s:Envelope>\n"
    );
    write_head(writer, 200, "text/xml; charset=utf-8", body.len() as u64, closes)?;
    if request.method == "HEAD" { Ok(()) } else { writer.write_all(body.as_bytes()) }
}

impl Request {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn closes(&self) -> bool {
        let option = self.field("connection").unwrap_or_default();
        option.eq_ignore_ascii_case("close") || (self.is_http_10 && !option.eq_ignore_ascii_case("keep-alive"))
    }

    /// `ms` of the query.
    fn delay(&self) -> Duration {
        let parameters = self.query.iter().flat_map(|query| query.split('&'));
        let ms = parameters.filter_map(|parameter| parameter.strip_prefix("ms=")).find_map(|ms| ms.parse().ok());
        Duration::from_millis(ms.unwrap_or(1000)).min(DELAY_MAX)
    }
}

/// `None` when the client closed between two requests.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let Some(line) = read_line(reader)? else { return Ok(None) };
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(ErrorKind::InvalidData.into());
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let (method, path, is_http_10) = (method.to_owned(), path.to_owned(), version == "HTTP/1.0");
    Ok(Some(Request { method, path, query, fields: read_fields(reader)?, is_http_10 }))
}

fn read_fields(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(reader)?.ok_or(ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').ok_or(ErrorKind::InvalidData)?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        if fields.len() > FIELDS_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
    }
}

/// A line without its end; `None` at the end of the stream.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(ErrorKind::InvalidData.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

fn skip_body(request: &Request, reader: &mut impl BufRead) -> io::Result<()> {
    if request.field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return skip_chunks(reader);
    }
    match request.field("content-length").map(str::parse) {
        None => Ok(()),
        Some(Ok(length)) => skip(reader, length),
        Some(Err(_)) => Err(ErrorKind::InvalidData.into()),
    }
}

fn skip_chunks(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let line = read_line(reader)?.ok_or(ErrorKind::UnexpectedEof)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        match u64::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)? {
            // Trailer fields end with an empty line, as a head does.
            0 => return read_fields(reader).map(drop),
            size => skip(reader, size)?,
        }
        read_line(reader)?;
    }
}

fn skip(reader: &mut impl BufRead, length: u64) -> io::Result<()> {
    match io::copy(&mut reader.take(length), &mut io::sink())? {
        n if n == length => Ok(()),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn write_head(writer: &mut impl Write, status: u16, kind: &str, length: u64, closes: bool) -> io::Result<()> {
    let connection = if closes { "Connection: close\r\n" } else { "" };
    write!(writer, "HTTP/1.1 {status} Demo\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{connection}\r\n")
}

fn write_bytes(request: &Request, count: u64, closes: bool, writer: &mut impl Write) -> io::Result<()> {
    let count = count.min(ANSWER_BYTES_MAX);
    write_head(writer, 200, "application/octet-stream", count, closes)?;
    if request.method == "HEAD" {
        return Ok(());
    }
    io::copy(&mut io::repeat(b'x').take(count), writer).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the back end writes when it reads `input`, and whether it keeps the connection after the first request.
    fn check(input: &str, expected_start: &str, expected_end: &str, is_kept: bool) {
        let back_end = BackEnd { name: "blue".to_owned(), served: AtomicU64::new(0) };
        let mut output = Vec::new();
        assert_eq!(back_end.turn(&mut input.as_bytes(), &mut output).unwrap(), is_kept, "{input}");
        let output = String::from_utf8(output).unwrap();
        assert!(output.starts_with(expected_start) && output.ends_with(expected_end), "{input}\n{output}");
    }

    #[test]
    fn a_request_is_told_back_as_json() {
        let document = "{\"back_end\":\"blue\",\"method\":\"GET\",\"path\":\"/a/b\",\"query\":\"c=d\",\"served\":1,\
            \"headers\":{\"host\":\"x\",\"x-own\":\"1\"}}\n";
        check("GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nX-Own: 1\r\n\r\n", "HTTP/1.1 200", document, true);
    }

    #[test]
    fn some_paths_answer_in_their_own_way() {
        check("GET /status/503 HTTP/1.1\r\n\r\n", "HTTP/1.1 503", "}\n", true);
        check("GET /status/204 HTTP/1.1\r\n\r\n", "HTTP/1.1 204", "\r\n\r\n", true);
        check("GET /status/9 HTTP/1.1\r\n\r\n", "HTTP/1.1 400", "}\n", true);
        check("POST /soap/7 HTTP/1.1\r\n\r\n", "HTTP/1.1 200", "</s:Envelope>\n", true);
        check("GET /bytes/5 HTTP/1.1\r\n\r\n", "HTTP/1.1 200", "\r\n\r\nxxxxx", true);
        check("GET /slow?ms=0 HTTP/1.1\r\n\r\n", "HTTP/1.1 200", "}\n", true);
        check("HEAD /bytes/5 HTTP/1.1\r\n\r\n", "HTTP/1.1 200", "Content-Length: 5\r\n\r\n", true);
    }

    #[test]
    fn bodies_are_read_and_connections_end_when_asked() {
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 200", "}\n", true);
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "HTTP/1.1 200",
            "}\n",
            true,
        );
        check("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 200", "}\n", false);
        check("GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "}\n", false);
        check("", "", "", false);
    }

    #[test]
    fn what_breaks_the_grammar_is_no_request() {
        for input in
            ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
        {
            let back_end = BackEnd { name: "blue".to_owned(), served: AtomicU64::new(0) };
            let error = back_end.turn(&mut input.as_bytes(), &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{input}");
        }
    }
}
