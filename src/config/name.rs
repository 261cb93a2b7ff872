use super::read::Value;

/// Which names a kind of thing may have.
#[derive(Clone, Copy)]
pub(super) struct NameRule {
    /// What is named, such as "an api".
    pub what: &'static str,
    /// Allowed besides letters and digits.
    pub marks: &'static str,
    pub length_max: usize,
}

pub(super) const API: NameRule = NameRule { what: "an api", marks: "_-", length_max: 128 };
pub(super) const STAGE: NameRule = NameRule { what: "a stage", marks: "_-", length_max: 128 };
pub(super) const USAGE_PLAN: NameRule = NameRule { what: "a usage plan", marks: "_-", length_max: 128 };
pub(super) const API_KEY: NameRule = NameRule { what: "an api key", marks: "_.@-", length_max: 1024 };
pub(super) const ADMIN_TOKEN: NameRule = NameRule { what: "an admin token", marks: "_.@-", length_max: 64 };
pub(super) const STAGE_VARIABLE: NameRule = NameRule { what: "a stage variable", marks: "_", length_max: 64 };
/// API Gateway allows the same in `method.request.path.NAME` and its like.
pub(super) const PARAMETER: NameRule = NameRule { what: "a parameter", marks: "._$-", length_max: 128 };
pub(super) const PATH_PARAMETER: NameRule = NameRule { what: "a path parameter", marks: "._-", length_max: 128 };

impl NameRule {
    pub fn allows(self, name: &str) -> bool {
        (1..=self.length_max).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || self.marks.as_bytes().contains(&byte))
    }

    pub fn help(self) -> String {
        let marks: Vec<String> = self.marks.chars().map(String::from).collect();
        format!("use 1 to {} letters, digits, {}", self.length_max, marks.join(" "))
    }

    /// Checks the key that a value was written for.
    pub fn check(self, value: Value<'_>) {
        if !self.allows(value.name()) {
            value.at_name(format!("`{}` cannot name {}", value.name(), self.what), self.help());
        }
    }
}

/// Reads `api/stage`.
pub(super) fn read_stage_name(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    match text.split_once('/') {
        Some((api, stage)) if API.allows(api) && STAGE.allows(stage) => Some(text.into_owned()),
        _ => value.refuse(
            format!("\"{}\" does not name a stage", value.written()),
            "write the api's and the stage's name, such as \"orders/prod\"",
        ),
    }
}
