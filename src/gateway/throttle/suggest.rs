/// How alike two names must be, from 0 to 1, for one to be a slip of the other.
const ALIKE_MIN: f64 = 0.7;

/// "did you mean …", or what there is to choose from.
pub(super) fn suggest(name: &str, known: &[String]) -> String {
    let likeness = |candidate: &String| strsim::normalized_damerau_levenshtein(name, candidate);
    let nearest = known
        .iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match (nearest, known) {
        (Some((_, nearest)), _) => format!("did you mean \"{nearest}\"?"),
        (None, []) => "there are none".to_owned(),
        (None, [first, ..]) => format!("write one that exists, such as \"{first}\""),
    }
}
