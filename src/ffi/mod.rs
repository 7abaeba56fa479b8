//! The room of the C boundary and of the generated languages. Nothing is exported from here.
//!
//! Owns: nothing. Lives on: any thread. May import `api` only.
