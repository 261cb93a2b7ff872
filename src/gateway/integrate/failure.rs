use pingora_error::{Error, ErrorSource, ErrorType};

use crate::base::{Answer, Refusal};

/// What went wrong between us and a back end, as far as it matters for what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection came about: refused, no route, no address, or its certificate is not to be trusted.
    Connect,
    /// No connection came about in `connect_timeout`.
    ConnectTimedOut,
    /// The connection ended early.
    Reset,
    /// It took longer than `timeout`.
    TimedOut,
    /// What came back is not HTTP.
    Malformed,
    /// The client's doing: it is gone, or what it sent is not HTTP.
    Client,
    /// Our own doing.
    Internal,
}

impl Failure {
    /// Reads Pingora's error; `is_connecting` says that there was no connection yet.
    pub fn of(error: &Error, is_connecting: bool) -> Failure {
        if error.esource() == &ErrorSource::Downstream {
            return Failure::Client;
        }
        match error.etype() {
            ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Failure::ConnectTimedOut,
            _ if is_connecting => Failure::Connect,
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => Failure::TimedOut,
            ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed => Failure::Reset,
            ErrorType::Custom("PrematureBodyEnd") => Failure::Reset,
            ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::ConnectProxyFailure
            | ErrorType::TLSHandshakeFailure
            | ErrorType::HandshakeError
            | ErrorType::InvalidCert
            | ErrorType::SocketError
            | ErrorType::BindError => Failure::Connect,
            ErrorType::InvalidHTTPHeader
            | ErrorType::H1Error
            | ErrorType::H2Error
            | ErrorType::InvalidH2
            | ErrorType::H2Downgrade => Failure::Malformed,
            _ if error.esource() == &ErrorSource::Upstream => Failure::Malformed,
            _ => Failure::Internal,
        }
    }

    /// What the client is told; `None` where it is not there to be told, or its own request is what is wrong.
    /// `target` names the endpoint for the log.
    pub fn answer(self, target: &str, cause: impl std::fmt::Display) -> Option<Answer> {
        let (refusal, detail) = match self {
            Failure::Connect => (Refusal::BackEndFailed, "the back end could not be reached"),
            Failure::ConnectTimedOut => (Refusal::BackEndTimeout, "the back end did not accept a connection in time"),
            Failure::Reset => (Refusal::BackEndFailed, "the back end ended the connection early"),
            Failure::TimedOut => (Refusal::BackEndTimeout, "the back end did not answer in time"),
            Failure::Malformed => (Refusal::BackEndFailed, "the back end's answer is not HTTP"),
            Failure::Internal => (Refusal::InternalError, "the gateway failed on the way to the back end"),
            Failure::Client => return None,
        };
        Some(Answer::new(refusal, detail).with_log(format!("{target}: {cause}")))
    }

    /// Whether an endpoint that does this repeatedly should rest.
    pub(super) fn counts_against_endpoint(self) -> bool {
        matches!(self, Failure::Connect | Failure::ConnectTimedOut | Failure::Reset | Failure::TimedOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(etype: ErrorType, source: ErrorSource, expected: Option<Refusal>) {
        let mut error = Error::new(etype);
        error.esource = source;
        let answer = Failure::of(&error, false).answer("10.0.0.1:80", &error);
        assert_eq!(answer.as_ref().map(|answer| answer.refusal), expected);
        if let Some(answer) = answer {
            assert!(answer.log.for_log().unwrap().starts_with("10.0.0.1:80: "));
            assert!(!answer.detail.contains("10.0.0.1"), "an address is not the client's business");
        }
    }

    #[test]
    fn every_error_of_a_back_end_has_its_refusal() {
        use ErrorSource::{Downstream, Unset, Upstream};
        check(ErrorType::ConnectTimedout, Upstream, Some(Refusal::BackEndTimeout));
        check(ErrorType::ReadTimedout, Upstream, Some(Refusal::BackEndTimeout));
        check(ErrorType::WriteTimedout, Upstream, Some(Refusal::BackEndTimeout));
        check(ErrorType::ConnectRefused, Upstream, Some(Refusal::BackEndFailed));
        check(ErrorType::InvalidCert, Upstream, Some(Refusal::BackEndFailed));
        check(ErrorType::TLSHandshakeFailure, Unset, Some(Refusal::BackEndFailed));
        check(ErrorType::ConnectionClosed, Upstream, Some(Refusal::BackEndFailed));
        check(ErrorType::InvalidHTTPHeader, Upstream, Some(Refusal::BackEndFailed));
        check(ErrorType::Custom("InvalidChunk"), Upstream, Some(Refusal::BackEndFailed));
        check(ErrorType::InternalError, Unset, Some(Refusal::InternalError));
        check(ErrorType::ReadTimedout, Downstream, None);
        check(ErrorType::ConnectionClosed, Downstream, None);
    }

    #[test]
    fn whatever_ends_a_connection_attempt_is_a_failed_connection() {
        let error = Error::new(ErrorType::ReadError);
        assert_eq!(Failure::of(&error, true), Failure::Connect);
        assert_eq!(Failure::of(&Error::new(ErrorType::ConnectTimedout), true), Failure::ConnectTimedOut);
    }
}
