//! `$x`, `$!x`, `${x.y}`, `$x.call(1)[2]`, `${x|alternate}`.

use super::asked::Asked;
use super::fault::Fault;
use super::method::Method;
use super::parser::Parser;
use super::path::JsonPath;
use super::pattern::Pattern;
use super::tree::{Call, Expression, Prepared, Reference, Root, Step, StepKind};
use super::value::Builtin;

impl<'s> Parser<'s, '_> {
    /// The reference that stands here; `None`, with nothing taken, if the `$` begins none.
    pub fn reference(&mut self) -> Result<Option<Reference>, Fault> {
        let from = self.at;
        if !self.take(b'$') {
            return Ok(None);
        }
        self.take(b'!');
        let is_formal = self.take(b'{');
        let Some(name) = self.identifier() else {
            self.at = from;
            return Ok(None);
        };
        let root = self.root(name, from)?;
        let steps = self.steps(root)?;
        let alternate = if is_formal { self.close(from)? } else { None };
        let asked = Asked::of(root, &steps);
        Ok(Some(Reference { at: self.span(from, self.at), root, steps, asked, alternate }))
    }

    fn identifier(&mut self) -> Option<&'s str> {
        let rest = self.rest();
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let length = rest.find(is_end).unwrap_or(rest.len());
        self.at += length;
        Some(&rest[..length])
    }

    fn root(&mut self, name: &str, at: usize) -> Result<Root, Fault> {
        Ok(match name {
            "input" => Root::Builtin(Builtin::Input),
            "util" => Root::Builtin(Builtin::Util),
            "context" => Root::Builtin(Builtin::Context),
            "stageVariables" => Root::Builtin(Builtin::StageVariables),
            "foreach" => Root::Builtin(Builtin::Foreach),
            "velocityCount" => Root::Count,
            "velocityHasNext" => Root::HasNext,
            _ => Root::Variable(self.slot(name, at)?),
        })
    }

    /// The `}` of `${…}`, and the alternate value before it.
    fn close(&mut self, from: usize) -> Result<Option<Box<Expression>>, Fault> {
        let alternate = if self.take(b'|') { Some(Box::new(self.expression()?)) } else { None };
        if alternate.is_some() {
            self.skip_space();
        }
        if self.take(b'}') {
            return Ok(alternate);
        }
        let fault = self.fault(from, "${ without its }");
        Err(fault.with_help("write ${name}, or \\$ for a dollar sign before a name"))
    }

    fn steps(&mut self, root: Root) -> Result<Box<[Step]>, Fault> {
        let mut steps = Vec::new();
        loop {
            let from = self.at;
            let kind = match self.peek() {
                Some(b'.') if self.peek_at(1).is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') => {
                    self.at += 1;
                    self.member(root, steps.is_empty())?
                }
                Some(b'[') => {
                    self.at += 1;
                    let index = self.expression()?;
                    self.expect(b']', "that closes the index")?;
                    StepKind::Index(index)
                }
                _ => break,
            };
            steps.push(Step { at: self.span(from, self.at), kind });
        }
        Ok(steps.into_boxed_slice())
    }

    fn member(&mut self, root: Root, is_first: bool) -> Result<StepKind, Fault> {
        let from = self.at;
        let name = self.identifier().unwrap_or_default();
        if self.peek() != Some(b'(') {
            return Ok(StepKind::Property(name.into()));
        }
        let Some(method) = Method::named(name) else {
            let fault = Fault::new(self.span(from, self.at), format!("no method {name}() is known"));
            return Err(fault.with_help(crate::base::nearest(name, Method::names())));
        };
        self.at += 1;
        self.enter(self.span(from, self.at))?;
        let arguments = self.list_until(b')', "that closes the call")?;
        self.leave();
        let is_input = is_first && root == Root::Builtin(Builtin::Input);
        let prepared = self.prepare(method, is_input, &arguments)?;
        Ok(StepKind::Call(Box::new(Call { method, arguments, prepared })))
    }

    /// Expressions between commas, up to `close`.
    pub fn list_until(&mut self, close: u8, what: &str) -> Result<Box<[Expression]>, Fault> {
        let mut items = Vec::new();
        self.skip_space();
        if self.take(close) {
            return Ok(items.into());
        }
        loop {
            items.push(self.expression()?);
            self.skip_space();
            if !self.take(b',') {
                break;
            }
        }
        self.expect(close, what)?;
        Ok(items.into())
    }

    /// JSONPaths and patterns that are written out are read now, so that their faults are found now.
    fn prepare(&self, method: Method, is_input: bool, arguments: &[Expression]) -> Result<Prepared, Fault> {
        let Some((argument, text)) = arguments.first().and_then(|first| Some((first, first.literal()?))) else {
            return Ok(Prepared::Nothing);
        };
        let refuse = |what: &str, why: String| Fault::new(argument.at, format!("{what} {text:?}: {why}"));
        match method {
            Method::Json | Method::Path if is_input => match JsonPath::compile(text) {
                Ok(path) => Ok(Prepared::Path(path)),
                Err(fault) => Err(refuse("the JSONPath", fault.to_string())),
            },
            Method::ReplaceAll | Method::ReplaceFirst | Method::Matches | Method::Split => {
                match Pattern::compile(text, method == Method::Matches) {
                    Ok(pattern) => Ok(Prepared::Pattern(pattern)),
                    Err(why) => Err(refuse("the pattern", why)),
                }
            }
            _ => Ok(Prepared::Nothing),
        }
    }
}
