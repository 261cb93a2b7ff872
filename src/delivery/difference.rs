use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// One thing in which two configurations differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change {
    Added { path: String, after: Value },
    Removed { path: String, before: Value },
    Changed { path: String, before: Value, after: Value },
}

/// What `planned` changes about `running`, both as [`crate::config::Config::describe`] writes them.
///
/// Changes come in the order of the running configuration, what is new after what was there. A setting that is
/// written for the first time, or no longer written, counts as added or removed whole. The order of names does
/// not matter; lists are compared as wholes.
pub fn difference(running: &Value, planned: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(&mut String::new(), running, planned, &mut changes);
    changes
}

fn compare(path: &mut String, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let kept = old.iter().map(|(key, before)| (key, before, new.get(key).unwrap_or(&Value::Null)));
            let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
            for (key, before, after) in kept.chain(added.map(|(key, after)| (key, &Value::Null, after))) {
                let length = path.len();
                push_key(path, key);
                compare(path, before, after, changes);
                path.truncate(length);
            }
        }
        (before, after) if before == after => {}
        (Value::Null, after) => changes.push(Change::Added { path: path.clone(), after: after.clone() }),
        (before, Value::Null) => changes.push(Change::Removed { path: path.clone(), before: before.clone() }),
        (before, after) => {
            changes.push(Change::Changed { path: path.clone(), before: before.clone(), after: after.clone() });
        }
    }
}

/// Appends `.key`, or `["key"]` where the key is not a plain word.
fn push_key(path: &mut String, key: &str) {
    let is_plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_plain {
        path.push_str(&format!("[{}]", Value::from(key)));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// A diff's marks: `+`, `-` and `~`. Of a whole table only the path is shown.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Added { path, after: Value::Object(_) } => write!(f, "+ {path}"),
            Change::Added { path, after } => write!(f, "+ {path}: {}", Plain(after)),
            Change::Removed { path, before: Value::Object(_) } => write!(f, "- {path}"),
            Change::Removed { path, before } => write!(f, "- {path}: {}", Plain(before)),
            Change::Changed { path, before, after } => write!(f, "~ {path}: {} → {}", Plain(before), Plain(after)),
        }
    }
}

/// A value without the quotes of a plain string.
struct Plain<'a>(&'a Value);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) if !text.is_empty() => f.write_str(text),
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const RUNNING: &str = r#"
        [[apis.orders.routes]]
        method = "GET"
        path = "/orders/{id}"
        integration = { type = "HTTP_PROXY", uri = "http://a/{id}" }
        [[apis.orders.routes]]
        method = "GET"
        path = "/old"
        integration = { type = "MOCK" }
        [apis.orders.stages.prod]
        throttle = { rate = 5 }
        [usage_plans.basic]
        stages = ["orders/prod"]
    "#;

    #[track_caller]
    fn check(planned: &str, expected: &[&str]) {
        let describe = |text: &str| parse(text).unwrap().describe();
        let changes = difference(&describe(RUNNING), &describe(planned));
        assert_eq!(changes.iter().map(Change::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_configuration_that_says_the_same_changes_nothing() {
        check(&format!("# a comment\n{RUNNING}"), &[]);
    }

    #[test]
    fn routes_are_compared_by_method_and_path_not_by_their_place() {
        check(
            r#"
            [[apis.orders.routes]]
            method = "POST"
            path = "/new"
            integration = { type = "MOCK" }
            [[apis.orders.routes]]
            method = "GET"
            path = "/orders/{id}"
            integration = { type = "HTTP_PROXY", uri = "http://b/{id}" }
            [apis.orders.stages.prod]
            cache = {}
            throttle = { rate = 5, burst = 50 }
            [usage_plans.basic]
            stages = []
            [usage_plans."basic"."route_throttle"]
            "orders/prod GET /orders/{id}" = { rate = 1 }
            "#,
            &[
                r#"~ apis.orders.routes["GET /orders/{id}"].integration.uri: http://a/{id} → http://b/{id}"#,
                r#"- apis.orders.routes["GET /old"]"#,
                r#"+ apis.orders.routes["POST /new"]"#,
                "+ apis.orders.stages.prod.cache",
                "~ apis.orders.stages.prod.throttle.burst: 5 → 50",
                r#"~ usage_plans.basic.stages: ["orders/prod"] → []"#,
                r#"+ usage_plans.basic.route_throttle["orders/prod GET /orders/{id}"]"#,
            ],
        );
    }

    #[test]
    fn a_change_as_json_says_its_kind_its_path_and_both_values() {
        let change = Change::Changed { path: "server.threads".into(), before: 0.into(), after: 2.into() };
        let expected = serde_json::json!({"change": "changed", "path": "server.threads", "before": 0, "after": 2});
        assert_eq!(serde_json::to_value(&change).unwrap(), expected);
    }
}
