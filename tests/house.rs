//! The rules of the house, read from the sources: see `docs/architecture.md`.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of `src` and its text before its unit tests.
struct Source {
    /// From `src`, such as `gateway/route/table.rs`.
    path: PathBuf,
    text: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Code lines with their numbers; comments left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
        lines.filter(|(_, line)| !line.starts_with("//"))
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    collect(&src(), &mut sources);
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).expect("a text");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            let path = path.strip_prefix(src()).expect("below src").to_owned();
            sources.push(Source { path, text });
        }
    }
}

/// The rooms of a map, in the order of its `pub mod` lines.
fn rooms(map: &str) -> Vec<String> {
    let text = fs::read_to_string(src().join(map)).expect("a map");
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'));
    let rooms: Vec<_> = names.map(str::to_owned).collect();
    assert!(rooms.len() > 3, "{map} lists no rooms");
    rooms
}

/// The words that follow `prefix` in a line of code: of `use prefix{a::…, b}` as well.
fn imports<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        let rest = &line[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(top_level(list)),
            None => found.push(first_word(rest)),
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// The first words of a braced list's own entries.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut words) = (0, 0, Vec::new());
    for (i, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                words.push(first_word(list[start..i].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.push(first_word(list[start..i].trim()));
                start = i + 1;
            }
            _ => {}
        }
    }
    words
}

/// Every statement that names another room must name one above its own.
fn check_map(map: &str, folder: &Path, prefixes: &[&str]) -> Vec<String> {
    let rooms = rooms(map);
    let place = |name: &str| rooms.iter().position(|room| room == name);
    let mut faults = Vec::new();
    for source in sources() {
        let Ok(inside) = source.path.strip_prefix(folder) else { continue };
        let Some(own) = inside.iter().next().and_then(|room| place(room.to_str()?.trim_end_matches(".rs"))) else {
            continue;
        };
        // Lists may span lines, so statements are read with their line breaks taken out.
        let code: String = source.code().map(|(_, line)| format!("{line} ")).collect();
        for statement in code.split(';') {
            for word in prefixes.iter().flat_map(|prefix| imports(statement, prefix)) {
                if place(word).is_some_and(|other| other > own) {
                    faults.push(format!("src/{} uses {word}, which stands below it in {map}", source.name()));
                }
            }
        }
    }
    faults
}

#[track_caller]
fn check(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_room_imports_only_rooms_above_it() {
    check(&check_map("lib.rs", Path::new(""), &["crate::"]));
    check(&check_map("gateway/mod.rs", Path::new("gateway"), &["crate::gateway::", "gateway::"]));
}

#[test]
fn every_room_has_a_door_with_an_essay() {
    let mut faults = Vec::new();
    for (map, folder) in [("lib.rs", ""), ("gateway/mod.rs", "gateway")] {
        for room in rooms(map) {
            let door = src().join(folder).join(&room).join("mod.rs");
            let text = fs::read_to_string(&door).unwrap_or_default();
            let essay = text.lines().take_while(|line| line.starts_with("//!")).count();
            let least = if room == "gateway" { 1 } else { 3 };
            if !(least..=25).contains(&essay) {
                faults.push(format!("{}: {essay} lines of essay, {least} to 25 are wanted", door.display()));
            }
        }
    }
    check(&faults);
}

#[test]
fn only_the_server_spawns_tasks() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !source.path.starts_with("server")) {
        for (number, line) in
            source.code().filter(|(_, line)| line.contains("tokio::spawn") || line.contains("task::spawn("))
        {
            faults.push(format!("src/{}:{number} spawns a task: {line}", source.name()));
        }
    }
    check(&faults);
}

#[test]
fn no_room_is_a_drawer_for_everything() {
    let drawers = ["util", "utils", "helper", "helpers", "common", "misc", "prelude"];
    let is_drawer = |source: &Source| {
        source.path.iter().any(|part| drawers.contains(&part.to_string_lossy().trim_end_matches(".rs")))
    };
    let faults: Vec<_> = sources().iter().filter(|source| is_drawer(source)).map(Source::name).collect();
    check(&faults);
}

#[test]
fn no_file_is_longer_than_400_lines_before_its_tests() {
    let long = |source: &Source| {
        let lines = source.text.lines().count();
        (lines > 400).then(|| format!("src/{} has {lines} lines before its tests", source.name()))
    };
    check(&sources().iter().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn nothing_is_imported_by_glob_and_nothing_is_left_to_do() {
    let mut faults = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            let is_glob = line.contains("use ") && line.ends_with("::*;");
            if is_glob || ["todo!(", "unimplemented!(", "dbg!("].iter().any(|word| line.contains(word)) {
                faults.push(format!("src/{}:{number}: {line}", source.name()));
            }
        }
    }
    check(&faults);
}

#[test]
fn the_import_reader_sees_single_and_braced_imports() {
    assert_eq!(imports("use crate::config::Route", "crate::"), ["config"]);
    assert_eq!(imports("use crate::{base::{Head, Now}, gateway::route}", "crate::"), ["base", "gateway"]);
    assert_eq!(imports("let x = crate::cli::run()", "crate::"), ["cli"]);
}
