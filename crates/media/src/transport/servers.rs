//! STUN and TURN servers: their URLs are read, and those that the crate beneath cannot speak to are replaced by bridges.
//!
//! Owns: the reading of server URLs and the list of bridges of the process. Lives on any thread; opening a bridge needs
//! a tokio runtime. Must not import the `webrtc` or `rtc` crates but for the server type.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use webrtc::peer_connection::RTCIceServer;

use super::bridge::{Bridge, Far};
use super::types::{IceConfig, IcePolicy};
use crate::MediaError;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Stun,
    TurnUdp,
    TurnTcp,
    TurnTls,
}

/// A URL, read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ServerUrl {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// What a connection is configured with, and what must live as long as it.
#[derive(Default)]
pub(super) struct Servers {
    pub(super) list: Vec<RTCIceServer>,
    pub(super) bridges: Vec<Arc<Bridge>>,
    /// Whether there is a TURN server among them.
    pub(super) relays: bool,
}

/// Reads the servers of the configuration and opens the bridges that they need.
pub(super) async fn prepare(ice: &IceConfig) -> Result<Servers, MediaError> {
    let mut servers = Servers::default();
    for server in &ice.servers {
        for url in &server.urls {
            let Some(url) = ServerUrl::parse(url)? else {
                log::warn!("an ICE server with an unsupported transport is left out");
                continue;
            };
            let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
            let (text, relay) = match url.scheme {
                Scheme::Stun => (format!("stun:{host}:{}", url.port), false),
                Scheme::TurnUdp => (format!("turn:{host}:{}?transport=udp", url.port), true),
                Scheme::TurnTcp | Scheme::TurnTls => {
                    let far = Far { host: url.host, port: url.port, tls: url.scheme == Scheme::TurnTls };
                    let bridge = bridge(far, ice).await?;
                    let text = format!("turn:{}?transport=udp", bridge.address());
                    servers.bridges.push(bridge);
                    (text, true)
                }
            };
            servers.relays |= relay;
            let (username, credential) = if relay {
                (server.username.clone(), server.credential.expose().to_owned())
            } else {
                (String::new(), String::new())
            };
            servers.list.push(RTCIceServer { urls: vec![text], username, credential });
        }
    }
    match ice.policy {
        IcePolicy::Relay if !servers.relays => {
            Err(MediaError::Transport("only relayed paths are allowed, but there is no TURN server".into()))
        }
        IcePolicy::All | IcePolicy::Relay => Ok(servers),
        IcePolicy::None => Err(MediaError::Transport("no path for media is allowed".into())),
    }
}

/// True when the URL of an ICE server is well formed.
pub(super) fn is_readable(url: &str) -> bool {
    ServerUrl::parse(url).is_ok()
}

/// A bridge that is there already, and what it was opened for.
struct Known {
    far: Far,
    roots: Vec<String>,
    ipv4: bool,
    bridge: Weak<Bridge>,
}

/// One bridge per server and process serves all connections; it ends with the last one. The list is as long as the
/// configurations of the process are different.
static BRIDGES: Mutex<Vec<Known>> = Mutex::new(Vec::new());

async fn bridge(far: Far, ice: &IceConfig) -> Result<Arc<Bridge>, MediaError> {
    let (roots, ipv4) = (&ice.extra_root_certificates_pem, ice.addresses.ipv4);
    let running = {
        let mut known = BRIDGES.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|entry| entry.bridge.strong_count() > 0);
        let same = |entry: &&Known| entry.far == far && entry.ipv4 == ipv4 && (!far.tls || entry.roots == *roots);
        known.iter().filter(same).find_map(|entry| entry.bridge.upgrade().filter(|bridge| bridge.is_running()))
    };
    if let Some(bridge) = running {
        return Ok(bridge);
    }
    let bridge = Arc::new(Bridge::open(far.clone(), roots, ipv4).await?);
    let entry = Known { far, roots: roots.clone(), ipv4, bridge: Arc::downgrade(&bridge) };
    BRIDGES.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    Ok(bridge)
}

impl ServerUrl {
    /// RFC 7064 and RFC 7065. `None` for what is well formed but not supported (`stuns:`, `turns:` over UDP).
    fn parse(url: &str) -> Result<Option<ServerUrl>, MediaError> {
        let unreadable = || MediaError::Transport("unreadable URL of an ICE server".into());
        let (scheme, rest) = url.trim().split_once(':').ok_or_else(unreadable)?;
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let transport = match query {
            None => None,
            Some(query) => Some(query.strip_prefix("transport=").ok_or_else(unreadable)?.to_ascii_lowercase()),
        };
        let (scheme, usual_port) = match (scheme.to_ascii_lowercase().as_str(), transport.as_deref()) {
            ("stun", None) => (Scheme::Stun, 3478),
            ("turn", None | Some("udp")) => (Scheme::TurnUdp, 3478),
            ("turn", Some("tcp")) => (Scheme::TurnTcp, 3478),
            ("turns", None | Some("tcp")) => (Scheme::TurnTls, 5349),
            ("stuns", _) | ("turns", Some("udp")) => return Ok(None),
            _ => return Err(unreadable()),
        };
        let (host, port) = if let Some(bracketed) = place.strip_prefix('[') {
            let (host, after) = bracketed.split_once(']').ok_or_else(unreadable)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| unreadable())?;
            match after {
                "" => (host, None),
                after => (host, Some(after.strip_prefix(':').ok_or_else(unreadable)?)),
            }
        } else {
            place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
        };
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > 253 || !host.chars().all(letter) {
            return Err(unreadable());
        }
        let port = port.map_or(Ok(usual_port), str::parse).map_err(|_| unreadable())?;
        Ok(Some(ServerUrl { scheme, host: host.to_owned(), port }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_every_scheme_are_read_with_their_usual_ports() {
        let read = |url: &str| ServerUrl::parse(url).expect("readable").map(|url| (url.scheme, url.host, url.port));
        assert_eq!(read("stun:stun.example.org"), Some((Scheme::Stun, "stun.example.org".into(), 3478)));
        assert_eq!(read("turn:192.0.2.1:99"), Some((Scheme::TurnUdp, "192.0.2.1".into(), 99)));
        assert_eq!(read("turn:host?transport=TCP"), Some((Scheme::TurnTcp, "host".into(), 3478)));
        assert_eq!(read("turns:[2001:db8::1]:443?transport=tcp"), Some((Scheme::TurnTls, "2001:db8::1".into(), 443)));
        assert_eq!(read("turns:host"), Some((Scheme::TurnTls, "host".into(), 5349)));
        assert_eq!(read("turns:host?transport=udp"), None);
        assert_eq!(read("stuns:host"), None);
        for bad in ["", "host", "http://host", "turn:", "turn:host:99999", "turn:host?x=y", "turn:[::1", "turn:a b"] {
            assert!(ServerUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn relay_only_without_a_relay_is_refused_with_words() {
        let ice = IceConfig { policy: IcePolicy::Relay, ..IceConfig::default() };
        assert!(matches!(prepare(&ice).await, Err(MediaError::Transport(_))));
    }
}
