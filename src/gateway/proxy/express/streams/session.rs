use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::custom::CustomMessageWrite;
use pingora_core::protocols::http::custom::server::Session;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_error::{Error, ErrorType, OkOrErr, OrErr, Result};
use pingora_http::{RequestHeader, ResponseHeader};

use super::Peer;
use super::downlink::granted;
use super::kit::Date;
use crate::gateway::proxy::cut::until_cut;
use crate::gateway::proxy::express::alarm::within;
use crate::gateway::proxy::pace::Pace;
use crate::gateway::snapshot::Live;

/// Of a request's body, what is kept for another attempt: as much as Pingora keeps.
const REPLAY_BYTES_MAX: usize = 64 << 10;

const STOPPING: &str = "the gateway is shutting down";

/// What belongs to one connection and is unknown to HTTP/2 (RFC 9113 section 8.2.2).
const OF_ONE_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A stream as Pingora's proxy wants to see a client.
pub(super) struct StreamSession {
    request: RequestHeader,
    peer: SocketAddr,
    digest: Digest,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    /// Where the answer's body goes, once its head was written.
    answer: Option<SendStream<Bytes>>,
    written: Option<Box<ResponseHeader>>,
    is_ended: bool,
    read_bytes: usize,
    sent_bytes: usize,
    replay: Replay,
    pace: Pace,
    live: Arc<Live>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    drain_timeout: Option<Duration>,
}

/// The beginning of the request's body, for another attempt.
#[derive(Debug, Default)]
struct Replay {
    is_wanted: bool,
    is_truncated: bool,
    bytes: BytesMut,
}

impl Replay {
    fn note(&mut self, piece: &Bytes) {
        if !self.is_wanted || self.is_truncated {
            return;
        }
        if self.bytes.len() + piece.len() > REPLAY_BYTES_MAX {
            (self.is_truncated, self.bytes) = (true, BytesMut::new());
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }
}

/// What `work` comes to in its time.
async fn in_time<T>(patience: Option<Duration>, late: ErrorType, work: impl Future<Output = Result<T>>) -> Result<T> {
    let work = pin!(work);
    match patience {
        Some(patience) => within(patience, work).await.unwrap_or_else(|| Error::e_explain(late, "the client is slow")),
        None => work.await,
    }
}

impl StreamSession {
    pub(super) fn new(
        request: RequestHeader,
        peer: &Peer,
        (body, respond): (RecvStream, SendResponse<Bytes>),
        live: Arc<Live>,
    ) -> StreamSession {
        StreamSession {
            request,
            peer: SocketAddr::Inet(peer.address),
            digest: Digest { ssl_digest: peer.tls.clone(), ..Digest::default() },
            body,
            respond,
            answer: None,
            written: None,
            is_ended: false,
            read_bytes: 0,
            sent_bytes: 0,
            replay: Replay::default(),
            pace: Pace::new(live.snapshot().limits()),
            live,
            read_timeout: None,
            write_timeout: None,
            drain_timeout: None,
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>> {
        let piece = until_cut(&self.live, pin!(poll_fn(|cx| self.body.poll_data(cx)))).await;
        let piece = piece.or_err(ErrorType::ConnectionClosed, STOPPING)?.transpose();
        let Some(piece) = piece.or_err(ErrorType::ReadError, "while reading a stream's body")? else { return Ok(None) };
        self.read_bytes += piece.len();
        self.replay.note(&piece);
        // Fails only for a stream that is over.
        let _ = self.body.flow_control().release_capacity(piece.len());
        Ok(Some(piece))
    }

    async fn drain(&mut self) -> Result<()> {
        while self.read().await?.is_some() {}
        Ok(())
    }

    async fn send(&mut self, mut data: Bytes, is_end: bool) -> Result<()> {
        let Some(answer) = &mut self.answer else {
            return Error::e_explain(ErrorType::H2Error, "a body before its head");
        };
        while !data.is_empty() {
            answer.reserve_capacity(data.len());
            let granted = granted(answer).await.or_err(ErrorType::WriteError, "while writing to a stream")?;
            let piece = data.split_to(granted.min(data.len()));
            self.sent_bytes += piece.len();
            answer.send_data(piece, false).or_err(ErrorType::WriteError, "while writing to a stream")?;
        }
        if is_end { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<()> {
        if self.is_ended {
            return Ok(());
        }
        // Without a head there is nothing to end; the stream is reset when it is dropped.
        let Some(answer) = &mut self.answer else { return Ok(()) };
        self.is_ended = true;
        answer.send_data(Bytes::new(), true).or_err(ErrorType::WriteError, "while ending a stream")
    }

    fn reset(&mut self) {
        if !self.is_ended {
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    fn send_head(&mut self, mut head: Box<ResponseHeader>, is_end: bool) -> Result<()> {
        if head.status.is_informational() || self.written.is_some() {
            return Ok(());
        }
        if let Some(date) = Date::default().at(self.live.clock().now()) {
            head.insert_header(header::DATE, date)?;
        }
        for name in &OF_ONE_CONNECTION {
            head.remove_header(name);
        }
        let response = Response::from_parts(head.as_owned_parts(), ());
        let answer = self.respond.send_response(response, is_end);
        self.answer = Some(answer.or_err(ErrorType::WriteError, "while answering a stream")?);
        (self.written, self.is_ended) = (Some(head), is_end);
        Ok(())
    }

    async fn send_task(&mut self, task: HttpTask) -> Result<bool> {
        match task {
            HttpTask::Header(head, is_end) => self.send_head(head, is_end).map(|()| is_end),
            HttpTask::Body(data, is_end) => {
                self.write_body(data.unwrap_or_default(), false).await?;
                Ok(is_end)
            }
            HttpTask::Trailer(Some(trailers)) => self.write_trailers(*trailers).await.map(|()| true),
            HttpTask::Trailer(None) | HttpTask::Done => Ok(true),
            HttpTask::Failed(error) => Err(error),
            HttpTask::UpgradedBody(..) => Error::e_explain(ErrorType::InternalError, "a stream cannot be upgraded"),
        }
    }
}

#[async_trait]
impl Session for StreamSession {
    fn req_header(&self) -> &RequestHeader {
        &self.request
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.request
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        let left = self.pace.begin_wait(self.read_bytes as u64);
        let patience = self.read_timeout.map(|patience| patience.min(left));
        let read = in_time(patience, ErrorType::ReadTimedout, self.read()).await;
        self.pace.end_wait();
        read
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        in_time(self.drain_timeout, ErrorType::ReadTimedout, self.drain()).await
    }

    async fn write_response_header(&mut self, head: Box<ResponseHeader>, is_end: bool) -> Result<()> {
        self.send_head(head, is_end)
    }

    async fn write_response_header_ref(&mut self, head: &ResponseHeader, is_end: bool) -> Result<()> {
        self.send_head(Box::new(head.clone()), is_end)
    }

    async fn write_body(&mut self, data: Bytes, is_end: bool) -> Result<()> {
        in_time(self.write_timeout, ErrorType::WriteTimedout, self.send(data, is_end)).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        match &mut self.answer {
            Some(answer) if !self.is_ended => {
                self.is_ended = true;
                answer.send_trailers(trailers).or_err(ErrorType::WriteError, "while ending a stream")
            }
            _ => Ok(()),
        }
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut is_end = false;
        for task in tasks {
            is_end |= self.send_task(task).await?;
        }
        if is_end {
            self.end()?;
        }
        Ok(is_end)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.read_timeout
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write_timeout = timeout;
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.write_timeout
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.drain_timeout = timeout;
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.drain_timeout
    }

    fn request_summary(&self) -> String {
        format!("{} {}", self.request.method, self.request.uri)
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.written.as_deref()
    }

    async fn shutdown(&mut self, _: u32, _: &str) {
        self.reset();
    }

    fn is_body_done(&mut self) -> bool {
        self.is_body_empty() || self.body.is_end_stream()
    }

    async fn finish(&mut self) -> Result<()> {
        self.end()
    }

    fn is_body_empty(&mut self) -> bool {
        let is_zero = |length: &HeaderValue| length.as_bytes() == b"0";
        let is_announced_empty = || self.request.headers.get(header::CONTENT_LENGTH).is_some_and(is_zero);
        self.read_bytes == 0 && (self.body.is_end_stream() || is_announced_empty())
    }

    /// After the body: waits until the client resets the stream or goes.
    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if !no_body_expected && !self.is_body_done() {
            return self.read_body_bytes().await;
        }
        let (respond, answer) = (&mut self.respond, &mut self.answer);
        let reset = poll_fn(|cx| match answer {
            Some(answer) => answer.poll_reset(cx),
            None => respond.poll_reset(cx),
        });
        let reset = until_cut(&self.live, pin!(reset)).await.or_err(ErrorType::ConnectionClosed, STOPPING)?;
        reset.or_err(ErrorType::H2Error, "while waiting for a stream's end")?;
        Error::e_explain(ErrorType::H2Error, "the client has reset the stream")
    }

    fn body_bytes_sent(&self) -> usize {
        self.sent_bytes
    }

    fn body_bytes_read(&self) -> usize {
        self.read_bytes
    }

    fn digest(&self) -> Option<&Digest> {
        Some(&self.digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        Some(&mut self.digest)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        Some(&self.peer)
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        None
    }

    /// For subrequests, of which there are none.
    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        Bytes::new()
    }

    fn enable_retry_buffering(&mut self) {
        self.replay.is_wanted = true;
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.replay.is_truncated
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        let is_whole = !self.replay.is_truncated && !self.replay.bytes.is_empty();
        is_whole.then(|| Bytes::copy_from_slice(&self.replay.bytes))
    }

    // HTTP/2 has no messages beside its bodies.

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(&mut self) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
