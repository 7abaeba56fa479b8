//! The shape of the project, checked on its sources: which part may import which, what the core may not touch, and the
//! few rules that every file keeps. `docs/architecture.md` draws the picture these checks hold to.
//!
//! Reads the folder of this package only; needs no git and no network. Must not import: the library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file longer than this is more than one thing (about what a person reads at one sitting).
const LONGEST_FILE: usize = 700;

/// Names of the workspace's own crates and of everything it depends on, as they are written in paths.
fn known_crates() -> BTreeSet<String> {
    let manifest = read(&root().join("Cargo.toml"));
    let section = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("the workspace names its dependencies in one place");
    let mut names: BTreeSet<String> = section
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect();
    names.insert("ewebrtc".to_owned());
    assert!(names.len() > 10 && names.contains("tokio"), "the list of dependencies was not read: {names:?}");
    names
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below `folder`, by its path relative to the project; build output, dependencies and data left out.
fn files(folder: &str) -> Vec<String> {
    fn walk(base: &Path, relative: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(base.join(relative)).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if relative.is_empty() { name.clone() } else { format!("{relative}/{name}") };
            let skipped = matches!(name.as_str(), "target" | ".git" | "node_modules" | "__pycache__")
                || path == "crates/wire/data";
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !skipped => walk(base, &path, found),
                Ok(kind) if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), folder, &mut found);
    found.sort();
    found
}

fn rust_files(folder: &str) -> Vec<String> {
    files(folder).into_iter().filter(|path| path.ends_with(".rs")).collect()
}

/// The code of a Rust source without comments, without the insides of strings, and without the tests at its end; nothing
/// for a file of tests.
fn code(path: &str) -> String {
    if path.ends_with("/tests.rs") || path.contains("/tests/") {
        return String::new();
    }
    let text = read(&root().join(path));
    let product = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    without_comments_and_strings(product)
}

fn without_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    // The end of what begins here, if a comment, a string or a character does.
    let skipped = |at: usize| -> Option<usize> {
        let rest = &text[at..];
        if rest.starts_with("//") {
            return Some(at + rest.find('\n').unwrap_or(rest.len()));
        }
        if rest.starts_with("/*") {
            return Some(at + rest.find("*/").map_or(rest.len(), |end| end + 2));
        }
        if rest.starts_with("r\"") || rest.starts_with("r#") {
            let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
            if rest.as_bytes().get(1 + hashes) == Some(&b'"') {
                let close = format!("\"{}", "#".repeat(hashes));
                let begin = 2 + hashes;
                return Some(at + rest[begin..].find(&close).map_or(rest.len(), |end| begin + end + close.len()));
            }
        }
        if rest.starts_with('"') {
            let mut end = 1;
            while let Some(byte) = rest.as_bytes().get(end) {
                match byte {
                    b'\\' => end += 2,
                    b'"' => return Some(at + end + 1),
                    _ => end += 1,
                }
            }
            return Some(text.len());
        }
        if let Some(escaped) = rest.strip_prefix("'\\") {
            // The letter after the backslash may be a quote itself.
            return Some(at + escaped.get(1..).and_then(|tail| tail.find('\'')).map_or(rest.len(), |end| end + 4));
        }
        if let Some(inside) = rest.strip_prefix('\'') {
            // A character has its quote two places on; a lifetime has not.
            let mut letters = inside.char_indices();
            let (_, _) = letters.next()?;
            let (second, quote) = letters.next()?;
            return (quote == '\'').then_some(at + 1 + second + 1);
        }
        None
    };
    while at < bytes.len() {
        // An identifier that ends in r is no raw string.
        let inside_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        match skipped(at).filter(|_| !(inside_word && bytes[at] == b'r')) {
            Some(end) => {
                let end = end.min(text.len());
                code.extend(text[at..end].chars().filter(|letter| *letter == '\n'));
                code.push(' ');
                at = end;
            }
            None => {
                let letter = text[at..].chars().next().unwrap_or(' ');
                code.push(letter);
                at += letter.len_utf8();
            }
        }
    }
    code
}

/// First segments of all paths in `code` (`log` of `log::info!`, `tokio` of `use tokio::net`, `crate` of `crate::api`),
/// with what follows `crate::` kept, as `crate::api`.
fn roots_of_paths(code: &str) -> BTreeSet<String> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("::") {
        let before = &code[..at];
        let begin = before.rfind(|letter| !is_name(letter)).map_or(0, |place| place + 1);
        let name = &before[begin..];
        if name.is_empty() || before[..begin].ends_with("::") {
            continue;
        }
        if name == "crate" {
            let rest = &code[at + 2..];
            if let Some(group) = rest.strip_prefix('{') {
                for part in group.split('}').next().unwrap_or_default().split(',') {
                    let module: String = part.trim().chars().take_while(|letter| is_name(*letter)).collect();
                    found.insert(format!("crate::{module}"));
                }
            } else {
                let module: String = rest.chars().take_while(|letter| is_name(*letter)).collect();
                found.insert(format!("crate::{module}"));
            }
        } else {
            found.insert(name.to_owned());
        }
    }
    // `use log;` and `use tokio as t;` have no `::`.
    for line in code.lines() {
        if let Some(rest) = line.trim_start().strip_prefix("use ") {
            let name: String = rest.chars().take_while(|letter| is_name(*letter)).collect();
            if name != "crate" {
                found.insert(name);
            }
        }
    }
    found
}

/// For each file, the crates of `known` that it names.
fn crates_used(folder: &str, known: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
    rust_files(folder)
        .into_iter()
        .map(|path| {
            let used = roots_of_paths(&code(&path)).intersection(known).cloned().collect();
            (path, used)
        })
        .collect()
}

fn assert_none(faults: Vec<String>, rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

/// The dependencies a crate's manifest names, those for tests left out.
fn manifest_dependencies(path: &str) -> BTreeSet<String> {
    let manifest = read(&root().join(path));
    let mut found = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && let Some((name, _)) = line.split_once('=') {
            found.insert(name.trim().trim_end_matches(".workspace").replace('-', "_"));
        }
    }
    found
}

#[test]
fn crates_depend_downwards_only() {
    let own = ["ewebrtc", "ewebrtc_wire", "ewebrtc_media", "ewebrtc_gateway"];
    let allowed: [(&str, &[&str]); 3] =
        [("wire", &[]), ("media", &[]), ("gateway", &["ewebrtc_wire", "ewebrtc_media"])];
    for (name, allowed) in allowed {
        let dependencies = manifest_dependencies(&format!("crates/{name}/Cargo.toml"));
        for other in own {
            assert!(
                !dependencies.contains(other) || allowed.contains(&other),
                "crates/{name}/Cargo.toml depends on {other}; it may know {allowed:?} only"
            );
        }
    }
}

#[test]
fn gateway_is_named_in_one_file_of_the_library() {
    let known = known_crates();
    let users: Vec<String> = crates_used("src", &known)
        .into_iter()
        .filter(|(_, used)| used.contains("ewebrtc_gateway"))
        .map(|(path, _)| path)
        .collect();
    assert!(users.len() <= 1, "only one file may know the gateway: {users:?}");
}

#[test]
fn core_imports_the_protocol_and_plain_data_only() {
    let known = known_crates();
    // `log` does nothing by itself: what becomes of a line is the host's affair.
    let allowed = ["serde", "serde_json", "ewebrtc_wire", "log"];
    let faults = crates_used("src/core", &known)
        .into_iter()
        .flat_map(|(path, used)| used.into_iter().map(move |name| (path.clone(), name)))
        .filter(|(_, name)| !allowed.contains(&name.as_str()))
        .map(|(path, name)| format!("{path} uses {name}"))
        .collect();
    assert_none(faults, "src/core may use std, serde, serde_json, log and ewebrtc_wire");

    let mut faults = Vec::new();
    for path in rust_files("src/core") {
        for root in roots_of_paths(&code(&path)) {
            if root.starts_with("crate::") && root != "crate::core" {
                faults.push(format!("{path} uses {root}"));
            }
        }
    }
    assert_none(faults, "src/core may not use other parts of the library");
}

#[test]
fn core_reads_no_clock_and_does_no_io() {
    let forbidden = [
        "Instant::now",
        "SystemTime",
        "UNIX_EPOCH",
        ".elapsed(",
        "std::net",
        "std::fs",
        "std::io",
        "std::thread",
        "std::process",
        "std::env",
        "std::sync::mpsc",
        "async fn",
        ".await",
        "println!",
        "eprintln!",
        "unsafe",
    ];
    let mut faults = Vec::new();
    for path in rust_files("src/core") {
        let code = code(&path);
        for word in forbidden.iter().filter(|word| code.contains(**word)) {
            faults.push(format!("{path}: {word}"));
        }
    }
    assert_none(faults, "src/core is computation only: time and answers come in, orders go out");
}

#[test]
fn parts_of_the_library_import_downwards_only() {
    // What each folder of src may name of the library besides itself.
    let allowed: [(&str, &[&str]); 5] = [
        ("src/ffi", &["crate::api"]),
        ("src/core", &[]),
        ("src/signal", &["crate::core"]),
        ("src/audio", &["crate::core"]),
        ("src/runtime", &["crate::core", "crate::signal", "crate::audio"]),
    ];
    let parts = ["api", "audio", "core", "ffi", "runtime", "signal"].map(|part| format!("crate::{part}"));
    let mut faults = Vec::new();
    for (folder, allowed) in allowed {
        let own = folder.replace("src/", "crate::");
        for path in rust_files(folder) {
            for root in roots_of_paths(&code(&path)) {
                if parts.contains(&root) && root != own && !allowed.contains(&root.as_str()) {
                    faults.push(format!("{path} uses {root}"));
                }
            }
        }
    }
    let own = ["ewebrtc_wire", "ewebrtc_media", "ewebrtc_gateway"];
    for (path, used) in crates_used("src/ffi", &known_crates()) {
        faults.extend(own.iter().filter(|name| used.contains(**name)).map(|name| format!("{path} uses {name}")));
    }
    assert_none(faults, "a part may use itself and the parts below it; the languages see what programs see");
}

#[test]
fn webrtc_crate_stays_inside_the_transport_adapter() {
    let known = known_crates();
    let mut faults = Vec::new();
    for folder in ["src", "crates/wire/src", "crates/media/src", "crates/gateway/src"] {
        for (path, used) in crates_used(folder, &known) {
            for name in ["webrtc", "rtc"].into_iter().filter(|name| used.contains(*name)) {
                if !path.starts_with("crates/media/src/transport/") {
                    faults.push(format!("{path} uses {name}"));
                }
            }
        }
    }
    assert_none(faults, "only crates/media/src/transport knows the crates webrtc and rtc");
}

#[test]
fn every_source_says_what_it_is_and_stays_readable() {
    let mut faults = Vec::new();
    for path in rust_files("") {
        let text = read(&root().join(&path));
        if !text.starts_with("//!") {
            faults.push(format!("{path} does not begin with a //! head"));
        }
    }
    let sources = ["rs", "h", "hpp", "c", "cc", "py", "kt", "kts", "swift", "sh", "js"];
    for path in files("").into_iter().filter(|path| sources.iter().any(|ending| path.ends_with(&format!(".{ending}"))))
    {
        let lines = read(&root().join(&path)).lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{path} has {lines} lines, more than {LONGEST_FILE}"));
        }
    }
    assert_none(faults, "every file has a head and one subject");
}

#[test]
fn every_folder_says_what_lives_there() {
    let mut folders: BTreeSet<String> = BTreeSet::new();
    for path in files("") {
        let parts: Vec<&str> = path.split('/').collect();
        if parts.len() > 1 && !parts[0].starts_with('.') {
            folders.insert(parts[0].to_owned());
        }
        if parts.len() > 2 && matches!(parts[0], "src" | "crates" | "bindings") {
            folders.insert(parts[..2].join("/"));
        }
    }
    let introductions = ["README.md", "mod.rs", "lib.rs", "main.rs", "src/lib.rs"];
    let faults = folders
        .into_iter()
        .filter(|folder| *folder != "src/bin")
        .filter(|folder| !introductions.iter().any(|name| root().join(folder).join(name).exists()))
        .map(|folder| format!("{folder} has none of {introductions:?}"))
        .collect();
    assert_none(faults, "the first file of a folder says what lives there");
}

#[test]
fn nothing_is_left_unfinished_or_tied_to_one_machine() {
    // Put together from halves, so that this file does not contain what it looks for.
    let forbidden = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("../", "shared"),
        concat!("/wo", "rk/"),
        concat!("this session", " of work"),
        concat!("dbg", "!("),
    ];
    let texts = [
        "rs", "md", "toml", "sh", "js", "mjs", "html", "py", "h", "hpp", "c", "cc", "swift", "kt", "kts", "xml", "json",
    ];
    let mut faults = Vec::new();
    for path in files("") {
        let name = path.rsplit('/').next().unwrap_or_default();
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let plain = matches!(name, "Makefile" | "run" | ".gitignore" | ".gitattributes");
        if !plain && !texts.contains(&ending) {
            continue;
        }
        for (number, line) in read(&root().join(&path)).lines().enumerate() {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                faults.push(format!("{path}:{}: {word}", number + 1));
            }
        }
    }
    assert_none(faults, "words that do not belong into the project");
}

#[test]
fn every_dependency_is_explained() {
    let page = read(&root().join("docs/dependencies.md"));
    let manifest = read(&root().join("Cargo.toml"));
    let faults = known_crates()
        .into_iter()
        .filter(|name| name != "ewebrtc")
        .map(|name| name.replace('_', "-"))
        // `once_cell`, `env_logger` and `serde_json` are spelled with an underscore.
        .filter(|name| !page.contains(&format!("`{name}`")) && !page.contains(&format!("`{}`", name.replace('-', "_"))))
        .collect();
    assert_none(faults, "docs/dependencies.md says why each dependency is there");
    let pinned = manifest.lines().filter(|line| line.contains("\"=")).count();
    let named = page.lines().filter(|line| line.starts_with("| `") && line.contains("| =")).count();
    assert_eq!(pinned, named, "docs/dependencies.md names every pinned version");
}

#[test]
fn pages_name_files_that_exist() {
    let places = [
        "src/",
        "crates/",
        "tests/",
        "docs/",
        "scripts/",
        "examples/",
        "include/",
        "bindings/",
        "benches/",
        "ffi-tests/",
    ];
    let mut faults = Vec::new();
    let pages = files("docs").into_iter().chain(["README.md".to_owned()]).filter(|path| path.ends_with(".md"));
    for page in pages {
        for name in read(&root().join(&page)).split('`').skip(1).step_by(2) {
            let file = name.split("::").next().unwrap_or_default();
            let is_path = places.iter().any(|place| file.starts_with(place)) && !file.contains([' ', '\n', '*']);
            if is_path && !root().join(file).exists() {
                faults.push(format!("{page} names {file}"));
            }
        }
    }
    assert_none(faults, "what a page names is there");
}

/// The sections of a page by their headings, each with its blocks as language and text.
fn sections(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = vec![(String::new(), Vec::new())];
    let mut inside = false;
    for line in page.lines() {
        let (_, blocks) = found.last_mut().expect("there is a first one");
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                blocks.push((language.to_owned(), String::new()));
            }
        } else if inside {
            if let Some((_, text)) = blocks.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        } else if line.starts_with('#') {
            found.push((line.to_owned(), Vec::new()));
        }
    }
    found
}

/// The tests of each language run the blocks by the name of the language, so a block of another name would be run by nobody.
#[test]
fn every_guide_has_every_scenario_as_a_block_that_is_run() {
    // A word of the heading, and what a block below it calls, without underscores and in small letters.
    let scenarios = [
        ("Call somebody", "dial"),
        ("Be called", "answer"),
        ("Hold", "hold"),
        ("Hold", "switchcall"),
        ("ransfer", "transfer"),
        ("Confer", "startconference"),
        ("bot", "write"),
        ("network changes", "setconnectivity"),
        ("Shut down", ""),
    ];
    let mut faults = Vec::new();
    for language in ["c", "cpp", "python", "kotlin", "swift"] {
        let page = format!("docs/guide-{language}.md");
        let sections = sections(&read(&root().join(&page)));
        for (name, text) in sections.iter().flat_map(|(_, blocks)| blocks) {
            if name != language && !matches!(name.as_str(), "sh" | "text" | "cmake") {
                faults.push(format!("{page} has a block of `{name}`, which nobody runs: {:?}", text.lines().next()));
            }
        }
        for (heading, called) in scenarios {
            let told = sections
                .iter()
                .filter(|(title, _)| title.contains(heading))
                .flat_map(|(_, blocks)| blocks)
                .any(|(name, text)| name == language && text.to_lowercase().replace('_', "").contains(called));
            if !told {
                faults.push(format!("{page} has no program with `{called}` below a heading with `{heading}`"));
            }
        }
    }
    assert_none(faults, "guides go by scenario, and what they print is run");
}

#[test]
fn the_reader_of_this_test_sees_code_only() {
    let text = "use a::b; // c::d\nlet x = \"e::f\"; let y = r#\"g::h\"#; let z: &'static str = i::j('\"', '\\'');\n\
                /* k::l */ crate::{m, n::o}; crate::p::q; for_r::s();";
    let found = roots_of_paths(&without_comments_and_strings(text));
    let expected = ["a", "crate::m", "crate::n", "crate::p", "for_r", "i"].map(str::to_owned);
    assert_eq!(found.difference(&BTreeSet::from(["n".to_owned()])).cloned().collect::<Vec<_>>(), expected);
}
