use std::net::IpAddr;

use super::{Facts, Format, KeyFacts, RouteSeries};
use crate::config::ErrorStyle;

/// A request that is over, as metrics and the access log see it.
///
/// Everything is borrowed from where it lives until the end of the request, so nothing is copied for the log's sake.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    pub facts: &'a Facts,
    /// As sent. Empty if the head could not be read, like the next three.
    pub method: &'a str,
    /// The host without its port.
    pub host: &'a str,
    /// The canonical path before base path or stage were taken off, without its query: values in a query are the
    /// client's secrets more often than not.
    pub path: &'a str,
    /// `HTTP/1.1`
    pub protocol: &'a str,
    pub client: IpAddr,
    pub user_agent: Option<&'a [u8]>,
    /// `None` for a request that reached no stage.
    pub route: Option<&'a RouteSeries>,
    /// `None` for a request without a known API key.
    pub key: Option<KeyFacts<'a>>,
    /// Of the API that the request belongs to.
    pub style: ErrorStyle,
    /// The stage's format, or the configuration's.
    pub format: &'a Format,
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;
    use crate::base::{Fields, Head, Now, RequestId, Scheme};
    use crate::telemetry::{KeySeries, PlanSeries, Trace};

    /// The moment at which every test's request starts: 2024-01-31T10:11:12.034Z.
    pub const STARTED: Now = Now { mono_ns: 1, unix_ms: 1_706_695_872_034 };

    /// The key `alice` in the plan `basic`.
    pub struct Alice(PlanSeries, Arc<str>, KeySeries);

    impl Default for Alice {
        fn default() -> Alice {
            Alice(PlanSeries::new("basic".into()), "alice".into(), KeySeries::default())
        }
    }

    impl Alice {
        pub fn facts(&self) -> KeyFacts<'_> {
            KeyFacts { plan: &self.0, name: &self.1, series: &self.2 }
        }
    }

    /// What a test reads its trace fields from.
    pub fn head<'a>(fields: &'a [(&'a str, &'a [u8])]) -> Head<'a> {
        Head {
            method: "GET",
            host: "api.example.com",
            path: "/prod/orders/7",
            query: None,
            fields: Fields::List(fields),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            scheme: Scheme::Http,
        }
    }

    pub fn facts() -> Facts {
        let amzn = b"Root=1-5759e988-bd862e3fe1be46a994272793".as_slice();
        let trace = Trace::from_head(&head(&[("x-amzn-trace-id", amzn)]), STARTED);
        let id = RequestId::from_client(b"request-1").expect("well-formed");
        Facts { status: 200, ..Facts::new(id, trace, STARTED) }
    }

    pub fn line(facts: &Facts) -> Line<'_> {
        Line {
            facts,
            method: "GET",
            host: "api.example.com",
            path: "/prod/orders/7",
            protocol: "HTTP/1.1",
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: None,
            route: None,
            key: None,
            style: ErrorStyle::Standard,
            format: &Format::Json,
        }
    }
}
