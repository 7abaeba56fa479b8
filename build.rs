//! Tells the library for which target it is built (the phone names it to the gateway in its `User-Agent`), and makes the C
//! header from `src/ffi/c`.
//!
//! Owns: the compile-time variables `EWEBRTC_TARGET` and `EWEBRTC_HEADER` (path of the header made). Runs at build time.
//! Writes into the source tree, `include/ewebrtc.h`, only when `EWEBRTC_UPDATE_HEADER` is set.

use std::path::PathBuf;

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
    if std::env::var_os("EWEBRTC_UPDATE_HEADER").is_some() {
        std::fs::copy(&made, root.join("include/ewebrtc.h")).expect("include/ewebrtc.h is written");
    }
}
