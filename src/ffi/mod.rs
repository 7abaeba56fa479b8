//! The skins of the library in other languages. No decision is made here.
//!
//! Owns: the C boundary (`c`), the surface for UniFFI (`uniffi`, behind the feature of that name) and what both know about
//! blocking (`waiting`). Lives on: any thread. May
//! import `api` only.

mod c;
mod json;
#[cfg(feature = "uniffi")]
mod uniffi;
mod waiting;
