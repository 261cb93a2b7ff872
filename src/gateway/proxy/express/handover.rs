use std::sync::Arc;

use bytes::BytesMut;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;

use super::Express;
use super::chunks::Chunks;
use super::client::Client;
use super::head::{Framing, RequestHead};
use crate::gateway::proxy::connection::Connection;
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::wire::Wire;

/// A request for the full lane.
#[derive(Debug)]
pub(super) struct HandedOver {
    /// Its bytes, as far as they were read.
    request: BytesMut,
    /// With what was decided already; `None`: nothing was.
    ctx: Option<Box<Ctx>>,
    /// How many bytes are still to come; `None` where only reading them tells.
    missing: Option<u64>,
}

impl HandedOver {
    /// `body` is what was read after the head, which ends `bytes`; what is not the request's stays for `read_after`.
    pub(super) fn new(
        head: &RequestHead<'_>,
        bytes: &[u8],
        ctx: Option<Box<Ctx>>,
        read_after: &mut Vec<u8>,
    ) -> HandedOver {
        let body = &bytes[head.len..];
        let (of_body, missing) = match head.framing {
            Framing::None => (0, Some(0)),
            Framing::Length(length) => {
                let here = usize::try_from(length).map_or(body.len(), |length| length.min(body.len()));
                (here, Some(length - here as u64))
            }
            Framing::Chunked => {
                let mut chunks = Chunks::default();
                // What is no chunk is for the full lane to refuse.
                let here = chunks.read(body, |_| {}).unwrap_or(body.len());
                (here, chunks.is_done().then_some(0))
            }
        };
        let (request, rest) = bytes.split_at(head.len + of_body);
        read_after.splice(0..0, rest.iter().copied());
        HandedOver { request: BytesMut::from(request), ctx, missing }
    }
}

impl Express {
    /// Has the full lane answer. Returns the connection if it can be used again.
    pub(super) async fn hand_over<W: Wire>(
        &self,
        client: Client<W>,
        handed: HandedOver,
        shutdown: &ShutdownWatch,
    ) -> Option<Client<W>> {
        let Client { wire, peer, requests, read_after, .. } = client;
        let mut session = ServerSession::new_http1(Box::new(Connection::new(wire, peer, Arc::clone(&self.live))));
        session.set_pipelined_prefix(handed.request);
        session.set_connection_user_context(handed.ctx.map(|ctx| ctx as Box<_>));
        let (stream, settings) = self.full.process_new_http(session, shutdown).await?.consume();
        let read = stream.as_any().downcast_ref::<Connection<W>>().map(Connection::read_bytes);
        if read.zip(handed.missing).is_some_and(|(read, missing)| read <= missing) {
            let connection = stream.into_any().downcast::<Connection<W>>().ok()?;
            let mut client = Client::new(connection.into_wire()?, peer);
            (client.requests, client.read_after) = (requests, read_after);
            return Some(client);
        }
        self.stay(stream, settings, shutdown).await;
        None
    }

    /// Leaves a connection to the full lane, which has read of the request after and will not say what.
    async fn stay(&self, mut stream: Stream, mut settings: Option<HttpPersistentSettings>, shutdown: &ShutdownWatch) {
        loop {
            let mut session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
            match self.full.process_new_http(session, shutdown).await {
                Some(reused) => (stream, settings) = reused.consume(),
                None => return,
            }
        }
    }
}
