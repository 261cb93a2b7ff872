use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, HeaderName, HeaderValue,
};

use super::{Reply, Sink};
use crate::base::Head;
use crate::config;

/// Who may call an API from a page of another origin, compiled.
#[derive(Debug)]
pub struct Cors {
    /// With what is said to each: made once, so that a request costs a comparison.
    origins: Box<[(Box<str>, Arc<Grant>)]>,
    /// `https://` of `https://*`.
    schemes: Box<[Box<str>]>,
    /// Where anyone may.
    anyone: Option<Arc<Grant>>,
    /// For requests of no origin, or of one that may not.
    nobody: Arc<Grant>,
    terms: Arc<Terms>,
    allow_methods: Allowed,
    allow_headers: Allowed,
    max_age_s: Option<HeaderValue>,
}

/// What every answer to one request says of CORS. Never stored: it is laid over what is.
#[derive(Debug)]
pub struct Grant {
    /// The origin that may read it.
    origin: Option<Box<[u8]>>,
    terms: Arc<Terms>,
}

#[derive(Debug)]
struct Terms {
    allows_credentials: bool,
    /// Whether what is said depends on the origin.
    varies: bool,
    expose_headers: Option<String>,
}

/// What a preflight is told of methods or fields.
#[derive(Debug)]
enum Allowed {
    Nothing,
    These(HeaderValue),
    /// What it asks for: browsers take `*` neither with credentials nor for `Authorization` (Fetch Standard, section
    /// 4.8 and 3.2.3).
    Anything,
}

impl Cors {
    pub fn compile(written: &config::Cors) -> Cors {
        let is_anyone = written.allow_origins.iter().any(|origin| origin == "*");
        let terms = Arc::new(Terms {
            allows_credentials: written.allow_credentials,
            varies: !is_anyone || written.allow_credentials,
            expose_headers: Some(written.expose_headers.join(",")).filter(|names| !names.is_empty()),
        });
        let grant = |origin: Option<&str>| {
            let origin = origin.map(|origin| origin.as_bytes().into());
            Arc::new(Grant { origin, terms: Arc::clone(&terms) })
        };
        let named = written.allow_origins.iter().filter(|origin| !origin.ends_with('*'));
        let schemes = written.allow_origins.iter().filter_map(|origin| origin.strip_suffix("://*"));
        Cors {
            origins: named.map(|origin| (origin.as_str().into(), grant(Some(origin)))).collect(),
            schemes: schemes.map(|scheme| format!("{scheme}://").into()).collect(),
            anyone: is_anyone.then(|| grant(Some("*"))),
            nobody: grant(None),
            allow_methods: Allowed::compile(&written.allow_methods),
            allow_headers: Allowed::compile(&written.allow_headers),
            max_age_s: written.max_age.map(|age| HeaderValue::from(age.as_secs())),
            terms,
        }
    }

    /// What answers to this request say.
    pub fn grant(&self, head: &Head<'_>) -> Arc<Grant> {
        if let Some(anyone) = &self.anyone {
            return Arc::clone(anyone);
        }
        let Some(origin) = head.fields.get("origin") else { return Arc::clone(&self.nobody) };
        if let Some((_, grant)) = self.origins.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(origin)) {
            return Arc::clone(grant);
        }
        let is_allowed = self.schemes.iter().any(|scheme| {
            let start = origin.get(..scheme.len());
            origin.len() > scheme.len() && start.is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
        });
        match is_allowed {
            true => Arc::new(Grant { origin: Some(origin.into()), terms: Arc::clone(&self.terms) }),
            false => Arc::clone(&self.nobody),
        }
    }

    /// The answer to a preflight that was granted so: 204, which says nothing more to an origin that may not call.
    pub fn preflight(&self, head: &Head<'_>, grant: &Grant) -> Reply {
        let mut reply = Reply::new(204, Bytes::new());
        if grant.origin.is_none() {
            return reply;
        }
        let mut say =
            |name: HeaderName, value: Option<HeaderValue>| reply.fields.extend(value.map(|value| (name, value)));
        say(ACCESS_CONTROL_ALLOW_METHODS, self.allow_methods.value(head, "access-control-request-method"));
        say(ACCESS_CONTROL_ALLOW_HEADERS, self.allow_headers.value(head, "access-control-request-headers"));
        say(ACCESS_CONTROL_MAX_AGE, self.max_age_s.clone());
        reply
    }
}

/// Whether a request asks, before another one, whether it may be sent (Fetch Standard, section 3.2.2).
pub fn is_preflight(head: &Head<'_>) -> bool {
    let has = |name| head.fields.get(name).is_some();
    head.method == "OPTIONS" && has("origin") && has("access-control-request-method")
}

impl Allowed {
    fn compile(words: &[String]) -> Allowed {
        if words.iter().any(|word| word == "*") {
            return Allowed::Anything;
        }
        match HeaderValue::from_str(&words.join(",")) {
            Ok(value) if !value.is_empty() => Allowed::These(value),
            _ => Allowed::Nothing,
        }
    }

    /// `asked` is the field of the preflight that says what it wants.
    fn value(&self, head: &Head<'_>, asked: &str) -> Option<HeaderValue> {
        match self {
            Allowed::Nothing => None,
            Allowed::These(value) => Some(value.clone()),
            Allowed::Anything => HeaderValue::from_bytes(head.fields.get(asked)?).ok(),
        }
    }
}

impl Grant {
    /// Hands over the fields, each to replace what the answer has under its name; `Vary` is to be added to what is there.
    pub(super) fn fields(&self, sink: &mut impl Sink) {
        let Terms { allows_credentials, varies, expose_headers } = &*self.terms;
        if let Some(origin) = &self.origin {
            sink.text("access-control-allow-origin", origin);
            if *allows_credentials {
                sink.text("access-control-allow-credentials", b"true");
            }
            if let Some(names) = expose_headers {
                sink.text("access-control-expose-headers", names.as_bytes());
            }
        }
        if *varies {
            sink.text("vary", b"Origin");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::base::{Fields, Scheme};

    type List<'a> = &'a [(&'a str, &'a [u8])];

    fn head<'a>(fields: List<'a>) -> Head<'a> {
        Head {
            method: "OPTIONS",
            host: "x",
            path: "/",
            query: None,
            fields: Fields::List(fields),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            scheme: Scheme::Http,
        }
    }

    fn written(origins: &[&str], allow_credentials: bool) -> config::Cors {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        config::Cors {
            allow_origins: words(origins),
            allow_methods: words(&["GET", "PUT"]),
            allow_headers: words(&["*"]),
            expose_headers: words(&["etag", "x-own"]),
            max_age: Some(std::time::Duration::from_secs(600)),
            allow_credentials,
        }
    }

    /// What answers to a request of `origin` say, in lines.
    #[track_caller]
    fn check(cors: &config::Cors, origin: &str, expected: &[&str]) {
        let fields: Vec<_> = [("Origin", origin.as_bytes())].into_iter().filter(|(_, it)| !it.is_empty()).collect();
        let mut lines = Vec::new();
        Cors::compile(cors).grant(&head(&fields)).fields(&mut lines);
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected, "{origin}");
    }

    #[test]
    fn an_origin_that_may_call_is_named_and_another_is_told_nothing() {
        let app = written(&["https://app.example.com"], true);
        let said = [
            "access-control-allow-origin: https://app.example.com",
            "access-control-allow-credentials: true",
            "access-control-expose-headers: etag,x-own",
            "vary: Origin",
        ];
        check(&app, "https://app.example.com", &said);
        for other in ["https://app.example.com.evil", "http://app.example.com", "https://app.example.co", "null", ""] {
            check(&app, other, &["vary: Origin"]);
        }
    }

    #[test]
    fn where_anyone_may_call_the_answer_is_the_same_for_all() {
        let said = ["access-control-allow-origin: *", "access-control-expose-headers: etag,x-own"];
        check(&written(&["*"], false), "https://a.example", &said);
        check(&written(&["*"], false), "", &said);
    }

    #[test]
    fn a_scheme_stands_for_all_of_its_hosts() {
        let secure = written(&["https://*"], false);
        let allowed = |origin: &str| {
            let fields = [("origin", origin.as_bytes())];
            Cors::compile(&secure).grant(&head(&fields)).origin.is_some()
        };
        assert!(allowed("https://a.example") && allowed("https://b.example:8443"));
        assert!(!allowed("http://a.example") && !allowed("https://") && !allowed("httpsx://a"));
    }

    #[test]
    fn a_preflight_is_told_what_is_allowed_and_only_by_an_origin_that_may_call() {
        let preflight = |origin: &str| {
            let fields = [
                ("origin", origin.as_bytes()),
                ("access-control-request-method", &b"PUT"[..]),
                ("access-control-request-headers", &b"authorization,x-own"[..]),
            ];
            let (cors, head) = (Cors::compile(&written(&["https://a.example"], true)), head(&fields));
            assert!(is_preflight(&head) && !is_preflight(&Head { method: "GET", ..head }));
            let reply = cors.preflight(&head, &cors.grant(&head));
            let said = reply.fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            (reply.status, said.collect::<Vec<_>>())
        };
        let said = [
            "access-control-allow-methods: GET,PUT",
            "access-control-allow-headers: authorization,x-own",
            "access-control-max-age: 600",
        ];
        assert_eq!(preflight("https://a.example"), (204, said.map(str::to_owned).to_vec()));
        assert_eq!(preflight("https://b.example"), (204, Vec::new()));
    }
}
