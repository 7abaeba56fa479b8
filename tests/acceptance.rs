//! Keeps `docs/acceptance.md` honest: every line of the acceptance list appears there once, and every test it names exists.
//!
//! Reads the sources of this project only. Must not import: the library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a table of the page: cells of each line that begins with `| S`.
fn rows(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .filter(|line| line.starts_with("| S"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// What is written between backquotes and contains `::`, as file and function.
fn named_tests(cell: &str) -> Vec<(String, String)> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.rsplit_once("::"))
        .map(|(file, function)| (file.to_owned(), function.to_owned()))
        .collect()
}

/// Names of the test functions in a source file: those a `#[test]` or `#[tokio::test]` attribute stands before.
fn tests_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((before, after)) = line.split_once("fn ") {
            if marked && !before.contains("//") {
                found.insert(after.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect());
            }
            marked = false;
        }
    }
    found
}

#[test]
fn every_line_of_the_list_appears_once() {
    let list: BTreeSet<String> = rows(&read(&root().join("crates/wire/data/acceptance.md")))
        .into_iter()
        .filter_map(|cells| cells.into_iter().next())
        .collect();
    assert_eq!(list.len(), 425, "the list was not read");
    let mut seen = BTreeSet::new();
    for cells in rows(&read(&root().join("docs/acceptance.md"))) {
        assert!(list.contains(&cells[0]), "{} is not in the list", cells[0]);
        assert!(seen.insert(cells[0].clone()), "{} appears twice", cells[0]);
    }
    let missing: Vec<&String> = list.difference(&seen).collect();
    assert!(missing.is_empty(), "docs/acceptance.md does not name {missing:?}");
}

#[test]
fn every_test_that_is_named_exists() {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut faults = Vec::new();
    for cells in rows(&read(&root().join("docs/acceptance.md"))) {
        let shown = cells.last().cloned().unwrap_or_default();
        let tests = named_tests(&shown);
        if tests.is_empty() {
            faults.push(format!("{}: no test: {shown}", cells[0]));
        }
        for (file, function) in tests {
            let known = files.entry(file.clone()).or_insert_with(|| {
                std::fs::read_to_string(root().join(&file)).map(|text| tests_in(&text)).unwrap_or_default()
            });
            if !known.contains(&function) {
                faults.push(format!("{}: {file} has no test {function}", cells[0]));
            }
        }
    }
    assert!(faults.is_empty(), "docs/acceptance.md:\n  {}", faults.join("\n  "));
}
