//! The C boundary: everything that `include/ewebrtc.h` declares, one file per subject. The documentation of the exported items
//! is written for C readers, since it becomes the header.
//!
//! Every function: passes through the guard (no panic crosses, failures set the thread's last-error text), checks every
//! pointer, text and handle, and calls `api`. Owns: nothing itself. Lives on: any thread; callbacks run on the dispatcher thread
//! of their phone. Must not import: `runtime`, `core`, `signal`.
#![allow(non_camel_case_types, reason = "the names are those of the C header")]
#![allow(clippy::missing_safety_doc, reason = "the header says it once for all functions, in cbindgen.toml")]

mod ends;
mod gateway;
mod guard;
#[cfg(feature = "test-hooks")]
mod hooks;
mod info;
mod pcm;
mod phone;
mod registry;
mod sink;
mod utility;
mod video;
