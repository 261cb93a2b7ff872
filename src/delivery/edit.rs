use toml_edit::{Decor, DocumentMut, InlineTable, Item, RawString, Table, TableLike, Value};

/// A text in which a canary became its stage.
#[derive(Debug)]
pub(super) struct Edited {
    pub text: String,
    /// The canary's variables, as they are written, that the stage has now.
    pub variables: Vec<(String, String)>,
}

/// Why a text was not edited.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EditProblem {
    NotToml(String),
    NoCanary,
    /// The edited text would not say what it should; a fault of this program.
    Unsound,
}

/// Merges a canary's variables into its stage's and removes the canary, whatever way the tables are written.
/// Everything else stays byte for byte.
pub(super) fn promote(text: &str, api: &str, stage: &str) -> Result<Edited, EditProblem> {
    let mut document = parse(text)?;
    let path = ["apis", api, "stages", stage];
    let canary = find(&document, &path).and_then(|stage| stage.get("canary")).ok_or(EditProblem::NoCanary)?;
    let overrides = variables(canary.as_table_like());
    let comments = detached_comments(canary);

    let stage_table = find_mut(&mut document, &path).ok_or(EditProblem::NoCanary)?;
    let removed = remove(stage_table, "canary").ok_or(EditProblem::NoCanary)?;
    merge(stage_table, &overrides);
    keep_stage(&mut document, &path, &removed);
    if let Some((comments, position)) = comments {
        keep_comments(&mut document, &comments, position);
    }

    let edited = document.to_string();
    check(&edited, &path, &overrides)?;
    let written = |(name, value): &(String, Value)| (name.clone(), shown(value));
    Ok(Edited { text: edited, variables: overrides.iter().map(written).collect() })
}

fn parse(text: &str) -> Result<DocumentMut, EditProblem> {
    text.parse::<DocumentMut>().map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        EditProblem::NotToml(format!("line {line}: {}", error.message().lines().collect::<Vec<_>>().join(", ")))
    })
}

fn find<'d>(document: &'d DocumentMut, path: &[&str]) -> Option<&'d dyn TableLike> {
    let root: &dyn TableLike = document.as_table();
    path.iter().try_fold(root, |table, key| table.get(key)?.as_table_like())
}

fn find_mut<'d>(document: &'d mut DocumentMut, path: &[&str]) -> Option<&'d mut dyn TableLike> {
    let root: &mut dyn TableLike = document.as_table_mut();
    path.iter().try_fold(root, |table, key| table.get_mut(key)?.as_table_like_mut())
}

fn variables(table: Option<&dyn TableLike>) -> Vec<(String, Value)> {
    let variables = table.and_then(|table| table.get("variables")).and_then(Item::as_table_like);
    let entries = variables.into_iter().flat_map(TableLike::iter);
    entries.filter_map(|(name, item)| Some((name.to_owned(), item.as_value()?.clone()))).collect()
}

/// Removes a key; if it was the last of an inline table, the space before the brace stays.
fn remove(table: &mut dyn TableLike, key: &str) -> Option<Item> {
    let is_last = table.iter().last().is_some_and(|(last, _)| last == key);
    let removed = table.remove(key)?;
    if let (true, Some(value)) = (is_last, removed.as_value()) {
        let suffix = value.decor().suffix().cloned();
        let last = table.iter_mut().last().and_then(|(_, item)| item.as_value_mut());
        if let (Some(last), Some(suffix)) = (last, suffix.filter(is_blank)) {
            last.decor_mut().set_suffix(suffix);
        }
    }
    Some(removed)
}

/// Whether a decoration is spaces alone: no comment, no line break.
fn is_blank(text: &RawString) -> bool {
    text.as_str().is_none_or(|text| text.trim_matches([' ', '\t']).is_empty())
}

fn merge(stage: &mut dyn TableLike, overrides: &[(String, Value)]) {
    if overrides.is_empty() {
        return;
    }
    if let Some(variables) = stage.get_mut("variables").and_then(Item::as_table_like_mut) {
        for (name, value) in overrides {
            set(variables, name, value);
        }
        return;
    }
    let mut variables = InlineTable::new();
    for (name, value) in overrides {
        variables.insert(name, plain(value));
    }
    append(stage, "variables", Value::InlineTable(variables));
}

/// Sets a key: in place of an old value, which leaves its spaces and comments, or at the end.
fn set(table: &mut dyn TableLike, name: &str, value: &Value) {
    if let Some(Item::Value(old)) = table.get_mut(name) {
        let decor = old.decor().clone();
        *old = value.clone();
        *old.decor_mut() = decor;
        return;
    }
    append(table, name, plain(value));
}

/// Adds a key at the end; in an inline table the space before the brace moves behind it.
fn append(table: &mut dyn TableLike, name: &str, mut value: Value) {
    if let Some(Item::Value(last)) = table.iter_mut().last().map(|(_, item)| item)
        && let Some(suffix) = last.decor().suffix().filter(|suffix| is_blank(suffix)).cloned()
    {
        last.decor_mut().set_suffix("");
        *value.decor_mut() = Decor::new(" ", suffix);
    }
    table.insert(name, Item::Value(value));
}

fn plain(value: &Value) -> Value {
    let mut value = value.clone();
    value.decor_mut().clear();
    value
}

/// A string without its quotes, anything else as TOML.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| plain(value).to_string(), str::to_owned)
}

/// A stage that had nothing but its canary must still be there without it.
fn keep_stage(document: &mut DocumentMut, path: &[&str], canary: &Item) {
    let [parents @ .., stage] = path else { return };
    let Some(item) = find_mut(document, parents).and_then(|parent| parent.get_mut(stage)) else { return };
    match item {
        Item::Table(table) if table.is_dotted() && table.is_empty() => *item = Item::Value(InlineTable::new().into()),
        Item::Table(table) if table.is_implicit() && !table.is_dotted() => show_header(table, canary),
        _ => {}
    }
}

/// Gives a table that only its sub-tables implied a header of its own, where the canary's was.
fn show_header(table: &mut Table, canary: &Item) {
    table.set_implicit(false);
    if let Item::Table(canary) = canary {
        table.set_position(first_position(canary));
        if let Some(prefix) = canary.decor().prefix() {
            table.decor_mut().set_prefix(prefix.clone());
        }
    }
}

fn first_position(table: &Table) -> Option<isize> {
    let below = table.iter().filter_map(|(_, item)| item.as_table()).filter_map(first_position);
    table.position().into_iter().chain(below).min()
}

/// Comments before a canary's header that a blank line sets apart from it: they belong to what came before.
fn detached_comments(canary: &Item) -> Option<(String, isize)> {
    let table = canary.as_table().filter(|table| !table.is_dotted())?;
    let prefix = table.decor().prefix()?.as_str()?;
    let (before, _) = prefix.rsplit_once("\n\n").or_else(|| prefix.rsplit_once("\n\r\n"))?;
    let comments = before.trim_end_matches(['\r', '\n']);
    comments.contains('#').then(|| (format!("{comments}\n"), first_position(table).unwrap_or(0)))
}

/// Puts comments before the table that follows a position, or at the end of the file.
fn keep_comments(document: &mut DocumentMut, comments: &str, position: isize) {
    match next_table(document.as_table_mut(), position) {
        Some(next) => {
            let prefix = next.decor().prefix().and_then(RawString::as_str).unwrap_or("\n").to_owned();
            // A canary whose own header became its stage's has its comments there.
            if !prefix.starts_with(comments) {
                next.decor_mut().set_prefix(format!("{comments}{prefix}"));
            }
        }
        None => {
            let trailing = document.trailing().as_str().unwrap_or("").to_owned();
            document.set_trailing(format!("{comments}{trailing}"));
        }
    }
}

/// The first table that is written at or after a position.
fn next_table(root: &mut Table, position: isize) -> Option<&mut Table> {
    let next = positions(root).into_iter().filter(|at| *at >= position).min()?;
    table_at(root, next)
}

fn positions(table: &Table) -> Vec<isize> {
    let below = table.iter().flat_map(|(_, item)| match item {
        Item::Table(table) => positions(table),
        Item::ArrayOfTables(array) => array.iter().flat_map(positions).collect(),
        _ => Vec::new(),
    });
    below.chain(table.position().filter(|_| !table.is_implicit() && !table.is_dotted())).collect()
}

fn table_at(table: &mut Table, position: isize) -> Option<&mut Table> {
    if table.position() == Some(position) && !table.is_implicit() && !table.is_dotted() {
        return Some(table);
    }
    table.iter_mut().find_map(|(_, item)| match item {
        Item::Table(table) => table_at(table, position),
        Item::ArrayOfTables(array) => array.iter_mut().find_map(|table| table_at(table, position)),
        _ => None,
    })
}

/// Reads the edited text again: the canary is gone, and the stage has its variables.
fn check(edited: &str, path: &[&str], overrides: &[(String, Value)]) -> Result<(), EditProblem> {
    let document = parse(edited).map_err(|_| EditProblem::Unsound)?;
    let stage = find(&document, path).ok_or(EditProblem::Unsound)?;
    let now = variables(Some(stage));
    let has = |(name, value): &(String, Value)| now.iter().any(|(n, v)| n == name && shown(v) == shown(value));
    let is_sound = stage.get("canary").is_none() && overrides.iter().all(has);
    if is_sound { Ok(()) } else { Err(EditProblem::Unsound) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promotes orders/prod and compares the whole text.
    #[track_caller]
    fn check(before: &str, after: &str) {
        let edited = promote(before, "orders", "prod").map(|edited| edited.text);
        assert_eq!(edited.as_deref(), Ok(after), "{}", edited.as_deref().unwrap_or_default());
    }

    #[test]
    fn a_canary_with_a_table_of_its_own_leaves_the_rest_as_it_was() {
        check(
            r#"# the main file
[apis.orders]
errors   =   "standard" # odd spaces stay

[apis.orders.stages.prod]
variables = { backend = "a:1", other = "x" } # who answers
throttle = { rate = 1 }
# cache = {}

# ten percent to b
[apis.orders.stages.prod.canary]
percent = 10.0
variables = { backend = "b:1", fresh = "y" }

[usage_plans.basic] # the last
"#,
            r#"# the main file
[apis.orders]
errors   =   "standard" # odd spaces stay

[apis.orders.stages.prod]
variables = { backend = "b:1", other = "x", fresh = "y" } # who answers
throttle = { rate = 1 }
# cache = {}

[usage_plans.basic] # the last
"#,
        );
    }

    #[test]
    fn a_canary_at_the_end_of_the_file_leaves_the_comments_before_it() {
        check(
            "[apis.orders.stages.prod]\nvariables.backend = \"a\"\n# kept\n\n[apis.orders.stages.prod.canary]\n\
             percent = 5\n[apis.orders.stages.prod.canary.variables]\nbackend = \"${env:B}\"\n# the end\n",
            "[apis.orders.stages.prod]\nvariables.backend = \"${env:B}\"\n# kept\n# the end\n",
        );
    }

    #[test]
    fn inline_tables_and_dotted_keys_are_edited_too() {
        check(
            "[apis.orders.stages]\nprod = { canary = { percent = 1, variables = { b = \"2\" } }, variables = { a = \"1\" } }\n",
            "[apis.orders.stages]\nprod = { variables = { a = \"1\", b = \"2\" } }\n",
        );
        check(
            "[apis.orders.stages]\nprod = { throttle = { rate = 1 }, canary = { percent = 1 } }\n",
            "[apis.orders.stages]\nprod = { throttle = { rate = 1 } }\n",
        );
        check(
            "[apis.orders.stages.prod]\ncanary.percent = 1\ncanary.variables.b = \"2\"\nthrottle = { rate = 1 }\n",
            "[apis.orders.stages.prod]\nthrottle = { rate = 1 }\nvariables = { b = \"2\" }\n",
        );
        check(
            "[apis.orders]\nstages.prod.variables.b = \"1\"\nstages.prod.canary = { percent = 1, variables = { b = \"2\" } }\n",
            "[apis.orders]\nstages.prod.variables.b = \"2\"\n",
        );
        check(
            "[apis.orders]\nstages.prod.canary.percent = 1\nerrors = \"aws\"\n",
            "[apis.orders]\nstages.prod = {}\nerrors = \"aws\"\n",
        );
    }

    #[test]
    fn a_stage_that_had_nothing_but_its_canary_stays() {
        check(
            "[apis.orders]\n\n[apis.orders.stages.prod.canary]\npercent = 1\n\n[server]\n",
            "[apis.orders]\n\n[apis.orders.stages.prod]\n\n[server]\n",
        );
        check(
            "[apis.orders]\n\n[apis.orders.stages.prod.canary]\npercent = 1\nvariables = { b = \"2\" }\n\n[server]\n",
            "[apis.orders]\n\n[apis.orders.stages.prod]\nvariables = { b = \"2\" }\n\n[server]\n",
        );
    }

    #[test]
    fn a_text_without_the_canary_is_not_edited() {
        let problem = |text| promote(text, "orders", "prod").expect_err("not edited");
        assert_eq!(problem("[apis.orders.stages.prod]\n"), EditProblem::NoCanary);
        assert_eq!(problem("[apis]\norders = 1\n"), EditProblem::NoCanary);
        assert!(matches!(problem("[apis.orders\n"), EditProblem::NotToml(line) if line.starts_with("line 1: ")));
    }
}
