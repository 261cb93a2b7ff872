//! HTTP/2 as a client: whole exchanges, and the two directions of a stream one by one.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Error, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::DEADLINE;
use super::wire::{Answer, Request, check_fields};

/// A client's connection. Its frames are read and written by a thread of its own.
pub struct Streams {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), Error>>,
}

/// A stream of which nothing but the head was sent.
pub struct Opened {
    pub answer: ResponseFuture,
    pub body: SendStream<Bytes>,
}

impl Streams {
    /// By prior knowledge.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Streams {
        Streams::open_with(address, &Builder::new())
    }

    #[track_caller]
    pub fn open_with(address: SocketAddr, settings: &Builder) -> Streams {
        Streams::over(async move { TcpStream::connect(address).await.expect("a connection") }, settings)
    }

    /// Over whatever `connect` comes to.
    pub fn over<T>(connect: impl Future<Output = T>, settings: &Builder) -> Streams
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let shaken = runtime.block_on(async { settings.handshake(connect.await).await });
        let (requests, connection) = shaken.expect("the gateway speaks HTTP/2");
        let connection = runtime.spawn(connection);
        Streams { runtime, requests, connection }
    }

    /// Waits for what a stream comes to, but not for ever.
    #[track_caller]
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(DEADLINE, work).await }).expect("it comes in time")
    }

    /// Sends a head. Without `body` it is the whole request.
    #[track_caller]
    pub fn start(&self, head: http::Request<()>, has_body: bool) -> Opened {
        let mut requests = self.wait(self.requests.clone().ready()).expect("a stream may be opened");
        let (answer, body) = requests.send_request(head, !has_body).expect("the head is legal");
        Opened { answer, body }
    }

    /// The whole answer, or how the stream broke.
    pub fn finish(&self, answer: ResponseFuture) -> Result<Answer, Error> {
        self.wait(async {
            let (head, mut body) = answer.await?.into_parts();
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let fields = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
            let mut answer = Answer { status: head.status.as_u16(), fields, body: Vec::new() };
            check_fields(&answer);
            while let Some(piece) = body.data().await {
                let piece = piece?;
                body.flow_control().release_capacity(piece.len())?;
                answer.body.extend_from_slice(&piece);
            }
            Ok(answer)
        })
    }

    /// Sends a body whole, with the pace of the gateway.
    pub fn send(&self, body: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), Error> {
        self.wait(async {
            while !data.is_empty() {
                body.reserve_capacity(data.len());
                let Some(granted) = poll_fn(|cx| body.poll_capacity(cx)).await else { return Ok(()) };
                body.send_data(data.split_to(granted?.min(data.len())), data.is_empty())?;
            }
            Ok(())
        })
    }

    /// Sends a piece of a body that has room for it, and leaves the body open.
    #[track_caller]
    pub fn send_piece(&self, body: &mut SendStream<Bytes>, piece: Bytes) {
        let _inside = self.runtime.enter();
        body.send_data(piece, false).expect("the stream is open");
    }

    /// The next piece of an answer; `None` at its end.
    #[track_caller]
    pub fn read_piece(&self, body: &mut RecvStream) -> Option<Bytes> {
        let piece = self.wait(body.data())?.expect("the stream is sound");
        body.flow_control().release_capacity(piece.len()).expect("it was received");
        Some(piece)
    }

    /// Sends a request and reads its whole answer.
    #[track_caller]
    pub fn ask(&self, request: &Request) -> Answer {
        self.try_ask(request).unwrap_or_else(|e| panic!("{} {}: {e}", request.method, request.target))
    }

    pub fn try_ask(&self, request: &Request) -> Result<Answer, Error> {
        let (head, body) = request.stream();
        self.exchange(head, body.map(Bytes::from))
    }

    pub fn exchange(&self, head: http::Request<()>, body: Option<Bytes>) -> Result<Answer, Error> {
        let Opened { answer, body: mut to } = self.start(head, body.is_some());
        match body {
            // What is refused early may be reset before it is sent whole; the answer says why.
            Some(body) if body.is_empty() => drop(to.send_data(body, true)),
            Some(body) => drop(self.send(&mut to, body)),
            None => {}
        }
        self.finish(answer)
    }

    /// Whether the gateway says goodbye without an error and closes.
    pub fn ends_in_peace(mut self) -> bool {
        drop(self.requests);
        let ended = self.runtime.block_on(async { tokio::time::timeout(DEADLINE, &mut self.connection).await });
        matches!(ended, Ok(Ok(Ok(()))))
    }
}
