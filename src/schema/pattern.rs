use regex::{Regex, RegexBuilder};

/// A regular expression as ECMA-262 writes them, run in linear time.
#[derive(Debug)]
pub(super) struct Pattern {
    /// As it was written.
    pub text: Box<str>,
    regex: Regex,
}

/// What a compiled pattern may take, and what its matching may keep, in bytes.
const COMPILED_BYTES_MAX: usize = 1 << 20;

impl Pattern {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn compile(text: &str) -> Result<Pattern, String> {
        let built = RegexBuilder::new(&translate(text))
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build();
        match built {
            Ok(regex) => Ok(Pattern { text: text.into(), regex }),
            Err(regex::Error::CompiledTooBig(_)) => Err("it takes too much memory".to_owned()),
            // The engine draws the pattern and a caret; its last line says what is wrong.
            Err(error) => {
                let said = error.to_string();
                let last = said.lines().last().unwrap_or_default().trim();
                Err(last.strip_prefix("error: ").unwrap_or(last).to_owned())
            }
        }
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// Writes for Rust's engine what ECMA-262 reads differently: `\d`, `\w` and their opposites are of ASCII, brackets and
/// `&` in a class and braces that count nothing stand for themselves.
fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    let mut is_in_class = false;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        rest = match letter {
            '\\' => translate_escape(after, &mut out),
            '[' if is_in_class => push(&mut out, "\\[", after),
            '&' | '~' if is_in_class => {
                out.push('\\');
                out.push(letter);
                after
            }
            '{' if !is_in_class && !is_counter(after) => push(&mut out, "\\{", after),
            letter => {
                is_in_class = (is_in_class || letter == '[') && letter != ']';
                out.push(letter);
                after
            }
        };
    }
    out
}

/// Writes what stands behind a backslash; returns what follows.
fn translate_escape<'t>(after: &'t str, out: &mut String) -> &'t str {
    let Some(letter) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[letter.len_utf8()..];
    match letter {
        'd' => push(out, "[0-9]", rest),
        'D' => push(out, "[^0-9]", rest),
        'w' => push(out, "[0-9A-Za-z_]", rest),
        'W' => push(out, "[^0-9A-Za-z_]", rest),
        '0' => push(out, "\\x00", rest),
        letter => {
            out.push('\\');
            out.push(letter);
            rest
        }
    }
}

fn push<'t>(out: &mut String, text: &str, rest: &'t str) -> &'t str {
    out.push_str(text);
    rest
}

/// Whether `3}`, `3,}` or `3,5}` stands here.
fn is_counter(text: &str) -> bool {
    let Some((inside, _)) = text.split_once('}') else { return false };
    let (min, max) = inside.split_once(',').unwrap_or((inside, ""));
    !min.is_empty() && [min, max].iter().all(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let pattern = Pattern::compile(pattern).unwrap();
        for text in yes {
            assert!(pattern.is_match(text), "{} should take {text}", pattern.text);
        }
        for text in no {
            assert!(!pattern.is_match(text), "{} should not take {text}", pattern.text);
        }
    }

    #[test]
    fn patterns_mean_what_they_mean_in_javascript() {
        check(r"^\d+$", &["12"], &["١٢", "a"]);
        check(r"^[\w.-]+$", &["a_1.-"], &["é", " "]);
        check(r"a{2}", &["aa"], &["a{2}"]);
        check(r"a{b", &["a{b"], &["ab"]);
        check(r"^\/v\d\/$", &["/v1/"], &["/vx/"]);
        check(r"[[a]]", &["[]", "a]"], &["a"]);
        check(r"[&&~~]", &["&", "~"], &["a"]);
        check(r"\u00e9", &["é"], &["e"]);
        check(r"b", &["abc"], &["ac"]);
    }

    #[test]
    fn what_cannot_run_in_linear_time_is_refused() {
        for pattern in [r"(?=a)", r"(?!a)", r"(?<=a)b", r"(a)\1"] {
            let said = Pattern::compile(pattern).unwrap_err();
            assert!(said.contains("not supported"), "{pattern}: {said}");
        }
        assert!(Pattern::compile("(").is_err());
        assert_eq!(Pattern::compile("(a{1000}){1000}").unwrap_err(), "it takes too much memory");
    }
}
