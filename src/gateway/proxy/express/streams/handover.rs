use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::request::Parts;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::RequestHeader;

use super::Peer;
use super::session::StreamSession;
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::express::Express;

/// What was decided about a request before the full lane got it. It travels among the request's extensions, since
/// Pingora carries a context from one lane to another for HTTP/1.1 only.
#[derive(Clone, Debug)]
pub(in crate::gateway::proxy) struct Handed(Arc<Mutex<Option<Box<Ctx>>>>);

impl Handed {
    pub(super) fn new(ctx: Box<Ctx>) -> Handed {
        Handed(Arc::new(Mutex::new(Some(ctx))))
    }

    /// The context of this request, once.
    pub(in crate::gateway::proxy) fn take(request: &RequestHeader) -> Option<Box<Ctx>> {
        request.extensions.get::<Handed>()?.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Express {
    /// Has the full lane answer a stream.
    pub(super) async fn hand_over_stream(
        &self,
        peer: &Peer,
        shutdown: &ShutdownWatch,
        mut parts: Parts,
        (body, respond): (RecvStream, SendResponse<Bytes>),
        handed: Handed,
    ) {
        parts.extensions.insert(handed);
        let session = StreamSession::new(parts.into(), peer, (body, respond), Arc::clone(&self.live));
        // There is no connection to go on with: a stream is used once.
        let _ = self.full.process_new_http(ServerSession::new_custom(Box::new(session)), shutdown).await;
    }
}
