//! The ICE settings as JSON, for languages that have no types of ours: the dictionary that browsers know, and what it lacks.
//!
//! Owns: [`ice_from_json`], lists of servers as JSON. Lives on: any thread. Must not import: `runtime`.

use super::error::Error;
use ewebrtc_media::transport::{Credential, IceConfig, IcePolicy, IceServer};
use serde_json::{Map, Value};

fn refused(text: impl Into<String>) -> Error {
    Error::Config(text.into())
}

/// Reads ICE settings: `iceServers` (a list of `urls`, `username`, `credential`) and `iceTransportPolicy` (`all` or `relay`)
/// as in the WebRTC API's `RTCConfiguration`; and of our own `ipv4` and `ipv6` (whether such addresses are offered, default
/// true) and `ports` (the first and the last UDP port to take, default: the system chooses). What is absent is as in
/// [`IceConfig::default`].
///
/// # Errors
/// [`Error::Config`] names the member that is unknown or cannot be used; no value is quoted, since passwords are among them.
pub fn ice_from_json(settings: &Value) -> Result<IceConfig, Error> {
    let Value::Object(settings) = settings else { return Err(refused("the ICE settings are no JSON object")) };
    let mut ice = IceConfig::default();
    for (name, value) in settings {
        let wrong = || refused(format!("ICE setting {name} cannot be used"));
        match name.as_str() {
            "iceServers" => {
                ice.servers = servers_from_json(value).ok_or_else(wrong)?;
            }
            "iceTransportPolicy" => {
                ice.policy = match value.as_str() {
                    Some("all") => IcePolicy::All,
                    Some("relay") => IcePolicy::Relay,
                    Some(_) | None => return Err(wrong()),
                };
            }
            "ipv4" => ice.addresses.ipv4 = value.as_bool().ok_or_else(wrong)?,
            "ipv6" => ice.addresses.ipv6 = value.as_bool().ok_or_else(wrong)?,
            "ports" => {
                let ends: Option<Vec<u16>> = value.as_array().and_then(|list| list.iter().map(port).collect());
                let Some([first, last]) = ends.as_deref() else { return Err(wrong()) };
                ice.ports = Some(*first..=*last);
            }
            _ => return Err(refused(format!("there is no ICE setting {name:?}"))),
        }
    }
    check(&ice)?;
    Ok(ice)
}

/// Refuses settings with which no call could be made; no URL is quoted, since passwords may be in it.
pub(super) fn check(ice: &IceConfig) -> Result<(), Error> {
    if let Some(ports) = &ice.ports
        && (ports.is_empty() || *ports.start() == 0)
    {
        return Err(refused(format!("ports {} to {} are no UDP ports", ports.start(), ports.end())));
    }
    if !ice.addresses.ipv4 && !ice.addresses.ipv6 {
        return Err(refused("neither IPv4 nor IPv6 addresses are allowed"));
    }
    for (number, server) in ice.servers.iter().enumerate() {
        if !server.is_readable() {
            let number = number + 1;
            return Err(refused(format!("ICE server {number} has no URL, or one that cannot be read")));
        }
    }
    Ok(())
}

fn port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok())
}

/// Reads a list of servers: of each `urls` (a text or a list) or, as the Phone API names it, `url`; `username`, `credential`.
/// `None`: it is no such list.
pub(super) fn servers_from_json(list: &Value) -> Option<Vec<IceServer>> {
    list.as_array()?.iter().map(server).collect()
}

/// The reverse: everything that was given, passwords included.
pub(super) fn servers_to_json(servers: &[IceServer]) -> Value {
    let entry = |server: &IceServer| {
        let mut entry = Map::new();
        entry.insert("urls".into(), server.urls.clone().into());
        for (name, text) in [("username", server.username.as_str()), ("credential", server.credential.expose())] {
            if !text.is_empty() {
                entry.insert(name.into(), text.into());
            }
        }
        Value::Object(entry)
    };
    servers.iter().map(entry).collect()
}

fn server(entry: &Value) -> Option<IceServer> {
    let entry = entry.as_object()?;
    let urls = match entry.get("urls").or_else(|| entry.get("url"))? {
        Value::String(url) => vec![url.clone()],
        Value::Array(list) => list.iter().map(|url| url.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    Some(IceServer {
        urls,
        username: text(entry, "username")?,
        credential: Credential::new(text(entry, "credential")?),
    })
}

/// A member that is a text, or absent and so empty.
fn text(entry: &Map<String, Value>, name: &str) -> Option<String> {
    entry.get(name).map_or(Some(String::new()), |value| value.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_settings_of_a_browser_are_understood() {
        let ice = ice_from_json(&json!({
            "iceServers": [{"url": "STUN:one"}, {"urls": ["turn:two", "turns:two"], "username": "u", "credential": "c"}],
            "iceTransportPolicy": "relay", "ipv6": false, "ports": [5000, 5010],
        }))
        .expect("understood");
        assert_eq!((ice.servers.len(), ice.policy, ice.addresses.ipv6), (2, IcePolicy::Relay, false));
        assert_eq!((ice.servers[1].username.as_str(), ice.servers[1].credential.expose()), ("u", "c"));
        assert_eq!(ice.ports, Some(5000..=5010));
        assert_eq!(servers_from_json(&servers_to_json(&ice.servers)), Some(ice.servers));
        assert_eq!(ice_from_json(&json!({})).expect("nothing is fine"), IceConfig::default());
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_showing_it() {
        let bad = [
            json!([]),
            json!({"iceServers": {}}),
            json!({"iceServers": [{"url": ["stun:secret"], "urls": 5}]}),
            json!({"iceServers": [{"urls": "turn:secret:no port"}]}),
            json!({"iceServers": [{"urls": []}]}),
            json!({"iceServers": [{"urls": "http:secret"}]}),
            json!({"iceServers": [{"urls": "turn:a", "credential": ["secret"]}]}),
            json!({"iceTransportPolicy": "secret"}),
            json!({"ipv4": false, "ipv6": false}),
            json!({"ports": [9, 8]}),
            json!({"ports": [0, 8]}),
            json!({"ports": [0, 0]}),
            json!({"ports": [1, 2, 3]}),
            json!({"ports": [1, 65_536]}),
            json!({"bundlePolicy": "secret"}),
        ];
        for settings in bad {
            match ice_from_json(&settings) {
                Err(Error::Config(text)) => assert!(!text.contains("secret"), "{text}"),
                other => panic!("{settings}: {other:?}"),
            }
        }
    }
}
