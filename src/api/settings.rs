//! What calls are set up with, changed while the phone lives: ICE servers, which paths media may take, IPv6, the audio codec
//! (`setIceServers` and its family, `setAudioCodec` and its family).
//!
//! Owns: their methods of [`Phone`], and the same by name. Lives on: any thread; nothing waits. What is set holds for calls
//! made or answered afterwards; those that are there keep what they began with. Must not import: `core`'s machines, `signal`.

use super::config::PhoneConfig;
use super::error::Error;
use super::ice::{servers_from_json, servers_to_json};
use super::phone::Phone;
use crate::core::errors;
use crate::runtime::{LegSettings, SharedLegSettings, lock};
use ewebrtc_media::transport::{AudioCodec, IcePolicy, IceServer};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// The settings in force, and those with which the phone was made.
pub(super) struct CallDefaults {
    now: SharedLegSettings,
    at_first: LegSettings,
    /// The name given last to `setAudioCodec`.
    codec: Mutex<Option<String>>,
}

impl CallDefaults {
    pub(super) fn new(settings: LegSettings) -> Self {
        Self { now: Arc::new(Mutex::new(settings.clone())), at_first: settings, codec: Mutex::new(None) }
    }

    pub(super) fn shared(&self) -> SharedLegSettings {
        self.now.clone()
    }
}

/// A policy as the Phone API names it.
fn policy_name(policy: IcePolicy) -> &'static str {
    match policy {
        IcePolicy::All => "all",
        IcePolicy::Relay => "relay",
        IcePolicy::None => "none",
    }
}

fn policy_of(name: &str) -> Option<IcePolicy> {
    [IcePolicy::All, IcePolicy::Relay, IcePolicy::None].into_iter().find(|policy| policy_name(*policy) == name)
}

fn supported() -> Vec<AudioCodec> {
    PhoneConfig::new("").audio_codecs
}

impl Phone {
    /// STUN and TURN servers of calls made from now on (`getIceServers`), at first those of [`PhoneConfig::ice`].
    pub fn ice_servers(&self) -> Vec<IceServer> {
        lock(&self.defaults().now).ice.servers.clone()
    }

    /// Sets the STUN and TURN servers of calls made from now on (`setIceServers`). Whether they answer is not looked at.
    ///
    /// # Errors
    /// 4811 for an empty list, a server without a URL and a URL that cannot be read; event `error`. Nothing is changed then.
    pub fn set_ice_servers(&self, servers: Vec<IceServer>) -> Result<(), Error> {
        self.change_servers(Some(servers), None)
    }

    fn change_servers(&self, servers: Option<Vec<IceServer>>, tag: Option<&str>) -> Result<(), Error> {
        let usable = servers.filter(|list| !list.is_empty() && list.iter().all(IceServer::is_readable));
        let Some(servers) = usable else {
            // Without the text itself: passwords may be in it.
            return Err(self.refuse_setting(
                "4811",
                "a list of servers is needed, each with URLs that can be read",
                tag,
            ));
        };
        lock(&self.defaults().now).ice.servers = servers;
        Ok(())
    }

    /// Goes back to the servers with which the phone was made (`resetIceServers`).
    pub fn reset_ice_servers(&self) {
        lock(&self.defaults().now).ice.servers.clone_from(&self.defaults().at_first.ice.servers);
    }

    /// Which paths the media of calls made from now on may take (`getIceTransport`).
    pub fn ice_transport(&self) -> IcePolicy {
        lock(&self.defaults().now).ice.policy
    }

    /// Sets which paths the media of calls made from now on may take (`setIceTransport`). With [`IcePolicy::Relay`] and no TURN
    /// server, and with [`IcePolicy::None`], a call fails when it is set up.
    pub fn set_ice_transport(&self, transport: IcePolicy) {
        lock(&self.defaults().now).ice.policy = transport;
    }

    /// Goes back to the paths with which the phone was made (`resetIceTransport`).
    pub fn reset_ice_transport(&self) {
        self.set_ice_transport(self.defaults().at_first.ice.policy);
    }

    /// Whether calls made from now on offer IPv6 addresses (`getIpv6`).
    pub fn ipv6(&self) -> bool {
        lock(&self.defaults().now).ice.addresses.ipv6
    }

    /// Sets whether calls made from now on offer IPv6 addresses (`setIpv6`).
    ///
    /// # Errors
    /// 4831 for `false` in a phone made without IPv4: no address would be left; event `error`.
    pub fn set_ipv6(&self, ipv6: bool) -> Result<(), Error> {
        self.change_ipv6(Some(ipv6), None)
    }

    fn change_ipv6(&self, ipv6: Option<bool>, tag: Option<&str>) -> Result<(), Error> {
        let Some(ipv6) = ipv6 else { return Err(self.refuse_setting("4831", "true or false is needed", tag)) };
        let ice = &mut lock(&self.defaults().now).ice;
        if !ipv6 && !ice.addresses.ipv4 {
            return Err(self.refuse_setting("4831", "this phone offers no IPv4 addresses", tag));
        }
        ice.addresses.ipv6 = ipv6;
        Ok(())
    }

    /// Goes back to the IPv6 setting with which the phone was made (`resetIpv6`).
    pub fn reset_ipv6(&self) {
        lock(&self.defaults().now).ice.addresses.ipv6 = self.defaults().at_first.ice.addresses.ipv6;
    }

    /// Audio codecs that can be chosen, best first (`getSupportedAudioCodecs`).
    pub fn supported_audio_codecs() -> Vec<AudioCodec> {
        supported()
    }

    /// The codec that was chosen (`getAudioCodec`); `None`: those of [`PhoneConfig::audio_codecs`] by preference.
    pub fn audio_codec(&self) -> Option<AudioCodec> {
        let chosen = lock(&self.defaults().codec).clone()?;
        supported().into_iter().find(|codec| codec.name().eq_ignore_ascii_case(&chosen))
    }

    /// Chooses the only audio codec of calls made from now on (`setAudioCodec`): their descriptions have it and events for DTMF
    /// (RFC 4733), nothing else.
    pub fn set_audio_codec(&self, codec: AudioCodec) {
        self.choose(codec, codec.name());
    }

    fn choose(&self, codec: AudioCodec, name: &str) {
        let mut chosen = lock(&self.defaults().codec);
        lock(&self.defaults().now).audio_codecs = vec![codec];
        *chosen = Some(name.to_owned());
    }

    /// Goes back to the codecs with which the phone was made (`resetAudioCodec`).
    pub fn reset_audio_codec(&self) {
        let mut chosen = lock(&self.defaults().codec);
        lock(&self.defaults().now).audio_codecs.clone_from(&self.defaults().at_first.audio_codecs);
        *chosen = None;
    }

    /// The error of a setting, published as an `error` event as well.
    fn refuse_setting(&self, code: &'static str, why: &str, tag: Option<&str>) -> Error {
        let error = errors::sdk(code, Some(why.to_owned()));
        self.publish_error(error.clone(), tag);
        Error::Phone(Box::new(error))
    }
}

/// Names of the methods of this file.
pub(super) const NAMES: [&str; 14] = [
    "isOnline",
    "getIceServers",
    "setIceServers",
    "resetIceServers",
    "getIceTransport",
    "setIceTransport",
    "resetIceTransport",
    "getIpv6",
    "setIpv6",
    "resetIpv6",
    "getSupportedAudioCodecs",
    "getAudioCodec",
    "setAudioCodec",
    "resetAudioCodec",
];

/// The answer of a method of this file that was called by its name with its argument in `options`; `None` for another method.
///
/// # Errors
/// 4811, 4821 and 4831, each with an `error` event that has the tag; [`Error::Config`] for a codec that is none: of that the
/// Phone API has no code.
pub(super) fn answer(phone: &Phone, method: &str, options: &Value, tag: Option<&str>) -> Option<Result<Value, Error>> {
    if let Some(changed) = change(phone, method, options, tag) {
        return Some(changed.map(|()| Value::Null));
    }
    Some(Ok(match method {
        "isOnline" => phone.is_online().into(),
        "getIceServers" => servers_to_json(&phone.ice_servers()),
        "getIceTransport" => policy_name(phone.ice_transport()).into(),
        "getIpv6" => phone.ipv6().into(),
        "getSupportedAudioCodecs" => supported().into_iter().map(|codec| Value::from(codec.name())).collect(),
        "getAudioCodec" => lock(&phone.defaults().codec).clone().into(),
        _ => return None,
    }))
}

/// The setters and resets.
fn change(phone: &Phone, method: &str, options: &Value, tag: Option<&str>) -> Option<Result<(), Error>> {
    match method {
        "setIceServers" => {
            return Some(phone.change_servers(options.get("iceServers").and_then(servers_from_json), tag));
        }
        "setIceTransport" => match options.get("iceTransport").and_then(Value::as_str).and_then(policy_of) {
            Some(policy) => phone.set_ice_transport(policy),
            None => return Some(Err(phone.refuse_setting("4821", "all, relay or none is needed", tag))),
        },
        "setIpv6" => return Some(phone.change_ipv6(options.get("ipv6").and_then(Value::as_bool), tag)),
        "setAudioCodec" => return Some(choose_by_name(phone, options.get("codec"))),
        "resetIceServers" => phone.reset_ice_servers(),
        "resetIceTransport" => phone.reset_ice_transport(),
        "resetIpv6" => phone.reset_ipv6(),
        "resetAudioCodec" => phone.reset_audio_codec(),
        _ => return None,
    }
    Some(Ok(()))
}

fn choose_by_name(phone: &Phone, codec: Option<&Value>) -> Result<(), Error> {
    let name = codec.and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Error::Config("codec must be the name of a codec".into()))?;
    let known = supported();
    let found = known.iter().find(|codec| codec.name().eq_ignore_ascii_case(name));
    let found = found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|codec| codec.name()).collect();
        Error::Config(format!("there is no codec {name:?}; there are {}", names.join(", ")))
    })?;
    phone.choose(*found, name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_arguments_and_codes_are_those_of_the_table() {
        for (method, argument, code) in [
            ("setIceServers", "iceServers", "4811"),
            ("setIceTransport", "iceTransport", "4821"),
            ("setIpv6", "ipv6", "4831"),
        ] {
            let info = ewebrtc_wire::method_info("Phone", method).expect("documented");
            assert_eq!(info.arguments, [argument]);
            assert!(info.validation.iter().any(|(_, known)| *known == code), "{method}");
        }
        let info = ewebrtc_wire::method_info("ATT.rtc", "setAudioCodec").expect("documented");
        assert_eq!(info.arguments, ["codec"]);
        for name in NAMES {
            let known = ["Phone", "ATT.rtc"].iter().any(|space| ewebrtc_wire::method_info(space, name).is_some());
            assert!(known, "{name} is not documented");
        }
    }

    #[tokio::test]
    async fn certificates_of_the_settings_are_trusted_by_turn_as_well() {
        let made = rcgen::generate_simple_self_signed(vec!["turn.example.org".to_owned()]).expect("a certificate");
        let mut config = PhoneConfig::new("http://127.0.0.1:1");
        config.root_certificates = vec![made.cert.pem()];
        let phone = Phone::new(config).expect("a phone");
        assert_eq!(lock(&phone.defaults().now).ice.extra_root_certificates_pem, [made.cert.pem()]);
    }

    #[test]
    fn policies_have_the_names_of_the_phone_api() {
        for name in ["all", "relay", "none"] {
            assert_eq!(policy_of(name).map(policy_name), Some(name));
        }
        for name in ["", "ALL", "every"] {
            assert_eq!(policy_of(name), None, "{name}");
        }
    }
}
