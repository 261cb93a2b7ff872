//! Java's regular expressions on an engine that takes linear time. What needs backtracking (look-around, references
//! to groups, possessive and atomic groups) has no place in it and is refused by name.

use regex::{Captures, Regex, RegexBuilder};

/// Bytes that one compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A pattern, compiled.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    /// The text that it finds, if it has no other meaning: found without the engine.
    plain: Option<Box<str>>,
}

impl Pattern {
    /// `is_whole` for a pattern that must match all of a text.
    pub fn compile(java: &str, is_whole: bool) -> Result<Pattern, String> {
        let translated = Translator { rest: java, out: String::with_capacity(java.len() + 16), classes: 0 }.run()?;
        let translated = if is_whole { format!(r"\A(?:{translated})\z") } else { translated };
        let mut builder = RegexBuilder::new(&translated);
        builder.size_limit(PATTERN_BYTES_MAX).nest_limit(64).dfa_size_limit(PATTERN_BYTES_MAX);
        let regex = builder.build().map_err(|error| reason(&error))?;
        let is_plain =
            !is_whole && !java.contains(|c: char| c.is_ascii_punctuation() && !"-_=,:;@/'\"<>!~%&# ".contains(c));
        Ok(Pattern { regex, plain: (is_plain && !java.is_empty()).then(|| java.into()) })
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Java's `replaceAll` and `replaceFirst`; the new text may not grow over `most` bytes (`Ok(None)`).
    pub fn replace(&self, text: &str, with: &str, is_all: bool, most: usize) -> Result<Option<String>, String> {
        let pieces = Pieces::read(with, &self.regex)?;
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        if let (Some(plain), Pieces::Plain(with)) = (&self.plain, &pieces) {
            for (at, found) in text.match_indices(plain.as_ref()).take(if is_all { usize::MAX } else { 1 }) {
                out.push_str(&text[done..at]);
                out.push_str(with);
                done = at + found.len();
                if out.len() > most {
                    return Ok(None);
                }
            }
        } else {
            for found in self.regex.captures_iter(text).take(if is_all { usize::MAX } else { 1 }) {
                let Some(whole) = found.get(0) else { continue };
                out.push_str(&text[done..whole.start()]);
                pieces.push(&found, &mut out);
                done = whole.end();
                if out.len() > most {
                    return Ok(None);
                }
            }
        }
        out.push_str(&text[done..]);
        Ok(Some(out))
    }

    /// Java's `split`: byte ranges. Without a limit, empty strings at the end fall away.
    pub fn split(&self, text: &str, limit: i64) -> Vec<std::ops::Range<usize>> {
        let mut parts = Vec::new();
        let mut done = 0;
        for found in self.regex.find_iter(text) {
            if limit > 0 && parts.len() as i64 == limit - 1 {
                break;
            }
            if found.end() == 0 || found.is_empty() && found.start() == text.len() {
                continue;
            }
            parts.push(done..found.start());
            done = found.end();
        }
        let is_whole = parts.is_empty();
        parts.push(done..text.len());
        if is_whole {
            return parts;
        }
        while limit == 0 && parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        if limit == 0 && parts.iter().all(|part| part.is_empty()) {
            parts.clear();
        }
        parts
    }
}

fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(bytes) => format!("it takes more than {bytes} bytes once compiled"),
        regex::Error::Syntax(text) => {
            let last = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
            last.unwrap_or("it is no regular expression").to_owned()
        }
        other => other.to_string(),
    }
}

/// A replacement text of Java: `$1`, `${name}` and backslashes.
enum Pieces<'t> {
    Plain(std::borrow::Cow<'t, str>),
    Mixed(Vec<Piece>),
}

enum Piece {
    Char(char),
    Group(usize),
}

impl<'t> Pieces<'t> {
    fn read(with: &'t str, regex: &Regex) -> Result<Pieces<'t>, String> {
        if !with.contains(['\\', '$']) {
            return Ok(Pieces::Plain(with.into()));
        }
        let mut pieces = Vec::new();
        let mut rest = with.chars();
        while let Some(c) = rest.next() {
            pieces.push(match c {
                '\\' => Piece::Char(rest.next().ok_or("the replacement ends with a backslash")?),
                '$' => Piece::Group(group(&mut rest, regex)?),
                other => Piece::Char(other),
            });
        }
        let plain: Option<String> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Char(c) => Some(*c),
                Piece::Group(_) => None,
            })
            .collect();
        Ok(plain.map_or(Pieces::Mixed(pieces), |plain| Pieces::Plain(plain.into())))
    }

    fn push(&self, found: &Captures<'_>, out: &mut String) {
        match self {
            Pieces::Plain(text) => out.push_str(text),
            Pieces::Mixed(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Char(c) => out.push(*c),
                        Piece::Group(group) => out.push_str(found.get(*group).map_or("", |group| group.as_str())),
                    }
                }
            }
        }
    }
}

/// After a `$`: a name in braces, or as many digits as make the number of a group that exists.
fn group(rest: &mut std::str::Chars<'_>, regex: &Regex) -> Result<usize, String> {
    let text = rest.as_str();
    if let Some(inside) = text.strip_prefix('{') {
        let (name, after) = inside.split_once('}').ok_or("the replacement has a ${ without its }")?;
        *rest = after.chars();
        let place = regex.capture_names().position(|own| own == Some(name));
        return place.ok_or_else(|| format!("the replacement names the group {name:?}, which does not exist"));
    }
    let mut number = None;
    for (at, digit) in text.char_indices().map_while(|(at, c)| Some((at, c.to_digit(10)? as usize))) {
        let longer = number.unwrap_or(0) * 10 + digit;
        if number.is_some() && longer >= regex.captures_len() {
            break;
        }
        number = Some(longer);
        *rest = text[at + 1..].chars();
    }
    match number {
        Some(number) if number < regex.captures_len() => Ok(number),
        Some(number) => Err(format!("the replacement names group {number}, which does not exist")),
        None => Err("the replacement has a $ that names no group: write \\$ for a dollar sign".to_owned()),
    }
}

/// Rewrites Java's syntax into the engine's.
struct Translator<'j> {
    rest: &'j str,
    out: String,
    /// How many `[` are open.
    classes: usize,
}

impl Translator<'_> {
    fn run(mut self) -> Result<String, String> {
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape()?,
                '[' => {
                    self.classes += 1;
                    self.out.push('[');
                    self.class_start();
                }
                ']' if self.classes > 0 => {
                    self.classes -= 1;
                    self.out.push(']');
                }
                _ if self.classes > 0 => self.class_character(c),
                '(' => self.group()?,
                '.' => self.out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
                '*' | '+' | '?' | '}' if self.rest.starts_with('+') => {
                    return Err("possessive quantifiers such as *+ are not supported".to_owned());
                }
                other => self.out.push(other),
            }
        }
        Ok(self.out)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(text) else { return false };
        self.rest = rest;
        true
    }

    /// A `]` right after the `[` or `[^` stands for itself.
    fn class_start(&mut self) {
        if self.take("^") {
            self.out.push('^');
        }
        if self.take("]") {
            self.out.push_str(r"\]");
        }
    }

    /// Two signs that the engine reads as an operation and Java does not.
    fn class_character(&mut self, c: char) {
        if matches!(c, '-' | '~') && self.rest.starts_with(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        let unsupported = [
            ("?=", "look-ahead (?=…)"),
            ("?!", "look-ahead (?!…)"),
            ("?<=", "look-behind (?<=…)"),
            ("?<!", "look-behind (?<!…)"),
            ("?>", "atomic groups (?>…)"),
        ];
        match unsupported.iter().find(|(start, _)| self.rest.starts_with(start)) {
            Some((_, name)) => Err(format!("{name} needs backtracking and is not supported")),
            None => Ok(()),
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.next() else { return Err("it ends with a backslash".to_owned()) };
        let is_class = self.classes > 0;
        let simple = match c {
            'd' => "0-9",
            'w' => "a-zA-Z0-9_",
            's' => r" \t\n\x0B\f\r",
            'h' => r" \t\xA0\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}",
            _ => return self.rare_escape(c),
        };
        if is_class {
            self.out.push_str(simple);
        } else {
            self.out.push('[');
            self.out.push_str(simple);
            self.out.push(']');
        }
        Ok(())
    }

    fn rare_escape(&mut self, c: char) -> Result<(), String> {
        match c {
            'D' => self.out.push_str("[^0-9]"),
            'W' => self.out.push_str("[^a-zA-Z0-9_]"),
            'S' => self.out.push_str(r"[^ \t\n\x0B\f\r]"),
            'R' => self.out.push_str(r"(?:\r\n|[\n\x0B\x0C\r\x{85}\x{2028}\x{2029}])"),
            'Z' => self.out.push_str(r"\n?\z"),
            'e' => self.out.push_str(r"\x1B"),
            'u' => self.code_unit()?,
            'p' | 'P' => self.property(c)?,
            'Q' => self.quotation(),
            'b' | 'B' | 'A' | 'z' | 't' | 'n' | 'r' | 'f' | 'a' | 'x' => {
                self.out.push('\\');
                self.out.push(c);
            }
            '1'..='9' | 'k' => {
                return Err(format!("the reference to a group \\{c} needs backtracking and is not supported"));
            }
            _ if c.is_ascii_alphanumeric() => return Err(format!("the escape \\{c} is not supported")),
            _ => push_literal(c, &mut self.out),
        }
        Ok(())
    }

    fn code_unit(&mut self) -> Result<(), String> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let digits = digits.ok_or("\\u wants four hexadecimal digits")?;
        self.out.push_str(&format!(r"\x{{{digits}}}"));
        self.rest = &self.rest[4..];
        Ok(())
    }

    /// Java's POSIX classes are ASCII only and have other names; the other properties are alike.
    fn property(&mut self, c: char) -> Result<(), String> {
        let (name, rest) = match self.rest.strip_prefix('{') {
            Some(inside) => inside.split_once('}').ok_or("\\p{ without its }")?,
            None => self.rest.split_at(self.rest.chars().next().map_or(0, char::len_utf8)),
        };
        self.rest = rest;
        let posix = [
            "Lower", "Upper", "Alpha", "Digit", "Alnum", "Punct", "Graph", "Print", "Blank", "Cntrl", "XDigit", "Space",
        ];
        if posix.contains(&name) {
            let not = if c == 'P' { "^" } else { "" };
            self.out.push_str(&format!("[[:{not}{}:]]", name.to_ascii_lowercase()));
        } else {
            let name = name.strip_prefix("Is").unwrap_or(name);
            self.out.push_str(&format!(r"\{c}{{{name}}}"));
        }
        Ok(())
    }

    /// `\Q…\E`.
    fn quotation(&mut self) {
        let (quoted, rest) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
        quoted.chars().for_each(|c| push_literal(c, &mut self.out));
        self.rest = rest;
    }
}

fn push_literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn replaced(text: &str, pattern: &str, with: &str) -> String {
        let pattern = Pattern::compile(pattern, false).expect("a pattern");
        pattern.replace(text, with, true, 1 << 20).expect("a replacement").expect("short enough")
    }

    #[test]
    fn replacements_are_javas() {
        assert_eq!(replaced("it\\'s", r"\\'", "'"), "it's");
        assert_eq!(replaced("it's", r"\'", "\""), "it\"s");
        assert_eq!(
            replaced("2020-01-02", r"(\d+)-(\d+)-(\d+)", "$3.$2.${1}".replace("${1}", "$1").as_str()),
            "02.01.2020"
        );
        assert_eq!(replaced("ab", "(?<first>a)", "${first}${first}"), "aab");
        assert_eq!(replaced("a$b", r"\$", r"\$\$"), "a$$b");
        assert_eq!(replaced("a1", "1", "$0$0"), "a11");
        assert_eq!(replaced("a.b.c", r"\.", "/"), "a/b/c");
        assert_eq!(replaced("x", "(x)", "$12"), "x2");
    }

    #[test]
    fn classes_and_escapes_are_javas() {
        let matches = |text: &str, pattern: &str| Pattern::compile(pattern, true).expect(pattern).is_match(text);
        assert!(matches("123", "[0-9]*") && !matches("d123", "[0-9]*"));
        assert!(matches("2020-01-20T08:00:00.000Z", r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:00\.000Z$"));
        assert!(!matches("٣", r"\d"), "\\d is ASCII in Java");
        assert!(matches("a b", r"\w\s\w") && matches("a-~", r"[\w--~~]+") && matches("]", "[]]"));
        assert!(matches("a.b", r"\Qa.b\E") && matches("Ab", r"\p{Upper}\p{Lower}") && matches("é", r"\p{L}"));
        assert!(matches("A\u{e9}", "A\\u00e9") && !matches("a\nb", "a.b"));
    }

    #[test]
    fn what_needs_backtracking_is_refused_by_name() {
        for pattern in ["(?=a)", "(?<!a)b", r"(a)\1", "a*+", "(?>a)"] {
            let why = Pattern::compile(pattern, false).expect_err(pattern);
            assert!(why.contains("not supported"), "{pattern}: {why}");
        }
        assert!(Pattern::compile("(", false).is_err() && Pattern::compile("a{1,99999999}", false).is_err());
    }

    #[test]
    fn splits_are_javas() {
        let split = |text: &str, pattern: &str, limit: i64| {
            let pattern = Pattern::compile(pattern, false).expect("a pattern");
            pattern.split(text, limit).into_iter().map(|part| text[part].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(split("a,b,,", ",", 0), ["a", "b"]);
        assert_eq!(split(",a", ",", 0), ["", "a"]);
        assert_eq!(split("a,b,c", ",", 2), ["a", "b,c"]);
        assert_eq!(split("a,,", ",", -1), ["a", "", ""]);
        assert_eq!(split("abc", "", 0), ["a", "b", "c"]);
        assert_eq!(split("", ",", 0), [""]);
        assert!(split(",,", ",", 0).is_empty());
    }
}
