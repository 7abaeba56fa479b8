//! Tells the library for which target it is built (the phone names it to the gateway in its `User-Agent`), and makes the C
//! header from `src/ffi/c`. For the tests it makes modules of the guide's blocks, so that they can be run.
//!
//! Owns: the compile-time variables `EWEBRTC_TARGET` and `EWEBRTC_HEADER` (path of the header made), and `guide.rs` in the
//! output folder. Runs at build time.
//! Writes into the source tree, `include/ewebrtc.h`, only when `EWEBRTC_UPDATE_HEADER` is set.

use std::path::{Path, PathBuf};

/// The files of the boundary that declare something, in the order of the header.
const SOURCES: [&str; 7] = ["guard", "info", "phone", "utility", "pcm", "video", "gateway"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src/ffi/c");
    println!("cargo:rerun-if-env-changed=EWEBRTC_UPDATE_HEADER");
    let target = std::env::var("TARGET").unwrap_or_else(|_| "unknown".into());
    println!("cargo:rustc-env=EWEBRTC_TARGET={target}");

    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is"));
    let made = PathBuf::from(std::env::var("OUT_DIR").expect("cargo says where to write")).join("ewebrtc.h");
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is read");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for name in SOURCES {
        builder = builder.with_src(root.join(format!("src/ffi/c/{name}.rs")));
    }
    builder.generate().expect("the header is made").write_to_file(&made);
    println!("cargo:rustc-env=EWEBRTC_HEADER={}", made.display());
    write_guide(&root.join("docs/guide-rust.md"), &made.with_file_name("guide.rs"));
    if std::env::var_os("EWEBRTC_UPDATE_HEADER").is_some() {
        std::fs::copy(&made, root.join("include/ewebrtc.h")).expect("include/ewebrtc.h is written");
    }
}

/// A module for each block of Rust in the page, by the name of its section; its functions are public. Without the page there
/// are none.
fn write_guide(page: &Path, made: &Path) {
    println!("cargo:rerun-if-changed={}", page.display());
    let text = std::fs::read_to_string(page).unwrap_or_default();
    let (mut modules, mut section, mut blocks, mut inside) = (String::new(), String::new(), 0, false);
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ").filter(|_| !inside) {
            let letters = heading.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
            section =
                letters.collect::<String>().split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_");
            blocks = 0;
        } else if line.starts_with("```rust") {
            (inside, blocks) = (true, blocks + 1);
            let number = if blocks > 1 { format!("_{blocks}") } else { String::new() };
            modules += &format!("pub mod {section}{number} {{\n");
        } else if inside && line == "```" {
            inside = false;
            modules += "}\n";
        } else if inside {
            let public = if line.starts_with("fn ") || line.starts_with("async fn ") { "pub " } else { "" };
            modules += &format!("{public}{line}\n");
        }
    }
    std::fs::write(made, modules).expect("the guide's modules are written");
}
