//! The committed C header is the one that the sources make.

#[test]
fn committed_header_is_the_generated_one() {
    let made = std::fs::read_to_string(env!("EWEBRTC_HEADER")).expect("the build made a header");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/include/ewebrtc.h");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(made == committed, "include/ewebrtc.h is out of date: EWEBRTC_UPDATE_HEADER=1 cargo build");
}
