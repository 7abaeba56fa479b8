//! Tells the library for which target it is built; the phone names it to the gateway in its `User-Agent`.
//!
//! Owns: the compile-time variable `EWEBRTC_TARGET`. Runs at build time. Writes nothing into the source tree.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_else(|_| "unknown".into());
    println!("cargo:rustc-env=EWEBRTC_TARGET={target}");
}
