use crate::base::Fields;

/// What an answer says of its own caching: RFC 9111 section 5.2.2, RFC 5861, and the targeted field of RFC 9213, which
/// where it is there speaks alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    pub max_age: Option<Seconds>,
    pub s_maxage: Option<Seconds>,
    pub stale_while_revalidate: Option<Seconds>,
    pub stale_if_error: Option<Seconds>,
    pub is_no_store: bool,
    /// Without a list of fields.
    pub is_no_cache: bool,
    /// Without a list of fields.
    pub is_private: bool,
    pub is_public: bool,
    pub is_must_revalidate: bool,
    pub is_proxy_revalidate: bool,
    pub is_must_understand: bool,
    /// It came in a field that is for caches such as this one, so `Cache-Control` and `Expires` say nothing.
    pub is_targeted: bool,
    /// The fields that `no-cache` or `private` names, in lower case: they are not stored.
    pub withheld_fields: Vec<String>,
}

/// An argument in seconds. One that cannot be read counts as 0: RFC 9111 section 4.2.1 wants the answer to be stale.
pub type Seconds = u64;

/// Of a time that is larger than can be imagined: RFC 9111 section 1.2.2.
const SECONDS_MAX: u64 = 1 << 31;

/// RFC 9213 section 2.2: in this order; the first that is there and well-formed counts. The second is what the W3C's note
/// on edge architecture called the first, and is read in the same way.
const TARGETED: [&str; 2] = ["cdn-cache-control", "surrogate-control"];

impl Directives {
    /// Of an answer with these fields.
    pub fn of_answer(fields: &Fields<'_>) -> Directives {
        if let Some(targeted) = TARGETED.iter().find_map(|name| dictionary(name, fields)) {
            return targeted;
        }
        let mut directives = Directives::default();
        fields.for_each("cache-control", |line| for_each(line, |name, argument| directives.note(name, argument)));
        directives
    }

    /// Whether the origin says that everyone may have the answer, also what a request with credentials got.
    pub fn is_for_everyone(&self) -> bool {
        self.is_public || self.s_maxage.is_some() || self.is_targeted
    }

    fn note(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        let seconds = || seconds(argument);
        match name.len() {
            6 if is(b"public") => self.is_public = true,
            7 if is(b"max-age") => note_seconds(&mut self.max_age, seconds()),
            7 if is(b"private") => note_or_name(&mut self.is_private, argument, &mut self.withheld_fields),
            8 if is(b"s-maxage") => note_seconds(&mut self.s_maxage, seconds()),
            8 if is(b"no-store") => self.is_no_store = true,
            8 if is(b"no-cache") => note_or_name(&mut self.is_no_cache, argument, &mut self.withheld_fields),
            14 if is(b"stale-if-error") => note_seconds(&mut self.stale_if_error, seconds()),
            15 if is(b"must-revalidate") => self.is_must_revalidate = true,
            15 if is(b"must-understand") => self.is_must_understand = true,
            16 if is(b"proxy-revalidate") => self.is_proxy_revalidate = true,
            22 if is(b"stale-while-revalidate") => note_seconds(&mut self.stale_while_revalidate, seconds()),
            _ => {}
        }
    }
}

/// Said twice in two ways is said in neither: the answer is stale (RFC 9111 section 4.2.1).
fn note_seconds(place: &mut Option<Seconds>, seconds: Seconds) {
    *place = Some(place.map_or(seconds, |said| if said == seconds { said } else { 0 }));
}

/// `private` and `no-cache` may name fields, and then are about these alone.
fn note_or_name(flag: &mut bool, argument: Option<&[u8]>, named: &mut Vec<String>) {
    let names = argument.unwrap_or_default().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let before = named.len();
    named.extend(names.filter(|name| !name.is_empty()).map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()));
    *flag |= named.len() == before;
}

/// RFC 9111 section 1.2.2.
fn seconds(argument: Option<&[u8]>) -> Seconds {
    let digits = argument.unwrap_or_default();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    digits.iter().fold(0, |all: u64, digit| (all * 10 + u64::from(digit - b'0')).min(SECONDS_MAX))
}

/// The same of one that may be missing or unreadable, which for some directives of requests means something else.
pub(super) fn read_seconds(argument: &[u8]) -> Option<Seconds> {
    let is_number = !argument.is_empty() && argument.iter().all(u8::is_ascii_digit);
    is_number.then(|| seconds(Some(argument)))
}

/// Calls `each` with the name and the argument, without its quotes, of every directive of a line. What stands within
/// quotes is one argument, commas and all; a quote that is never closed ends the line.
pub(super) fn for_each<'l>(line: &'l [u8], mut each: impl FnMut(&'l [u8], Option<&'l [u8]>)) {
    let mut rest = line;
    while !rest.is_empty() {
        let Some(end) = end_of_member(rest) else { return };
        let (member, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let member = member.trim_ascii();
        match memchr::memchr(b'=', member) {
            Some(at) => each(&member[..at], Some(unquoted(&member[at + 1..]))),
            None if !member.is_empty() => each(member, None),
            None => {}
        }
    }
}

/// Where a list's member ends: at a comma outside quotes. `None`: a quote is open at the end.
fn end_of_member(list: &[u8]) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in list.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    (!is_quoted).then_some(list.len())
}

/// RFC 9111 section 5.2: an argument may be a quoted string, whatever it is.
fn unquoted(argument: &[u8]) -> &[u8] {
    argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(argument)
}

/// A targeted field is a dictionary of RFC 8941; `None` if there is none, or one that is no dictionary.
fn dictionary(name: &str, fields: &Fields<'_>) -> Option<Directives> {
    let (mut directives, mut is_dictionary, mut is_empty) = (Directives::default(), true, true);
    fields.for_each(name, |line| {
        is_dictionary &= end_of_list(line).is_some();
        for_each(line, |key, value| {
            is_empty = false;
            is_dictionary &= is_key(key.split(|byte| *byte == b';').next().unwrap_or_default());
            note_member(&mut directives, key, value);
        });
    });
    directives.is_targeted = true;
    (is_dictionary && !is_empty).then_some(directives)
}

fn end_of_list(line: &[u8]) -> Option<()> {
    let mut rest = line;
    loop {
        let end = end_of_member(rest)?;
        match rest.get(end + 1..) {
            // A dictionary does not end with a comma.
            Some(after) if after.trim_ascii().is_empty() => return None,
            Some(after) => rest = after,
            None => return Some(()),
        }
    }
}

/// A value of another type than the directive has says nothing (RFC 9213 section 2.1); parameters are not looked at.
fn note_member(directives: &mut Directives, key: &[u8], value: Option<&[u8]>) {
    let before_parameters = |bytes: &'_ [u8]| bytes.iter().position(|byte| *byte == b';').unwrap_or(bytes.len());
    let key = &key[..before_parameters(key)];
    match value.map(|value| &value[..before_parameters(value)]) {
        None | Some(b"?1") if !is_timed(key) => directives.note(key, None),
        Some(number) if is_timed(key) && read_seconds(number).is_some() => {
            // The last one of a name counts (RFC 8941 section 3.2).
            directives.forget(key);
            directives.note(key, Some(number));
        }
        _ => {}
    }
}

impl Directives {
    fn forget(&mut self, key: &[u8]) {
        match key {
            b"max-age" => self.max_age = None,
            b"s-maxage" => self.s_maxage = None,
            b"stale-if-error" => self.stale_if_error = None,
            _ => self.stale_while_revalidate = None,
        }
    }
}

fn is_timed(key: &[u8]) -> bool {
    matches!(key, b"max-age" | b"s-maxage" | b"stale-if-error" | b"stale-while-revalidate")
}

/// RFC 8941 section 3.1.2.
fn is_key(key: &[u8]) -> bool {
    let is_rest = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*');
    key.first().is_some_and(|first| matches!(first, b'a'..=b'z' | b'*')) && key.iter().all(is_rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&str, &str)]) -> Directives {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        Directives::of_answer(&Fields::List(&lines))
    }

    fn check_max_age(value: &str, expected: Option<u64>) {
        assert_eq!(of(&[("Cache-Control", value)]).max_age, expected, "{value}");
    }

    #[test]
    fn a_number_of_seconds_is_read_strictly_and_what_cannot_be_read_is_stale() {
        check_max_age("max-age=3600", Some(3600));
        check_max_age("MaX-aGe=3600", Some(3600));
        check_max_age("max-age=003600", Some(3600));
        check_max_age("max-age=\"3600\"", Some(3600));
        check_max_age("foo, max-age=1 , bar=x", Some(1));
        check_max_age("max-age=99999999999999999999999999", Some(SECONDS_MAX));
        for unreadable in
            ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age= 9", "max-age='9'", "max-age=9a"]
        {
            check_max_age(unreadable, Some(0));
        }
        for unknown in
            ["", "max-age =3600", "xmax-age=1", "x=\"max-age=3600\"", "x=\"a\\\", max-age=9, \"", "x=\"max-age=1"]
        {
            check_max_age(unknown, None);
        }
        check_max_age("x=\"max-age=3600\", max-age=1", Some(1));
        check_max_age("max-age=1, x=\"max-age=3600\"", Some(1));
        check_max_age("max-age=5, max-age=5", Some(5));
        check_max_age("max-age=1800, max-age=1", Some(0));
        assert_eq!(of(&[("cache-control", "max-age=1"), ("cache-control", "max-age=1800")]).max_age, Some(0));
    }

    #[test]
    fn a_directive_with_a_list_of_fields_is_about_these_alone() {
        let both = of(&[("cache-control", "No-Cache=\"A, b\", private=c, no-store")]);
        assert!(!both.is_no_cache && !both.is_private && both.is_no_store);
        assert_eq!(both.withheld_fields, ["a", "b", "c"]);
        let neither = of(&[("cache-control", "no-cache, private=\"\"")]);
        assert!(neither.is_no_cache && neither.is_private && neither.withheld_fields.is_empty());
    }

    #[test]
    fn a_targeted_field_speaks_alone_and_only_if_it_is_a_dictionary() {
        let check = |targeted: &str, expected: Option<(Option<u64>, bool)>| {
            let all = of(&[("cdn-cache-control", targeted), ("cache-control", "no-store")]);
            let told = all.is_targeted.then_some((all.max_age, all.is_no_store));
            assert_eq!(told, expected, "{targeted}");
        };
        check("max-age=60", Some((Some(60), false)));
        check("max-age=60;x=1, no-store", Some((Some(60), true)));
        check("max-age=60, max-age=30", Some((Some(30), false)));
        check("no-store=?1", Some((None, true)));
        check("max-age=\"60\"", Some((Some(60), false)));
        check("max-age=1.5", Some((None, false)));
        check("unknown", Some((None, false)));
        for no_dictionary in ["", "Max-Age=60", "max-age=60,", "a=\"b", "=1"] {
            check(no_dictionary, None);
        }
    }
}
