use std::time::Duration;

use super::Grace;
use super::directives::{for_each, read_seconds};
use crate::base::Fields;

/// What a client says of the answer that it would take: RFC 9111 section 5.2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    pub max_age: Option<Duration>,
    pub min_fresh: Option<Duration>,
    /// `Duration::MAX`: however stale.
    pub max_stale: Option<Duration>,
    pub is_no_cache: bool,
    pub is_no_store: bool,
    pub is_only_if_cached: bool,
}

impl Wishes {
    /// Of a request with these fields. `Pragma` counts where there is no `Cache-Control` (section 5.4).
    pub fn of_request(fields: &Fields<'_>) -> Wishes {
        let mut wishes = Wishes::default();
        let mut is_said = false;
        fields.for_each("cache-control", |line| {
            is_said = true;
            for_each(line, |name, argument| wishes.note(name, argument));
        });
        wishes.is_no_cache |= !is_said && fields.has_token("pragma", "no-cache");
        wishes
    }

    fn note(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        let duration = || argument.and_then(read_seconds).map(Duration::from_secs);
        match name.len() {
            // A wish that cannot be read is taken for the stricter one.
            7 if is(b"max-age") => self.max_age = Some(duration().unwrap_or_default()),
            8 if is(b"no-cache") => self.is_no_cache = true,
            8 if is(b"no-store") => self.is_no_store = true,
            9 if is(b"min-fresh") => self.min_fresh = Some(duration().unwrap_or(Duration::MAX)),
            9 if is(b"max-stale") => {
                self.max_stale = if argument.is_some() { duration() } else { Some(Duration::MAX) };
            }
            14 if is(b"only-if-cached") => self.is_only_if_cached = true,
            _ => {}
        }
    }

    /// Without what would send a request to the origin that a stored answer could answer.
    pub fn without_demands(self) -> Wishes {
        Wishes { max_age: None, min_fresh: None, is_no_cache: false, ..self }
    }

    /// Whether it demands more than an answer that is fresh.
    pub fn is_demanding(&self) -> bool {
        self.is_no_cache || self.max_age.is_some() || self.min_fresh.is_some()
    }
}

/// What becomes of a stored answer that suits a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is served.
    Serve,
    /// It is served, and a newer one is fetched meanwhile.
    ServeAndRefresh,
    /// The origin is asked first.
    Validate,
}

/// RFC 9111 section 4, but for what makes an answer suit a request.
pub fn judge(age: Duration, fresh_for: Duration, stale_for: Duration, grace: &Grace, wishes: &Wishes) -> Use {
    if wishes.is_no_cache || grace.is_always_validated || wishes.max_age.is_some_and(|most| age > most) {
        return Use::Validate;
    }
    if !fresh_for.is_zero() {
        return if wishes.min_fresh.is_some_and(|least| fresh_for < least) { Use::Validate } else { Use::Serve };
    }
    if wishes.min_fresh.is_some() || wishes.max_age == Some(Duration::ZERO) {
        return Use::Validate;
    }
    if wishes.max_stale.is_some_and(|most| stale_for <= most) && !grace.is_strict {
        return Use::Serve;
    }
    if stale_for < grace.while_revalidate { Use::ServeAndRefresh } else { Use::Validate }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAX: Grace = Grace {
        while_revalidate: Duration::from_secs(5),
        if_error: Duration::ZERO,
        is_strict: false,
        is_always_validated: false,
    };

    /// The answer has a lifetime of 10 s.
    #[track_caller]
    fn check(cache_control: &str, age_s: u64, grace: Grace, expected: Use) {
        let fields = [("cache-control", cache_control.as_bytes())];
        let wishes = Wishes::of_request(&Fields::List(&fields));
        let seconds = Duration::from_secs;
        let (fresh, stale) = (seconds(10_u64.saturating_sub(age_s)), seconds(age_s.saturating_sub(10)));
        assert_eq!(judge(seconds(age_s), fresh, stale, &grace, &wishes), expected, "{cache_control} at {age_s}");
    }

    #[test]
    fn what_a_client_wishes_is_weighed_against_what_is_stored() {
        let strict = Grace { while_revalidate: Duration::ZERO, is_strict: true, ..LAX };
        let none = Grace::default();
        check("", 9, none, Use::Serve);
        check("", 10, none, Use::Validate);
        check("", 10, LAX, Use::ServeAndRefresh);
        check("", 15, LAX, Use::Validate);
        check("", 3, Grace { is_always_validated: true, ..none }, Use::Validate);
        check("no-cache", 3, LAX, Use::Validate);
        check("max-age=3", 3, none, Use::Serve);
        check("max-age=2", 3, none, Use::Validate);
        check("max-age=x", 3, none, Use::Validate);
        check("min-fresh=7", 3, none, Use::Serve);
        check("min-fresh=8", 3, none, Use::Validate);
        check("min-fresh=0", 12, LAX, Use::Validate);
        check("max-stale", 99, none, Use::Serve);
        check("max-stale=2", 12, none, Use::Serve);
        check("max-stale=1", 12, none, Use::Validate);
        check("max-stale=x", 12, none, Use::Validate);
        check("max-stale", 12, strict, Use::Validate);
        check("max-stale, max-age=5", 12, none, Use::Validate);
    }

    #[test]
    fn pragma_counts_where_nothing_else_is_said() {
        let wishes = |list: &[(&str, &[u8])]| Wishes::of_request(&Fields::List(list));
        assert!(wishes(&[("pragma", b"no-cache")]).is_no_cache);
        assert!(!wishes(&[("pragma", b"no-cache"), ("cache-control", b"x")]).is_no_cache);
        assert!(!wishes(&[("pragma", b"other")]).is_no_cache);
        assert!(wishes(&[("cache-control", b"only-if-cached, no-store")]).is_only_if_cached);
    }
}
