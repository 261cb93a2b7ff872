use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::{Directives, Freshness, Grace, Validators};
use crate::base::{Fields, Now};

/// What of a request decides whether its answer may be everyone's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    pub has_authorization: bool,
    /// RFC 9111 is silent about cookies; an answer to one is rarely everyone's.
    pub has_cookie: bool,
}

impl Asker {
    pub fn has_credentials(self) -> bool {
        self.has_authorization || self.has_cookie
    }
}

/// What an operator lets the origin say at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    pub ttl: Duration,
    /// Of answers with a status of 400 and above.
    pub error_ttl: Duration,
}

/// What an answer is stored under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// From now on; zero if it has to be validated at once.
    pub fresh_for: Duration,
    /// When it arrived.
    pub age: Duration,
    /// From now on, and then its memory is freed.
    pub kept_for: Duration,
    pub grace: Grace,
    /// In lower case: the origin wants these not to be stored.
    pub withheld_fields: Vec<String>,
}

/// How long a stale answer that can be validated is kept for it, beyond its time.
const KEPT_FOR_VALIDATION: Duration = Duration::from_secs(3600);
const KEPT_MAX: Duration = Duration::from_secs(366 * 86400);

/// Decides in the order of RFC 9111 section 3 whether an answer that arrived `now`, asked for `delay` ago, is stored;
/// `None`: it is not, and nobody but who asked for it gets it.
pub fn terms(
    asker: Asker,
    keep: Keep,
    status: StatusCode,
    fields: &HeaderMap,
    now: Now,
    delay: Duration,
) -> Option<Terms> {
    let view = Fields::Map(fields);
    let directives = Directives::of_answer(&view);
    if !is_storable_status(status) || is_forbidden(&directives, status) {
        return None;
    }
    // Section 3.5, and the same care for cookies on either side.
    let is_personal = asker.has_cookie || fields.contains_key(http::header::SET_COOKIE);
    let is_for_everyone = directives.is_for_everyone();
    if (is_personal && !is_for_everyone)
        || (asker.has_authorization && !is_for_everyone && !directives.is_must_revalidate)
    {
        return None;
    }
    let freshness = Freshness::of(&directives, &view, now, delay);
    let grace = Grace::of(&directives);
    let is_error = status.as_u16() >= 400;
    let most = if is_error { keep.ttl.min(keep.error_ttl) } else { keep.ttl };
    let fresh_for = match grace.is_always_validated {
        true => Duration::ZERO,
        false => freshness.remaining().unwrap_or_default().min(most),
    };
    let is_validatable = status == StatusCode::OK && Validators::of(&view).is_some();
    let stale_for = if is_error { Duration::ZERO } else { grace.longest() };
    let stale_for = if is_validatable { stale_for.max(KEPT_FOR_VALIDATION) } else { stale_for };
    let kept_for = fresh_for.saturating_add(stale_for).min(KEPT_MAX);
    // Without any use for it, now or later, it is not worth its room.
    let is_of_use = !kept_for.is_zero() && (freshness.lifetime.is_some() || is_validatable);
    let withheld_fields = directives.withheld_fields;
    is_of_use.then_some(Terms { fresh_for, age: freshness.age, kept_for, grace, withheld_fields })
}

/// A part is no answer for everyone (it is passed on), and an answer to a condition is none to a request without it.
fn is_storable_status(status: StatusCode) -> bool {
    !status.is_informational() && !matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED)
}

/// `must-understand` overrides `no-store` where the status is understood (section 5.2.2.3).
fn is_forbidden(directives: &Directives, status: StatusCode) -> bool {
    match directives.is_must_understand {
        true => !is_understood(status) || directives.is_private,
        false => directives.is_no_store || directives.is_private,
    }
}

/// The final statuses whose caching RFC 9110 section 15 defines.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505
    )
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const KEEP: Keep = Keep { ttl: Duration::from_secs(86400), error_ttl: Duration::from_secs(10) };
    const NOW: Now = Now { mono_ns: 1, unix_ms: 784_111_777_000 };

    fn ask(asker: Asker, status: u16, fields: &[(&'static str, &'static str)]) -> Option<Terms> {
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let status = StatusCode::from_u16(status).unwrap();
        terms(asker, KEEP, status, &fields.iter().map(pair).collect(), NOW, Duration::ZERO)
    }

    /// `expected`: for how many seconds it is fresh, and kept.
    #[track_caller]
    fn check(status: u16, cache_control: &'static str, expected: Option<(u64, u64)>) {
        let terms = ask(Asker::default(), status, &[("cache-control", cache_control)]);
        let told = terms.map(|terms| (terms.fresh_for.as_secs(), terms.kept_for.as_secs()));
        assert_eq!(told, expected, "{status} {cache_control}");
    }

    #[test]
    fn only_what_the_origin_lets_be_shared_is_stored() {
        check(200, "max-age=60", Some((60, 60)));
        check(200, "max-age=60, public", Some((60, 60)));
        check(599, "max-age=6", Some((6, 6)));
        check(302, "max-age=60", Some((60, 60)));
        for refused in ["", "public", "max-age=0", "no-store", "no-store, max-age=60", "private", "private, max-age=60"]
        {
            check(200, refused, None);
        }
        for status in [206, 304, 101] {
            check(status, "max-age=60", None);
        }
        check(599, "max-age=60, must-understand", None);
        check(200, "max-age=60, must-understand, no-store", Some((60, 60)));
        check(200, "max-age=60, private=\"x-a\"", Some((60, 60)));
    }

    #[test]
    fn an_operators_bounds_hold_whatever_the_origin_says() {
        check(200, "max-age=999999", Some((86400, 86400)));
        check(404, "max-age=60", Some((10, 10)));
        check(400, "max-age=60, stale-if-error=600", Some((10, 10)));
        check(503, "max-age=60", Some((10, 10)));
    }

    #[test]
    fn what_may_be_of_use_when_it_is_stale_is_kept_for_it() {
        check(200, "max-age=60, stale-while-revalidate=30, stale-if-error=90", Some((60, 150)));
        check(200, "max-age=0, stale-if-error=90", Some((0, 90)));
        check(200, "max-age=60, must-revalidate, stale-if-error=90", Some((60, 60)));
        let kept = |fields: &[(&'static str, &'static str)]| {
            ask(Asker::default(), 200, fields).map(|terms| (terms.fresh_for.as_secs(), terms.kept_for.as_secs()))
        };
        let etag = ("etag", "\"a\"");
        assert_eq!(kept(&[etag]), Some((0, 3600)));
        assert_eq!(kept(&[etag, ("cache-control", "no-cache, max-age=60")]), Some((0, 3600)));
        assert_eq!(kept(&[etag, ("cache-control", "max-age=60")]), Some((60, 3660)));
        assert_eq!(kept(&[etag, ("cache-control", "no-store")]), None);
        assert_eq!(kept(&[("cache-control", "no-cache, max-age=60")]), None);
    }

    #[test]
    fn an_answer_to_credentials_or_with_a_cookie_is_shared_only_if_the_origin_says_for_everyone() {
        let authorized = Asker { has_authorization: true, has_cookie: false };
        let cookie = Asker { has_authorization: false, has_cookie: true };
        let stored = |asker, cache_control| ask(asker, 200, &[("cache-control", cache_control)]).is_some();
        let sets = |cache_control| {
            ask(Asker::default(), 200, &[("cache-control", cache_control), ("set-cookie", "a=b")]).is_some()
        };
        for (cache_control, for_authorized, for_cookies) in [
            ("max-age=60", false, false),
            ("max-age=60, public", true, true),
            ("s-maxage=60", true, true),
            ("max-age=60, must-revalidate", true, false),
            ("max-age=60, proxy-revalidate", false, false),
        ] {
            assert_eq!(stored(authorized, cache_control), for_authorized, "{cache_control}");
            assert_eq!(stored(cookie, cache_control), for_cookies, "{cache_control}");
            assert_eq!(sets(cache_control), for_cookies, "{cache_control}");
        }
    }
}
