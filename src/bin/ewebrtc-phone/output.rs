//! What `ewebrtc-phone` writes: JSON lines, or text for people.
//!
//! Owns: standard output, one line at a time. Lives on: the main thread and the phone's dispatcher thread.
//! Must not import: anything but the public library.

use ewebrtc::Event;
use serde_json::Value;
use std::io::Write as _;

/// Standard output in one of its two forms.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON lines or text.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// An event of the phone.
    pub fn event(self, event: &Event) {
        if self.json { line(&event.to_json().to_string()) } else { line(&describe(event)) }
    }

    /// The one outcome of a JSON command.
    pub fn outcome(self, outcome: &Value) {
        line(&outcome.to_string());
    }

    /// Something to read: on standard output as text, on standard error beside JSON lines.
    pub fn message(self, text: &str) {
        if self.json { eprintln!("{text}") } else { line(text) }
    }
}

/// One line, flushed. A reader that has gone away is no reason to end a call.
fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// An event in words.
fn describe(event: &Event) -> String {
    let mut text = format!("* {}", event.name());
    let fields = [
        "from",
        "to",
        "mediaType",
        "newMediaType",
        "oldState",
        "newState",
        "invitee",
        "participant",
        "message",
        "sessionId",
        "ErrorCode",
        "ErrorMessage",
        "APIError",
        "AdditionalInformation",
        "Resolution",
    ];
    for field in fields {
        match event.get(field) {
            Some(Value::String(value)) if !value.is_empty() => text += &format!("  {field}: {value}"),
            // A party.
            Some(Value::Object(party)) => {
                if let Some(Value::String(uri)) = party.get("uri") {
                    text += &format!("  {field}: {uri}");
                }
            }
            _ => {}
        }
    }
    text
}
