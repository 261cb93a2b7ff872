//! References that the event answers at once, such as `$context.identity.sourceIp` or `$input.params().header.get('X')`:
//! found when a template is compiled, so that rendering looks nothing up by name and makes no maps for them.

use super::event::{Table, Variable};
use super::method::Method;
use super::tree::{Root, Step, StepKind};
use super::value::Builtin;

/// What the first steps of a reference ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub what: What,
    /// How many steps it takes; of a table's entry, the last one has the name.
    pub steps: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Variable(Variable),
    Entry(Table),
    RequestOverride,
    ResponseOverride,
}

impl Asked {
    pub fn of(root: Root, steps: &[Step]) -> Option<Asked> {
        match root {
            Root::Builtin(Builtin::Context) => of_context(steps),
            Root::Builtin(Builtin::StageVariables) => {
                steps.first()?.name()?;
                Some(Asked { what: What::Entry(Table::StageVariables), steps: 1 })
            }
            Root::Builtin(Builtin::Input) => of_parameters(steps),
            _ => None,
        }
    }
}

fn of_context(steps: &[Step]) -> Option<Asked> {
    let name = |place: usize| steps.get(place).and_then(Step::name);
    let (what, steps) = match (name(0)?, name(1), name(2)) {
        ("requestOverride", ..) => (What::RequestOverride, 1),
        ("responseOverride", ..) => (What::ResponseOverride, 1),
        ("authorizer", Some("claims"), Some(_)) => (What::Entry(Table::Claims), 3),
        ("authorizer", Some(name), _) if name != "claims" => (What::Entry(Table::Authorizer), 2),
        _ => Variable::ALL.iter().find_map(|variable| {
            let count = variable.path().split('.').count();
            let is_named = variable.path().split('.').enumerate().all(|(place, part)| name(place) == Some(part));
            is_named.then_some((What::Variable(*variable), count))
        })?,
    };
    Some(Asked { what, steps })
}

fn of_parameters(steps: &[Step]) -> Option<Asked> {
    let [Step { kind: StepKind::Call(params), .. }, place, name, ..] = steps else { return None };
    if params.method != Method::Params || !params.arguments.is_empty() {
        return None;
    }
    name.name()?;
    let table = match place.name()? {
        "path" => Table::Path,
        "querystring" => Table::QueryString,
        "header" => Table::Header,
        _ => return None,
    };
    Some(Asked { what: What::Entry(table), steps: 3 })
}
