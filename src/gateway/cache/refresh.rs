use crate::base::{Answer, Refusal};
use crate::config::{Invalidation, OnUnauthorized};

/// The value of `Warning` for a caller that asked to refresh and may not, word for word as API Gateway sends it.
pub const UNAUTHORIZED_WARNING: &str = "199 Cache-control headers were ignored because the caller was unauthorized.";

/// What becomes of a client's wish for a fresh answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// None was asked for, or it is ignored.
    No,
    /// It is ignored, and the answer says so.
    Refused,
    /// Fetch and replace what is stored.
    Granted,
}

/// Decides over a wish for a fresh answer.
pub(super) fn refresh(rule: Invalidation, is_asked_for: bool, may_invalidate: bool) -> Result<Refresh, Answer> {
    if !is_asked_for {
        return Ok(Refresh::No);
    }
    if may_invalidate || !rule.require_authorization {
        return Ok(Refresh::Granted);
    }
    match rule.on_unauthorized {
        OnUnauthorized::Fail => {
            let detail = "Cache-Control: max-age=0 needs a usage plan that may invalidate the cache.";
            Err(Answer::new(Refusal::InvalidationForbidden, detail))
        }
        OnUnauthorized::Warn => Ok(Refresh::Refused),
        OnUnauthorized::Ignore => Ok(Refresh::No),
    }
}

/// Whether a value of `Cache-Control` says `max-age=0`; API Gateway documents no other directive, so no other counts.
pub(super) fn asks_for_refresh(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(is_max_age_0)
}

/// The argument may be quoted (RFC 9111 section 5.2).
fn is_max_age_0(directive: &[u8]) -> bool {
    let Some((name, value)) = directive.trim_ascii().split_at_checked(b"max-age=".len()) else { return false };
    let digits = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    name.eq_ignore_ascii_case(b"max-age=") && !digits.is_empty() && digits.iter().all(|digit| *digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_max_age_0_asks_for_a_refresh() {
        let asks = |value: &str| asks_for_refresh(value.as_bytes());
        for value in ["max-age=0", "Max-Age=0", "no-transform, max-age=0", "max-age=\"0\"", " max-age=00 "] {
            assert!(asks(value), "{value}");
        }
        for value in ["", "no-cache", "no-store", "max-age", "max-age=", "max-age=1", "s-maxage=0", "xmax-age=0"] {
            assert!(!asks(value), "{value}");
        }
    }

    #[test]
    fn who_may_not_refresh_gets_what_on_unauthorized_says() {
        use OnUnauthorized::{Fail, Ignore, Warn};
        let check = |require_authorization, on_unauthorized, may, expected: Result<Refresh, Refusal>| {
            let rule = Invalidation { require_authorization, on_unauthorized };
            assert_eq!(refresh(rule, true, may).map_err(|answer| answer.refusal), expected);
            assert_eq!(refresh(rule, false, may).ok(), Some(Refresh::No));
        };
        for on_unauthorized in [Fail, Warn, Ignore] {
            check(true, on_unauthorized, true, Ok(Refresh::Granted));
            check(false, on_unauthorized, true, Ok(Refresh::Granted));
            check(false, on_unauthorized, false, Ok(Refresh::Granted));
        }
        check(true, Fail, false, Err(Refusal::InvalidationForbidden));
        check(true, Warn, false, Ok(Refresh::Refused));
        check(true, Ignore, false, Ok(Refresh::No));
    }
}
