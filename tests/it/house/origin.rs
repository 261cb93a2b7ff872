//! A back end that plays a script: a closure that sees a whole request and writes what it likes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::DEADLINE;

/// A request as the back end got it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Which connection it came on, from 0.
    pub connection: usize,
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What a script writes to. After the script the connection is kept, unless it was closed.
pub struct Out<'a> {
    stream: &'a TcpStream,
    is_open: bool,
}

impl Out<'_> {
    /// A whole answer with a `Content-Length`.
    pub fn answer(&mut self, status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let length = body.len().to_string();
        self.head(status, &[fields, &[("Content-Length", &length)]].concat());
        self.raw(body);
    }

    /// A plain 200 with a text.
    pub fn text(&mut self, body: impl AsRef<[u8]>) {
        self.answer(200, &[("Content-Type", "text/plain")], body);
    }

    /// Status and fields, no framing added.
    pub fn head(&mut self, status: u16, fields: &[(&str, &str)]) {
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        self.raw(head + "\r\n");
    }

    /// One piece of a chunked body.
    pub fn chunk(&mut self, piece: impl AsRef<[u8]>) {
        let piece = piece.as_ref();
        let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
        self.raw(bytes);
    }

    /// The end of a chunked body.
    pub fn last_chunk(&mut self) {
        self.raw(b"0\r\n\r\n");
    }

    /// Bytes as they are. Whoever went away does not hear them.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        let mut stream = self.stream;
        if self.is_open && stream.write_all(bytes.as_ref()).is_err() {
            self.is_open = false;
        }
    }

    pub fn close(&mut self) {
        self.is_open = false;
    }

    /// Closes so that the other side sees a reset.
    pub fn reset(&mut self) {
        let _ = socket2::SockRef::from(self.stream).set_linger(Some(Duration::ZERO));
        self.is_open = false;
    }
}

type Script = dyn Fn(&Seen, &mut Out<'_>) + Send + Sync;

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    heads: AtomicUsize,
    body_bytes: AtomicU64,
    connections: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
    is_stopped: AtomicBool,
}

pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Origin {
    /// A back end on a port of the system's choice.
    pub fn start(script: impl Fn(&Seen, &mut Out<'_>) + Send + Sync + 'static) -> Origin {
        Origin::start_on("127.0.0.1:0", script)
    }

    /// A back end on a given address, such as one that another origin had.
    pub fn start_on(address: &str, script: impl Fn(&Seen, &mut Out<'_>) + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind(address).expect("a free port for a back end");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            heads: AtomicUsize::new(0),
            body_bytes: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Origin { address, shared }
    }

    /// Answers every request with this text.
    pub fn text(body: &'static str) -> Origin {
        Origin::start(move |_, out| out.text(body))
    }

    /// Answers with the request's body.
    pub fn echo() -> Origin {
        Origin::start(|seen, out| out.answer(200, &[("Content-Type", "application/octet-stream")], &seen.body))
    }

    /// Answers with the method and target it was asked for.
    pub fn mirror() -> Origin {
        Origin::start(|seen, out| out.text(format!("{} {}", seen.method, seen.target)))
    }

    /// Answers with how many requests came so far, the first one being 1.
    pub fn counting() -> Origin {
        let count = AtomicUsize::new(0);
        Origin::start(move |_, out| out.text(format!("{}", count.fetch_add(1, Ordering::SeqCst) + 1)))
    }

    /// An address on which nobody listens.
    pub fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("a bound address").to_string()
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Every request that was read to its end, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no script panicked").clone()
    }

    /// The newest request.
    #[track_caller]
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the back end was asked")
    }

    pub fn requests(&self) -> usize {
        self.shared.seen.lock().expect("no script panicked").len()
    }

    /// How many heads were read, also of requests whose bodies are still on their way.
    pub fn heads(&self) -> usize {
        self.shared.heads.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies were read so far, framing left out.
    pub fn body_bytes(&self) -> u64 {
        self.shared.body_bytes.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Goes away: the port refuses and what was open is closed.
    pub fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.open.lock().expect("no script panicked").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        super::eventually("the port of a stopped back end refuses", || TcpStream::connect(self.address).is_err());
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        // Head and body are two writes, and the second must not wait for an acknowledgement of the first.
        let _ = stream.set_nodelay(true);
        let connection = shared.connections.fetch_add(1, Ordering::SeqCst);
        if let Ok(copy) = stream.try_clone() {
            shared.open.lock().expect("no script panicked").push(copy);
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let mut reader = Reader { stream: &stream, pending: Vec::new(), shared: &shared };
            while let Ok(Some(seen)) = reader.next(connection) {
                shared.seen.lock().expect("no script panicked").push(seen.clone());
                let mut out = Out { stream: &stream, is_open: true };
                (shared.script)(&seen, &mut out);
                if !out.is_open {
                    break;
                }
            }
            forget(&shared, &stream);
        });
    }
}

/// Drops the copy as well, so that a close is a close.
fn forget(shared: &Shared, stream: &TcpStream) {
    let peer = stream.peer_addr().ok();
    shared.open.lock().expect("no script panicked").retain(|copy| peer.is_none() || copy.peer_addr().ok() != peer);
}

struct Reader<'a> {
    stream: &'a TcpStream,
    pending: Vec<u8>,
    shared: &'a Shared,
}

impl Reader<'_> {
    /// The next whole request; `None` at the end of the connection.
    fn next(&mut self, connection: usize) -> io::Result<Option<Seen>> {
        let Some(head) = self.read_until(b"\r\n\r\n")? else { return Ok(None) };
        self.shared.heads.fetch_add(1, Ordering::SeqCst);
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let fields = lines.filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let (method, target) = (method.to_owned(), target.to_owned());
        let mut seen = Seen { method, target, fields, body: Vec::new(), connection };
        seen.body = self.read_body(&seen)?;
        Ok(Some(seen))
    }

    fn read_body(&mut self, seen: &Seen) -> io::Result<Vec<u8>> {
        if seen.field("transfer-encoding").is_some() {
            return self.read_chunks();
        }
        let length = seen.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        self.read_exactly(length)
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_until(b"\r\n")?.unwrap_or_default();
            let size = String::from_utf8_lossy(&line).trim().to_owned();
            let size = usize::from_str_radix(&size, 16).map_err(|e| io::Error::new(ErrorKind::InvalidData, e))?;
            body.extend(self.read_exactly(size)?);
            self.read_until(b"\r\n")?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn read_until(&mut self, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.pending.windows(end.len()).position(|window| window == end) {
                return Ok(Some(self.pending.drain(..at + end.len()).collect()));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut body = Vec::with_capacity(length.min(1 << 20));
        loop {
            let take = self.pending.len().min(length - body.len());
            body.extend(self.pending.drain(..take));
            self.shared.body_bytes.fetch_add(take as u64, Ordering::SeqCst);
            if body.len() == length {
                return Ok(body);
            }
            if self.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 64 * 1024];
        let mut stream = self.stream;
        let n = stream.read(&mut piece)?;
        self.pending.extend_from_slice(&piece[..n]);
        Ok(n)
    }
}

/// A gate in a script: closed until the test opens it, then open for ever.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().expect("no holder panicked") = true;
        self.0.1.notify_all();
    }

    /// Waits until the gate is open, or for the tests' deadline.
    pub fn wait(&self) {
        let is_open = self.0.0.lock().expect("no holder panicked");
        let _ = self.0.1.wait_timeout_while(is_open, DEADLINE, |is_open| !*is_open);
    }
}

#[test]
fn the_wire_and_the_scripted_back_end_understand_each_other() {
    use super::wire::{Wire, get, post};

    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |seen, out| match seen.target.as_str() {
        "/chunks" => {
            out.head(200, &[("Transfer-Encoding", "chunked")]);
            out.chunk("a, ");
            at_the_gate.wait();
            out.chunk("b");
            out.last_chunk();
        }
        "/reset" => out.reset(),
        _ => out.text(&seen.body),
    });
    let mut wire = Wire::open(origin.address);
    assert_eq!(wire.ask(&post("/", "echoed")).expect(200).text(), "echoed");
    wire.send(get("/chunks").bytes());
    let mut answer = wire.read_head().expect(200);
    gate.open();
    wire.read_body(&mut answer);
    assert_eq!(answer.text(), "a, b");
    wire.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(wire.read().expect(200).text(), "abc");
    assert!(wire.try_ask(&get("/reset")).is_err());
    assert_eq!((origin.requests(), origin.heads(), origin.connections(), origin.body_bytes()), (4, 4, 1, 9));
    origin.stop();
    let again = Origin::start_on(&origin.address(), |_, out| out.text("again"));
    assert_eq!(Wire::open(again.address).ask(&get("/")).text(), "again");
}
