use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::answer::is_small_enough;
use super::entry::Origin;
use super::origin::{Asker, Keep, Terms, Validators, Variance, Variant, Vary, renewed, tags, terms};
use super::purge::{Labels, Purges};
use super::{AnswerHead, Entry};
use crate::base::{FieldSpan, FieldSpans, Fields, Now};

/// What the leader of a fetch knows whose answer is stored as its origin says.
#[derive(Debug)]
pub(super) struct Honored {
    pub(super) keep: Keep,
    pub(super) asker: Asker,
    pub(super) asked: Asked,
    pub(super) target: String,
    /// The key, but for the variant.
    pub(super) base: Box<[u8]>,
    /// On what the answers of the key are known to depend.
    pub(super) vary: Option<Vary>,
    /// What is stored and may still be good.
    pub(super) stored: Option<Arc<Entry>>,
    pub(super) began: Now,
    /// The number of the last purge when the fetch began.
    pub(super) since: u64,
    /// Nobody follows.
    pub(super) is_solo: bool,
}

/// The fields of a request, kept beyond it.
#[derive(Debug)]
pub(super) struct Asked {
    bytes: Vec<u8>,
    spans: FieldSpans,
}

/// An answer that will be stored.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) terms: Terms,
    pub(super) head: Arc<AnswerHead>,
    key: Vec<u8>,
    labels: Labels,
    /// What the key without a variant is to say.
    signpost: Option<Vary>,
}

impl Asked {
    pub(super) fn of(fields: &Fields<'_>) -> Asked {
        let mut bytes = Vec::with_capacity(512);
        let mut ends = Vec::new();
        fields.for_all(|name, value| {
            bytes.extend_from_slice(name);
            let middle = bytes.len();
            bytes.extend_from_slice(value);
            ends.push((middle, bytes.len()));
        });
        let (mut start, mut spans) = (0, FieldSpans::with_capacity(ends.len()));
        for (middle, end) in ends {
            spans.push(FieldSpan::of(&bytes, &bytes[start..middle], &bytes[middle..end]));
            start = end;
        }
        Asked { bytes, spans }
    }

    fn fields(&self) -> Fields<'_> {
        Fields::Wire { bytes: &self.bytes, spans: &self.spans }
    }
}

impl Honored {
    /// What the origin is asked with, where something is stored that may still be good.
    pub(super) fn conditions(&self) -> Vec<(HeaderName, HeaderValue)> {
        let validators = self.stored.as_ref().and_then(|stored| Validators::of_stored(&stored.head.fields));
        validators.iter().flat_map(Validators::conditions).collect()
    }

    /// Whether and how an answer with this head is stored.
    pub(super) fn judge(&self, status: StatusCode, fields: &HeaderMap, purges: &Purges, now: Now) -> Option<Verdict> {
        if !is_small_enough(status, fields) {
            return None;
        }
        self.judge_for(self.asker, status, fields, purges, now)
    }

    fn judge_for(
        &self,
        asker: Asker,
        status: StatusCode,
        fields: &HeaderMap,
        purges: &Purges,
        now: Now,
    ) -> Option<Verdict> {
        let terms = terms(asker, self.keep, status, fields, now, now.since(self.began))?;
        let vary = match Variance::of_answer(fields) {
            Variance::Everything => return None,
            Variance::None => self.vary.clone(),
            Variance::On(vary) => Some(self.vary.as_ref().map_or(Some(vary.clone()), |known| known.union(&vary))?),
        };
        let variant = vary.as_ref().map(|vary| Box::new(vary.variant(&self.asked.fields())));
        let key = self.key(variant.as_deref());
        let head = Arc::new(AnswerHead::keep_of_origin(status, fields, &terms, variant, now));
        Some(Verdict {
            head,
            key,
            labels: purges.labels(&self.target, &tags(fields), self.since),
            terms,
            signpost: vary,
        })
    }

    /// The stored answer after the origin has confirmed it with these fields. `None`: it may not be stored any more.
    pub(super) fn confirm(&self, news: &HeaderMap, purges: &Purges, now: Now) -> Option<(Verdict, Bytes)> {
        let stored = self.stored.as_ref()?;
        let fields = renewed(&stored.head.fields, news);
        // Whoever asks, it is the answer that was everyone's before.
        let mut verdict = self.judge_for(Asker::default(), stored.status, &fields, purges, now)?;
        // Tags are not among what is stored of a head.
        if let Some(origin) = &stored.origin {
            verdict.labels = verdict.labels.with_tags_of(&origin.labels);
        }
        Some((verdict, stored.body.clone()))
    }

    /// What is stored, if it may stand in for an origin that fails.
    pub(super) fn stand_in(&self, now: Now) -> Option<Arc<Entry>> {
        let stored = self.stored.as_ref()?;
        let grace = stored.origin.as_ref()?.grace;
        (stored.stale_for(now) < grace.if_error).then(|| Arc::clone(stored))
    }

    /// The key of the variant, as [`super::Key::push_variant`] makes it.
    fn key(&self, variant: Option<&Variant>) -> Vec<u8> {
        let mut key = self.base.to_vec();
        if let Some(variant) = variant {
            key.extend_from_slice(&0_u32.to_le_bytes());
            key.extend_from_slice(variant.values());
        }
        key
    }
}

impl Verdict {
    /// Only for who asked: it has to be validated before it may answer anybody else.
    pub(super) fn is_personal(&self) -> bool {
        self.terms.fresh_for.is_zero()
    }

    /// The entries to store: the answer, and what leads to it from the key without a variant.
    pub(super) fn entries(
        self,
        honored: &Honored,
        head: Arc<AnswerHead>,
        chunks: &[Bytes],
        purges: &Purges,
        now: Now,
    ) -> (Arc<Entry>, Option<Arc<Entry>>) {
        let grace = self.terms.grace;
        let signpost = self.signpost.map(|vary| {
            let kept_for = self.terms.kept_for.max(SIGNPOST_KEPT);
            let terms = Terms { kept_for, ..Terms::default() };
            let labels = purges.labels(&honored.target, &[], honored.since);
            let origin = Origin { grace: Default::default(), labels, signpost: Some(vary) };
            let head = AnswerHead::keep(StatusCode::NO_CONTENT, &HeaderMap::new());
            Arc::new(Entry::of_origin(&honored.base, Arc::new(head), &[], now, &terms, origin))
        });
        let origin = Origin { grace, labels: self.labels, signpost: None };
        let entry = Entry::of_origin(&self.key, head, chunks, now, &self.terms, origin);
        (Arc::new(entry), signpost)
    }
}

/// What tells variants apart outlives each of them, so that those stored earlier are still found.
const SIGNPOST_KEPT: Duration = Duration::from_secs(86400);
