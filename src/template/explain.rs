use std::ops::Range;

use super::fault::{Place, Span};

/// Something that happened while a template rendered, for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The bytes of the template's text that are meant.
    pub at: Range<usize>,
    pub place: Place,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A reference that printed nothing.
    Empty,
    /// An `#if` took its branch of this number, counted from 1; `None` if it took none.
    Branch(Option<u32>),
    /// An `#if` took its `#else`.
    Else,
    /// A `#foreach` went round so often.
    Turns(u32),
    /// A `#foreach` over what is neither list nor map.
    NotIterable(&'static str),
    /// The value has no such method, which makes nothing.
    NoMethod(&'static str),
    /// An operator that wants numbers had something else, or divided by zero.
    NoNumber,
    /// A `#set` had nothing to write to.
    NotSet,
}

/// How many remarks are kept.
const REMARKS_MAX: usize = 10_000;

/// The remarks of one rendering.
#[derive(Debug, Default)]
pub(super) struct Trace(Vec<(Span, What)>);

impl Trace {
    pub fn note(&mut self, at: Span, what: What) {
        if self.0.len() < REMARKS_MAX {
            self.0.push((at, what));
        }
    }

    /// In the order in which things happened.
    pub fn finish(self, source: &str) -> Vec<Remark> {
        let place = |at: Span| Place::of(source, at.range().start);
        self.0.into_iter().map(|(at, what)| Remark { at: at.range(), place: place(at), what }).collect()
    }
}
