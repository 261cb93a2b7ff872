//! A back end that follows a script, for tests: raw bytes, one connection after the other, on a thread of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use pingora_rustls::{CertificateDer, PrivateKeyDer, ServerConfig, TlsAcceptor};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What is done about one request.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    Send(&'static str),
    /// The connection is closed without an answer.
    Close,
    /// Nothing, until the other side gives up.
    Silence,
}

pub(super) struct Origin {
    pub(super) address: SocketAddr,
    heads: Receiver<String>,
}

impl Origin {
    /// Serves each connection by its own list of replies, and closes it after the last.
    pub(super) fn plain(connections: Vec<Vec<Reply>>) -> Origin {
        Origin::start(connections, None)
    }

    /// The same over TLS, as `name`. Returns its certificate too, as PEM.
    pub(super) fn tls(name: &str, connections: Vec<Vec<Reply>>) -> (Origin, String) {
        pingora_rustls::install_default_crypto_provider();
        let own = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let chain = vec![CertificateDer::from(own.cert.der().to_vec())];
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        (Origin::start(connections, Some(TlsAcceptor::from(Arc::new(config)))), own.cert.pem())
    }

    /// The next head that it was sent, whole.
    pub(super) fn next_head(&self) -> String {
        self.heads.recv().unwrap()
    }

    /// How many more heads it was sent.
    pub(super) fn heads_left(&self) -> usize {
        self.heads.try_iter().count()
    }

    fn start(connections: Vec<Vec<Reply>>, acceptor: Option<TlsAcceptor>) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, heads) = channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, connections, acceptor, sender));
        });
        Origin { address, heads }
    }
}

async fn serve(
    listener: TcpListener,
    connections: Vec<Vec<Reply>>,
    acceptor: Option<TlsAcceptor>,
    heads: Sender<String>,
) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    for replies in connections {
        let (stream, _) = listener.accept().await.unwrap();
        match &acceptor {
            None => converse(stream, &replies, &heads).await,
            Some(acceptor) => {
                if let Ok(stream) = acceptor.accept(stream).await {
                    converse(stream, &replies, &heads).await;
                }
            }
        }
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, replies: &[Reply], heads: &Sender<String>) {
    for reply in replies {
        let Some(head) = read_request(&mut stream).await else { return };
        // The test may be over already.
        let _ = heads.send(head);
        match reply {
            Reply::Send(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
            Reply::Close => return,
            Reply::Silence => {
                let _ = stream.read(&mut [0; 1]).await;
            }
        }
    }
    let _ = stream.shutdown().await;
}

/// Reads a head and the body that it announces, so that closing resets nothing. Returns the head.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(Ok(0), str::parse).ok()?;
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(head)
}
