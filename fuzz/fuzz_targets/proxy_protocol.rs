#![no_main]
//! A header of PROXY protocol is read the same in any pieces, and nothing after it is touched.

use std::io::Read;
use std::net::SocketAddr;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tollgate::server::fuzzing::proxy_header;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    at: u16,
    bytes: &'a [u8],
}

type Found = Result<(Option<SocketAddr>, Vec<u8>), ()>;

fuzz_target!(|input: Input<'_>| {
    if input.bytes.len() > 6000 {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let at = usize::from(input.at).min(input.bytes.len());
        let whole = read(&[input.bytes]).await;
        assert_eq!(whole, read(&[&input.bytes[..at], &input.bytes[at..]]).await, "it depends on the pieces");
        let Ok((source, rest)) = whole else { return };
        assert!(input.bytes.ends_with(&rest), "what follows is left as it is");
        let header = &input.bytes[..input.bytes.len() - rest.len()];
        let is_line = header.starts_with(b"PROXY ") && header.ends_with(b"\r\n") && header.len() <= 107;
        assert!(is_line || header.starts_with(b"\r\n\r\n\0\r\nQUIT\n"), "{header:?}");
        if let (true, Some(source)) = (is_line, source) {
            let text = String::from_utf8_lossy(header).into_owned();
            assert!(text.contains(&source.port().to_string()), "{text:?} is not {source}");
        }
    });
});

/// What is read when `pieces` come one after the other, and what is left of them.
async fn read(pieces: &[&[u8]]) -> Found {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let mut client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
    // Thousands of connections a second would run out of ports if they were remembered.
    let _ = socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO));
    let (mut tcp, _) = listener.accept().await.expect("a connection");
    let sending = async {
        for piece in pieces {
            client.write_all(piece).await.ok();
            tokio::task::yield_now().await;
        }
        client.shutdown().await.ok();
        client
    };
    let (source, client) = tokio::join!(proxy_header(&mut tcp), sending);
    let source = source.map_err(drop);
    let mut rest = Vec::new();
    let mut tcp = tcp.into_std().expect("a socket");
    tcp.set_nonblocking(false).expect("an option");
    let ended = tcp.read_to_end(&mut rest);
    drop(client);
    let source = source?;
    ended.map_err(drop)?;
    Ok((source, rest))
}
