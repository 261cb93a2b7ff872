//! HTTP/2 by the book: the cases of the public suite h2spec 2.6, told anew by the sections of RFC 9113 and RFC 7541.
//!
//! The suite is a Go program, which cannot be had everywhere this is built. As there, an error of a stream may be answered
//! with one of the connection, and an error of the connection by closing it. The framer says `PROTOCOL_ERROR` where it could
//! be more specific, which that suite lets pass too.

use std::time::Duration;

use crate::house::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, fields_of, frame, head,
};
use crate::house::{Gateway, Origin};

const FRONT: &str = r#"
[server]
listen = [{ address = "127.0.0.1:0", h2 = true }]
threads = 1
[server.limits]
idle_timeout = "2s"
[apis.front]
routes = [
    { method = "ANY", path = "/pass/{rest+}", integration = { type = "HTTP_PROXY", uri = "http://@1/{rest}" } },
    { method = "ANY", path = "/mock", integration = { type = "MOCK", body = "mock" } },
]
[apis.front.stages.prod]
[domains."*"]
mappings = { "/" = "front/prod" }
"#;

const PADDED: u8 = 8;
const PRIORITISED: u8 = 0x20;
const WHOLE: u8 = END_STREAM | END_HEADERS;

const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const COMPRESSION: u32 = 9;

/// What has to come back.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The connection ends, with one of these errors if it says why.
    Connection(&'static [u32]),
    /// The stream ends in an error or a refusal, or the connection does.
    Stream(&'static [u32]),
    /// All is well: a request on stream 101 is answered.
    Fine,
}
use Expected::{Connection, Fine, Stream};

fn get() -> Vec<u8> {
    head("GET", "/mock", &[])
}

fn post() -> Vec<u8> {
    head("POST", "/pass/a", &[])
}

fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &fields_of(list))
}

/// A request with these fields in the place of, or beside, the usual ones.
fn with(more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &head("GET", "/mock", more))
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// A head on stream 1 that is not over, and what comes in the midst of it.
fn in_the_midst(of_it: Vec<u8>) -> Vec<u8> {
    [frame(HEADERS, END_STREAM, 1, &get()), of_it, frame(CONTINUATION, END_HEADERS, 1, &[])].concat()
}

/// A stream that is open for a body, and what comes then.
fn open_then(then: Vec<u8>) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, 1, &post()), then].concat()
}

/// A stream that has ended for the client, and what comes then.
fn ended_then(then: Vec<u8>) -> Vec<u8> {
    [frame(HEADERS, WHOLE, 1, &get()), then].concat()
}

fn reset_then(then: Vec<u8>) -> Vec<u8> {
    open_then([frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), then].concat())
}

#[track_caller]
fn check(cases: Vec<(&'static str, Vec<u8>, Expected)>) {
    let origin = Origin::echo();
    let gateway = Gateway::start(FRONT, &[&origin]);
    let count = cases.len();
    let faults: Vec<_> = cases
        .into_iter()
        .filter_map(|(what, bytes, expected)| {
            let mut frames = Frames::open(gateway.http(), &[]);
            frames.write(&bytes);
            if matches!(expected, Fine) {
                frames.get(101, "/mock");
            }
            judge(&mut frames, expected).err().map(|why| format!("{what}: {why}"))
        })
        .collect();
    assert!(faults.is_empty(), "{} of {count}\n{}", faults.len(), faults.join("\n"));
}

fn judge(frames: &mut Frames, expected: Expected) -> Result<(), String> {
    let is_one_of = |codes: &[u32], frame: &Frame| match frame.error() == PROTOCOL || codes.contains(&frame.error()) {
        true => Ok(()),
        false => Err(format!("it ends with error {}", frame.error())),
    };
    loop {
        let next = frames.next().map_err(|error| format!("nothing comes: {error}"))?;
        match (expected, next) {
            (Connection(_) | Stream(_), None) => return Ok(()),
            (Fine, None) => return Err("the connection is closed".to_owned()),
            (Connection(codes) | Stream(codes), Some(frame)) if frame.kind == GOAWAY => {
                return is_one_of(codes, &frame);
            }
            (Stream(codes), Some(frame)) if frame.kind == RST_STREAM => return is_one_of(codes, &frame),
            (Stream(_), Some(frame)) if frame.kind == HEADERS && frame.begins_with_status(400) => return Ok(()),
            (Fine, Some(frame)) if frame.kind == GOAWAY => return Err(format!("it ends with error {}", frame.error())),
            (Fine, Some(frame)) if frame.kind == HEADERS && frame.stream == 101 => return Ok(()),
            _ => {}
        }
    }
}

#[test]
fn frames_are_taken_as_section_4_has_it() {
    let large = vec![0; (1 << 14) + 1];
    check(vec![
        ("4.1 a frame of an unknown type", frame(0xff, 0, 0, &[0; 8]), Fine),
        ("4.1 unknown flags", frame(PING, 0xfe & !1, 0, &[0; 8]), Fine),
        ("4.1 the reserved bit of a stream", frame(PING, 0, 1 << 31, &[0; 8]), Fine),
        ("4.2 a frame as large as may be", open_then(frame(DATA, END_STREAM, 1, &large[1..])), Fine),
        ("4.2 a body's frame that is too large", open_then(frame(DATA, END_STREAM, 1, &large)), Stream(&[FRAME_SIZE])),
        ("4.2 a head's frame that is too large", frame(HEADERS, WHOLE, 1, &large), Connection(&[FRAME_SIZE])),
        (
            "4.3 a block that is none",
            frame(HEADERS, WHOLE, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            Connection(&[COMPRESSION]),
        ),
        (
            "4.3 a priority in the midst of a head",
            in_the_midst(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
            Connection(&[PROTOCOL]),
        ),
        (
            "4.3 another head in the midst of one",
            in_the_midst(frame(HEADERS, WHOLE, 3, &get())),
            Connection(&[PROTOCOL]),
        ),
        ("5.5 an unknown setting", setting(0xff, 1), Fine),
        (
            "5.5 an unknown frame in the midst of a head",
            in_the_midst(frame(0xff, 0, 0, &[0; 8])),
            Connection(&[PROTOCOL]),
        ),
        (
            "6.10 a head in three pieces",
            {
                let block = get();
                [
                    frame(HEADERS, END_STREAM, 1, &block[..5]),
                    frame(CONTINUATION, 0, 1, &block[5..9]),
                    frame(CONTINUATION, END_HEADERS, 1, &block[9..]),
                ]
                .concat()
            },
            Fine,
        ),
    ]);
}

#[test]
fn streams_live_as_section_5_has_it() {
    let closed: &[u32] = &[STREAM_CLOSED, PROTOCOL];
    let too_many: Vec<u8> = (0..200u32).flat_map(|n| frame(HEADERS, END_HEADERS, 2 * n + 1, &post())).collect();
    check(vec![
        ("5.1 idle: a body", frame(DATA, END_STREAM, 1, b"x"), Connection(&[PROTOCOL])),
        ("5.1 idle: a reset", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), Connection(&[PROTOCOL])),
        ("5.1 idle: a window", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 100]), Connection(&[PROTOCOL])),
        ("5.1 idle: a continuation", frame(CONTINUATION, END_HEADERS, 1, &get()), Connection(&[PROTOCOL])),
        ("5.1 idle: a priority", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]), Fine),
        ("5.1 half closed: a body", ended_then(frame(DATA, END_STREAM, 1, b"x")), Stream(closed)),
        ("5.1 half closed: a head", ended_then(frame(HEADERS, WHOLE, 1, &get())), Stream(closed)),
        (
            "5.1 half closed: a continuation",
            ended_then(frame(CONTINUATION, END_HEADERS, 1, &get())),
            Connection(closed),
        ),
        ("5.1 half closed: a window", ended_then(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])), Fine),
        ("5.1 half closed: a priority", ended_then(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])), Fine),
        ("5.1 half closed: a reset", ended_then(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])), Fine),
        ("5.1 closed: a priority", reset_then(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])), Fine),
        ("5.1 closed: a continuation", reset_then(frame(CONTINUATION, END_HEADERS, 1, &get())), Connection(closed)),
        ("5.1.1 an even number", frame(HEADERS, WHOLE, 2, &get()), Connection(&[PROTOCOL])),
        (
            "5.1.1 a number that goes back",
            [frame(HEADERS, WHOLE, 5, &get()), frame(HEADERS, WHOLE, 3, &get())].concat(),
            Connection(closed),
        ),
        ("5.1.2 more streams than there may be", too_many, Stream(&[PROTOCOL, REFUSED_STREAM])),
        ("5.3.1 a priority of itself", frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 1]), Stream(&[PROTOCOL])),
        (
            "5.3.1 a head that depends on itself",
            frame(HEADERS, WHOLE | PRIORITISED, 1, &[&[0, 0, 0, 1, 1][..], &get()].concat()),
            Stream(&[PROTOCOL]),
        ),
        ("5.4.1 after an error the connection is closed", frame(PING, 0, 0, &[0; 7]), Connection(&[FRAME_SIZE])),
    ]);
}

#[test]
fn frames_mean_what_section_6_says() {
    check(vec![
        ("6.1 a body of no stream", frame(DATA, END_STREAM, 0, b"x"), Connection(&[PROTOCOL])),
        ("6.1 padding", open_then(frame(DATA, END_STREAM | PADDED, 1, b"\x02xyz")), Fine),
        (
            "6.1 more padding than frame",
            open_then(frame(DATA, END_STREAM | PADDED, 1, b"\xffx")),
            Connection(&[PROTOCOL]),
        ),
        ("6.2 a head of no stream", frame(HEADERS, WHOLE, 0, &get()), Connection(&[PROTOCOL])),
        ("6.2 padding", frame(HEADERS, WHOLE | PADDED, 1, &[&[2][..], &get(), &[0, 0]].concat()), Fine),
        (
            "6.2 more padding than frame",
            frame(HEADERS, WHOLE | PADDED, 1, &[&[0xff][..], &get()].concat()),
            Connection(&[PROTOCOL]),
        ),
        (
            "6.2 a priority in it",
            frame(HEADERS, WHOLE | PRIORITISED, 1, &[&[0, 0, 0, 0, 255][..], &get()].concat()),
            Fine,
        ),
        ("6.3 a priority of no stream", frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 1]), Connection(&[PROTOCOL])),
        ("6.3 a priority of another length", frame(PRIORITY, 0, 1, &[0, 0, 0, 1]), Stream(&[FRAME_SIZE])),
        ("6.3 an exclusive priority", frame(PRIORITY, 0, 1, &[0x80, 0, 0, 0, 1]), Fine),
        ("6.4 a reset of no stream", frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]), Connection(&[PROTOCOL])),
        ("6.4 a reset of another length", open_then(frame(RST_STREAM, 0, 1, &[0, 0, 8])), Connection(&[FRAME_SIZE])),
        ("6.5 an acknowledgement with settings", frame(SETTINGS, 1, 0, &[0, 3, 0, 0, 0, 1]), Connection(&[FRAME_SIZE])),
        ("6.5 settings of a stream", frame(SETTINGS, 0, 1, &[]), Connection(&[PROTOCOL])),
        ("6.5 settings of another length", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 1]), Connection(&[FRAME_SIZE])),
        ("6.5.2 pushes, neither on nor off", setting(2, 2), Connection(&[PROTOCOL])),
        ("6.5.2 a window that is too large", setting(4, 1 << 31), Connection(&[FLOW_CONTROL])),
        ("6.5.2 frames that are too small", setting(5, (1 << 14) - 1), Connection(&[PROTOCOL])),
        ("6.5.2 frames that are too large", setting(5, 1 << 24), Connection(&[PROTOCOL])),
        ("6.5.3 several settings", [setting(4, 100), setting(4, 1), setting(4, 65535)].concat(), Fine),
        ("6.7 a ping of a stream", frame(PING, 0, 1, &[0; 8]), Connection(&[PROTOCOL])),
        ("6.7 a ping of another length", frame(PING, 0, 0, &[0; 9]), Connection(&[FRAME_SIZE])),
        ("6.7 an answer that nobody asked for", frame(PING, 1, 0, b"unwanted"), Fine),
        ("6.8 a goodbye of a stream", frame(GOAWAY, 0, 1, &[0; 8]), Connection(&[PROTOCOL])),
        ("6.9 a window by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), Connection(&[PROTOCOL])),
        ("6.9 a stream's window by nothing", open_then(frame(WINDOW_UPDATE, 0, 1, &[0; 4])), Stream(&[PROTOCOL])),
        ("6.9 a window of another length", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1]), Connection(&[FRAME_SIZE])),
        (
            "6.9.1 a window that overflows",
            [
                frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
                frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            ]
            .concat(),
            Connection(&[FLOW_CONTROL]),
        ),
        (
            "6.9.1 a stream's window that overflows",
            open_then(
                [
                    frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]),
                    frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]),
                ]
                .concat(),
            ),
            Stream(&[FLOW_CONTROL]),
        ),
        (
            "6.9.2 a window that becomes negative",
            [setting(4, 3), frame(HEADERS, WHOLE, 1, &get()), setting(4, 2), setting(4, 65535)].concat(),
            Fine,
        ),
        (
            "6.10 a continuation of no stream",
            [frame(HEADERS, END_STREAM, 1, &get()), frame(CONTINUATION, END_HEADERS, 0, &[])].concat(),
            Connection(&[PROTOCOL]),
        ),
        (
            "6.10 a continuation of a whole head",
            ended_then(frame(CONTINUATION, END_HEADERS, 1, &[])),
            Connection(&[PROTOCOL, STREAM_CLOSED]),
        ),
        (
            "6.10 a continuation of a whole continuation",
            ended_then([frame(CONTINUATION, END_HEADERS, 1, &[]), frame(CONTINUATION, END_HEADERS, 1, &[])].concat()),
            Connection(&[PROTOCOL, STREAM_CLOSED]),
        ),
        (
            "6.10 a continuation of a body",
            open_then([frame(DATA, 0, 1, b"x"), frame(CONTINUATION, END_HEADERS, 1, &[])].concat()),
            Connection(&[PROTOCOL]),
        ),
        ("6.10 a body in the midst of a head", in_the_midst(frame(DATA, END_STREAM, 1, b"x")), Connection(&[PROTOCOL])),
        (
            "7 a goodbye for a reason that nobody knows",
            frame(RST_STREAM, 0, 1, &[]),
            Connection(&[PROTOCOL, FRAME_SIZE]),
        ),
        ("7 a reset for a reason that nobody knows", open_then(frame(RST_STREAM, 0, 1, &[0, 0, 0, 0xff])), Fine),
        (
            "8.4 a push from a client",
            frame(5, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &get()].concat()),
            Connection(&[PROTOCOL]),
        ),
    ]);
}

#[test]
fn requests_are_made_as_section_8_has_it() {
    let whole = [(":method", "GET"), (":scheme", "http"), (":path", "/mock"), (":authority", "gateway.test")];
    let without = |name: &str| fields(&whole.iter().copied().filter(|(n, _)| *n != name).collect::<Vec<_>>());
    let twice = |name: &str| {
        fields(
            &whole
                .iter()
                .copied()
                .flat_map(|field| if field.0 == name { vec![field, field] } else { vec![field] })
                .collect::<Vec<_>>(),
        )
    };
    let trailers = |list: &[(&str, &str)], flags: u8| {
        open_then([frame(DATA, 0, 1, b"x"), frame(HEADERS, END_HEADERS | flags, 1, &fields_of(list))].concat())
    };
    let announced = |length: &str, pieces: &[&[u8]]| {
        let mut bytes = frame(HEADERS, END_HEADERS, 1, &head("POST", "/pass/a", &[("content-length", length)]));
        for (at, piece) in pieces.iter().enumerate() {
            bytes.extend(frame(DATA, u8::from(at + 1 == pieces.len()), 1, piece));
        }
        bytes
    };
    let malformed = Stream(&[PROTOCOL]);
    check(vec![
        ("8.1 a second head that does not end the stream", trailers(&[("x", "y")], 0), malformed),
        ("8.1 trailers", trailers(&[("x", "y")], END_STREAM), Fine),
        ("8.2.1 a name in upper case", with(&[("X-A", "b")]), malformed),
        ("8.3 an unknown pseudo-field", with(&[(":a", "b")]), malformed),
        ("8.3 a pseudo-field of answers", with(&[(":status", "200")]), malformed),
        ("8.3 a pseudo-field in trailers is dropped with them", trailers(&[(":method", "GET")], END_STREAM), Fine),
        ("8.3 a pseudo-field after a field", fields(&[&[("x", "y")][..], &whole].concat()), malformed),
        ("8.2.2 a field of one connection", with(&[("connection", "keep-alive")]), malformed),
        ("8.2.2 te, but not trailers", with(&[("te", "trailers, deflate")]), malformed),
        ("8.2.2 te: trailers", with(&[("te", "trailers")]), Fine),
        (
            "8.3.1 an empty path",
            fields(&[(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "a")]),
            malformed,
        ),
        ("8.3.1 no method", without(":method"), malformed),
        ("8.3.1 no scheme", without(":scheme"), malformed),
        ("8.3.1 no path", without(":path"), malformed),
        ("8.3.1 two methods", twice(":method"), malformed),
        ("8.3.1 two schemes", twice(":scheme"), malformed),
        ("8.3.1 two paths", twice(":path"), malformed),
        ("8.1.1 a body that is longer than announced", announced("1", &[b"test"]), malformed),
        ("8.1.1 a body in pieces that is longer than announced", announced("1", &[b"test", b"test"]), malformed),
        ("8.1.1 a body that is shorter than announced", announced("10", &[b"test"]), malformed),
        ("8.1.1 a body as announced", announced("8", &[b"test", b"test"]), Fine),
        ("generic: HEAD", frame(HEADERS, WHOLE, 1, &head("HEAD", "/mock", &[])), Fine),
        ("generic: OPTIONS", frame(HEADERS, WHOLE, 1, &head("OPTIONS", "/mock", &[])), Fine),
        ("generic: a body", open_then(frame(DATA, END_STREAM, 1, b"test")), Fine),
    ]);
}

#[test]
fn heads_are_packed_as_rfc_7541_has_it() {
    let packed = |more: &[u8]| frame(HEADERS, WHOLE, 1, &[&get()[..], more].concat());
    let broken = Connection(&[COMPRESSION]);
    check(vec![
        ("2.3.3 an index that is in no table", packed(&[0xc6]), broken),
        ("2.3.3 a name whose index is in no table", packed(&[0x7f, 0x07, 1, b'a']), broken),
        ("4.2 a size of the table at the end", packed(&[0x20]), broken),
        (
            "5.2 padding that is longer than 7 bits",
            packed(&[0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff]),
            broken,
        ),
        (
            "5.2 padding that is not all ones",
            packed(&[0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x87, 0xff, 0x83, 0x49, 0x50, 0x90]),
            broken,
        ),
        (
            "5.2 a text that holds its end",
            packed(&[0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x87, 0x49, 0x51, 0xff, 0xff, 0xff, 0xfa, 0x7f]),
            broken,
        ),
        ("6.1 index 0", packed(&[0x80]), broken),
        (
            "6.3 a table that is larger than it may be",
            frame(HEADERS, WHOLE, 1, &[&[0x3f, 0xe1, 0xff, 0x03][..], &get()].concat()),
            broken,
        ),
        ("6.2.1 a literal that is kept", packed(&[0x40, 1, b'x', 1, b'y']), Fine),
        ("6.2.3 a literal that is never kept", packed(&[0x10, 1, b'x', 1, b'y']), Fine),
        ("6.3 a table of no size", frame(HEADERS, WHOLE, 1, &[&[0x20][..], &get()].concat()), Fine),
    ]);
}

#[test]
fn a_preface_that_is_none_ends_the_connection() {
    use std::io::{Read, Write};
    let gateway = Gateway::start(FRONT, &[&Origin::text("ok")]);
    let mut tcp = std::net::TcpStream::connect(gateway.http()).expect("a connection");
    tcp.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX").expect("it is taken");
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
}
