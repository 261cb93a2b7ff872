use http::HeaderMap;
use smallvec::SmallVec;

use crate::base::Fields;

/// What of a request its answer depends on, as an answer says: RFC 9111 section 4.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variance {
    /// On nothing but what is in the key.
    None,
    On(Vary),
    /// On what no field tells: the answer suits no other request.
    Everything,
}

/// The fields by which variants are told apart: lower case, sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vary(Box<[Box<str>]>);

/// One variant of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    pub vary: Vary,
    values: Box<[u8]>,
}

/// An answer that depends on more fields than this is as good as one that depends on everything.
const NAMES_MAX: usize = 16;

impl Variance {
    /// Of an answer with these fields.
    pub fn of_answer(fields: &HeaderMap) -> Variance {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut is_everything = false;
        Fields::Map(fields).for_each("vary", |value| {
            for name in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
                is_everything |= name == b"*";
                names.push(String::from_utf8_lossy(name).to_ascii_lowercase().into());
            }
        });
        match Vary::new(names) {
            _ if is_everything => Variance::Everything,
            None => Variance::Everything,
            Some(vary) if vary.0.is_empty() => Variance::None,
            Some(vary) => Variance::On(vary),
        }
    }
}

impl Vary {
    fn new(mut names: Vec<Box<str>>) -> Option<Vary> {
        names.sort_unstable();
        names.dedup();
        (names.len() <= NAMES_MAX).then(|| Vary(names.into()))
    }

    /// On what either depends. An origin that names other fields for other answers is told apart by all of them;
    /// `None`: by too many.
    pub fn union(&self, other: &Vary) -> Option<Vary> {
        Vary::new(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// The bytes that it takes in a store, roughly.
    pub fn weight(&self) -> usize {
        self.0.iter().map(|name| name.len() + size_of::<Box<str>>()).sum()
    }

    /// The variant that a request with these fields gets.
    pub fn variant(&self, fields: &Fields<'_>) -> Variant {
        let mut values = Vec::new();
        self.push_values(fields, |bytes| values.extend_from_slice(bytes));
        Variant { vary: self.clone(), values: values.into() }
    }

    /// Hands over the bytes that tell the variant of a request apart from any other.
    pub fn push_values(&self, fields: &Fields<'_>, mut push: impl FnMut(&[u8])) {
        self.for_each(fields, |name, value| {
            let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1) + 1;
            push(&len(name.as_bytes()).to_le_bytes());
            push(name.as_bytes());
            push(&value.map_or(0, len).to_le_bytes());
            push(value.unwrap_or_default());
        });
    }

    /// Per field its name, then its normalised value if the request has it.
    fn for_each(&self, fields: &Fields<'_>, mut each: impl FnMut(&str, Option<&[u8]>)) {
        for name in &self.0 {
            let mut value = SmallVec::<[u8; 128]>::new();
            let is_there = normalise(name, fields, &mut value);
            each(name, is_there.then_some(&value));
        }
    }
}

impl Variant {
    /// Whether a request with these fields gets it.
    pub fn suits(&self, fields: &Fields<'_>) -> bool {
        self.vary.variant(fields).values == self.values
    }

    /// The bytes that it takes in a store, roughly.
    pub fn weight(&self) -> usize {
        self.vary.weight() + self.values.len()
    }

    pub fn values(&self) -> &[u8] {
        &self.values
    }
}

/// Writes the value by which requests are compared. False: the request has no such field.
fn normalise(name: &str, fields: &Fields<'_>, out: &mut SmallVec<[u8; 128]>) -> bool {
    let mut members: SmallVec<[&[u8]; 8]> = SmallVec::new();
    let mut is_there = false;
    fields.for_each(name, |line| {
        is_there = true;
        members.extend(line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii));
    });
    match name {
        "accept-encoding" => {
            if let Some(codings) = codings(&members) {
                // No field's value begins so.
                out.extend_from_slice(&[0, codings]);
                return is_there;
            }
        }
        // Equal weights say no order (RFC 9110 section 12.5.4), and case says nothing.
        "accept-language" => {
            let mut languages: SmallVec<[Vec<u8>; 8]> = members.iter().map(|member| compact(member)).collect();
            languages.sort_unstable();
            languages.iter().for_each(|language| push_member(out, language));
            return is_there;
        }
        _ => {}
    }
    members.iter().for_each(|member| push_member(out, member));
    is_there
}

/// A list is the same with and without spaces around its commas, in one line or in several.
fn push_member(out: &mut SmallVec<[u8; 128]>, member: &[u8]) {
    if !out.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(member);
}

fn compact(member: &[u8]) -> Vec<u8> {
    member.iter().filter(|byte| !matches!(byte, b' ' | b'\t')).map(u8::to_ascii_lowercase).collect()
}

const CODINGS: [&[u8]; 4] = [b"gzip", b"br", b"zstd", b"deflate"];

/// The known codings that are acceptable, as bits: an answer that suits one such request suits all. `None` where something is said that these bits cannot say; then the list counts as it stands.
fn codings(members: &[&[u8]]) -> Option<u8> {
    let mut bits = 0;
    for member in members.iter().filter(|member| !member.is_empty()) {
        let (coding, weight) = match memchr::memchr(b';', member) {
            Some(at) => (member[..at].trim_ascii(), Some(compact(&member[at + 1..]))),
            None => (*member, None),
        };
        let is_refused =
            weight.is_some_and(|weight| matches!(&*weight, b"q=0" | b"q=0." | b"q=0.0" | b"q=0.00" | b"q=0.000"));
        let coding = match coding {
            b"x-gzip" => b"gzip",
            other => other,
        };
        match CODINGS.iter().position(|known| known.eq_ignore_ascii_case(coding)) {
            Some(_) if is_refused => {}
            Some(bit) => bits |= 1 << bit,
            None if coding.eq_ignore_ascii_case(b"identity") && !is_refused => {}
            None => return None,
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn variance(lines: &[&'static str]) -> Variance {
        let pair = |line: &&'static str| (HeaderName::from_static("vary"), HeaderValue::from_static(line));
        Variance::of_answer(&lines.iter().map(pair).collect())
    }

    fn on(names: &[&str]) -> Variance {
        Variance::On(Vary(names.iter().map(|&name| name.into()).collect()))
    }

    #[test]
    fn a_star_anywhere_is_everything_and_names_are_one_sorted_set() {
        for star in [&["*"][..], &["*, *"], &["*", "*"], &[", *"], &["", "*"], &["*, foo"], &["foo, *"]] {
            assert_eq!(variance(star), Variance::Everything, "{star:?}");
        }
        assert_eq!(variance(&[]), Variance::None);
        assert_eq!(variance(&[" , "]), Variance::None);
        assert_eq!(variance(&["Foo,bar", "FOO , baz"]), on(&["bar", "baz", "foo"]));
        let many: String = (0..=NAMES_MAX).map(|at| format!("x{at},")).collect();
        assert_eq!(variance(&[Box::leak(many.into_boxed_str())]), Variance::Everything);
    }

    #[track_caller]
    fn check(name: &'static str, left: &[&str], right: &[&str], is_same: bool) {
        let vary = Vary(Box::new([name.into()]));
        let of = |lines: &[&str]| {
            let list: Vec<_> = lines.iter().map(|line| (name, line.as_bytes())).collect();
            let mut told = Vec::new();
            vary.for_each(&Fields::List(&list), |name, value| told.push((name.to_owned(), value.map(<[u8]>::to_vec))));
            told
        };
        assert_eq!(of(left) == of(right), is_same, "{name}: {left:?} against {right:?}");
    }

    #[test]
    fn values_that_mean_the_same_are_one_variant_and_others_are_not() {
        check("foo", &["1, 2"], &["1", " 2 "], true);
        check("foo", &["1,2"], &["12"], false);
        check("foo", &["a"], &["A"], false);
        check("foo", &[], &[""], false);
        check("foo", &["1, 2"], &["2, 1"], false);
        check("accept-language", &["en, de"], &[" DE ,en"], true);
        check("accept-language", &["en, de;q=0.5"], &["en;q=0.5, de"], false);
        check("accept-encoding", &["gzip, br"], &["br;q=0.5,GZIP"], true);
        check("accept-encoding", &["gzip, identity"], &["gzip, br;q=0"], true);
        check("accept-encoding", &["gzip"], &["br"], false);
        check("accept-encoding", &["gzip"], &["gzip, dcb"], false);
        check("accept-encoding", &["gzip"], &["gzip, *"], false);
        check("accept-encoding", &["gzip"], &["gzip, identity;q=0"], false);
        check("accept-encoding", &["identity"], &[""], true);
        check("accept-encoding", &["identity"], &[], false);
    }
}
