//! What calls are set up with, changed while the phone lives, and the network: methods of the typed phone.
//!
//! Owns: nothing itself. Lives on: any thread; nothing waits. Must not import: `runtime`, `core`, `signal`.

use super::error::PhoneError;
use super::options::IceServer;
use super::phone::Phone;
use crate::api;
use serde_json::{Value, json};

impl From<api::IceServer> for IceServer {
    fn from(server: api::IceServer) -> Self {
        Self { urls: server.urls, username: server.username, credential: server.credential.expose().to_owned() }
    }
}

impl Phone {
    /// A method by its documented name, so that wrong values are refused as they are there.
    fn named(&self, method: &str, options: Value) -> Result<Value, PhoneError> {
        Ok(self.api().invoke(method, options, None)?)
    }
}

#[uniffi::export]
impl Phone {
    /// STUN and TURN servers of calls made from now on (`getIceServers`), at first those of the settings.
    pub fn ice_servers(&self) -> Vec<IceServer> {
        self.api().ice_servers().into_iter().map(Into::into).collect()
    }

    /// Sets the STUN and TURN servers of calls made from now on (`setIceServers`).
    ///
    /// Errors: 4811 for an empty list, a server without a URL and a URL that cannot be read.
    pub fn set_ice_servers(&self, servers: Vec<IceServer>) -> Result<(), PhoneError> {
        Ok(self.api().set_ice_servers(servers.into_iter().map(Into::into).collect())?)
    }

    /// Goes back to the servers of the settings (`resetIceServers`).
    pub fn reset_ice_servers(&self) {
        self.api().reset_ice_servers();
    }

    /// Which paths the media of calls made from now on may take (`getIceTransport`): `all`, `relay` or `none`.
    pub fn ice_transport(&self) -> Result<String, PhoneError> {
        Ok(self.named("getIceTransport", Value::Null)?.as_str().unwrap_or_default().to_owned())
    }

    /// Sets which paths the media of calls made from now on may take (`setIceTransport`).
    ///
    /// Errors: 4821 for anything but `all`, `relay` and `none`.
    pub fn set_ice_transport(&self, transport: String) -> Result<(), PhoneError> {
        self.named("setIceTransport", json!({"iceTransport": transport})).map(drop)
    }

    /// Goes back to the paths of the settings (`resetIceTransport`).
    pub fn reset_ice_transport(&self) {
        self.api().reset_ice_transport();
    }

    /// Whether calls made from now on offer IPv6 addresses (`getIpv6`).
    pub fn ipv6(&self) -> bool {
        self.api().ipv6()
    }

    /// Sets whether calls made from now on offer IPv6 addresses (`setIpv6`).
    ///
    /// Errors: 4831 for `false` in a phone that offers no IPv4 addresses.
    pub fn set_ipv6(&self, ipv6: bool) -> Result<(), PhoneError> {
        Ok(self.api().set_ipv6(ipv6)?)
    }

    /// Goes back to the IPv6 setting of the settings (`resetIpv6`).
    pub fn reset_ipv6(&self) {
        self.api().reset_ipv6();
    }

    /// Name of the codec that was chosen, as it was given (`getAudioCodec`); absent: those of the settings.
    pub fn audio_codec(&self) -> Result<Option<String>, PhoneError> {
        Ok(self.named("getAudioCodec", Value::Null)?.as_str().map(str::to_owned))
    }

    /// Chooses the only audio codec of calls made from now on (`setAudioCodec`), by its name in any case.
    ///
    /// Errors: `Config` for a codec that is none; the text names those that are.
    pub fn set_audio_codec(&self, codec: String) -> Result<(), PhoneError> {
        self.named("setAudioCodec", json!({"codec": codec})).map(drop)
    }

    /// Goes back to the codecs of the settings (`resetAudioCodec`).
    pub fn reset_audio_codec(&self) {
        self.api().reset_audio_codec();
    }

    /// Whether the phone counts as online (`isOnline`): what the program said last by `set_connectivity`, else what the
    /// operating system says about the way to the gateway. A gateway on loopback needs no network.
    pub fn is_online(&self) -> bool {
        self.api().is_online()
    }

    /// Tells the phone that the device went offline or came back; events `connectivity:off` and `connectivity:on`. For
    /// programs that know better than the phone's own watching of the network, as apps do. Their word counts from now on, until
    /// `follow_network`.
    pub fn set_connectivity(&self, online: bool) {
        self.api().set_connectivity(online);
    }

    /// Gives it back to the phone to find out by itself whether the device is online, as it does from the beginning.
    pub fn follow_network(&self) {
        self.api().follow_network();
    }
}

/// Names of the audio codecs that can be chosen, best first (`getSupportedAudioCodecs`).
#[uniffi::export]
pub fn supported_audio_codecs() -> Vec<String> {
    api::Phone::supported_audio_codecs().into_iter().map(|codec| codec.name().to_owned()).collect()
}
