use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::{Lent, Surplus, Want};

/// How many sockets come before the first message, in the new process's environment.
pub(super) const SOCKETS: &str = "TOLLGATE_SOCKETS";

/// What the old process says, a line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromOld {
    /// The addresses of the sockets, in their order, as the configuration had them.
    Sockets(Vec<String>),
    /// The state folder is free.
    Released,
    /// From here on the new process serves.
    Go,
    Borrow(Vec<Want>),
    GiveBack(Vec<Surplus>),
}

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromNew {
    /// The configuration is compiled, the ports and the logs are open.
    Loaded,
    /// The state is open: nothing is left that could fail.
    Ready,
    /// It will not serve, and why.
    Failed(String),
    Lent(Vec<Lent>),
    Taken,
}

/// One end of the line between the two.
#[derive(Debug)]
pub(super) struct Channel {
    stream: BufReader<UnixStream>,
}

impl Channel {
    pub fn new(stream: UnixStream) -> Channel {
        Channel { stream: BufReader::new(stream) }
    }

    pub fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)
    }

    /// The next message, waited for at most for `patience`; `None`: for ever.
    pub fn receive<M: DeserializeOwned>(&mut self, patience: Option<Duration>) -> io::Result<M> {
        self.stream.get_ref().set_read_timeout(patience)?;
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(serde_json::from_str(&line)?),
        }
    }
}

/// Sends a copy of a socket.
pub(super) fn send_socket(to: &UnixStream, socket: &TcpListener) -> io::Result<()> {
    let sockets = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    beside.push(SendAncillaryMessage::ScmRights(&sockets));
    sendmsg(to, &[IoSlice::new(b"s")], &mut beside, SendFlags::empty())?;
    Ok(())
}

/// Receives a socket. Reads its one byte and nothing after it.
pub(super) fn receive_socket(from: &UnixStream) -> io::Result<TcpListener> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let sent = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    let socket: OwnedFd = sent.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(TcpListener::from(socket))
}
