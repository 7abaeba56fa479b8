//! The skins of the library in other languages. No decision is made here.
//!
//! Owns: the C boundary (`c`) and the surface for UniFFI (`uniffi`, behind the feature of that name). Lives on: any thread. May
//! import `api` only.

mod c;
#[cfg(feature = "uniffi")]
mod uniffi;
#[cfg(feature = "uniffi")]
mod wait_for;
