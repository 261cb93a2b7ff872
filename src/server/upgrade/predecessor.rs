use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::channel::{Channel, FromNew, FromOld, SOCKETS, receive_socket};
use crate::gateway::snapshot::Live;
use crate::server::StartError;
use crate::server::listen::Inherited;
use crate::store::{StoreError, Surplus, Want};

/// The process whose place this one takes.
#[derive(Debug)]
pub(in crate::server) struct Predecessor {
    channel: Channel,
}

/// How long the old process may take to release its state: it writes what it has counted.
const RELEASE_PATIENCE: Duration = Duration::from_secs(30);

/// How long nobody is served so that no request is refused for want of what the old process has reserved.
const GIVE_BACK_PATIENCE: Duration = Duration::from_millis(500);

impl Predecessor {
    /// The process that started this one to be replaced by it, and its sockets; `None`: it was started by somebody else.
    pub fn of_this_process() -> Result<Option<(Predecessor, Inherited)>, StartError> {
        let Ok(count) = std::env::var(SOCKETS) else { return Ok(None) };
        let received = || -> io::Result<(Predecessor, Inherited)> {
            let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
            let count: usize = count.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
            let sockets = (0..count).map(|_| receive_socket(&stream)).collect::<io::Result<Vec<_>>>()?;
            let mut channel = Channel::new(stream);
            match channel.receive(Some(RELEASE_PATIENCE))? {
                FromOld::Sockets(addresses) => {
                    Ok((Predecessor { channel }, Inherited::new(addresses.into_iter().zip(sockets).collect())))
                }
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        };
        received().map(Some).map_err(|error| {
            StartError::new(format!(
                "cannot take over the sockets that {SOCKETS} announces: {error}\n  help: this variable is set by a gateway \
                 that is upgraded; unset it"
            ))
        })
    }

    /// Says that all is loaded, and has the state opened by `take_over` once it is free. Returns when this process is to
    /// serve.
    pub fn relieve(&mut self, take_over: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StartError> {
        self.exchange(&FromNew::Loaded, |told| matches!(told, FromOld::Released))?;
        take_over().map_err(|error| StartError::new(error.to_string()))?;
        self.exchange(&FromNew::Ready, |told| matches!(told, FromOld::Go))
    }

    fn exchange(&mut self, said: &FromNew, is_awaited: impl Fn(&FromOld) -> bool) -> Result<(), StartError> {
        let gone = |error: io::Error| StartError::new(format!("the gateway that is to be replaced is gone: {error}"));
        self.channel.send(said).map_err(gone)?;
        match self.channel.receive(Some(RELEASE_PATIENCE)).map_err(gone)? {
            told if is_awaited(&told) => Ok(()),
            told => Err(StartError::new(format!("the gateway that is to be replaced said {told:?} after {said:?}"))),
        }
    }

    /// Says why this process will not serve.
    pub fn disappoint(&mut self, why: &str) {
        // If nobody hears it, standard error has it too.
        let _ = self.channel.send(&FromNew::Failed(why.to_owned()));
    }

    /// Lends of the quotas to what the old process still answers. Returns when that process has given back what it does
    /// not need; the thread ends when it has.
    pub fn support(mut self, live: Arc<Live>) -> Result<JoinHandle<()>, StartError> {
        let cannot = |error: io::Error| StartError::new(format!("cannot start a thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(cannot)?;
        let (given, is_given) = mpsc::channel();
        let serve = move || {
            while let Ok(asked) = self.channel.receive(None) {
                let answer = match asked {
                    FromOld::Borrow(wants) => runtime.block_on(lend(&live, wants)),
                    FromOld::GiveBack(surplus) => {
                        let taken = take_back(&live, &surplus);
                        // Nobody waits for the later ones.
                        let _ = given.send(());
                        taken
                    }
                    _ => break,
                };
                if self.channel.send(&answer).is_err() {
                    break;
                }
            }
            tracing::info!("the gateway before this one has ended");
        };
        let thread = std::thread::Builder::new().name("predecessor".to_owned()).spawn(serve).map_err(cannot)?;
        // If it takes long, the last requests of a quota are admitted a little later.
        let _ = is_given.recv_timeout(GIVE_BACK_PATIENCE);
        Ok(thread)
    }
}

async fn lend(live: &Live, wants: Vec<Want>) -> FromNew {
    let mut lent = Vec::with_capacity(wants.len());
    for want in &wants {
        lent.push(live.store().lend(want, live.clock()).await);
    }
    FromNew::Lent(lent)
}

fn take_back(live: &Live, surplus: &[Surplus]) -> FromNew {
    surplus.iter().for_each(|surplus| live.store().take_back(surplus));
    FromNew::Taken
}
