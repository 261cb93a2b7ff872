//! `#if`, `#set` and the others.

use super::fault::Fault;
use super::parser::{Closer, Draft, Parser};
use super::tree::{Expression, Foreach, If, NodeKind, Reference, Root, Slot};
use super::value::Builtin;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Set,
    If,
    ElseIf,
    Else,
    End,
    Foreach,
    Define,
    Break,
    Stop,
    Macro,
    /// Words that Velocity has and the service refuses.
    Refused,
}

fn word(name: &str) -> Option<Word> {
    Some(match name {
        "set" => Word::Set,
        "if" => Word::If,
        "elseif" => Word::ElseIf,
        "else" => Word::Else,
        "end" => Word::End,
        "foreach" => Word::Foreach,
        "define" => Word::Define,
        "break" => Word::Break,
        "stop" => Word::Stop,
        "macro" => Word::Macro,
        "parse" | "include" => Word::Refused,
        _ => return None,
    })
}

impl<'s> Parser<'s, '_> {
    /// The length of the directive's name with `#` and braces, if one of the known directives stands here.
    pub fn known_directive(&self) -> Option<usize> {
        let (name, length) = self.directive_name()?;
        word(name).map(|_| length)
    }

    fn directive_name(&self) -> Option<(&'s str, usize)> {
        let rest = self.rest().strip_prefix('#')?;
        let (inside, braces) = rest.strip_prefix('{').map_or((rest, 0), |inside| (inside, 2));
        if !inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '@') {
            return None;
        }
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@'));
        let length = inside.find(is_end).unwrap_or(inside.len());
        if braces > 0 && !inside[length..].starts_with('}') {
            return None;
        }
        Some((&inside[..length], 1 + braces + length))
    }

    /// Whatever begins with `#` and is neither comment nor text block.
    pub fn directive(&mut self, draft: &mut Draft) -> Result<Option<Closer>, Fault> {
        let Some((name, length)) = self.directive_name() else {
            self.literal(draft, 1);
            return Ok(None);
        };
        let Some(word) = word(name) else {
            self.unknown(draft, name, length)?;
            return Ok(None);
        };
        let from = self.at;
        self.at += length;
        match word {
            Word::End | Word::Else => {
                self.gobble_line();
                return Ok(Some(if word == Word::End { Closer::End } else { Closer::Else }));
            }
            Word::ElseIf => return Ok(Some(Closer::ElseIf)),
            Word::Set => self.set(draft, from)?,
            Word::If => self.branches(draft, from)?,
            Word::Foreach => self.foreach(draft, from)?,
            Word::Define => self.define(draft, from)?,
            Word::Macro => self.swallow_macro(from)?,
            Word::Break | Word::Stop => {
                self.gobble_line();
                let kind = if word == Word::Break { NodeKind::Break } else { NodeKind::Stop };
                draft.push(self.span(from, self.at), kind);
            }
            Word::Refused => {
                let fault = self.fault(from, format!("#{name} is not part of API Gateway's templates"));
                return Err(fault.with_help("put the text into this template"));
            }
        }
        Ok(None)
    }

    /// A directive that the service does not know, `#macro`'s calls among them: it prints as it stands (recorded).
    fn unknown(&mut self, draft: &mut Draft, name: &str, length: usize) -> Result<(), Fault> {
        if name.starts_with('@') {
            return Err(
                self.fault(self.at, format!("#{name}: macros with a body are not part of API Gateway's templates"))
            );
        }
        let rest = self.rest();
        let spaces = rest[length..].len() - rest[length..].trim_start_matches([' ', '\t']).len();
        let arguments = call_length(&rest[length + spaces..]).map_or(0, |call| spaces + call);
        self.literal(draft, length + arguments);
        Ok(())
    }

    fn open(&mut self, directive: &str) -> Result<(), Fault> {
        self.skip_space();
        if self.take(b'(') {
            return Ok(());
        }
        Err(self.unexpected(&format!("the '(' of {directive}")))
    }

    fn set(&mut self, draft: &mut Draft, from: usize) -> Result<(), Fault> {
        draft.drop_indentation();
        self.open("#set")?;
        let target = self.target("#set")?;
        if let Root::Builtin(Builtin::Context) | Root::Variable(_) = target.root {
        } else if target.steps.is_empty() {
            return Err(self.fault(from, "#set cannot replace a variable of the service"));
        }
        self.expect(b'=', "of #set")?;
        let value = self.expression()?;
        self.expect(b')', "that closes #set")?;
        let at = self.span(from, self.at);
        self.gobble_line();
        draft.push(at, NodeKind::Set(Box::new((target, value))));
        Ok(())
    }

    fn target(&mut self, directive: &str) -> Result<Reference, Fault> {
        self.skip_space();
        let wanted = format!("a variable for {directive}");
        self.reference()?.ok_or_else(|| self.unexpected(&wanted))
    }

    /// A variable without anything after its name.
    fn plain_target(&mut self, directive: &str) -> Result<Slot, Fault> {
        let reference = self.target(directive)?;
        match reference.root {
            Root::Variable(slot) if reference.steps.is_empty() => Ok(slot),
            _ => Err(Fault::new(reference.at, format!("{directive} wants a plain variable, such as $item"))),
        }
    }

    fn condition(&mut self, directive: &str) -> Result<Expression, Fault> {
        self.open(directive)?;
        let condition = self.expression()?;
        self.expect(b')', &format!("that closes {directive}"))?;
        self.gobble_line();
        Ok(condition)
    }

    fn branches(&mut self, draft: &mut Draft, from: usize) -> Result<(), Fault> {
        let mut arms = Vec::new();
        let mut condition = self.condition("#if")?;
        let at = self.span(from, self.at);
        let otherwise = loop {
            let (block, closer) = self.block()?;
            arms.push((condition, block));
            match closer {
                Closer::End => break None,
                Closer::ElseIf => condition = self.condition("#elseif")?,
                Closer::Else => break Some(self.last_block("#if", from)?),
                Closer::EndOfText => return Err(self.unclosed("#if", from)),
            }
        };
        draft.push(at, NodeKind::If(Box::new(If { arms: arms.into(), otherwise })));
        Ok(())
    }

    /// A block that only `#end` may close.
    fn last_block(&mut self, directive: &str, from: usize) -> Result<super::tree::Block, Fault> {
        match self.block()? {
            (block, Closer::End) => Ok(block),
            (_, Closer::EndOfText) => Err(self.unclosed(directive, from)),
            _ => {
                Err(self.fault(from, format!("an #else or #elseif in this {directive} that stands where none may be")))
            }
        }
    }

    fn unclosed(&self, directive: &str, from: usize) -> Fault {
        let fault = self.fault(from, format!("{directive} without an #end"));
        fault.with_help("letters right after #end make it another word: write #{end} before them")
    }

    fn foreach(&mut self, draft: &mut Draft, from: usize) -> Result<(), Fault> {
        self.open("#foreach")?;
        let slot = self.plain_target("#foreach")?;
        self.skip_space();
        if !self.rest().starts_with("in") {
            return Err(self.unexpected("the word \"in\" of #foreach"));
        }
        self.at += 2;
        let list = self.expression()?;
        self.expect(b')', "that closes #foreach")?;
        let at = self.span(from, self.at);
        self.gobble_line();
        let body = self.last_block("#foreach", from)?;
        draft.push(at, NodeKind::Foreach(Box::new(Foreach { slot, list, body })));
        Ok(())
    }

    fn define(&mut self, draft: &mut Draft, from: usize) -> Result<(), Fault> {
        self.open("#define")?;
        let slot = self.plain_target("#define")?;
        self.expect(b')', "that closes #define")?;
        let at = self.span(from, self.at);
        self.gobble_line();
        let block = self.last_block("#define", from)?;
        draft.push(at, NodeKind::Define { slot, block });
        Ok(())
    }

    /// The service takes a macro's definition and never knows the macro (recorded).
    fn swallow_macro(&mut self, from: usize) -> Result<(), Fault> {
        self.skip_space();
        let Some(length) = call_length(self.rest()) else {
            return Err(self.unexpected("the '(' of #macro"));
        };
        self.at += length;
        self.gobble_line();
        self.last_block("#macro", from).map(drop)
    }
}

/// The length of `(…)` with the brackets and strings in it, if that is what `text` begins with.
fn call_length(text: &str) -> Option<usize> {
    if !text.starts_with('(') {
        return None;
    }
    let (mut depth, mut quote) = (0_usize, None);
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'(') => depth += 1,
            (None, b')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}
