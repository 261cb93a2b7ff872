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
    /// The authority is away, or the way to it, or the disk: it has nothing to count against us.
    Away,
    /// It does not know the account (RFC 8555 section 6.7).
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

const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

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
            Error::Api(problem) => {
                let is_no_account = problem.r#type.as_deref() == Some(NO_ACCOUNT);
                let kind = if is_no_account { Kind::NoAccount } else { Kind::Refused };
                Trouble { why: word(&problem), kind, retry_after: None }
            }
            Error::Other(error) if error.is::<Unreachable>() => Trouble::away(error.to_string()),
            Error::Json(error) => Trouble::refused(format!("the ACME server answered with something else: {error}")),
            Error::Timeout(_) => Trouble::refused("the ACME server took too long over the order"),
            error => Trouble::refused(error.to_string()),
        }
    }
}

/// What the authority said, on one line.
pub(super) fn word(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or("about:blank");
    let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
    let mut text = match &problem.detail {
        Some(detail) => format!("{detail} ({kind})"),
        None => kind.to_owned(),
    };
    for part in &problem.subproblems {
        text += &format!("; {}", part.to_string().trim_start_matches(": "));
    }
    text.replace(['\r', '\n'], " ")
}
