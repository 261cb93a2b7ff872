//! A back end of HTTP/2 that echoes piece by piece and ends with trailers, as a service of gRPC does.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::runtime::Builder;

type Heads = Arc<Mutex<Vec<Request<()>>>>;

pub struct Service {
    address: SocketAddr,
    heads: Heads,
    connections: Arc<AtomicUsize>,
}

impl Service {
    /// On a port of the system's choice, in cleartext by prior knowledge.
    pub fn start() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port for a service");
        listener.set_nonblocking(true).expect("a socket that a runtime can have");
        let address = listener.local_addr().expect("a bound address");
        let heads = Heads::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let (kept, counted) = (Arc::clone(&heads), Arc::clone(&connections));
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, kept, counted));
        });
        Service { address, heads, connections }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads of all requests, in order.
    pub fn heads(&self) -> Vec<Request<()>> {
        self.heads.lock().expect("no service panicked").clone()
    }

    /// The newest request's head.
    #[track_caller]
    pub fn last(&self) -> Request<()> {
        self.heads().pop().expect("the service was asked")
    }
}

async fn serve(listener: TcpListener, heads: Heads, connections: Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
    while let Ok((tcp, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let heads = Arc::clone(&heads);
        tokio::spawn(async move {
            let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                let (parts, body) = request.into_parts();
                heads.lock().expect("no service panicked").push(Request::from_parts(parts.clone(), ()));
                tokio::spawn(answer(parts.uri.path().to_owned(), body, respond));
            }
        });
    }
}

/// Paths that end with `/refuse` are answered with trailers only, as gRPC refuses.
async fn answer(path: String, mut body: h2::RecvStream, mut respond: SendResponse<Bytes>) -> Option<()> {
    let is_refused = path.ends_with("/refuse");
    let status = HeaderValue::from_static(if is_refused { "7" } else { "0" });
    let head = Response::builder().header("content-type", "application/grpc");
    if is_refused {
        respond.send_response(head.header("grpc-status", status).body(()).ok()?, true).ok()?;
        return Some(());
    }
    let mut answer = respond.send_response(head.body(()).ok()?, false).ok()?;
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        body.flow_control().release_capacity(piece.len()).ok()?;
        answer.send_data(piece, false).ok()?;
    }
    answer.send_trailers(HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), status)])).ok()
}
