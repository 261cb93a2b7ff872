use std::time::Duration;

use instant_acme::{Error, Problem};

/// Why a certificate was not obtained.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) why: String,
    pub(super) kind: Kind,
    /// How long the authority wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The authority is away or ill, or the way to it, or our disk: it has nothing to count against us.
    Away,
    /// It does not know the account.
    NoAccount,
    /// It did not want to, or we could not.
    Refused,
}

/// There was no answer to a request.
#[derive(Debug)]
pub(super) struct Unreachable(pub(super) String);

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreachable {}

/// RFC 8555 section 6.7.
const ERROR: &str = "urn:ietf:params:acme:error:";

impl Trouble {
    pub(super) fn refused(why: impl Into<String>) -> Trouble {
        Trouble { why: why.into(), kind: Kind::Refused, retry_after: None }
    }

    pub(super) fn away(why: impl Into<String>) -> Trouble {
        Trouble { why: why.into(), kind: Kind::Away, retry_after: None }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        match error {
            Error::Api(problem) => Trouble { why: word(&problem), kind: Kind::of(&problem), retry_after: None },
            Error::Other(error) if error.is::<Unreachable>() => Trouble::away(error.to_string()),
            Error::Json(error) => Trouble::refused(format!("the ACME server answered with something else: {error}")),
            Error::Timeout(_) => Trouble::refused("the ACME server took too long over the order"),
            error => Trouble::refused(error.to_string()),
        }
    }
}

impl Kind {
    fn of(problem: &Problem) -> Kind {
        match problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(ERROR)) {
            Some("accountDoesNotExist") => Kind::NoAccount,
            Some("badNonce" | "serverInternal") => Kind::Away,
            _ => Kind::Refused,
        }
    }
}

/// What the authority said, on one line.
pub(super) fn word(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or("about:blank");
    let kind = kind.strip_prefix(ERROR).unwrap_or(kind);
    let mut text = match &problem.detail {
        Some(detail) => format!("{detail} ({kind})"),
        None => kind.to_owned(),
    };
    for part in &problem.subproblems {
        text += &format!("; {}", part.to_string().trim_start_matches(": "));
    }
    text.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_authority_says_becomes_a_line_and_a_kind() {
        let check = |json: &str, why: &str, kind: Kind| {
            let trouble = Trouble::from(Error::Api(serde_json::from_str(json).unwrap()));
            assert_eq!((trouble.why.as_str(), trouble.kind), (why, kind));
        };
        let limited = r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many\ncertificates"}"#;
        check(limited, "too many certificates (rateLimited)", Kind::Refused);
        let forgotten = r#"{"type": "urn:ietf:params:acme:error:accountDoesNotExist"}"#;
        check(forgotten, "accountDoesNotExist", Kind::NoAccount);
        check(r#"{"type": "urn:ietf:params:acme:error:serverInternal"}"#, "serverInternal", Kind::Away);
        let parts = r#"{"detail": "no", "subproblems": [{"identifier": {"type": "dns", "value": "a.example"}, "detail": "CAA"}]}"#;
        check(parts, r#"no (about:blank); for "a.example": CAA"#, Kind::Refused);
    }
}
