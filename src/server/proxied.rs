use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What begins a header of version 2 (PROXY protocol, section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Of a line of version 1, its end included (section 2.1).
const LINE_BYTES_MAX: usize = 107;
/// Of what follows the first 16 bytes of version 2: addresses, and what balancers add to them.
const REST_BYTES_MAX: usize = 4096;

/// Reads the header with which a trusted proxy begins a connection, and nothing after it.
///
/// `None`: the proxy speaks for itself, as it does to see whether we are well. A connection that begins otherwise is
/// an error: whoever guesses lets clients say who they are.
pub(super) async fn read_header(tcp: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    // No header is shorter.
    let mut start = [0; SIGNATURE.len()];
    tcp.read_exact(&mut start).await?;
    if start == *SIGNATURE {
        let mut fixed = [0; 4];
        tcp.read_exact(&mut fixed).await?;
        let len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if len > REST_BYTES_MAX {
            return Err(malformed());
        }
        let mut rest = vec![0; len];
        tcp.read_exact(&mut rest).await?;
        return read_binary(fixed[0], fixed[1], &rest).ok_or_else(malformed);
    }
    let mut line = start.to_vec();
    if !line.starts_with(b"PROXY ") {
        return Err(malformed());
    }
    while !line.ends_with(b"\r\n") {
        read_on(tcp, &mut line).await?;
    }
    read_line(&line).ok_or_else(malformed)
}

/// Reads on until the line ends, or as far as it has come.
async fn read_on(tcp: &mut TcpStream, line: &mut Vec<u8>) -> io::Result<()> {
    let mut ahead = [0; LINE_BYTES_MAX];
    let room = LINE_BYTES_MAX - line.len();
    if room == 0 {
        return Err(malformed());
    }
    let count = tcp.peek(&mut ahead[..room]).await?;
    let ahead = &mut ahead[..count];
    let of_line = memchr::memchr(b'\n', ahead).map_or(count, |at| at + 1);
    if of_line == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    tcp.read_exact(&mut ahead[..of_line]).await?;
    line.extend_from_slice(&ahead[..of_line]);
    // A line feed that nothing went before does not end it.
    if line.ends_with(b"\n") && !line.ends_with(b"\r\n") { Err(malformed()) } else { Ok(()) }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not begin with a header of PROXY protocol")
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n`; the outer `None`: it is malformed.
fn read_line(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line.strip_suffix(b"\r\n")?).ok()?;
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let (source, destination) = (words.next()?, words.next()?);
    let (port, _) = (read_port(words.next()?)?, read_port(words.next()?)?);
    let is_of_family = |address: &IpAddr| match family {
        "TCP4" => address.is_ipv4(),
        "TCP6" => address.is_ipv6(),
        _ => false,
    };
    let read = |text: &str| text.parse().ok().filter(is_of_family);
    let source = read(source).and(read(destination)).and_then(|_: IpAddr| read(source))?;
    words.next().is_none().then_some(Some(SocketAddr::new(source, port)))
}

fn read_port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// Version and command, family and transport, and what follows the length.
fn read_binary(command: u8, family: u8, rest: &[u8]) -> Option<Option<SocketAddr>> {
    match (command, family) {
        // The proxy's own.
        (0x20, _) => Some(None),
        (0x21, 0x11) => {
            let [a, b, c, d, _, _, _, _, high, low, ..] = *rest else { return None };
            let is_whole = rest.len() >= 12;
            let source = SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]));
            is_whole.then_some(Some(source))
        }
        (0x21, 0x21) => {
            let (source, ports) = (rest.first_chunk::<16>()?, rest.get(32..36)?);
            let port = u16::from_be_bytes([ports[0], ports[1]]);
            Some(Some(SocketAddr::new(Ipv6Addr::from(*source).into(), port)))
        }
        // Another transport, or none: there is no address of a client to be had.
        (0x21, _) => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<Option<&str>>) {
        let expected = expected.map(|source| source.map(|text| text.parse().unwrap()));
        assert_eq!(read_line(line.as_bytes()), expected, "{line:?}");
    }

    #[test]
    fn a_line_names_the_client() {
        check("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n", Some(Some("192.0.2.1:4711")));
        check("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", Some(Some("[2001:db8::1]:0")));
        check("PROXY UNKNOWN\r\n", Some(None));
        check("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Some(None));
    }

    #[test]
    fn what_is_no_line_of_it_is_refused() {
        for line in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80 1\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 4711 80\r\n",
            "PROXY TCP4 2001:db8::1 192.0.2.2 4711 80\r\n",
            "PROXY TCP6 192.0.2.1 ::1 4711 80\r\n",
            "PROXY TCP4 192.0.2.1 nobody 4711 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 80\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 4711 80\r\n",
            "PROXY\r\n",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn the_binary_form_names_the_client() {
        let v4 = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x67, 0, 80];
        assert_eq!(read_binary(0x21, 0x11, &v4), Some(Some("192.0.2.1:4711".parse().unwrap())));
        assert_eq!(read_binary(0x21, 0x11, &[&v4[..], &[4, 0, 1, 9]].concat()).unwrap().unwrap().port(), 4711);
        let mut v6 = [0; 36];
        (v6[0], v6[15], v6[33]) = (0xfd, 1, 80);
        assert_eq!(read_binary(0x21, 0x21, &v6), Some(Some("[fd00::1]:80".parse().unwrap())));
        assert_eq!(read_binary(0x20, 0x00, &[]), Some(None), "the proxy asks for itself");
        assert_eq!(read_binary(0x21, 0x00, &[]), Some(None));
        assert_eq!(read_binary(0x21, 0x31, &[0; 216]), Some(None));
        for (command, family, len) in [(0x21, 0x11, 11), (0x21, 0x21, 35), (0x22, 0x11, 12), (0x11, 0x11, 12)] {
            assert_eq!(read_binary(command, family, &vec![0; len]), None, "{command:x} {family:x} {len}");
        }
    }
}
