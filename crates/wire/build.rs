//! Turns the tables of `data/` into Rust constants, so that codes, names and texts are written down only once.
//!
//! Owns: `$OUT_DIR/tables.rs`. Runs at build time. Must not read anything outside `data/`.

use serde_json::Value;
use std::fmt::Write as _;
use std::{env, fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut out = String::new();
    let errors = read("errors.json");
    sdk_errors(&mut out, &errors);
    api_errors(&mut out, &errors);
    events(&mut out, &read("events.json"));
    methods(&mut out, &read("methods.json"));
    let target = Path::new(&env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("tables.rs");
    fs::write(target, out).expect("OUT_DIR is writable");
}

fn read(name: &str) -> Value {
    let path = Path::new("data").join(name);
    println!("cargo:rerun-if-changed={}", path.display());
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A Rust string literal of a JSON string; anything else is empty.
fn text(value: &Value) -> String {
    format!("{:?}", value.as_str().unwrap_or_default())
}

fn sdk_errors(out: &mut String, errors: &Value) {
    out.push_str("static SDK_ERRORS: &[SdkError] = &[\n");
    for e in list(&errors["sdk_errors"]) {
        let _ = writeln!(
            out,
            "SdkError {{ code: {}, js_object: {}, js_method: {}, message: {}, cause: {}, resolution: {} }},",
            text(&e["code"]),
            text(&e["js_object"]),
            text(&e["js_method"]),
            text(&e["message"]),
            text(&e["cause"]),
            text(&e["resolution"])
        );
    }
    out.push_str("];\n");
}

fn api_errors(out: &mut String, errors: &Value) {
    out.push_str("static API_ERRORS: &[ApiError] = &[\n");
    for e in list(&errors["api_errors"]) {
        let _ = writeln!(
            out,
            "ApiError {{ code: {}, message_id: {}, http_status: {:?}, js_object: {}, js_method: {}, message: {}, cause: {}, resolution: {} }},",
            text(&e["code"]),
            text(&e["message_id"]),
            e["http_status"].as_u64(),
            text(&e["js_object"]),
            text(&e["js_method"]),
            text(&e["message"]),
            text(&e["meaning"]),
            text(&e["resolution"])
        );
    }
    out.push_str("];\n");
}

fn events(out: &mut String, events: &Value) {
    out.push_str("static EVENTS: &[EventInfo] = &[\n");
    for e in list(events) {
        let _ = write!(out, "EventInfo {{ name: {}, properties: &[", text(&e["name"]));
        for p in list(&e["properties"]) {
            let _ = write!(
                out,
                "PropertyInfo {{ name: {}, kind: {}, optional: {} }}, ",
                text(&p["name"]),
                text(&p["type"]),
                p["optional"].as_bool().unwrap_or(true)
            );
        }
        out.push_str("] },\n");
    }
    out.push_str("];\n");
}

fn methods(out: &mut String, methods: &Value) {
    out.push_str("static METHODS: &[MethodInfo] = &[\n");
    for m in list(methods) {
        let names = |field: &str| list(&m[field]).iter().map(|o| text(&o["name"])).collect::<Vec<_>>().join(", ");
        let _ = write!(
            out,
            "MethodInfo {{ name: {}, namespace: {}, arguments: &[{}], options: &[{}], validation: &[",
            text(&m["name"]),
            text(&m["namespace"]),
            names("arguments"),
            names("options")
        );
        for v in list(&m["validation"]) {
            let _ = write!(out, "({}, {}), ", text(&v["check"]), text(&v["error"]));
        }
        out.push_str("] },\n");
    }
    out.push_str("];\n");
}
