use super::failure::Failure;

/// Whether an attempt that failed may be repeated, once.
///
/// `attempt` is 0 for the first. Before a connection stood nothing was sent, so any request may go elsewhere. After
/// that only an idempotent one whose body is still at hand may, and only if nothing of an answer was seen: a back end
/// closes idle connections when it likes (RFC 9112 section 9.3.1).
pub fn may_retry(
    failure: Failure,
    method: &str,
    attempt: u32,
    is_body_replayable: bool,
    has_response_started: bool,
) -> bool {
    let is_first = attempt == 0 && !has_response_started;
    is_first
        && match failure {
            Failure::Connect | Failure::ConnectTimedOut => true,
            Failure::Reset => is_idempotent(method) && is_body_replayable,
            Failure::TimedOut | Failure::Malformed | Failure::Client | Failure::Internal => false,
        }
}

/// RFC 9110 section 9.2.2.
pub fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_repeated_once_and_only_where_that_is_safe() {
        assert!(may_retry(Failure::Connect, "POST", 0, false, false), "nothing was sent");
        assert!(may_retry(Failure::ConnectTimedOut, "POST", 0, false, false), "nothing was sent");
        assert!(may_retry(Failure::Reset, "GET", 0, true, false));
        assert!(may_retry(Failure::Reset, "PUT", 0, true, false));
        for (failure, method, attempt, is_body_replayable, has_response_started) in [
            (Failure::Connect, "GET", 1, true, false),
            (Failure::Reset, "GET", 1, true, false),
            (Failure::Reset, "POST", 0, true, false),
            (Failure::Reset, "PATCH", 0, true, false),
            (Failure::Reset, "PUT", 0, false, false),
            (Failure::Reset, "GET", 0, true, true),
            (Failure::TimedOut, "GET", 0, true, false),
            (Failure::Malformed, "GET", 0, true, false),
            (Failure::Client, "GET", 0, true, false),
        ] {
            assert!(
                !may_retry(failure, method, attempt, is_body_replayable, has_response_started),
                "{failure:?} {method} {attempt}"
            );
        }
    }
}
