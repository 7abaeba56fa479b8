//! How the crate beneath is set up: certificate, codecs, ICE timing, ICE servers.
//!
//! Owns: every setting of the `webrtc` crate. Lives on any thread. Must not import the session or its negotiation.

use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{ReceiverReportBuilder, Registry, Slot};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::certificate::CertificateParams;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_PCMA, MIME_TYPE_PCMU, MIME_TYPE_TELEPHONE_EVENT, MediaEngine,
};
use rtc::peer_connection::configuration::setting_engine::SettingEngine;
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
pub(super) use webrtc::peer_connection::RTCCertificate as Certificate;
use webrtc::peer_connection::{
    RTCConfiguration, RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy, SettingEngineBuilder, crypto,
};

use super::codecs::{Encoding, offered};
use super::sdp_in::Role;
use super::sender_reports::SenderReports;
use super::tap::{Reports, RtcpTap};
use super::types::{AudioCodec, IceConfig, IcePolicy, TransportConfig};
use super::video_port::VideoPort;
use crate::MediaError;

/// Time between two rounds of connectivity checks. The crate's 200 ms delay every connection by as much.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// How long a candidate pair is tried. The crate gives up a pair after seven checks of 200 ms; an answer that travels
/// through a gateway and a long poll may need longer than that, so the attempts are raised beyond the proportion.
const CHECK_TIME: Duration = Duration::from_secs(5);

/// How far behind the newest packet one may come (RFC 3711 section 3.3.2): one that was sent again comes a round trip late, a
/// key frame after those that were lost. The crate's own window of 64 would drop it.
const REPLAY_WINDOW: usize = 1_024;

/// Close to the wire: here a departing sender report and an arriving receiver report pass at the moment they are
/// sent and received. The tap only looks on, so no rule of the chain pins it.
const TAP_SLOT: usize = 500;

/// A certificate of our own: a connection that takes the place of another one must have the same fingerprint. Not one
/// for the process: calls cannot be linked by it.
pub(super) fn certificate() -> Result<Certificate, MediaError> {
    let failed = |error: &dyn std::fmt::Display| MediaError::Transport(format!("no certificate: {error}"));
    let provider = crypto::default_provider().map_err(|error| failed(&error))?;
    let parameters = CertificateParams::new(vec!["ewebrtc".to_owned()]).map_err(|error| failed(&error))?;
    Certificate::generate(provider.crypto(), crypto::SignatureScheme::EcdsaP256Sha256, parameters)
        .map_err(|error| failed(&error))
}

/// Closer still: video does not reach the rest of the chain.
const VIDEO_SLOT: usize = 400;

/// The audio codecs of the configuration, RTCP reports, and the port of the video. Retransmission and congestion feedback
/// are left out.
pub(super) fn media(
    config: &TransportConfig,
    ssrc: u32,
    reports: &Reports,
    video: VideoPort,
) -> Result<(MediaEngine, Registry), MediaError> {
    let failed = |error: &dyn std::fmt::Display| MediaError::Transport(format!("codec set-up: {error}"));
    let mut engine = MediaEngine::default();
    for payload in offered(config, &[], &[]) {
        let parameters = RTCRtpCodecParameters { rtp_codec: codec(payload.encoding), payload_type: payload.number };
        engine.register_codec(parameters, RtpCodecKind::Audio).map_err(|error| failed(&error))?;
    }
    let registry = Registry::new()
        .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
        .with(Slot::SenderReport, SenderReports::new(ssrc, reports.clone()))
        .with(Slot::from(TAP_SLOT), RtcpTap::new(ssrc, reports.clone()))
        .with(Slot::from(VIDEO_SLOT), video);
    Ok((engine, registry))
}

fn codec(encoding: Encoding) -> RTCRtpCodec {
    let (mime, clock, channels) = match encoding {
        Encoding::Speech(AudioCodec::Opus) => (MIME_TYPE_OPUS, 48_000, 2),
        Encoding::Speech(AudioCodec::Pcmu) => (MIME_TYPE_PCMU, 8_000, 0),
        Encoding::Speech(AudioCodec::Pcma) => (MIME_TYPE_PCMA, 8_000, 0),
        Encoding::Events(clock) => (MIME_TYPE_TELEPHONE_EVENT, clock, 0),
    };
    RTCRtpCodec {
        mime_type: mime.to_owned(),
        clock_rate: clock,
        channels,
        sdp_fmtp_line: encoding.parameters().unwrap_or_default().to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// The one sending track of a connection. Its encoding names no codec: a track that names one offers that one only.
pub(super) fn track(ssrc: u32, cname: &str) -> TrackLocalStaticRTP {
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
        ..Default::default()
    };
    let (stream, id) = (cname.to_owned(), format!("{cname}-audio"));
    TrackLocalStaticRTP::new(MediaStreamTrack::new(stream, id, "audio".to_owned(), RtpCodecKind::Audio, vec![encoding]))
}

/// ICE and DTLS settings. `answering` is our DTLS role should we answer; `credentials` are those of an earlier
/// connection that this one takes the place of.
pub(super) fn engine(answering: Role, credentials: Option<(String, String)>) -> SettingEngine {
    let attempts = u16::try_from(CHECK_TIME.as_millis() / CHECK_INTERVAL.as_millis()).unwrap_or(u16::MAX);
    let role = match answering {
        Role::Active => RTCDtlsRole::Client,
        Role::Passive => RTCDtlsRole::Server,
    };
    let mut builder = SettingEngineBuilder::new()
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(attempts))
        .with_host_acceptance_min_wait(Some(Duration::ZERO))
        .with_srflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_relay_acceptance_min_wait(Some(Duration::ZERO))
        // Names of hosts (`.local`) are not resolved, and ours are not hidden. The crate's default would bind the mDNS port and
        // join a group for every connection, and fail where there is no route for one.
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_srtp_replay_protection_window(REPLAY_WINDOW)
        // Which addresses are bound, and so offered, is decided in `addresses`.
        .with_include_loopback_candidate(true)
        .with_answering_dtls_role(role);
    if let Some((ufrag, password)) = credentials {
        builder = builder.with_ice_credentials(ufrag, password);
    }
    builder.build()
}

/// Servers, policy and certificate.
pub(super) fn configuration(ice: &IceConfig, servers: Vec<RTCIceServer>, certificate: Certificate) -> RTCConfiguration {
    let policy = match ice.policy {
        IcePolicy::All => RTCIceTransportPolicy::All,
        // Refused before, with the servers.
        IcePolicy::Relay | IcePolicy::None => RTCIceTransportPolicy::Relay,
    };
    RTCConfigurationBuilder::default()
        .with_ice_servers(servers)
        .with_ice_transport_policy(policy)
        .with_certificates(vec![certificate])
        .build()
}
