use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Trace;
use crate::base::{Ascii, LogDetail, Now, Refusal, RequestId};

/// What one request is known by, written as it is learned and never branched on.
///
/// What lives as long as the request anyway (its head, its route, its caller) is not copied here; a
/// [`super::Line`] borrows it at the end.
#[derive(Debug)]
pub struct Facts {
    pub request_id: RequestId,
    pub trace: Trace,
    /// Whom the client's certificate names, if it showed one.
    pub client_subject: Option<Arc<str>>,
    /// When the head was read.
    pub started: Now,
    /// 0 until something was answered; see [`Facts::final_status`].
    pub status: u16,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// Why the gateway answered by itself.
    pub refusal: Option<Refusal>,
    /// What `$context.error.message` is, where it is not the refusal's title.
    pub message: Option<Cow<'static, str>>,
    /// What the log may say about a failure and the client may not know.
    pub detail: LogDetail,
    pub cache: CacheOutcome,
    /// Whether the canary answered; `None` where the stage has none.
    pub is_canary: Option<bool>,
    pub integration: IntegrationFacts,
    pub contract: Contract,
}

impl Facts {
    /// The status of a client that went away before it was answered, as nginx counts it.
    pub const CLIENT_CLOSED_REQUEST: u16 = 499;

    pub fn new(request_id: RequestId, trace: Trace, started: Now) -> Facts {
        Facts {
            request_id,
            trace,
            client_subject: None,
            started,
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            refusal: None,
            message: None,
            detail: LogDetail::default(),
            cache: CacheOutcome::default(),
            is_canary: None,
            integration: IntegrationFacts::default(),
            contract: Contract::default(),
        }
    }

    /// The value of `x-amz-apigw-id`.
    pub fn extended_request_id(&self) -> Ascii<16> {
        self.request_id.extended(self.started)
    }

    /// What the client was told is wrong, in a few words.
    pub(super) fn error_message(&self) -> Option<&str> {
        self.message.as_deref().or(self.refusal.map(Refusal::title))
    }

    /// The status to report: what was answered, or 499 when nothing was.
    pub fn final_status(&self) -> u16 {
        if self.status == 0 { Facts::CLIENT_CLOSED_REQUEST } else { self.status }
    }
}

/// What the cache did for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheOutcome {
    /// The route has no cache.
    #[default]
    None,
    /// Answered from the cache.
    Hit,
    /// Answered from the cache with what is stale.
    Stale,
    /// Answered from the cache after the back end had confirmed it.
    Validated,
    /// Answered by a fetch that another request had begun.
    Collapsed,
    /// Fetched: there was no entry.
    Miss,
    /// Fetched: the entry was too old.
    Expired,
    /// Fetched: the client asked for a fresh answer and may.
    Refreshed,
    /// The cache was not asked: the method or the answer's kind has no place in it.
    Bypass,
}

impl CacheOutcome {
    /// The value of the log's `cache` field; `None` without a cache.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            CacheOutcome::None => None,
            CacheOutcome::Hit => Some("hit"),
            CacheOutcome::Stale => Some("stale"),
            CacheOutcome::Validated => Some("validated"),
            CacheOutcome::Collapsed => Some("collapsed"),
            CacheOutcome::Miss => Some("miss"),
            CacheOutcome::Expired => Some("expired"),
            CacheOutcome::Refreshed => Some("refreshed"),
            CacheOutcome::Bypass => Some("bypass"),
        }
    }
}

/// How the back end's answer stands to what its operation says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Contract {
    /// It is as it should be, or nobody looked.
    #[default]
    Kept,
    /// What is wrong with it.
    Broken(Box<str>),
    /// Its body was too large to be checked.
    Unchecked,
}

impl Contract {
    /// The value of the log's `contract` field.
    pub fn for_log(&self) -> &str {
        match self {
            Contract::Kept => "",
            Contract::Broken(why) => why,
            Contract::Unchecked => "not checked: the body is too large",
        }
    }
}

/// The back end's part of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct IntegrationFacts {
    /// How often a back end was tried. 0: none was needed.
    pub attempts: u32,
    /// The address tried last.
    pub target: Option<SocketAddr>,
    /// The status the back end answered with; 0 if it did not.
    pub status: u16,
    /// From the first attempt to the back end's head, or to the failure.
    pub latency: Duration,
}
