use std::borrow::Cow;

use super::pump::Stopped;
use crate::base::{Answer, Refusal};
use crate::gateway::integrate::Failure;
use crate::gateway::proxy::admission::body_too_large;

/// Why an attempt came to nothing.
pub(super) enum Broken {
    BackEnd(Failure, Cow<'static, str>),
    /// What the client sent is to blame, and it is told.
    Client(BadBody),
    /// The client is gone.
    Gone,
    /// The gateway stops, and the drain's time is over.
    Stopped,
}

/// What is wrong with a request's body.
#[derive(Clone, Copy)]
pub(super) enum BadBody {
    NoChunks,
    TooLarge,
    TooSlow,
}

impl Broken {
    /// The request's body did not pass.
    pub(super) fn by_client(stopped: Stopped) -> Broken {
        match stopped {
            Stopped::BadChunk => Broken::Client(BadBody::NoChunks),
            Stopped::TooLarge => Broken::Client(BadBody::TooLarge),
            Stopped::ReadTooSlow => Broken::Client(BadBody::TooSlow),
            Stopped::Ended | Stopped::Read(_) | Stopped::Write | Stopped::WriteTooSlow => Broken::Gone,
        }
    }

    /// The answer's body did not pass.
    pub(super) fn by_back_end(stopped: Stopped) -> Broken {
        let back_end = |failure, cause: &'static str| Broken::BackEnd(failure, cause.into());
        match stopped {
            Stopped::BadChunk | Stopped::TooLarge => back_end(Failure::Malformed, "its body is not chunks"),
            Stopped::Ended => back_end(Failure::Reset, "it closed before the end of the body"),
            Stopped::Read(error) => Broken::BackEnd(Failure::Reset, error.to_string().into()),
            Stopped::ReadTooSlow => back_end(Failure::TimedOut, "its body came too slowly"),
            Stopped::Write | Stopped::WriteTooSlow => Broken::Gone,
        }
    }
}

impl BadBody {
    pub(super) fn answer(self) -> Answer {
        match self {
            BadBody::NoChunks => Answer::new(Refusal::MalformedRequest, "the request's body is not chunks"),
            BadBody::TooLarge => body_too_large(),
            BadBody::TooSlow => Answer::new(Refusal::RequestTimeout, "the request's body came too slowly"),
        }
    }
}
