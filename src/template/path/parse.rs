use super::filter::{Comparison, Filter, Operand};
use super::function::Function;
use super::{JsonPath, PathFault, Segment};
use crate::template::pattern::Pattern;

/// Brackets within brackets of filters.
const NESTING_MAX: u32 = 32;

pub(super) fn path(text: &str) -> Result<JsonPath, PathFault> {
    let mut parser = Parser { text, at: 0, depth: 0, name_segment_without_dot: false };
    parser.space();
    if !parser.take("$") && !parser.take("@") && !parser.rest().starts_with(['.', '[']) {
        parser.name_segment_without_dot = true;
    }
    let path = parser.segments()?;
    parser.space();
    match parser.rest() {
        "" => Ok(path),
        _ => Err(parser.unexpected("the path's end, '.' or '['")),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: u32,
    /// `a.b`, which Jayway reads as `$.a.b`.
    name_segment_without_dot: bool,
}

impl<'t> Parser<'t> {
    fn segments(&mut self) -> Result<JsonPath, PathFault> {
        let mut segments = Vec::new();
        let mut function = None;
        if std::mem::take(&mut self.name_segment_without_dot) {
            self.dotted(&mut segments, &mut function)?;
        }
        while function.is_none() {
            if self.take("..") {
                segments.push(Segment::Scan);
                if self.rest().starts_with('[') {
                    self.bracket(&mut segments)?
                } else {
                    self.dotted(&mut segments, &mut function)?
                }
            } else if self.take(".") {
                self.dotted(&mut segments, &mut function)?;
            } else if self.rest().starts_with('[') {
                self.bracket(&mut segments)?;
            } else {
                break;
            }
        }
        let is_definite = is_definite(&segments);
        Ok(JsonPath { segments: segments.into(), function, is_definite })
    }

    fn dotted(&mut self, segments: &mut Vec<Segment>, function: &mut Option<Function>) -> Result<(), PathFault> {
        if self.take("*") {
            segments.push(Segment::Wildcard);
            return Ok(());
        }
        let from = self.at;
        let rest = self.rest();
        let is_end = |c: char| {
            matches!(c, '.' | '[' | ']' | '(' | ')' | ' ' | ',' | '=' | '!' | '<' | '>' | '&' | '|' | '~' | '"' | '\'')
        };
        let length = rest.find(is_end).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.unexpected("a name"));
        }
        let name = &rest[..length];
        self.at += length;
        if self.rest().starts_with('(') {
            *function = Some(self.function(name, from)?);
        } else {
            segments.push(Segment::Names([name.into()].into()));
        }
        Ok(())
    }

    fn function(&mut self, name: &str, from: usize) -> Result<Function, PathFault> {
        self.at += 1;
        self.space();
        let argument = if self.rest().starts_with(')') { None } else { Some(self.integer()?) };
        self.space();
        self.expect(")")?;
        Function::named(name, argument).ok_or_else(|| self.fault(from, format!("no function {name}() is known")))
    }

    fn bracket(&mut self, segments: &mut Vec<Segment>) -> Result<(), PathFault> {
        self.at += 1;
        self.space();
        let segment = match self.rest().chars().next() {
            Some('*') => {
                self.at += 1;
                Segment::Wildcard
            }
            Some('?') => {
                self.at += 1;
                self.space();
                self.expect("(")?;
                let filter = self.any()?;
                self.space();
                self.expect(")")?;
                Segment::Filter(Box::new(filter))
            }
            Some('\'' | '"') => self.names()?,
            Some(':' | '-' | '0'..='9') => self.indices()?,
            _ => return Err(self.unexpected("a name in quotes, an index, '*' or '?('")),
        };
        self.space();
        self.expect("]")?;
        segments.push(segment);
        Ok(())
    }

    fn names(&mut self) -> Result<Segment, PathFault> {
        let mut names = vec![self.string()?.into_boxed_str()];
        while self.take_after_space(",") {
            self.space();
            names.push(self.string()?.into_boxed_str());
        }
        Ok(Segment::Names(names.into()))
    }

    fn indices(&mut self) -> Result<Segment, PathFault> {
        let first = if self.rest().starts_with(':') { None } else { Some(self.integer()?) };
        if self.take_after_space(":") {
            self.space();
            let last = if self.rest().starts_with(']') { None } else { Some(self.integer()?) };
            return Ok(Segment::Slice(first, last));
        }
        let mut indices: Vec<i64> = first.into_iter().collect();
        while self.take_after_space(",") {
            self.space();
            indices.push(self.integer()?);
        }
        Ok(Segment::Indices(indices.into()))
    }

    fn any(&mut self) -> Result<Filter, PathFault> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self.fault(self.at, format!("nested more than {NESTING_MAX} deep")));
        }
        let mut parts = vec![self.all()?];
        while self.take_after_space("||") {
            parts.push(self.all()?);
        }
        self.depth -= 1;
        Ok(Filter::Any(parts.into()))
    }

    fn all(&mut self) -> Result<Filter, PathFault> {
        let mut parts = vec![self.single()?];
        while self.take_after_space("&&") {
            parts.push(self.single()?);
        }
        Ok(Filter::All(parts.into()))
    }

    fn single(&mut self) -> Result<Filter, PathFault> {
        self.space();
        if self.rest().starts_with('!') && !self.rest().starts_with("!=") {
            self.at += 1;
            self.depth += 1;
            if self.depth > NESTING_MAX {
                return Err(self.fault(self.at, format!("nested more than {NESTING_MAX} deep")));
            }
            let negated = self.single()?;
            self.depth -= 1;
            return Ok(Filter::Not(Box::new(negated)));
        }
        if self.take("(") {
            let inside = self.any()?;
            self.space();
            self.expect(")")?;
            return Ok(inside);
        }
        let left = self.operand()?;
        self.space();
        match self.comparison() {
            Some(comparison) => Ok(Filter::Compare(left, comparison, self.operand()?)),
            None => Ok(Filter::Exists(left)),
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        const SIGNS: [(&str, Comparison); 15] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("=~", Comparison::Matches),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
            ("in", Comparison::In),
            ("nin", Comparison::NotIn),
            ("subsetof", Comparison::SubsetOf),
            ("anyof", Comparison::AnyOf),
            ("noneof", Comparison::NoneOf),
            ("size", Comparison::Size),
            ("empty", Comparison::Empty),
            ("contains", Comparison::Contains),
        ];
        let rest = self.rest();
        let is_word_end = |sign: &str| {
            !sign.starts_with(|c: char| c.is_ascii_alphabetic())
                || !rest[sign.len()..].starts_with(|c: char| c.is_alphanumeric())
        };
        let (sign, comparison) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign) && is_word_end(sign))?;
        self.at += sign.len();
        Some(*comparison)
    }

    fn operand(&mut self) -> Result<Operand, PathFault> {
        self.space();
        let rest = self.rest();
        match rest.chars().next() {
            Some(root @ ('@' | '$')) => {
                self.at += 1;
                let path = self.segments()?;
                Ok(Operand::Path { path, is_root: root == '$' })
            }
            Some('\'' | '"') => Ok(Operand::Text(self.string()?.into())),
            Some('[') => self.list(),
            Some('/') => self.pattern(),
            Some('-' | '0'..='9') => self.number(),
            _ => {
                for (word, operand) in
                    [("true", Operand::Bool(true)), ("false", Operand::Bool(false)), ("null", Operand::Null)]
                {
                    if self.take(word) {
                        return Ok(operand);
                    }
                }
                Err(self.unexpected("a value: @.path, $.path, 'text', a number, true, false, null or /pattern/"))
            }
        }
    }

    fn list(&mut self) -> Result<Operand, PathFault> {
        self.at += 1;
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self.fault(self.at, format!("nested more than {NESTING_MAX} deep")));
        }
        let mut items = Vec::new();
        while !self.take_after_space("]") {
            items.push(self.operand()?);
            if !self.take_after_space(",") {
                self.space();
                self.expect("]")?;
                break;
            }
        }
        self.depth -= 1;
        Ok(Operand::List(items.into()))
    }

    fn pattern(&mut self) -> Result<Operand, PathFault> {
        let from = self.at;
        self.at += 1;
        let rest = self.rest();
        let mut is_escaped = false;
        let end = rest.bytes().position(|byte| {
            let is_end = byte == b'/' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        });
        let Some(end) = end else { return Err(self.fault(from, "a pattern that no / ends".to_owned())) };
        self.at += end + 1;
        let flags = self.rest().bytes().take_while(u8::is_ascii_lowercase).count();
        let (pattern, flags) = (&rest[..end], &rest[end + 1..end + 1 + flags]);
        self.at += flags.len();
        let java = if flags.is_empty() { pattern.to_owned() } else { format!("(?{flags}){pattern}") };
        let compiled = Pattern::compile(&java, true);
        compiled
            .map(|pattern| Operand::Pattern(Box::new(pattern)))
            .map_err(|why| self.fault(from, format!("the pattern: {why}")))
    }

    fn number(&mut self) -> Result<Operand, PathFault> {
        let rest = self.rest();
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.bytes().take_while(|byte| is_part(byte)).count();
        let number = rest[..length].parse().map_err(|_| self.unexpected("a number"))?;
        self.at += length;
        Ok(Operand::Number(number))
    }

    fn string(&mut self) -> Result<String, PathFault> {
        let from = self.at;
        let Some(quote @ ('\'' | '"')) = self.rest().chars().next() else {
            return Err(self.unexpected("a name in quotes"));
        };
        self.at += 1;
        let mut text = String::new();
        let mut rest = self.rest().char_indices();
        while let Some((at, c)) = rest.next() {
            match c {
                '\\' => text.extend(rest.next().map(|(_, escaped)| escaped)),
                _ if c == quote => {
                    self.at += at + 1;
                    return Ok(text);
                }
                _ => text.push(c),
            }
        }
        Err(self.fault(from, "a name that no quote ends".to_owned()))
    }

    fn integer(&mut self) -> Result<i64, PathFault> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let length = sign + rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..length].parse().map_err(|_| self.unexpected("a whole number"))?;
        self.at += length;
        Ok(number)
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn take(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    fn take_after_space(&mut self, text: &str) -> bool {
        let mark = self.at;
        self.space();
        let is_next = self.take(text);
        if !is_next {
            self.at = mark;
        }
        is_next
    }

    fn expect(&mut self, text: &str) -> Result<(), PathFault> {
        if self.take(text) { Ok(()) } else { Err(self.unexpected(&format!("{text:?}"))) }
    }

    fn unexpected(&self, wanted: &str) -> PathFault {
        let message = match self.rest().chars().next() {
            Some(found) => format!("found {found:?} where {wanted} should be"),
            None => format!("the path ends where {wanted} should be"),
        };
        self.fault(self.at, message)
    }

    fn fault(&self, at: usize, message: String) -> PathFault {
        PathFault { at, message }
    }
}

/// Several names make one object only where nothing follows them.
fn is_definite(segments: &[Segment]) -> bool {
    segments.iter().enumerate().all(|(place, segment)| match segment {
        Segment::Names(names) => names.len() == 1 || place + 1 == segments.len(),
        Segment::Indices(indices) => indices.len() == 1,
        Segment::Slice(..) | Segment::Wildcard | Segment::Scan | Segment::Filter(_) => false,
    })
}
