use std::io;
use std::path::{Path, PathBuf};

/// Whether a pattern may stand for any number of files, none included.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// The files that a pattern stands for, sorted. `*` and `?` match within one component, never a leading dot,
/// so that the temporary files of editors are not read.
pub(super) fn expand(folder: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let start = if pattern.starts_with('/') { PathBuf::from("/") } else { folder.to_owned() };
    let mut found = vec![start];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        found = step(&found, component)?;
    }
    found.retain(|path| !is_pattern(pattern) || path.is_file());
    found.sort();
    Ok(found)
}

fn step(folders: &[PathBuf], component: &str) -> io::Result<Vec<PathBuf>> {
    if !is_pattern(component) {
        return Ok(folders.iter().map(|folder| folder.join(component)).collect());
    }
    let mut found = Vec::new();
    for folder in folders {
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = match std::fs::read_dir(listed) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            if name.to_str().is_some_and(|name| matches(component, name)) {
                found.push(folder.join(name));
            }
        }
    }
    Ok(found)
}

/// Whether a name fits a pattern of `*` and `?`. Goes back to the last `*` only, so it takes at most
/// pattern times name steps.
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut last_star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                last_star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match last_star {
                Some((star, from)) => {
                    (p, n) = (star + 1, from + 1);
                    last_star = Some((star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_matches_within_one_name_and_no_hidden_file() {
        for (pattern, name, expected) in [
            ("*.toml", "orders.toml", true),
            ("*.toml", ".orders.toml", false),
            ("*.toml", "orders.toml~", false),
            ("a?c*", "abcd", true),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXc", false),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
