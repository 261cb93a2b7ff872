use ring::digest::{SHA256, digest};
use smallvec::SmallVec;

use super::origin::Vary;
use crate::base::{Fields, Head, Variant};
use crate::config::{ErrorStyle, KeyPart, RouteCache};

/// The full key of an entry within its stage's store. Inline up to 256 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(SmallVec<[u8; INLINE_BYTES]>);

const INLINE_BYTES: usize = 256;

impl Key {
    fn new() -> Key {
        Key(SmallVec::new())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends a value so that where it ends is never in doubt: its length plus one, then its bytes.
    fn push_value(&mut self, value: &[u8]) {
        self.push_number(length_of(value));
        self.push(value);
    }

    /// The same key at the host, port and scheme that the back end sees, for an origin that is honoured.
    pub(super) fn push_origin(&mut self, authority: &[u8], scheme: &str) {
        self.push_value(scheme.as_bytes());
        let start = self.0.len();
        self.push_value(authority);
        self.0[start + size_of::<u32>()..].make_ascii_lowercase();
    }

    /// The same key for one variant of its answers.
    pub(super) fn push_variant(&mut self, vary: &Vary, fields: &Fields<'_>) {
        self.push_end();
        vary.push_values(fields, |bytes| self.push(bytes));
    }

    /// Ends a list of values. No value begins with 0, so an absent value differs from an empty one.
    pub(super) fn push_end(&mut self) {
        self.push_number(0);
    }

    fn push_number(&mut self, number: u32) {
        self.push(&number.to_le_bytes());
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_bytes().escape_ascii().to_string())
    }
}

/// How the keys of one route are made: a fixed part, then what the request adds.
///
/// The stage is not in it, because every stage has a store of its own; nor is the host.
#[derive(Debug)]
pub(super) struct Shape {
    /// Stands for the route's deployment, variant, name and declared parameters, none of which a request chooses:
    /// half of their SHA-256, so that every look-up copies, hashes and compares less.
    fixed: [u8; FIXED_BYTES],
    parts: Parts,
}

const FIXED_BYTES: usize = 16;
/// Four numbers, and the fixed part.
const START_BYTES: usize = 4 * size_of::<u32>() + FIXED_BYTES;

#[derive(Debug)]
enum Parts {
    /// The canonical path and the raw query.
    Target,
    /// The values of these, in this order; of nothing else.
    Declared(Box<[Part]>),
}

#[derive(Debug)]
enum Part {
    /// The number of a parameter of the route's path.
    Path(usize),
    Querystring(Box<str>),
    Header(Box<str>),
}

impl Shape {
    /// `route` is its method and template. A path parameter that `parameter_names` lacks is a fault of
    /// [`super::check`] and adds nothing here.
    pub(super) fn compile(
        route: &str,
        cache: Option<&RouteCache>,
        style: ErrorStyle,
        parameter_names: &[Box<str>],
        deployment: u64,
        variant: Variant,
    ) -> Shape {
        let written = cache.and_then(|cache| cache.key.as_deref());
        let mut fixed = Key::new();
        fixed.push(&deployment.to_le_bytes());
        fixed.push_value(variant.as_str().as_bytes());
        fixed.push_value(route.as_bytes());
        let parts = match (written, style) {
            (None, ErrorStyle::Standard) => Parts::Target,
            (None, ErrorStyle::Aws) => Parts::Declared(Box::default()),
            (Some(written), _) => {
                Parts::Declared(written.iter().filter_map(|part| Part::compile(part, parameter_names)).collect())
            }
        };
        // The names too: after a reload that changes them, values of the old names must not be found under the new.
        match &parts {
            Parts::Target => fixed.push_value(b"target"),
            Parts::Declared(parts) => parts.iter().for_each(|part| part.push_name(&mut fixed)),
        }
        fixed.push_end();
        Shape { fixed: half_digest(fixed.as_bytes()), parts }
    }

    /// Says for people what of a request the key is made of.
    pub(super) fn explain<'p>(&self, head: &Head<'_>, parameter: impl Fn(usize) -> Option<&'p str>) -> String {
        let Parts::Declared(parts) = &self.parts else {
            return format!("the whole path and query: {}?{}", head.path, head.query.unwrap_or_default());
        };
        let text = |part: &Part| match part {
            Part::Path(at) => format!("path parameter {:?}", parameter(*at).unwrap_or_default()),
            Part::Querystring(name) => format!("querystring.{name}"),
            Part::Header(name) => format!("header.{name} {:?}", head.fields.text(name).unwrap_or_default()),
        };
        match parts.iter().map(text).collect::<Vec<_>>() {
            none if none.is_empty() => "the route alone".to_owned(),
            some => some.join(", "),
        }
    }

    /// Whether the values of the header `name` (lower case) are in the key.
    pub(super) fn declares_header(&self, name: &str) -> bool {
        match &self.parts {
            Parts::Target => false,
            Parts::Declared(parts) => parts.iter().any(|part| matches!(part, Part::Header(n) if **n == *name)),
        }
    }

    /// The key of a request whose path parameter number `i` has the value `parameter(i)`.
    pub(super) fn key<'p>(
        &self,
        generations: [u32; 2],
        head: &Head<'_>,
        parameter: impl Fn(usize) -> Option<&'p str>,
    ) -> Key {
        match &self.parts {
            Parts::Target => {
                let query_length = head.query.map_or(0, |query| length_of(query.as_bytes()));
                let mut key = self.start(generations, [length_of(head.path.as_bytes()), query_length]);
                key.push(head.path.as_bytes());
                if let Some(query) = head.query {
                    key.push(query.as_bytes());
                }
                key
            }
            Parts::Declared(parts) => {
                let mut key = self.start(generations, [0, 0]);
                parts.iter().for_each(|part| part.push_values(&mut key, head, &parameter));
                key
            }
        }
    }

    /// What all keys of the route begin with, and the lengths of path and query where these follow: copied at one go.
    fn start(&self, [stage, route]: [u32; 2], [path, query]: [u32; 2]) -> Key {
        let mut start = [0; START_BYTES];
        let (numbers, fixed) = start.split_at_mut(START_BYTES - FIXED_BYTES);
        for (bytes, number) in numbers.as_chunks_mut().0.iter_mut().zip([stage, route, path, query]) {
            *bytes = number.to_le_bytes();
        }
        fixed.copy_from_slice(&self.fixed);
        let mut key = Key::new();
        key.push(&start);
        key
    }
}

/// Of a value that is there: one more than its bytes.
fn length_of(value: &[u8]) -> u32 {
    u32::try_from(value.len()).unwrap_or(u32::MAX - 1) + 1
}

fn half_digest(bytes: &[u8]) -> [u8; FIXED_BYTES] {
    let mut half = [0; FIXED_BYTES];
    half.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(half, byte)| *half = *byte);
    half
}

impl Part {
    fn compile(written: &KeyPart, parameter_names: &[Box<str>]) -> Option<Part> {
        match written {
            KeyPart::Path(name) => parameter_names.iter().position(|n| **n == **name).map(Part::Path),
            KeyPart::Querystring(name) => Some(Part::Querystring(name.as_str().into())),
            KeyPart::Header(name) => Some(Part::Header(name.as_str().into())),
        }
    }

    fn push_name(&self, key: &mut Key) {
        match self {
            Part::Path(number) => {
                key.push_value(b"path");
                key.push_number(u32::try_from(*number).unwrap_or(u32::MAX));
            }
            Part::Querystring(name) => {
                key.push_value(b"querystring");
                key.push_value(name.as_bytes());
            }
            Part::Header(name) => {
                key.push_value(b"header");
                key.push_value(name.as_bytes());
            }
        }
    }

    fn push_values<'p>(&self, key: &mut Key, head: &Head<'_>, parameter: &impl Fn(usize) -> Option<&'p str>) {
        match self {
            Part::Path(number) => {
                parameter(*number).into_iter().for_each(|value| key.push_value(value.as_bytes()));
            }
            Part::Querystring(name) => {
                let pairs = head.query.unwrap_or_default().split('&');
                pairs.filter_map(|pair| value_of(pair, name)).for_each(|value| key.push_value(value));
            }
            Part::Header(name) => head.fields.for_each(name, |value| key.push_value(value)),
        }
        key.push_end();
    }
}

/// The raw value of a query's `pair` with its `=`, if the pair's name is `name`.
///
/// Names are decoded before they are compared, because the back end decodes them too: were `%65xpand=2` not the
/// `expand` of the key, it would store its own answer for everyone. Values stay raw, which at worst stores twice.
/// Only `&` separates pairs (WHATWG URL section 5.1).
fn value_of<'q>(pair: &'q str, name: &str) -> Option<&'q [u8]> {
    let (raw_name, value) = pair.as_bytes().split_at(pair.find('=').unwrap_or(pair.len()));
    is_name(raw_name, name.as_bytes()).then_some(value)
}

fn is_name(raw: &[u8], name: &[u8]) -> bool {
    if !raw.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return raw == name;
    }
    // `+` may stand for a space or for itself, by what reads it: taking it for both only makes the key finer.
    let mut decoded = percent_encoding::percent_decode(raw);
    name.iter().all(|&want| decoded.next().is_some_and(|got| got == want || (got, want) == (b'+', b' ')))
        && decoded.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::base::Scheme;
    use crate::config::{Located, Span};

    type List<'a> = &'a [(&'a str, &'a [u8])];

    fn shape(style: ErrorStyle, written: Option<&[KeyPart]>) -> Shape {
        let key = written.map(|parts| parts.iter().map(|part| Located::new(part.clone(), Span::default())).collect());
        let cache = RouteCache { span: Span::default(), enabled: None, ttl: None, honor_origin: None, key };
        Shape::compile("GET /items/{id}", Some(&cache), style, &["id".into()], 7, Variant::Stable)
    }

    fn key(shape: &Shape, target: &str, fields: List<'_>) -> Key {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let fields = Fields::List(fields);
        let head = Head { method: "GET", host: "a.example", path, query, fields, client, scheme: Scheme::Http };
        shape.key([0, 0], &head, |_| path.rsplit('/').next())
    }

    fn check(shape: &Shape, left: (&str, List<'_>), right: (&str, List<'_>), is_same: bool) {
        let equal = key(shape, left.0, left.1) == key(shape, right.0, right.1);
        assert_eq!(equal, is_same, "{left:?} against {right:?}");
    }

    #[test]
    fn requests_share_a_key_exactly_when_what_is_declared_is_the_same() {
        let declared = [
            KeyPart::Path("id".into()),
            KeyPart::Querystring("expand".into()),
            KeyPart::Querystring("a b".into()),
            KeyPart::Header("accept".into()),
        ];
        let shape = shape(ErrorStyle::Standard, Some(&declared));
        let same = |left: &str, right: &str| check(&shape, (left, &[]), (right, &[]), true);
        same("/items/1", "/items/1?other=1");
        same("/items/1?expand=a&x=1", "/items/1?y&expand=a");
        same("/items/1?%65xpand=a", "/items/1?expand=a");
        same("/items/1?a+b=1", "/items/1?a+b=1&c");
        let differs = |left: &str, right: &str| check(&shape, (left, &[]), (right, &[]), false);
        differs("/items/1", "/items/2");
        differs("/items/1", "/items/1?expand");
        differs("/items/1?expand", "/items/1?expand=");
        differs("/items/1?expand=", "/items/1?expand=a");
        differs("/items/1?expand=a&expand=b", "/items/1?expand=b&expand=a");
        differs("/items/1?expand=a&expand=b", "/items/1?expand=ab");
        differs("/items/1", "/items/1?%65xpand=a");
        differs("/items/1", "/items/1?a+b=1");
        differs("/items/1", "/items/1?a%20b=1");
        let target = "/items/1";
        check(&shape, (target, &[("Accept", b"x")]), (target, &[("aCCept", b"x"), ("other", b"y")]), true);
        check(&shape, (target, &[("accept", b"x")]), (target, &[]), false);
        check(&shape, (target, &[("accept", b"")]), (target, &[]), false);
        check(&shape, (target, &[("accept", b"x"), ("accept", b"y")]), (target, &[("accept", b"xy")]), false);
        check(&shape, ("/items/1?expand=x", &[]), (target, &[("accept", b"=x")]), false);
    }

    #[test]
    fn without_declared_parameters_the_style_decides_what_the_key_is() {
        let standard = shape(ErrorStyle::Standard, None);
        check(&standard, ("/items/1?a=1", &[]), ("/items/1?a=1", &[("accept", b"x")]), true);
        check(&standard, ("/items/1?a=1", &[]), ("/items/1?a=2", &[]), false);
        check(&standard, ("/items/1", &[]), ("/items/1?", &[]), false);
        check(&standard, ("/items/1", &[]), ("/items/2", &[]), false);
        let aws = shape(ErrorStyle::Aws, None);
        check(&aws, ("/items/1?a=1", &[]), ("/items/2", &[("accept", b"x")]), true);
    }

    #[test]
    fn deployments_variants_generations_and_other_declarations_never_meet() {
        let names: [Box<str>; 0] = [];
        let compile =
            |route, deployment, variant| Shape::compile(route, None, ErrorStyle::Aws, &names, deployment, variant);
        let base = compile("GET /a", 1, Variant::Stable);
        let others = [
            compile("GET /b", 1, Variant::Stable),
            compile("GET /a", 2, Variant::Stable),
            compile("GET /a", 1, Variant::Canary),
            shape(ErrorStyle::Aws, Some(&[KeyPart::Querystring("a".into())])),
            shape(ErrorStyle::Aws, Some(&[KeyPart::Header("a".into())])),
        ];
        let mut keys: Vec<_> = others.iter().chain([&base]).map(|shape| key(shape, "/a", &[])).collect();
        keys.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        keys.dedup();
        assert_eq!(keys.len(), 6);
    }

    proptest! {
        #[test]
        fn different_values_never_make_the_same_key(
            left in vec(vec("[ab=%]{0,2}", 0..3), 3),
            right in vec(vec("[ab=%]{0,2}", 0..3), 3),
        ) {
            let declared = [
                KeyPart::Querystring("x".into()), KeyPart::Querystring("y".into()), KeyPart::Header("z".into()),
            ];
            let shape = shape(ErrorStyle::Standard, Some(&declared));
            let key_of = |values: &[Vec<String>]| {
                let pair = |name: &'static str| move |value: &String| format!("{name}={value}");
                let query: Vec<_> = values[0].iter().map(pair("x")).chain(values[1].iter().map(pair("y"))).collect();
                let fields: Vec<_> = values[2].iter().map(|value| ("z", value.as_bytes())).collect();
                key(&shape, &format!("/?{}", query.join("&")), &fields)
            };
            prop_assert_eq!(key_of(&left) == key_of(&right), left == right);
        }
    }

    #[test]
    fn a_key_that_does_not_fit_inline_is_kept_whole() {
        let mut key = Key::new();
        let parts: Vec<Vec<u8>> = (0..40_u8).map(|part| vec![part; usize::from(part)]).collect();
        parts.iter().for_each(|part| key.push(part));
        assert_eq!(key.as_bytes(), parts.concat());
    }
}
