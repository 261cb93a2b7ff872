use prometheus::{IntCounter, Registry};

use super::metrics::family;

/// Which limit of its own the gateway met when it turned work away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// `connections_max`
    Connections,
    /// `connections_per_address_max`, or an address's share of the connections when they grow scarce.
    Address,
    /// `in_flight_max`
    InFlight,
    /// `memory_max`
    Memory,
}

/// Why the gateway closed a connection that its client did not want closed, other than for being idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A flood of frames of HTTP/2 that carry no request and no body.
    ControlFrames,
    /// A flood of streams that were opened to be reset.
    StreamResets,
    /// Answers that were not taken for too long.
    UnreadAnswers,
    /// It did not begin with PROXY protocol, or whoever spoke it is not trusted.
    ProxyProtocol,
}

/// Why the admin listener did not do what it was asked, before it looked at what that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminRefusal {
    /// No token, where one is needed.
    NoToken,
    WrongToken,
    /// Too many wrong ones before.
    TooManyFailures,
    /// A browser asks on behalf of another site.
    ForeignSite,
    /// Over the bounds on connections.
    Connections,
}

impl AdminRefusal {
    const ALL: [AdminRefusal; 5] = [
        AdminRefusal::NoToken,
        AdminRefusal::WrongToken,
        AdminRefusal::TooManyFailures,
        AdminRefusal::ForeignSite,
        AdminRefusal::Connections,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            AdminRefusal::NoToken => "no_token",
            AdminRefusal::WrongToken => "wrong_token",
            AdminRefusal::TooManyFailures => "too_many_failures",
            AdminRefusal::ForeignSite => "foreign_site",
            AdminRefusal::Connections => "connections",
        }
    }
}

impl Shed {
    const ALL: [Shed; 4] = [Shed::Connections, Shed::Address, Shed::InFlight, Shed::Memory];

    pub fn as_str(self) -> &'static str {
        match self {
            Shed::Connections => "connections",
            Shed::Address => "address",
            Shed::InFlight => "in_flight",
            Shed::Memory => "memory",
        }
    }
}

impl Cut {
    const ALL: [Cut; 4] = [Cut::ControlFrames, Cut::StreamResets, Cut::UnreadAnswers, Cut::ProxyProtocol];

    pub fn as_str(self) -> &'static str {
        match self {
            Cut::ControlFrames => "control_frames",
            Cut::StreamResets => "stream_resets",
            Cut::UnreadAnswers => "unread_answers",
            Cut::ProxyProtocol => "proxy_protocol",
        }
    }
}

/// RFC 9113 section 7, by number.
const ERROR_CODES: [&str; 14] = [
    "no_error",
    "protocol_error",
    "internal_error",
    "flow_control_error",
    "settings_timeout",
    "stream_closed",
    "frame_size_error",
    "refused_stream",
    "cancel",
    "compression_error",
    "connect_error",
    "enhance_your_calm",
    "inadequate_security",
    "http_1_1_required",
];

/// Counts what the gateway did to protect itself. Every series is there from the start.
pub(super) struct Defence {
    /// In the order of [`Shed::ALL`].
    shed: Vec<IntCounter>,
    /// In the order of [`Cut::ALL`].
    cut: Vec<IntCounter>,
    /// In the order of [`AdminRefusal::ALL`].
    admin: Vec<IntCounter>,
    /// By number.
    streams_reset: Vec<IntCounter>,
    connections_ended: Vec<IntCounter>,
}

impl Defence {
    pub(super) fn register(registry: &Registry) -> Defence {
        let help = "Requests and connections that were turned away with 503, by the limit they met.";
        let shed = family(registry, "tollgate_shed_total", help, &["reason"]);
        let help = "Connections that were closed because of what their clients did.";
        let cut = family(registry, "tollgate_connections_cut_total", help, &["reason"]);
        let help = "Requests and connections to the admin listener that were refused.";
        let admin = family(registry, "tollgate_admin_refused_total", help, &["reason"]);
        let help = "Errors that clients of HTTP/2 were told, by what they ended.";
        let errors = family(registry, "tollgate_http2_errors_total", help, &["scope", "code"]);
        let of_scope = |scope| ERROR_CODES.iter().map(|code| errors.child(&[scope, code])).collect();
        Defence {
            shed: Shed::ALL.iter().map(|reason| shed.child(&[reason.as_str()])).collect(),
            cut: Cut::ALL.iter().map(|reason| cut.child(&[reason.as_str()])).collect(),
            admin: AdminRefusal::ALL.iter().map(|reason| admin.child(&[reason.as_str()])).collect(),
            streams_reset: of_scope("stream"),
            connections_ended: of_scope("connection"),
        }
    }

    pub(super) fn shed(&self, reason: Shed) {
        self.shed[reason as usize].inc();
    }

    pub(super) fn cut(&self, reason: Cut) {
        self.cut[reason as usize].inc();
    }

    pub(super) fn admin_refused(&self, reason: AdminRefusal) {
        self.admin[reason as usize].inc();
    }

    /// A code that no document knows counts as an internal error, as section 7 has it.
    pub(super) fn http2_error(&self, code: u32, is_of_stream: bool) {
        const INTERNAL_ERROR: usize = 2;
        let counters = if is_of_stream { &self.streams_reset } else { &self.connections_ended };
        let known = usize::try_from(code).ok().filter(|code| *code < counters.len());
        counters[known.unwrap_or(INTERNAL_ERROR)].inc();
    }
}
