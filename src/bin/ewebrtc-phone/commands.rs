//! The commands of `ewebrtc-phone`: words or JSON, one a line.
//!
//! Owns: reading a line and giving it to the phone. Lives on: the main thread. Must not import: anything but the public library.

use crate::output::Output;
use crate::utilities::{self, Asked};
use ewebrtc::{Error, Phone};
use serde_json::{Map, Value, json};

const WORDS: &str = "\
dial NAME [audio|video]
                     call a name, user@domain or number ('echo' answers by itself)
add NAME [audio|video]
                     hold the present call and call somebody else
answer [end|hold] [audio|video]
                     answer the incoming call, ending or holding the present one
reject               refuse the incoming call
cancel               withdraw the call being dialled
hangup               end the call
hold, resume         put the call on hold, go on with it
switch               go on with the other call, holding this one
transfer             connect the two parties with each other and leave
move                 hand the call to another session of yours
upgrade, downgrade   add video to the call, take it away
accept, decline      agree to what the other party wants to add or take away, or not
conference           start a conference; a call is held for it
invite NAME          ask somebody into your conference
remove NAME          take somebody out of it
participants         who is in it
join [end|hold]      join the conference you are invited to, ending or holding
                     the present call
refuse               do not join it
leave                leave the conference; yours ends for everybody
mute, unmute         stop and start sending your audio
dtmf KEYS [GAP]      press keys (0-9 A-D * #, a comma is a pause); milliseconds between two
calls, media, busy   list calls, media type, whether a call is in progress
e911 ID              change the emergency address id
login, logout        begin a session again, end calls and session
version, help, quit";

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Read the next line.
    Continue,
    /// End the program.
    Quit,
}

/// The method by which a word calls somebody.
fn calling(word: &str) -> &'static str {
    if word == "add" { "addCall" } else { "dial" }
}

/// Runs one line. Nothing in it ends the program but `quit`.
pub async fn run(phone: &Phone, out: &Output, line: &str) -> Outcome {
    if line.is_empty() {
        return Outcome::Continue;
    }
    if line.starts_with('{') {
        run_json(phone, out, line).await;
        return Outcome::Continue;
    }
    let mut words = line.split_whitespace();
    let word = words.next().unwrap_or_default().to_ascii_lowercase();
    let rest: Vec<&str> = words.collect();
    match (word.as_str(), rest.as_slice()) {
        ("quit" | "exit", []) => return Outcome::Quit,
        ("help" | "?", _) => out.message(&format!("{WORDS}\n{}", utilities::WORDS)),
        ("dial" | "call" | "add", [destination @ .., "audio" | "video"]) if !destination.is_empty() => {
            let kind = rest.last().copied().unwrap_or_default();
            give(phone, out, calling(&word), json!({"destination": destination.join(" "), "mediaType": kind})).await;
        }
        ("dial" | "call" | "add", destination) => {
            give(phone, out, calling(&word), json!({"destination": destination.join(" ")})).await;
        }
        ("answer", []) => give(phone, out, "answer", json!({})).await,
        ("answer", [kind @ ("audio" | "video")]) => give(phone, out, "answer", json!({"mediaType": kind})).await,
        ("answer", [action]) => give(phone, out, "answer", json!({"action": action})).await,
        ("answer", [action, kind]) => {
            give(phone, out, "answer", json!({"action": action, "mediaType": kind})).await;
        }
        ("accept", []) => give(phone, out, "acceptModification", json!({})).await,
        ("decline", []) => give(phone, out, "rejectModification", json!({})).await,
        ("conference", []) => give(phone, out, "startConference", json!({})).await,
        ("conference", [kind]) => give(phone, out, "startConference", json!({"mediaType": kind})).await,
        ("invite", who) => give(phone, out, "addParticipant", json!({"participant": who.join(" ")})).await,
        ("remove", who) => give(phone, out, "removeParticipant", json!({"participant": who.join(" ")})).await,
        ("participants", []) => give(phone, out, "getParticipants", json!({})).await,
        ("join", []) => give(phone, out, "joinConference", json!({})).await,
        ("join", [action]) => give(phone, out, "joinConference", json!({"action": action})).await,
        ("refuse", []) => give(phone, out, "rejectConference", json!({})).await,
        ("leave", []) => give(phone, out, "endConference", json!({})).await,
        ("switch", []) => give(phone, out, "switchCall", json!({})).await,
        (
            "reject" | "cancel" | "hangup" | "mute" | "unmute" | "logout" | "hold" | "resume" | "transfer" | "move"
            | "upgrade" | "downgrade",
            [],
        ) => give(phone, out, &word, json!({})).await,
        ("dtmf", [keys]) => give(phone, out, "sendDTMFTone", json!({"input": keys})).await,
        ("dtmf", [keys, gap]) if gap.parse::<u32>().is_ok() => {
            give(phone, out, "sendDTMFTone", json!({"input": keys, "gap": gap.parse::<u32>().ok()})).await;
        }
        ("calls", []) => give(phone, out, "getCalls", json!({})).await,
        ("media", []) => give(phone, out, "getMediaType", json!({})).await,
        ("busy", []) => give(phone, out, "isCallInProgress", json!({})).await,
        ("version", []) => give(phone, out, "getVersion", json!({})).await,
        ("e911", [id]) => give(phone, out, "associateE911Id", json!({"e911Id": id})).await,
        _ => match utilities::read(phone, &word, &rest) {
            Some(Asked::Method(method, options)) => give(phone, out, method, options).await,
            Some(Asked::Shown(text)) => out.message(&text),
            None => out.message(&format!("not understood: {line}\n{WORDS}\n{}", utilities::WORDS)),
        },
    }
    Outcome::Continue
}

/// The value of what makes a call or conference. A party may be called so as well, but is not a number.
fn is_handle(value: &Value) -> bool {
    ["call", "conference"].iter().any(|name| value.get(name).is_some_and(Value::is_u64))
}

/// A command in words: a getter's value is shown, a refusal is shown by its `error` event.
async fn give(phone: &Phone, out: &Output, method: &str, options: Value) {
    match invoke(phone, method, options, None).await {
        Ok(Value::Null) => {}
        Ok(value) if is_handle(&value) => {}
        Ok(value) => out.message(&format!("= {value}")),
        Err(Error::Phone(_)) => {}
        Err(error) => out.message(&format!("! {error}")),
    }
}

/// A command as JSON: exactly one outcome.
async fn run_json(phone: &Phone, out: &Output, line: &str) {
    let command: Map<String, Value> = match serde_json::from_str(line) {
        Ok(command) => command,
        Err(error) => return out.message(&format!("not understood: {error}")),
    };
    let Some(Value::String(method)) = command.get("method") else {
        return out.message("not understood: a command needs the member \"method\", a text");
    };
    let id = command.get("id").cloned().unwrap_or(Value::Null);
    let tag = match &id {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let options = command.get("options").cloned().unwrap_or(Value::Null);
    let mut outcome = json!({"id": id, "method": method});
    match invoke(phone, method, options, tag.as_deref()).await {
        // The handle is known from the events; the outcome of everything but a getter is null.
        Ok(value) if is_handle(&value) => outcome["result"] = Value::Null,
        Ok(value) => outcome["result"] = value,
        Err(error) => outcome["error"] = describe(&error),
    }
    out.outcome(&outcome);
}

/// `on` and `off` need a handler, which a line of text cannot be: every event is written anyway, so only the name is checked.
async fn invoke(phone: &Phone, method: &str, options: Value, tag: Option<&str>) -> Result<Value, Error> {
    if method != "on" && method != "off" {
        return phone.invoke_async(method, options, tag).await;
    }
    let name = options.get("event").and_then(Value::as_str).unwrap_or_default();
    let subscription = phone.on(name, |_| {})?;
    phone.off(subscription);
    Ok(Value::Null)
}

/// The error object of a refusal; one of the boundary's has the catalogue's code for what cannot be classified.
fn describe(error: &Error) -> Value {
    match error {
        Error::Phone(object) => serde_json::to_value(object).unwrap_or(Value::Null),
        other => json!({
            "JSObject": "phone", "JSMethod": "*", "ErrorCode": "0000",
            "ErrorMessage": "The command was not given to the phone.",
            "Cause": other.to_string(), "Resolution": "Correct the command and repeat it.",
        }),
    }
}
