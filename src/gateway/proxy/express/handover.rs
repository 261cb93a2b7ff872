use std::sync::Arc;

use bytes::BytesMut;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;

use super::Express;
use super::client::Client;
use super::fence::Fence;
use super::head::RequestHead;
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
    fence: Fence,
}

impl HandedOver {
    /// `bytes` begin with its head; what in them is not the request's stays for `read_after`.
    pub(super) fn new(
        head: &RequestHead<'_>,
        bytes: &[u8],
        ctx: Option<Box<Ctx>>,
        read_after: &mut Vec<u8>,
    ) -> HandedOver {
        // What is no chunk is for the full lane to refuse, and nothing is read after it.
        let fence = Fence::of(head.framing, &bytes[head.len..]);
        let (of_body, fence) = fence.unwrap_or((bytes.len() - head.len, Fence::Open { has_read: true }));
        let (request, rest) = bytes.split_at(head.len + of_body);
        read_after.splice(0..0, rest.iter().copied());
        let fence = if head.is_upgrade { Fence::Open { has_read: false } } else { fence };
        HandedOver { request: BytesMut::from(request), ctx, fence }
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
        let Client { wire, peer, requests, mut read_after, .. } = client;
        let connection = Connection::new(wire, peer, handed.fence, Arc::clone(&self.live));
        let mut session = ServerSession::new_http1(Box::new(connection));
        session.set_pipelined_prefix(handed.request);
        session.set_connection_user_context(handed.ctx.map(|ctx| ctx as Box<_>));
        let (stream, _) = self.full.process_new_http(session, shutdown).await?.consume();
        let connection = stream.into_any().downcast::<Connection<W>>().ok()?;
        let (wire, held) = connection.into_wire()?;
        read_after.extend(held);
        let mut client = Client::new(wire, peer);
        (client.requests, client.read_after) = (requests, read_after);
        Some(client)
    }
}
