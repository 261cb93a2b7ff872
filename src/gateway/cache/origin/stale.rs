use std::time::Duration;

use super::Directives;

/// What may be done with an answer that is no longer fresh: RFC 9111 section 4.2.4, RFC 5861.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grace {
    /// After it became stale it is served for so long while a newer one is fetched.
    pub while_revalidate: Duration,
    /// And for so long when the origin fails.
    pub if_error: Duration,
    /// Never without the origin's word, whatever a client would put up with.
    pub is_strict: bool,
    /// Not even while it is fresh: `no-cache`.
    pub is_always_validated: bool,
}

impl Grace {
    pub fn of(directives: &Directives) -> Grace {
        // `s-maxage` has the meaning of `proxy-revalidate` too: section 5.2.2.10.
        let is_strict = directives.is_must_revalidate
            || directives.is_proxy_revalidate
            || directives.is_no_cache
            || directives.s_maxage.is_some();
        let said = |seconds: Option<u64>| Duration::from_secs(seconds.filter(|_| !is_strict).unwrap_or(0));
        Grace {
            while_revalidate: said(directives.stale_while_revalidate),
            if_error: said(directives.stale_if_error),
            is_strict,
            is_always_validated: directives.is_no_cache,
        }
    }

    /// How long after it became stale an answer may still be of use without being validated.
    pub fn longest(&self) -> Duration {
        self.while_revalidate.max(self.if_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Fields;

    fn check(cache_control: &str, expected: (u64, u64, bool, bool)) {
        let fields = [("cache-control", cache_control.as_bytes())];
        let grace = Grace::of(&Directives::of_answer(&Fields::List(&fields)));
        let (revalidate, error) = (grace.while_revalidate.as_secs(), grace.if_error.as_secs());
        assert_eq!((revalidate, error, grace.is_strict, grace.is_always_validated), expected, "{cache_control}");
    }

    #[test]
    fn what_is_stale_is_of_use_only_where_the_origin_says_so_and_nothing_forbids_it() {
        check("max-age=1", (0, 0, false, false));
        check("stale-while-revalidate=5, stale-if-error=60", (5, 60, false, false));
        check("stale-while-revalidate, stale-if-error=x", (0, 0, false, false));
        for strict in ["must-revalidate", "proxy-revalidate", "s-maxage=5"] {
            check(&format!("{strict}, stale-while-revalidate=5, stale-if-error=60"), (0, 0, true, false));
        }
        check("no-cache, stale-if-error=60", (0, 0, true, true));
        check("no-cache=\"set-cookie\", stale-if-error=60", (0, 60, false, false));
    }
}
