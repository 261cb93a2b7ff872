use super::*;

/// The event of the cases: its body is the case's own.
pub(super) struct Case<'c> {
    pub body: &'c str,
}

const ENTRIES: [(Table, &str, &str); 11] = [
    (Table::Path, "id", "42"),
    (Table::QueryString, "q", "search"),
    (Table::QueryString, "id", "99"),
    (Table::Header, "X-Head", "value"),
    (Table::Header, "q", "9"),
    (Table::StageVariables, "table", "orders"),
    (Table::StageVariables, "region", "eu"),
    (Table::Authorizer, "principalId", "me"),
    (Table::Authorizer, "level", "3"),
    (Table::Claims, "sub", "s-1"),
    (Table::Claims, "sub", "s-1"),
];

impl Event for Case<'_> {
    fn body(&self) -> &str {
        self.body
    }

    fn variable(&self, variable: Variable) -> Option<Fact<'_>> {
        Some(match variable {
            Variable::RequestId => "r-1".into(),
            Variable::IdentitySourceIp => "192.0.2.7".into(),
            Variable::Stage => "prod".into(),
            Variable::RequestTimeEpoch => 1_700_000_000_000.into(),
            _ => return None,
        })
    }

    fn entry<'e>(&'e self, table: Table, name: &str) -> Option<Fact<'e>> {
        let mut entries = ENTRIES.iter();
        entries.find(|(own, key, _)| *own == table && *key == name).map(|(_, _, value)| (*value).into())
    }

    fn entries<'e>(&'e self, table: Table, visit: &mut dyn FnMut(&'e str, Fact<'e>)) {
        for (_, key, value) in ENTRIES.iter().filter(|(own, ..)| *own == table) {
            visit(key, (*value).into());
        }
    }
}

/// What a template gives, with its overrides in brackets; a fault's or failure's words otherwise.
pub(super) fn rendered(template: &str, body: &str, budget: &Budget) -> Result<String, String> {
    let template = Template::compile(template, &Limits::default()).map_err(|fault| fault.to_string())?;
    let rendered = template.render(&Case { body }, &Overrides::default(), budget);
    let rendered = rendered.map_err(|failure| failure.to_string())?;
    Ok(rendered.text + &shown(&rendered.overrides))
}

fn shown(overrides: &Overrides) -> String {
    let mut text = String::new();
    let places = [
        ("request header", &overrides.request_headers),
        ("path", &overrides.request_path),
        ("querystring", &overrides.request_querystring),
        ("response header", &overrides.response_headers),
    ];
    for (place, values) in places {
        for (name, value) in values {
            let value = match value {
                Override::One(value) => value.clone(),
                Override::Many(values) => values.join("|"),
            };
            text.push_str(&format!("[{place} {name}={value}]"));
        }
    }
    text.push_str(&overrides.response_status.map(|status| format!("[status {status}]")).unwrap_or_default());
    text
}

fn written_out(text: &str) -> String {
    text.replace('¶', "\n").replace('␠', " ")
}

/// The way in which the service was asked when the answers were recorded: every variable out of the body.
fn with_variables(template: &str, given: Option<&str>) -> String {
    let Some(given) = given else { return template.to_owned() };
    let given: serde_json::Value = serde_json::from_str(given).expect("given JSON");
    let names = given.as_object().expect("an object").keys();
    let sets: Vec<_> = names.map(|name| format!("#set(${name} = $bodyJSON.{name})")).collect();
    format!("#set($bodyJSON = $util.parseJson($input.body)) {}\n{template}", sets.join(" "))
}

#[test]
fn every_case_of_the_table_renders_as_written() {
    let table = include_str!("cases.txt");
    let (mut body, mut given, mut heading) = ("", None, "");
    let (mut cases, mut faults) = (0, Vec::new());
    for (number, line) in table.lines().enumerate().skip_while(|(_, line)| !line.starts_with("== ")) {
        if let Some(title) = line.strip_prefix("== ") {
            (body, given, heading) = ("", None, title);
        } else if let Some(text) = line.strip_prefix("@ given ") {
            (body, given) = (text, Some(text));
        } else if let Some(text) = line.strip_prefix("@ body") {
            body = text.trim_start();
        }
        let is_refused = line.contains('✗');
        let Some((template, expected)) = line.split_once(if is_refused { "✗" } else { "⇒" }) else { continue };
        cases += 1;
        let template = with_variables(&written_out(template[1..].trim_matches(' ')), given);
        let expected = written_out(expected.trim_matches(' '));
        let found = rendered(&template, body, &Budget::default());
        let is_right = match &found {
            Ok(text) => !is_refused && *text == expected,
            Err(words) => is_refused && words.contains(&expected),
        };
        if !is_right {
            faults.push(format!(
                "line {} ({heading}): {template}\n  wanted {expected:?}\n  found  {found:?}",
                number + 1
            ));
        }
    }
    assert!(faults.is_empty(), "{} of {cases} cases\n{}", faults.len(), faults.join("\n"));
    assert!(cases > 200, "only {cases} cases were read");
}
