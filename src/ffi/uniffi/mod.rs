//! The surface for Python, Kotlin and Swift: typed records, errors and events, and asynchronous methods, from which UniFFI
//! makes the sources of each language. No decision is made here.
//!
//! Owns: nothing itself. Lives on: any thread; foreign code is entered on four kinds only, each through a [`link`]: the
//! thread that calls, the dispatcher thread of a phone (events), the thread of [`waits`] (ends of awaited methods), the thread of
//! [`logs`] (lines of the log). Must not import: `runtime`, `core`, `signal`.
//!
//! Rules for whoever adds to it. No asynchronous foreign traits: in Python they wait for ever on a thread without a loop. No
//! methods called `close` or `destroy`, no fields called `message` or `from`: they clash with names of the languages. Every
//! foreign function answers a `Result`, so that its own failure is no panic here.

mod call;
mod conferences;
mod error;
mod events;
#[cfg(feature = "gateway")]
mod gateway;
mod info;
mod link;
mod logs;
mod options;
mod phone;
mod process;
mod settings;
mod video;
mod waits;
