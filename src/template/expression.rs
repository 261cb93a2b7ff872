//! Expressions by Velocity's ranks: `||`, `&&`, `== !=`, `< > <= >=`, `+ -`, `* / %`, `! -`.

use super::fault::Fault;
use super::number::Arithmetic;
use super::parser::Parser;
use super::text::Text;
use super::tree::{Constant, Expression, ExpressionKind, NodeKind, Operator};
use super::value::Value;

/// The operators of each rank, the weakest first, longer signs before their beginnings.
const RANKS: [&[(&str, Operator)]; 4] = [
    &[("==", Operator::Equal), ("!=", Operator::NotEqual), ("eq", Operator::Equal), ("ne", Operator::NotEqual)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("lt", Operator::Less),
        ("le", Operator::LessOrEqual),
        ("gt", Operator::Greater),
        ("ge", Operator::GreaterOrEqual),
    ],
    &[("+", Operator::Arithmetic(Arithmetic::Add)), ("-", Operator::Arithmetic(Arithmetic::Subtract))],
    &[
        ("*", Operator::Arithmetic(Arithmetic::Multiply)),
        ("/", Operator::Arithmetic(Arithmetic::Divide)),
        ("%", Operator::Arithmetic(Arithmetic::Remainder)),
    ],
];

impl<'s> Parser<'s, '_> {
    pub fn expression(&mut self) -> Result<Expression, Fault> {
        self.enter(self.span(self.at, self.at + 1))?;
        let expression = self.joined(&["||", "or"], Self::conjunction, ExpressionKind::Any);
        self.leave();
        expression
    }

    fn conjunction(&mut self) -> Result<Expression, Fault> {
        self.joined(&["&&", "and"], |parser| parser.rank(0), ExpressionKind::All)
    }

    fn joined(
        &mut self,
        signs: &[&str],
        part: fn(&mut Self) -> Result<Expression, Fault>,
        kind: fn(Box<[Expression]>) -> ExpressionKind,
    ) -> Result<Expression, Fault> {
        let first = part(self)?;
        let from = self.at_of(&first);
        let mut parts = vec![first];
        while signs.iter().any(|sign| self.take_sign(sign)) {
            parts.push(part(self)?);
        }
        Ok(match <[Expression; 1]>::try_from(parts) {
            Ok([single]) => single,
            Err(parts) => Expression { at: self.span(from, self.at), kind: kind(parts.into()) },
        })
    }

    fn rank(&mut self, rank: usize) -> Result<Expression, Fault> {
        let Some(operators) = RANKS.get(rank) else { return self.unary() };
        let first = self.rank(rank + 1)?;
        let from = self.at_of(&first);
        let mut rest = Vec::new();
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.take_sign(sign)) {
            rest.push((*operator, self.rank(rank + 1)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let kind = ExpressionKind::Chain(Box::new(first), rest.into());
        Ok(Expression { at: self.span(from, self.at), kind })
    }

    fn at_of(&self, expression: &Expression) -> usize {
        expression.at.start as usize
    }

    /// Takes an operator; one that is a word must end there.
    fn take_sign(&mut self, sign: &str) -> bool {
        let mark = self.at;
        self.skip_space();
        let rest = self.rest();
        let is_word = sign.starts_with(|c: char| c.is_ascii_alphabetic());
        let runs_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if rest.starts_with(sign) && !(is_word && rest[sign.len()..].starts_with(runs_on)) {
            self.at += sign.len();
            return true;
        }
        self.at = mark;
        false
    }

    fn unary(&mut self) -> Result<Expression, Fault> {
        self.skip_space();
        let from = self.at;
        let kind = if self.peek() == Some(b'!') && self.peek_at(1) != Some(b'=') || self.is_word("not") {
            self.at += if self.peek() == Some(b'!') { 1 } else { 3 };
            ExpressionKind::Not
        } else if self.peek() == Some(b'-')
            && !self.peek_at(1).is_some_and(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            self.at += 1;
            ExpressionKind::Negate
        } else {
            return self.primary();
        };
        self.enter(self.span(from, self.at))?;
        let operand = self.unary()?;
        self.leave();
        Ok(Expression { at: self.span(from, self.at), kind: kind(Box::new(operand)) })
    }

    fn primary(&mut self) -> Result<Expression, Fault> {
        let from = self.at;
        let kind = match self.peek() {
            Some(b'$') => match self.reference()? {
                Some(reference) => ExpressionKind::Reference(reference),
                None => return Err(self.unexpected("a name after $")),
            },
            Some(b'(') => {
                self.at += 1;
                let inside = self.expression()?;
                self.expect(b')', "that closes the bracket")?;
                return Ok(inside);
            }
            Some(b'\'') => self.quoted(b'\'')?,
            Some(b'"') => self.quoted(b'"')?,
            Some(b'[') => self.list_or_range()?,
            Some(b'{') => self.map()?,
            Some(b'0'..=b'9' | b'.' | b'-') => self.number()?,
            _ => self.constant()?,
        };
        Ok(Expression { at: self.span(from, self.at), kind })
    }

    fn constant(&mut self) -> Result<ExpressionKind, Fault> {
        for (name, constant) in
            [("true", Constant::Bool(true)), ("false", Constant::Bool(false)), ("null", Constant::Null)]
        {
            if self.is_word(name) {
                self.at += name.len();
                return Ok(ExpressionKind::Constant(constant));
            }
        }
        let fault = self.unexpected("a value");
        Err(fault
            .with_help("a value is $name, a number, a string in quotes, true, false, [a list] or {\"a\": \"map\"}"))
    }

    fn is_word(&self, word: &str) -> bool {
        let rest = self.rest();
        rest.starts_with(word) && !rest[word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    }

    fn number(&mut self) -> Result<ExpressionKind, Fault> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let mut length = sign + digits(&rest[sign..]);
        let fraction = &rest[length..];
        if fraction.starts_with('.') && !fraction.starts_with("..") {
            length += 1 + digits(&fraction[1..]);
        }
        let exponent = rest[length..].strip_prefix(['e', 'E']).map(|power| {
            let sign = usize::from(power.starts_with(['+', '-']));
            (sign, digits(&power[sign..]))
        });
        if let Some((sign, count @ 1..)) = exponent {
            length += 1 + sign + count;
        }
        let text = &rest[..length];
        let constant = read_number(text).ok_or_else(|| self.unexpected("a number"))?;
        self.at += length;
        Ok(ExpressionKind::Constant(constant))
    }

    fn list_or_range(&mut self) -> Result<ExpressionKind, Fault> {
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(ExpressionKind::List(Box::default()));
        }
        let first = self.expression()?;
        self.skip_space();
        if self.rest().starts_with("..") {
            self.at += 2;
            let last = self.expression()?;
            self.expect(b']', "that closes the range")?;
            return Ok(ExpressionKind::Range(Box::new((first, last))));
        }
        let mut items = vec![first];
        if self.take(b',') {
            items.extend(self.list_until(b']', "that closes the list")?);
        } else {
            self.expect(b']', "that closes the list")?;
        }
        Ok(ExpressionKind::List(items.into()))
    }

    fn map(&mut self) -> Result<ExpressionKind, Fault> {
        self.at += 1;
        let mut entries = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(ExpressionKind::Map(entries.into()));
        }
        loop {
            let key = self.expression()?;
            self.expect(b':', "between a map's key and value")?;
            entries.push((key, self.expression()?));
            self.skip_space();
            if !self.take(b',') {
                break;
            }
        }
        self.expect(b'}', "that closes the map")?;
        Ok(ExpressionKind::Map(entries.into()))
    }

    /// A string: kept as typed, but for a doubled quote, which is one; double quotes fill in references.
    fn quoted(&mut self, quote: u8) -> Result<ExpressionKind, Fault> {
        let from = self.at;
        self.at += 1;
        let (inside, is_doubled) = self.inside_quotes(quote, from)?;
        let text = &self.source[inside.range()];
        let quotes = char::from(quote).to_string();
        let unquoted = is_doubled.then(|| text.replace(&quotes.repeat(2), &quotes));
        if quote == b'"' && text.contains(['$', '#']) {
            let shown = self.span(from, self.at);
            let place = if unquoted.is_some() { shown } else { inside };
            let block = self.string_template(place, unquoted.as_deref())?;
            return Ok(match &*block.0 {
                [] => text_constant(""),
                [only] if let NodeKind::Text(text) = &only.kind => text_constant(text),
                _ => ExpressionKind::Interpolated(block),
            });
        }
        Ok(text_constant(unquoted.as_deref().unwrap_or(text)))
    }

    /// Up to the closing quote, which is taken; whether there were doubled ones.
    fn inside_quotes(&mut self, quote: u8, from: usize) -> Result<(super::fault::Span, bool), Fault> {
        let start = self.at;
        let mut is_doubled = false;
        loop {
            let rest = self.rest();
            let Some(length) = memchr::memchr(quote, rest.as_bytes()) else {
                return Err(self.fault(from, "a string that no quote ends"));
            };
            self.at += length + 1;
            if self.peek() != Some(quote) {
                return Ok((super::fault::Span::new(start, self.at - 1), is_doubled));
            }
            is_doubled = true;
            self.at += 1;
        }
    }
}

fn text_constant(text: &str) -> ExpressionKind {
    ExpressionKind::Constant(Constant::Text(text.into()))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn read_number(text: &str) -> Option<Constant> {
    let whole = text.strip_prefix('-').unwrap_or(text);
    if whole.bytes().all(|byte| byte.is_ascii_digit()) && !whole.is_empty() {
        return Some(match super::json::number(&Text::Lent(text))? {
            Value::Int(number) => Constant::Int(number),
            Value::Long(number) => Constant::Long(number),
            _ => Constant::Big(text.into()),
        });
    }
    text.parse().ok().filter(|_| whole.contains(|c: char| c.is_ascii_digit())).map(Constant::Double)
}
