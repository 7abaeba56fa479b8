//! The skins of the library in other languages. No decision is made here.
//!
//! Owns: the C boundary (`c`). Lives on: any thread. May import `api` only.

mod c;
