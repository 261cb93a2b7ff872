/// How alike two names must be, from 0 to 1, for one to be a slip of the other.
const ALIKE_MIN: f64 = 0.7;

/// What to try instead of a `name` that is not among `known`: "did you mean …", or what there is to choose from.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    let alike = known
        .iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match (alike, known.first()) {
        (Some((_, nearest)), _) => format!("did you mean \"{nearest}\"?"),
        (None, None) => "there are none".to_owned(),
        (None, Some(first)) => format!("write one that exists, such as \"{first}\""),
    }
}
