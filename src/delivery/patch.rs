use std::fmt::Write;
use std::path::Path;

/// Lines shown around a change.
const CONTEXT_LINES: usize = 3;

/// How far the two texts may drift apart before the search for a common line gives up.
const DRIFT_MAX: usize = 2000;

/// One stretch in which two texts differ: a range of lines of each.
#[derive(Debug, PartialEq, Eq)]
struct Hunk {
    old: std::ops::Range<usize>,
    new: std::ops::Range<usize>,
}

/// A unified diff of a file, for people and for `patch`.
pub(super) fn unified(path: &Path, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut text = format!("--- {0}\n+++ {0}\n", path.display());
    for hunk in grouped(hunks(&old, &new)) {
        write_group(&mut text, &hunk, &old, &new);
    }
    text
}

/// Finds what differs, going forward to the nearest common line: good for edits, which are few and small.
fn hunks(old: &[&str], new: &[&str]) -> Vec<Hunk> {
    let mut hunks = Vec::new();
    let (mut a, mut b) = (0, 0);
    while a < old.len() || b < new.len() {
        if a < old.len() && b < new.len() && old[a] == new[b] {
            (a, b) = (a + 1, b + 1);
            continue;
        }
        let (to_a, to_b) = find_common(&old[a..], &new[b..]).map_or((old.len(), new.len()), |(x, y)| (a + x, b + y));
        hunks.push(Hunk { old: a..to_a, new: b..to_b });
        (a, b) = (to_a, to_b);
    }
    hunks
}

/// The nearest pair of lines from which both texts go on alike. A blank line alone is no agreement.
fn find_common(old: &[&str], new: &[&str]) -> Option<(usize, usize)> {
    let farthest = (old.len() + new.len()).min(DRIFT_MAX);
    let is_common = |a: usize, b: usize| match (old.get(a), new.get(b)) {
        (Some(x), Some(y)) => x == y && (!x.is_empty() || old.get(a + 1) == new.get(b + 1)),
        _ => false,
    };
    (1..=farthest).find_map(|drift| (0..=drift).map(|b| (drift - b, b)).find(|(a, b)| is_common(*a, *b)))
}

/// Puts hunks together whose context meets.
fn grouped(hunks: Vec<Hunk>) -> Vec<Vec<Hunk>> {
    let mut groups: Vec<Vec<Hunk>> = Vec::new();
    for hunk in hunks {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| hunk.old.start - last.old.end <= 2 * CONTEXT_LINES) => {
                group.push(hunk);
            }
            _ => groups.push(vec![hunk]),
        }
    }
    groups
}

fn write_group(text: &mut String, group: &[Hunk], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let before = first.old.start.min(CONTEXT_LINES);
    let after = (old.len() - last.old.end).min(CONTEXT_LINES);
    let old_range = first.old.start - before..last.old.end + after;
    let new_range = first.new.start - before..last.new.end + after;
    // Writing to a String cannot fail.
    let _ = writeln!(text, "@@ -{} +{} @@", place(&old_range), place(&new_range));
    let mut at = old_range.start;
    for hunk in group {
        write_lines(text, ' ', &old[at..hunk.old.start]);
        write_lines(text, '-', &old[hunk.old.clone()]);
        write_lines(text, '+', &new[hunk.new.clone()]);
        at = hunk.old.end;
    }
    write_lines(text, ' ', &old[at..old_range.end]);
}

/// `start,length`, lines counted from 1; an empty range names the line before it.
fn place(range: &std::ops::Range<usize>) -> String {
    format!("{},{}", range.start + usize::from(!range.is_empty()), range.len())
}

fn write_lines(text: &mut String, mark: char, lines: &[&str]) {
    for line in lines {
        text.push(mark);
        text.push_str(line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_each_change_with_the_lines_around_it() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n";
        let new = old.replace("4\n5\n6\n7\n", "four\n5\n6\n7\n").replace("13\n", "");
        let expected = "--- f\n+++ f\n@@ -1,7 +1,7 @@\n 1\n 2\n 3\n-4\n+four\n 5\n 6\n 7\n@@ -10,5 +10,4 @@\n 10\n 11\n 12\n-13\n 14\n";
        assert_eq!(unified(Path::new("f"), old, &new), expected);
    }

    #[test]
    fn what_is_alike_has_no_hunk_and_what_is_all_new_has_one() {
        assert_eq!(hunks(&["a"], &["a"]), []);
        assert_eq!(hunks(&[], &["a", "b"]), [Hunk { old: 0..0, new: 0..2 }]);
    }
}
