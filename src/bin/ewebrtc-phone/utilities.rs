//! The words of `ewebrtc-phone` for what is no call: settings of calls, the network, the log, numbers, the report, the codes.
//!
//! Owns: their reading. Lives on: the main thread. Must not import: anything but the public library.

use ewebrtc::Phone;
use serde_json::{Value, json};

/// What `help` says of them.
pub const WORDS: &str = "\
ice [URL ...|reset]  STUN and TURN servers of the calls from now on
path [all|relay|none|reset], ipv6 [on|off|reset], codec [NAME|reset]
                     ways of their media, IPv6 addresses, the only codec
online, offline      say that there is or is no network; 'network' watches again
log [LEVEL|MODULE LEVEL|reset]
                     how much is logged: off, error, warn, info, debug, trace
clean N, format N, caller ADDRESS
                     a number as it is dialled and shown, a caller's address
report, error CODE   what works here, what a code means";

/// What a line of words asks for.
pub enum Asked {
    /// A method of the phone.
    Method(&'static str, Value),
    /// Something to show.
    Shown(String),
}

/// Reads a word and what follows it; `None`: it is none of these.
pub fn read(phone: &Phone, word: &str, rest: &[&str]) -> Option<Asked> {
    use Asked::{Method, Shown};
    Some(match (word, rest) {
        ("ice", []) => Shown(servers(phone)),
        ("ice", ["reset"]) => Method("resetIceServers", json!({})),
        ("ice", urls) => {
            let list: Vec<Value> = urls.iter().map(|url| json!({"urls": [url]})).collect();
            Method("setIceServers", json!({"iceServers": list}))
        }
        ("path", []) => Method("getIceTransport", json!({})),
        ("path", ["reset"]) => Method("resetIceTransport", json!({})),
        ("path", [which]) => Method("setIceTransport", json!({"iceTransport": which})),
        ("ipv6", []) => Method("getIpv6", json!({})),
        ("ipv6", ["reset"]) => Method("resetIpv6", json!({})),
        ("ipv6", ["on"]) => Method("setIpv6", json!({"ipv6": true})),
        ("ipv6", ["off"]) => Method("setIpv6", json!({"ipv6": false})),
        ("codec", []) => Method("getAudioCodec", json!({})),
        ("codec", ["reset"]) => Method("resetAudioCodec", json!({})),
        ("codec", [name]) => Method("setAudioCodec", json!({"codec": name})),
        ("online" | "offline", []) => {
            phone.set_connectivity(word == "online");
            Shown(network(phone))
        }
        ("network", []) => {
            phone.follow_network();
            Shown(network(phone))
        }
        ("log", []) => Method("getCurrentModuleLogLevels", json!({})),
        ("log", ["reset"]) => Method("resetLogLevels", json!({})),
        ("log", [level]) => Method("setGlobalLogLevel", json!({"level": level})),
        ("log", [module, level]) => Method("setLogLevel", json!({"module": module, "level": level})),
        ("clean", number @ [_, ..]) => Method("cleanPhoneNumber", json!({"number": number.join(" ")})),
        ("format", number @ [_, ..]) => Method("formatNumber", json!({"number": number.join(" ")})),
        ("caller", address @ [_, ..]) => Method("getCallerInfo", json!({"callerUri": address.join(" ")})),
        ("report", []) => Method("getBrowserSupport", json!({})),
        ("error", [code]) => Shown(explained(code)),
        _ => return None,
    })
}

/// The servers without their passwords: this goes to a terminal.
fn servers(phone: &Phone) -> String {
    let urls: Vec<String> = phone.ice_servers().into_iter().flat_map(|server| server.urls).collect();
    if urls.is_empty() { "= no ICE servers".into() } else { format!("= {}", urls.join(" ")) }
}

fn network(phone: &Phone) -> String {
    format!("= {}", if phone.is_online() { "online" } else { "offline" })
}

/// What the catalogues say about a code.
fn explained(code: &str) -> String {
    let sdk = ewebrtc::sdk_errors().iter().find(|error| error.code == code);
    let api = ewebrtc::api_errors().iter().find(|error| error.code == code);
    let of_sdk = sdk.map(|error| (error.message, error.cause, error.resolution));
    let found = of_sdk.or_else(|| api.map(|error| (error.message, error.cause, error.resolution)));
    found.map_or_else(
        || format!("= there is no error {code}"),
        |(message, cause, resolution)| format!("= {code}: {message} {cause} {resolution}"),
    )
}
