use std::fmt;

use crate::base::{Ascii, Fields, Head, Now, hex};

/// A request's place in distributed traces.
///
/// Continues W3C `traceparent` and `X-Amzn-Trace-Id`, each from its own field; the gateway's hop has one new span id
/// in both. Where one of them is missing it takes the other's trace id. Where both are missing a trace begins that is
/// **not** sampled: whether to pay for a trace is decided where spans are collected, and the gateway collects none.
///
/// Held as numbers: most requests that are not sent on are never asked for its text.
#[derive(Clone)]
pub struct Trace {
    id: u128,
    span: u64,
    flags: u8,
    is_continued: bool,
    /// What the client's `X-Amzn-Trace-Id` becomes, where it sent one.
    amzn: Option<Box<str>>,
}

const TRACEPARENT_LEN: usize = 55;
/// `Root={root};Parent={16 digits};Sampled={0 or 1}`
const AMZN_LEN: usize = 5 + ROOT_LEN + 8 + 16 + 9 + 1;

/// Fields beside `Root`, `Parent` and `Sampled` go on as far as they fit.
const AMZN_LEN_MAX: usize = 256;

impl Trace {
    /// Continues what `head` carries, or begins a trace. Allocates only for a client's `X-Amzn-Trace-Id`.
    pub fn from_head(head: &Head<'_>, now: Now) -> Trace {
        let w3c = traceparent_of(&head.fields);
        let amzn = head.fields.text("x-amzn-trace-id").and_then(Amzn::read);
        let (id, flags) = match (&w3c, &amzn) {
            (Some(w3c), _) => (w3c.trace_id, w3c.flags),
            (None, Some(amzn)) => (amzn.trace_id(), u8::from(amzn.is_sampled())),
            (None, None) => (new_trace_id(now), 0),
        };
        let span = fastrand::u64(1..);
        let amzn = amzn.map(|amzn| amzn.continued(span).into_boxed_str());
        Trace { id, span, flags, is_continued: w3c.is_some(), amzn }
    }

    /// One that is always the same.
    #[cfg(test)]
    pub(crate) const fn fixed(is_continued: bool) -> Trace {
        Trace { id: 0xaa, span: 0xbb, flags: 1, is_continued, amzn: None }
    }

    /// Appends the value of `traceparent` for the back end: `00-{trace id}-{span id}-{flags}`, lower-case digits.
    pub fn push_traceparent(&self, out: &mut Vec<u8>) {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&hex::<32>(self.id));
        text[36..52].copy_from_slice(&hex::<16>(self.span.into()));
        text[53..].copy_from_slice(&hex::<2>(self.flags.into()));
        out.extend_from_slice(&text);
    }

    /// Appends the value of `X-Amzn-Trace-Id` for the back end: `Root=…;Parent=…;Sampled=…` and what other fields the
    /// client sent.
    pub fn push_amzn(&self, out: &mut Vec<u8>) {
        match &self.amzn {
            Some(continued) => out.extend_from_slice(continued.as_bytes()),
            None => out.extend_from_slice(&write_amzn(&self.new_root(), self.span, self.flags & SAMPLED != 0)),
        }
    }

    /// 32 hexadecimal digits: what the log knows the trace by.
    pub fn trace_id(&self) -> Ascii<32> {
        Ascii::of(&[&hex::<32>(self.id)])
    }

    /// The `Root` of `X-Amzn-Trace-Id`: `1-{8 digits}-{24 digits}`.
    pub fn root(&self) -> Ascii<ROOT_LEN> {
        match &self.amzn {
            Some(continued) => Ascii::of(&[&continued.as_bytes()["Root=".len()..][..ROOT_LEN]]),
            None => Ascii::of(&[&self.new_root()]),
        }
    }

    fn new_root(&self) -> [u8; ROOT_LEN] {
        let id = hex::<32>(self.id);
        let mut root = *b"1-00000000-000000000000000000000000";
        root[2..10].copy_from_slice(&id[..8]);
        root[11..].copy_from_slice(&id[8..]);
        root
    }

    /// Whether the client's `tracestate` may go on. It belongs to the client's `traceparent` and goes with it when
    /// that is missing or invalid (W3C Trace Context section 3.3).
    pub fn keeps_tracestate(&self) -> bool {
        self.is_continued
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.push_traceparent(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// The seconds and 96 random bits: valid in both worlds, X-Ray wants the time first.
fn new_trace_id(now: Now) -> u128 {
    let seconds = u128::from(now.unix_ms / 1000) << 96;
    seconds | (fastrand::u128(..) >> 32)
}

/// What a valid `traceparent` says.
struct TraceParent {
    trace_id: u128,
    flags: u8,
}

const SAMPLED: u8 = 0b01;
/// The trace id's last seven bytes are random (W3C Trace Context level 2).
const RANDOM: u8 = 0b10;

/// The request's `traceparent`, if it has exactly one and that is valid.
fn traceparent_of(fields: &Fields<'_>) -> Option<TraceParent> {
    let (mut first, mut count) = (None, 0);
    fields.for_each("traceparent", |value| {
        first = first.or(Some(value));
        count += 1;
    });
    first.filter(|_| count == 1).and_then(TraceParent::read)
}

impl TraceParent {
    /// W3C Trace Context section 3.2. A version that is not known is read as far as version 00 reaches.
    fn read(value: &[u8]) -> Option<TraceParent> {
        let (head, rest) = value.split_at_checked(TRACEPARENT_LEN)?;
        let version = &head[..2];
        let is_whole = if version == b"00" { rest.is_empty() } else { rest.is_empty() || rest[0] == b'-' };
        let has_dashes = head[2] == b'-' && head[35] == b'-' && head[52] == b'-';
        let (trace_id, parent_id, flags) = (&head[3..35], &head[36..52], &head[53..]);
        let is_hex = [version, trace_id, parent_id, flags].iter().all(|part| part.iter().all(is_lower_hex));
        let is_valid = is_whole && has_dashes && is_hex && version != b"ff";
        let is_present = !is_all_zero(trace_id) && !is_all_zero(parent_id);
        let trace_id = read_hex(trace_id)?;
        let flags = read_hex(flags)? as u8;
        // Flags of later versions mean nothing to this one.
        (is_valid && is_present).then_some(TraceParent { trace_id, flags: flags & (SAMPLED | RANDOM) })
    }
}

fn is_lower_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_all_zero(digits: &[u8]) -> bool {
    digits.iter().all(|digit| *digit == b'0')
}

fn read_hex(digits: &[u8]) -> Option<u128> {
    u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// `1-{8 digits}-{24 digits}`
const ROOT_LEN: usize = 35;

/// What a valid `X-Amzn-Trace-Id` says: `Root=1-…;Parent=…;Sampled=…;…`.
struct Amzn<'a> {
    value: &'a str,
    root: &'a [u8; ROOT_LEN],
    /// As the client says; where it does not say, a trace that has a parent is sampled.
    sampled: Option<bool>,
    has_parent: bool,
}

impl<'a> Amzn<'a> {
    fn read(value: &'a str) -> Option<Amzn<'a>> {
        let (mut root, mut sampled, mut has_parent) = (None, None, false);
        for (name, value) in amzn_fields(value) {
            match name {
                "Root" => root = root.or(read_root(value)),
                "Parent" => has_parent = true,
                "Sampled" if value == "1" => sampled = Some(true),
                "Sampled" if value == "0" => sampled = Some(false),
                _ => {}
            }
        }
        root.map(|root| Amzn { value, root, sampled, has_parent })
    }

    fn is_sampled(&self) -> bool {
        self.sampled.unwrap_or(self.has_parent)
    }

    /// The root's digits as W3C's trace id; they were checked when it was read.
    fn trace_id(&self) -> u128 {
        let (time, random) = (read_hex(&self.root[2..10]), read_hex(&self.root[11..]));
        time.unwrap_or_default() << 96 | random.unwrap_or_default()
    }

    /// The field for the back end: the parent is this hop, everything else as it came.
    fn continued(&self, span: u64) -> String {
        let ours = write_amzn(self.root, span, self.is_sampled());
        // Only ASCII was read and is written.
        let mut out = String::from_utf8_lossy(&ours).into_owned();
        for (name, value) in amzn_fields(self.value) {
            let is_ours = matches!(name, "Root" | "Parent" | "Sampled");
            let is_visible = name.bytes().chain(value.bytes()).all(|byte| byte.is_ascii_graphic());
            if !is_ours && is_visible && out.len() + name.len() + value.len() + 2 <= AMZN_LEN_MAX {
                out.extend([";", name, "=", value]);
            }
        }
        out
    }
}

fn amzn_fields(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split(';').filter_map(|field| field.trim().split_once('='))
}

fn read_root(value: &str) -> Option<&[u8; ROOT_LEN]> {
    let root: &[u8; ROOT_LEN] = value.as_bytes().try_into().ok()?;
    let is_hex = root[2..10].iter().chain(&root[11..]).all(u8::is_ascii_hexdigit);
    let is_present = !is_all_zero(&root[2..10]) || !is_all_zero(&root[11..]);
    (root.starts_with(b"1-") && root[10] == b'-' && is_hex && is_present).then_some(root)
}

fn write_amzn(root: &[u8; ROOT_LEN], span: u64, is_sampled: bool) -> [u8; AMZN_LEN] {
    let mut text = *b"Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0";
    text[5..5 + ROOT_LEN].copy_from_slice(root);
    text[48..64].copy_from_slice(&hex::<16>(span.into()));
    text[73] = b'0' + u8::from(is_sampled);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::line::tests::{STARTED, head};

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";
    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

    fn traceparent_text(trace: &Trace) -> String {
        let mut text = Vec::new();
        trace.push_traceparent(&mut text);
        String::from_utf8(text).unwrap()
    }

    fn amzn_of(trace: &Trace) -> String {
        let mut text = Vec::new();
        trace.push_amzn(&mut text);
        String::from_utf8(text).unwrap()
    }

    fn trace(fields: &[(&str, &str)]) -> Trace {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        Trace::from_head(&head(&fields), STARTED)
    }

    /// `#` in `expected` stands for the hop's own span id, which must be the same in both fields and new.
    #[track_caller]
    fn check(fields: &[(&str, &str)], expected: &str, amzn: &str) {
        let trace = trace(fields);
        let traceparent = traceparent_text(&trace);
        let span = &traceparent[36..52];
        assert_ne!(span, SPAN);
        assert_eq!(traceparent_text(&trace), expected.replace('#', span));
        assert_eq!(amzn_of(&trace), amzn.replace('#', span));
    }

    #[test]
    fn each_field_is_continued_and_one_begins_the_other() {
        let parent = |flags| format!("00-{ID}-{SPAN}-{flags}");
        let as_amzn = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=#";
        check(&[("traceparent", &parent("01"))], &format!("00-{ID}-#-01"), &format!("{as_amzn};Sampled=1"));
        check(&[("traceparent", &parent("00"))], &format!("00-{ID}-#-00"), &format!("{as_amzn};Sampled=0"));
        check(&[("traceparent", &parent("ff"))], &format!("00-{ID}-#-03"), &format!("{as_amzn};Sampled=1"));

        let amzn = "x-amzn-trace-id";
        let as_w3c = "00-5759e988bd862e3fe1be46a994272793-#";
        let (sampled, unsampled) =
            (format!("Root={ROOT};Parent=#;Sampled=1"), format!("Root={ROOT};Parent=#;Sampled=0"));
        check(&[(amzn, &format!("Root={ROOT}"))], &format!("{as_w3c}-00"), &unsampled);
        check(&[(amzn, &format!("Root={ROOT};Parent={SPAN}"))], &format!("{as_w3c}-01"), &sampled);
        check(&[(amzn, &format!("Parent={SPAN};Sampled=0;Root={ROOT}"))], &format!("{as_w3c}-00"), &unsampled);
        let others = format!("Self=1-67891234-12456789abcdef012345678;Root={ROOT};Sampled=1;Lineage=a:0");
        let kept = format!("{sampled};Self=1-67891234-12456789abcdef012345678;Lineage=a:0");
        check(&[(amzn, &others)], &format!("{as_w3c}-01"), &kept);

        let both = [("traceparent", parent("01")), (amzn, format!("Root={ROOT};Sampled=0"))];
        let both: Vec<_> = both.iter().map(|(name, value)| (*name, value.as_str())).collect();
        check(&both, &format!("00-{ID}-#-01"), &unsampled);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        check(
            &[("traceparent", &format!("cc-{ID}-{SPAN}-01-what-the-future-brings"))],
            &format!("00-{ID}-#-01"),
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=#;Sampled=1",
        );
    }

    #[test]
    fn what_is_invalid_begins_a_new_unsampled_trace() {
        let zero = "0".repeat(32);
        for value in [
            format!("ff-{ID}-{SPAN}-01"),
            format!("00-{ID}-{SPAN}-01-more"),
            format!("cc-{ID}-{SPAN}-01.more"),
            format!("00-{}-{SPAN}-01", ID.to_uppercase()),
            format!("00-{zero}-{SPAN}-01"),
            format!("00-{ID}-0000000000000000-01"),
            format!("00-{ID}-{SPAN}-1"),
            format!("00-{ID}-{SPAN}-0g"),
            format!("00_{ID}_{SPAN}_01"),
            String::new(),
        ] {
            let trace = trace(&[("traceparent", &value), ("x-amzn-trace-id", "Root=1-5759e988-nonsense;Sampled=1")]);
            assert_ne!(trace.trace_id().as_str(), ID, "{value}");
            assert!(traceparent_text(&trace).ends_with("-00") && amzn_of(&trace).ends_with(";Sampled=0"), "{value}");
            assert!(!trace.keeps_tracestate());
        }
        let value = format!("00-{ID}-{SPAN}-01");
        assert_ne!(trace(&[("traceparent", &value), ("traceparent", &value)]).trace_id().as_str(), ID);
    }

    #[test]
    fn a_new_trace_has_the_time_first_and_one_id_in_both_fields() {
        let (one, other) = (trace(&[]), trace(&[]));
        assert!(one.trace_id().as_str().starts_with("65ba1cc0"), "{one:?}");
        assert_eq!(one.root().as_str().replace('-', "")[1..], *one.trace_id().as_str());
        assert_ne!(one.trace_id().as_bytes(), other.trace_id().as_bytes());
    }

    proptest! {
        #[test]
        fn what_is_sent_on_is_well_formed_whatever_came(w3c in ".{0,80}", amzn in "(Root=1-5759e988-bd862e3fe1be46a994272793)?.{0,400}") {
            let trace = trace(&[("traceparent", &w3c), ("x-amzn-trace-id", &amzn)]);
            prop_assert!(TraceParent::read(traceparent_text(&trace).as_bytes()).is_some());
            prop_assert!(Amzn::read(&amzn_of(&trace)).is_some());
            prop_assert!(amzn_of(&trace).len() <= AMZN_LEN_MAX && amzn_of(&trace).bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
