//! Decides as RFC 9111 has it what of a back end's answers may be stored and reused, where a stage or route says
//! `honor_origin = true`. The files are in the order of the RFC; each is a decision over fields and times alone.
//!
//! In: fields of a request and of an answer, what is stored, the time. Out: whether it is stored and for how long
//! ([`storing`]), whether it answers a request ([`reuse`]), what is asked of the origin and what is kept of its word
//! ([`validation`]), which stored answers a change puts out of date ([`invalidation`]).
//!
//! **Promises**: what the origin did not say is fresh is not served as fresh: freshness is never guessed (section 4.2.2
//! is left out), and what cannot be read, such as `max-age=1.5` or `Age: old`, counts as stale. An answer to a request
//! with credentials, or one that sets a cookie, is shared only where the origin says that it is for everyone. An error
//! is kept no longer than `error_ttl`, whatever it says.
//!
//! **Cost**: everything about an answer is worked out once, when it arrives; a request pays for the fields that it has.
//! The crate `http-cache-semantics` was looked at and left: it splits directives at commas within quotes, guesses
//! freshness, knows no targeted field (RFC 9213), and reads all fields of an answer anew for each request.

mod directives;
mod freshness;
mod invalidation;
mod range;
mod reuse;
mod stale;
mod storing;
mod tags;
mod validation;
mod vary;

pub use directives::Directives;
pub use freshness::Freshness;
pub use invalidation::{is_unsafe, located, target_of};
pub use range::{Part, part};
pub use reuse::{Use, Wishes, judge};
pub use stale::Grace;
pub use storing::{Asker, Keep, Terms, terms};
pub use tags::{is_tags, tags};
pub use validation::{Validators, is_not_modified, renewed};
pub use vary::{Variance, Variant, Vary};
