//! A way to fail inside, for the tests of the boundary. Only compiled with the feature `test-hooks`, and never in the header.
//!
//! Owns: nothing. Lives on: the caller's thread. Must not import: `runtime`, `core`, `signal`.

use super::guard::ewebrtc_status;
use super::phone::{ewebrtc_phone, with_phone};

/// Panics inside a function of this phone.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_test_panic(phone: ewebrtc_phone) -> ewebrtc_status {
    with_phone(phone, |_| panic!("injected"))
}
