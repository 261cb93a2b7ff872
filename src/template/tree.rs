//! What a template is once it is compiled. Chains of operators, of accesses and of branches are flat, so that only true
//! nesting, which is limited, makes the tree deep.

use super::asked::Asked;
use super::fault::Span;
use super::method::Method;
use super::number::Arithmetic;
use super::path::JsonPath;
use super::pattern::Pattern;
use super::value::Builtin;

/// What is rendered one after the other.
#[derive(Debug, Default)]
pub(super) struct Block(pub Box<[Node]>);

#[derive(Debug)]
pub(super) struct Node {
    pub at: Span,
    pub kind: NodeKind,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    Text(Box<str>),
    Reference(Reference),
    /// `\$x`: prints `$x` where `$x` is something, and itself where it is nothing.
    Escaped(Escaped),
    Set(Box<(Reference, Expression)>),
    If(Box<If>),
    Foreach(Box<Foreach>),
    Define {
        slot: Slot,
        block: Block,
    },
    Break,
    Stop,
}

/// The number of a variable that the template names.
pub(super) type Slot = u16;

#[derive(Debug)]
pub(super) struct Escaped {
    /// How many backslashes stand before the reference: an odd number.
    pub slashes: usize,
    pub reference: Reference,
    /// The reference as it was written.
    pub written: Box<str>,
}

#[derive(Debug)]
pub(super) struct If {
    pub arms: Box<[(Expression, Block)]>,
    pub otherwise: Option<Block>,
}

#[derive(Debug)]
pub(super) struct Foreach {
    pub slot: Slot,
    pub list: Expression,
    pub body: Block,
}

/// `$x.y(1)[2]` and its forms.
#[derive(Debug)]
pub(super) struct Reference {
    pub at: Span,
    pub root: Root,
    pub steps: Box<[Step]>,
    /// What the event answers of it at once.
    pub asked: Option<Asked>,
    /// `${x|alternate}`.
    pub alternate: Option<Box<Expression>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Variable(Slot),
    Builtin(Builtin),
    /// `$velocityCount`.
    Count,
    /// `$velocityHasNext`.
    HasNext,
}

#[derive(Debug)]
pub(super) struct Step {
    pub at: Span,
    pub kind: StepKind,
}

#[derive(Debug)]
pub(super) enum StepKind {
    Property(Box<str>),
    Index(Expression),
    Call(Box<Call>),
}

#[derive(Debug)]
pub(super) struct Call {
    pub method: Method,
    pub arguments: Box<[Expression]>,
    pub prepared: Prepared,
}

/// What could be made of a call's arguments when the template was compiled.
#[derive(Debug)]
pub(super) enum Prepared {
    Nothing,
    Path(JsonPath),
    Pattern(Pattern),
}

#[derive(Debug)]
pub(super) struct Expression {
    pub at: Span,
    pub kind: ExpressionKind,
}

#[derive(Debug)]
pub(super) enum ExpressionKind {
    Constant(Constant),
    /// A double-quoted string with references or directives in it.
    Interpolated(Block),
    Reference(Reference),
    List(Box<[Expression]>),
    Range(Box<(Expression, Expression)>),
    Map(Box<[(Expression, Expression)]>),
    Not(Box<Expression>),
    Negate(Box<Expression>),
    /// `a || b || c`.
    Any(Box<[Expression]>),
    /// `a && b && c`.
    All(Box<[Expression]>),
    /// Operators of one rank, from left to right.
    Chain(Box<Expression>, Box<[(Operator, Expression)]>),
}

#[derive(Debug)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    Big(Box<str>),
    Text(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Arithmetic(Arithmetic),
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Step {
    /// The name that it takes: `.name`, `["name"]` or `.get("name")`.
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            StepKind::Property(name) => Some(name),
            StepKind::Index(index) => index.literal(),
            StepKind::Call(call) => match &*call.arguments {
                [name] if call.method == Method::Get => name.literal(),
                _ => None,
            },
        }
    }
}

impl Expression {
    /// The text of a string without anything to fill in.
    pub fn literal(&self) -> Option<&str> {
        match &self.kind {
            ExpressionKind::Constant(Constant::Text(text)) => Some(text),
            _ => None,
        }
    }
}
