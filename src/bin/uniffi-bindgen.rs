//! Writes the Python, Kotlin and Swift sources that call the library, from the library itself. It is of the same version as
//! the library's own UniFFI, which is what makes the two fit.
//!
//! Owns: nothing. Lives on: the main thread. Must not import: the library.

fn main() {
    uniffi::uniffi_bindgen_main();
}
