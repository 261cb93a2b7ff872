use std::io;
use std::sync::Arc;

use pingora_core::protocols::tls::SslDigest;
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};
use tokio::io::ReadBuf;

use super::subject;

/// What one call encrypts at most: what one read of a back end brings, with a head before it.
const ENCRYPT_BYTES_MAX: usize = 160 << 10;
/// What a record holds (RFC 8446 section 5.1), and more than it adds to that in any version.
const FRAGMENT_BYTES: usize = 16 << 10;
const FRAGMENT_OVERHEAD_BYTES: usize = 64;
/// An alert takes less.
const ALERT_BYTES: usize = 128;
/// A message of the handshake may be spread over records up to here; data is never more than one record.
const UNREAD_BYTES_MAX: usize = 80 << 10;

/// One side of TLS, and what of it waits; it knows no socket.
pub(super) struct Session {
    tls: UnbufferedServerConnection,
    /// What has come of a record, or of a message in several, that is not whole. rustls remembers places in it, so it is
    /// shown again whenever rustls is asked for anything.
    unread: Vec<u8>,
    /// Data that nobody has taken yet.
    data: Vec<u8>,
    /// What the socket did not take.
    unsent: Vec<u8>,
    /// Of `unsent`, what has left.
    sent: usize,
    is_read_closed: bool,
    /// What the client sent was no TLS: nothing more is read or encrypted.
    is_broken: bool,
}

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> io::Result<Session> {
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let (unread, data, unsent) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Session { tls, unread, data, unsent, sent: 0, is_read_closed: false, is_broken: false })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether the client wants to speak HTTP/2 (RFC 7301).
    pub(super) fn is_http_2_chosen(&self) -> bool {
        self.tls.alpn_protocol() == Some(b"h2")
    }

    pub(super) fn digest(&self) -> SslDigest {
        let cipher = self.tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let version = self.tls.protocol_version().and_then(|version| version.as_str());
        let certificate = self.tls.peer_certificates().and_then(<[_]>::first);
        let subject = certificate.and_then(subject::read);
        SslDigest::new(cipher.unwrap_or_default(), version.unwrap_or_default(), subject, None, Vec::new())
    }

    pub(super) fn is_read_closed(&self) -> bool {
        self.is_read_closed
    }

    /// The client has closed, with an alert or without. A body that ends so is short of its length, so nothing that
    /// was cut is taken for whole.
    pub(super) fn close_read(&mut self) {
        self.is_read_closed = true;
    }

    /// Whether something can be read without the socket.
    pub(super) fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    /// Hands out data that is here already.
    pub(super) fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.data.len().min(buffer.remaining());
        buffer.put_slice(&self.data[..count]);
        match count == self.data.len() {
            true => self.data = Vec::new(),
            false => drop(self.data.drain(..count)),
        }
    }

    /// Gets `scratch` ready for `room` bytes to be read behind what was read before. Returns where they go.
    pub(super) fn prepare_read(&self, scratch: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        let start = self.unread.len();
        if start > UNREAD_BYTES_MAX {
            return Err(invalid("a message of the handshake is too long"));
        }
        if scratch.len() < start + room {
            scratch.resize(start + room, 0);
        }
        scratch[..start].copy_from_slice(&self.unread);
        Ok(start)
    }

    /// Reads records: their data goes to `buffer`, and what has no room there is kept.
    pub(super) fn read(&mut self, records: &mut [u8], buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut used = 0;
        let mut is_waiting = false;
        while !is_waiting {
            let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(&mut records[used..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        discard += record.discard;
                        let (now, later) = record.payload.split_at(record.payload.len().min(buffer.remaining()));
                        buffer.put_slice(now);
                        self.data.extend_from_slice(later);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(message)) => encode(message, &mut self.unsent)?,
                Ok(ConnectionState::TransmitTlsData(sending)) => sending.done(),
                Ok(ConnectionState::PeerClosed) => self.is_read_closed = true,
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) | ConnectionState::Closed) => {
                    is_waiting = true;
                }
                Ok(_) => return Err(invalid("data before the end of the handshake")),
                Err(error) => {
                    self.is_broken = true;
                    self.collect_alert();
                    return Err(invalid(error));
                }
            }
            used += discard;
        }
        self.unread = records[used..].to_vec();
        Ok(())
    }

    /// Takes what says why a connection is broken off.
    fn collect_alert(&mut self) {
        // As long as there is something to say, rustls looks at nothing else; asked for more, it would find the fault again.
        while self.tls.wants_write() {
            let Ok(ConnectionState::EncodeTlsData(message)) = self.tls.process_tls_records(&mut []).state else {
                return;
            };
            if encode(message, &mut self.unsent).is_err() {
                return;
            }
        }
    }

    /// Whether all that was encrypted has left.
    pub(super) fn is_flushed(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Sends what was encrypted. `false`: `send` would block.
    pub(super) fn flush(&mut self, send: &mut impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<bool> {
        while self.sent < self.unsent.len() {
            match send(&self.unsent[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        (self.unsent, self.sent) = (Vec::new(), 0);
        Ok(true)
    }

    /// Encrypts data and sends it in one call. Returns how much was taken; 0: what was taken before would block.
    /// What `send` does not take at once is kept, for [`Session::flush`].
    pub(super) fn write<'p>(
        &mut self,
        pieces: impl Iterator<Item = &'p [u8]>,
        scratch: &mut Vec<u8>,
        send: &mut impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if !self.flush(send)? {
            return Ok(0);
        }
        let (mut taken, mut filled) = (0, 0);
        for piece in pieces {
            let piece = &piece[..piece.len().min(ENCRYPT_BYTES_MAX - taken)];
            filled += self.encrypt(piece, scratch, filled)?;
            taken += piece.len();
        }
        let records = &scratch[..filled];
        if !self.unsent.is_empty() {
            // Messages of the protocol itself, which were encrypted before.
            self.unsent.extend_from_slice(records);
            return self.flush(send).map(|_| taken);
        }
        let sent = match send(records) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            sent => sent?,
        };
        self.unsent.extend_from_slice(&records[sent..]);
        Ok(taken)
    }

    /// Encrypts one piece to `scratch[start..]`. Returns how long its records are.
    fn encrypt(&mut self, piece: &[u8], scratch: &mut Vec<u8>, start: usize) -> io::Result<usize> {
        if piece.is_empty() {
            return Ok(0);
        }
        let most = piece.len() + (piece.len() / FRAGMENT_BYTES + 2) * FRAGMENT_OVERHEAD_BYTES;
        if scratch.len() < start + most {
            scratch.resize(start + most, 0);
        }
        loop {
            match self.with_traffic(|traffic| traffic.encrypt(piece, &mut scratch[start..]))? {
                Ok(len) => return Ok(len),
                Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                    scratch.resize(start + required_size, 0);
                }
                Err(error @ EncryptError::EncryptExhausted) => return Err(io::Error::other(error)),
            }
        }
    }

    /// Has `work` encrypt, after what the protocol itself has to say.
    fn with_traffic<T>(
        &mut self,
        work: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> T,
    ) -> io::Result<T> {
        while !self.is_broken {
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.unread);
            match state.map_err(invalid)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let done = work(&mut traffic);
                    self.unread.drain(..discard);
                    return Ok(done);
                }
                ConnectionState::EncodeTlsData(message) => encode(message, &mut self.unsent)?,
                ConnectionState::TransmitTlsData(sending) => sending.done(),
                ConnectionState::PeerClosed => self.is_read_closed = true,
                _ => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            self.unread.drain(..discard);
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }

    /// Queues the alert that says that all was sent (RFC 8446 section 6.1).
    pub(super) fn close_write(&mut self) {
        let mut alert = [0; ALERT_BYTES];
        // A connection that cannot say it any more is broken, and that says enough.
        if let Ok(Ok(len)) = self.with_traffic(|traffic| traffic.queue_close_notify(&mut alert)) {
            self.unsent.extend_from_slice(&alert[..len]);
        }
    }
}

/// Puts a message of the protocol behind what waits to be sent.
fn encode(mut message: EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    let mut room = ALERT_BYTES;
    loop {
        out.resize(start + room, 0);
        match message.encode(&mut out[start..]) {
            Ok(len) => {
                out.truncate(start + len);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => room = required_size,
            Err(error @ EncodeError::AlreadyEncoded) => return Err(invalid(error)),
        }
    }
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    /// Both ends of a connection, and what is on its way between them.
    struct Pair {
        client: ClientConnection,
        server: Session,
        to_client: Vec<u8>,
        scratch: Vec<u8>,
    }

    impl Pair {
        fn new() -> Pair {
            pingora_rustls::install_default_crypto_provider();
            let certified = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
            let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
            let server = ServerConfig::builder().with_no_client_auth();
            let server = server.with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
            let mut roots = RootCertStore::empty();
            roots.add(certified.cert.der().clone()).unwrap();
            let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            let name = ServerName::try_from("gateway.test").unwrap();
            let client = ClientConnection::new(Arc::new(client), name).unwrap();
            let server = Session::new(Arc::new(server)).unwrap();
            Pair { client, server, to_client: Vec::new(), scratch: Vec::new() }
        }

        fn shaken() -> Pair {
            let mut pair = Pair::new();
            while pair.client.is_handshaking() || pair.server.is_handshaking() {
                pair.carry_up(usize::MAX).unwrap();
                pair.carry_down(usize::MAX);
            }
            pair
        }

        /// What the client sent, in reads of `piece` bytes. Returns the data.
        fn carry_up(&mut self, piece: usize) -> io::Result<Vec<u8>> {
            let (mut records, mut data) = (Vec::new(), vec![0; 1 << 20]);
            while self.client.wants_write() {
                self.client.write_tls(&mut records).unwrap();
            }
            let mut buffer = ReadBuf::new(&mut data);
            for read in records.chunks(piece.min(records.len().max(1))) {
                let start = self.server.prepare_read(&mut self.scratch, read.len())?;
                self.scratch[start..start + read.len()].copy_from_slice(read);
                self.server.read(&mut self.scratch[..start + read.len()], &mut buffer)?;
            }
            Ok(buffer.filled().to_vec())
        }

        /// What the server has to send, of which the socket takes `piece` bytes. Returns the data.
        fn carry_down(&mut self, piece: usize) -> Vec<u8> {
            let mut taken = Vec::new();
            let mut is_asked = false;
            self.server
                .flush(&mut |bytes| {
                    if std::mem::replace(&mut is_asked, true) {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    taken.extend_from_slice(&bytes[..bytes.len().min(piece)]);
                    Ok(bytes.len().min(piece))
                })
                .unwrap();
            self.to_client.extend(taken);
            self.receive()
        }

        fn receive(&mut self) -> Vec<u8> {
            let mut data = Vec::new();
            let mut bytes = &self.to_client[..];
            while !bytes.is_empty() && self.client.read_tls(&mut bytes).unwrap() > 0 {
                self.client.process_new_packets().unwrap();
                let _ = self.client.reader().read_to_end(&mut data);
            }
            self.to_client.clear();
            data
        }
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 % 251) as u8).collect()
    }

    #[test]
    fn records_are_read_however_they_are_split_over_reads() {
        for piece in [1, 7, 1000, 20_000, usize::MAX] {
            let mut pair = Pair::new();
            while pair.client.is_handshaking() || pair.server.is_handshaking() {
                pair.carry_up(piece).unwrap();
                pair.carry_down(usize::MAX);
            }
            for len in [1, 40_000] {
                pair.client.writer().write_all(&bytes(len)).unwrap();
                assert!(pair.carry_up(piece).unwrap() == bytes(len), "{len} bytes in reads of {piece}");
                assert_eq!(pair.server.unread.capacity() + pair.server.data.capacity(), 0, "an idle one holds nothing");
            }
        }
    }

    #[test]
    fn data_without_room_is_handed_out_later() {
        let mut pair = Pair::shaken();
        pair.client.writer().write_all(b"abcdef").unwrap();
        let mut records = Vec::new();
        pair.client.write_tls(&mut records).unwrap();
        let mut room = [0; 2];
        let mut read = Vec::new();
        pair.server.read(&mut records, &mut ReadBuf::new(&mut [])).unwrap();
        while pair.server.has_data() {
            let mut buffer = ReadBuf::new(&mut room);
            pair.server.give(&mut buffer);
            read.extend_from_slice(buffer.filled());
        }
        assert_eq!(read, b"abcdef");
    }

    #[test]
    fn a_head_and_a_small_body_are_one_record_and_leave_in_one_call() {
        let mut pair = Pair::shaken();
        let mut calls = Vec::new();
        let mut send = |bytes: &[u8]| {
            calls.push(bytes.len());
            Ok(bytes.len())
        };
        let taken = pair.server.write([&b"head and body"[..], b""].into_iter(), &mut pair.scratch, &mut send);
        assert_eq!(taken.unwrap(), 13);
        assert_eq!(calls, [5 + 13 + 1 + 16]);
        assert!(pair.server.is_flushed());
    }

    #[test]
    fn what_the_socket_does_not_take_at_once_leaves_in_its_order() {
        let mut pair = Pair::shaken();
        let (head, body) = (bytes(300), bytes(100_000));
        let mut first = Vec::new();
        let mut send = |bytes: &[u8]| {
            first.extend_from_slice(&bytes[..1000]);
            Ok(1000)
        };
        let taken = pair.server.write([&head[..], &body].into_iter(), &mut pair.scratch, &mut send).unwrap();
        assert_eq!((taken, pair.server.is_flushed()), (head.len() + body.len(), false));
        let blocked = &mut |_: &[u8]| Err(io::ErrorKind::WouldBlock.into());
        assert_eq!(pair.server.write([&b"more"[..]].into_iter(), &mut pair.scratch, blocked).unwrap(), 0);
        pair.to_client = first;
        let mut got = pair.receive();
        while !pair.server.is_flushed() {
            got.extend(pair.carry_down(7000));
        }
        assert!(got == [head, body].concat());
        assert_eq!(pair.server.unsent.capacity(), 0);
    }

    #[test]
    fn a_close_is_said_once_and_heard() {
        let mut pair = Pair::shaken();
        pair.client.send_close_notify();
        pair.carry_up(usize::MAX).unwrap();
        assert!(pair.server.is_read_closed());
        let mut send = |bytes: &[u8]| {
            pair.to_client.extend_from_slice(bytes);
            Ok(bytes.len())
        };
        pair.server.write([&b"late"[..]].into_iter(), &mut pair.scratch, &mut send).unwrap();
        pair.server.close_write();
        pair.server.close_write();
        assert_eq!(pair.receive(), b"late");
        pair.carry_down(usize::MAX);
        assert!(pair.client.process_new_packets().unwrap().peer_has_closed());
    }

    #[test]
    fn whoever_breaks_off_in_the_midst_of_a_message_is_told_goodbye() {
        // A record that holds the beginning of a ClientHello of 2,560 bytes, and then nothing or no record.
        let begun = [22, 3, 1, 0, 4, 1, 0, 10, 0];
        for (rest, is_refused) in [(&b""[..], false), (b"no record", true)] {
            let mut pair = Pair::new();
            let mut records = [&begun, rest].concat();
            let read = pair.server.read(&mut records, &mut ReadBuf::new(&mut []));
            assert_eq!(read.is_err(), is_refused);
            pair.server.close_write();
            assert_eq!(pair.server.unsent.first(), is_refused.then_some(&21), "an alert (RFC 8446 section 5.1)");
        }
    }

    #[test]
    fn what_is_no_tls_is_refused_with_an_alert() {
        let mut pair = Pair::new();
        let mut plain = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        assert!(pair.server.read(&mut plain, &mut ReadBuf::new(&mut [])).is_err());
        assert_eq!(pair.server.unsent.first(), Some(&21), "an alert (RFC 8446 section 5.1)");
    }
}
