#![no_main]
//! Any bytes of a client that should be TLS, in any pieces: the handshake ends, and so does what follows.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tollgate::gateway::proxy::TlsStream;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    cut: u16,
    bytes: &'a [u8],
}

thread_local! {
    static SERVER: OnceCell<(Runtime, Arc<ServerConfig>, TcpListener)> = const { OnceCell::new() };
}

fuzz_target!(|input: Input<'_>| {
    SERVER.with(|server| {
        let (runtime, config, listener) = server.get_or_init(start);
        let work = async { tokio::time::timeout(Duration::from_secs(10), converse(config, listener, &input)).await };
        runtime.block_on(work).expect("it ends once its client has said all");
    });
});

fn start() -> (Runtime, Arc<ServerConfig>, TcpListener) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let made = rcgen::generate_simple_self_signed(["fuzz.test".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate with its key");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a listener");
    (runtime, Arc::new(config), listener)
}

async fn converse(config: &Arc<ServerConfig>, listener: &TcpListener, input: &Input<'_>) {
    let mut client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
    // Thousands of connections a second would run out of ports if they were remembered.
    let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
    let (tcp, _) = listener.accept().await.expect("a connection");
    let (first, rest) = input.bytes.split_at(usize::from(input.cut).min(input.bytes.len()));
    let speaking = async {
        for piece in [first, rest] {
            let _ = client.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut Vec::new()).await;
    };
    let serving = async {
        if let Ok(mut tls) = TlsStream::accept(tcp, Arc::clone(config)).await {
            let _ = tls.read_to_end(&mut Vec::new()).await;
        }
    };
    tokio::join!(serving, speaking);
}
