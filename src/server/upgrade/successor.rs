use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::channel::{Channel, FromNew, FromOld, SOCKETS, send_socket};
use crate::gateway::snapshot::Live;
use crate::store::{Lent, Successor, Surplus, Want};

/// How long the new process may take to read and compile its configuration.
const LOAD_PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to open the state, while requests of quotas may be waiting.
const STATE_PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to lend.
const LEND_PATIENCE: Duration = Duration::from_secs(5);

/// What is handed over: sockets with their addresses as they were configured.
pub(in crate::server) struct Offer {
    pub live: Arc<Live>,
    pub sockets: Vec<(String, TcpListener)>,
}

/// An upgrade under way. Dropping it gives it up, unless the new process serves already.
pub(in crate::server) struct Attempt {
    stream: UnixStream,
    /// The new process's id, or why the old one goes on.
    pub ended: oneshot::Receiver<Result<u32, String>>,
}

impl Attempt {
    /// Starts the program anew, as this process was started. The file that is run is looked up again by its name.
    pub fn start(offer: Offer) -> Result<Attempt, String> {
        if std::process::id() == 1 {
            return Err("process 1 cannot be replaced, its end is its container's; start a new container".to_owned());
        }
        let (ours, theirs) = UnixStream::pair().map_err(|error| format!("cannot make a pair of sockets: {error}"))?;
        let child = start_program(theirs, offer.sockets.len())?;
        let stream = ours.try_clone().map_err(|error| format!("cannot copy a socket: {error}"))?;
        let (tell, ended) = oneshot::channel();
        let work = move || drop(tell.send(hand_over(&offer, ours, child)));
        std::thread::Builder::new()
            .name("upgrade".to_owned())
            .spawn(work)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Attempt { stream, ended })
    }

    /// Gives it up, and says whether that came too late.
    pub fn give_up(self) -> Option<u32> {
        // The thread notices that nothing more can be heard.
        let _ = self.stream.shutdown(std::net::Shutdown::Read);
        self.ended.blocking_recv().ok()?.ok()
    }
}

fn start_program(input: UnixStream, sockets: usize) -> Result<Child, String> {
    let mut arguments = std::env::args_os();
    let program = arguments.next().ok_or("this process does not know its own name")?;
    let mut command = Command::new(&program);
    command.args(arguments).env(SOCKETS, sockets.to_string()).stdin(Stdio::from(OwnedFd::from(input)));
    command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))
}

/// Leads the new process to where it serves; if it does not get there it is ended.
fn hand_over(offer: &Offer, stream: UnixStream, mut child: Child) -> Result<u32, String> {
    let led = lead(offer, stream);
    if led.is_err() {
        let _ = child.kill();
    }
    led.map(|()| child.id()).map_err(|why| match child.wait() {
        Ok(status) if status.code().is_some() => format!("{why} ({status})"),
        _ => why,
    })
}

fn lead(offer: &Offer, stream: UnixStream) -> Result<(), String> {
    for (_, socket) in &offer.sockets {
        send_socket(&stream, socket).map_err(|error| lost(&error))?;
    }
    let mut channel = Channel::new(stream);
    let addresses = offer.sockets.iter().map(|(address, _)| address.clone()).collect();
    say(&mut channel, &FromOld::Sockets(addresses))?;
    wait_for(&mut channel, LOAD_PATIENCE, |told| matches!(told, FromNew::Loaded))?;
    let store = offer.live.store();
    let released = Instant::now();
    store.release();
    let done = say(&mut channel, &FromOld::Released)
        .and_then(|()| wait_for(&mut channel, STATE_PATIENCE, |told| matches!(told, FromNew::Ready)))
        .and_then(|()| say(&mut channel, &FromOld::Go));
    match done {
        Ok(()) => {
            store.follow(Box::new(Lender(channel)));
            // What is reserved here is used there from the beginning.
            let _ = store.flush();
            tracing::info!(state_pause_ms = released.elapsed().as_millis() as u64, "the state is handed over");
        }
        Err(_) => {
            if let Err(error) = store.reclaim() {
                tracing::error!(%error, "the state could not be opened again yet");
            }
        }
    }
    done
}

fn say(channel: &mut Channel, message: &FromOld) -> Result<(), String> {
    channel.send(message).map_err(|error| lost(&error))
}

fn wait_for(channel: &mut Channel, patience: Duration, is_awaited: impl Fn(&FromNew) -> bool) -> Result<(), String> {
    match channel.receive(Some(patience)) {
        Ok(told) if is_awaited(&told) => Ok(()),
        Ok(FromNew::Failed(why)) => Err(why),
        Ok(told) => Err(format!("the new process said {told:?} out of turn")),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(format!("the new process was not ready in {} s", patience.as_secs()))
        }
        Err(error) => Err(lost(&error)),
    }
}

fn lost(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            "the new process ended before it was ready".to_owned()
        }
        _ => format!("the new process cannot be talked to: {error}"),
    }
}

/// The new process, which lends of the quotas to what is still answered here.
#[derive(Debug)]
struct Lender(Channel);

impl Successor for Lender {
    fn borrow(&mut self, wants: Vec<Want>) -> io::Result<Vec<Lent>> {
        self.0.send(&FromOld::Borrow(wants))?;
        match self.0.receive(Some(LEND_PATIENCE))? {
            FromNew::Lent(lent) => Ok(lent),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn give_back(&mut self, surplus: Vec<Surplus>) -> io::Result<()> {
        self.0.send(&FromOld::GiveBack(surplus))?;
        match self.0.receive(Some(LEND_PATIENCE))? {
            FromNew::Taken => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
