//! Which video codecs are offered under which payload types, and which ones both sides have.
//!
//! Owns: the table of payload types for video. Lives on any thread. Must not import the `webrtc` or `rtc` crates, which
//! are told nothing about video (see `video_port`).

use super::codecs::Payload;
use super::types::{Direction, NegotiatedVideo, PayloadTypes, TransportConfig, VideoCodec};

/// What either side does for the other: it sends a key frame, or a packet once more, when it is asked for one. Congestion
/// control is not done, so its messages are not asked for.
const FEEDBACK: [&str; 2] = ["ccm fir", "nack pli"];
const REPEATS: &str = "nack";

/// The profile that every WebRTC endpoint has (RFC 7742 section 6.2): constrained baseline, level 3.1.
const PROFILE: &str = "42e01f";

/// One line of a codec list: a payload type and its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VideoPayload {
    pub(super) number: u8,
    pub(super) codec: VideoCodec,
    /// H.264: `profile-level-id` (RFC 6184 section 8.1) in lower case.
    profile: Option<String>,
    /// Packets are repeated.
    repeats: bool,
}

impl VideoPayload {
    /// Reads what an offer or answer says about a payload type: its `a=rtpmap` value without the number, its `a=fmtp` value, and
    /// whether there is an `a=rtcp-fb` value `nack` for it. None for what we cannot do: other codecs, H.264 in another
    /// packetization mode than 1.
    pub(super) fn read(number: u8, map: &str, parameters: Option<&str>, repeats: bool) -> Option<VideoPayload> {
        let mut parts = map.split('/');
        let (name, clock) = (parts.next()?.trim(), parts.next()?.trim());
        if clock.parse() != Ok(VideoCodec::CLOCK_RATE) {
            return None;
        }
        let codec = [VideoCodec::Vp8, VideoCodec::H264].into_iter().find(|c| c.name().eq_ignore_ascii_case(name))?;
        let parameter = |wanted: &str| {
            parameters?.split(';').find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                key.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
        };
        let profile = match codec {
            VideoCodec::Vp8 => None,
            VideoCodec::H264 => {
                if parameter("packetization-mode") != Some("1") {
                    return None;
                }
                let given = parameter("profile-level-id").map(str::to_ascii_lowercase);
                let given = given.filter(|text| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
                // RFC 6184 section 8.1: without it, baseline of level 1.
                Some(given.unwrap_or_else(|| "42000a".into()))
            }
        };
        Some(VideoPayload { number, codec, profile, repeats })
    }

    /// The value of `a=rtpmap`, without the payload type.
    pub(super) fn map(&self) -> String {
        format!("{}/{}", self.codec.name(), VideoCodec::CLOCK_RATE)
    }

    /// The value of `a=fmtp`, without the payload type.
    pub(super) fn parameters(&self) -> Option<String> {
        let profile = self.profile.as_ref()?;
        Some(format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}"))
    }

    /// The values of `a=rtcp-fb`, without the payload type (RFC 4585 section 4.2).
    pub(super) fn feedback(&self) -> impl Iterator<Item = &'static str> {
        FEEDBACK.into_iter().chain(self.repeats.then_some(REPEATS))
    }

    /// How well an H.264 profile suits everybody: constrained baseline, baseline, others.
    fn rank(&self) -> u8 {
        match self.profile.as_deref() {
            Some(profile) if profile.starts_with("42e0") => 0,
            Some(profile) if profile.starts_with("42") => 1,
            _ => 2,
        }
    }
}

/// What we offer. Payload types that a session already uses (`known`) are kept; those of `audio` are taken, since both
/// share one transport (RFC 9143 section 9.1).
pub(super) fn offered(config: &TransportConfig, known: &[VideoPayload], audio: &[Payload]) -> Vec<VideoPayload> {
    let mut list: Vec<VideoPayload> = Vec::new();
    for codec in &config.video_codecs {
        if list.iter().any(|payload| payload.codec == *codec) {
            continue;
        }
        let (usual, profile) = match codec {
            VideoCodec::Vp8 => (96, None),
            VideoCodec::H264 => (102, Some(PROFILE.to_owned())),
        };
        let free = |number: u8| {
            !list.iter().any(|payload| payload.number == number)
                && !audio.iter().any(|payload| payload.number == number)
                && !known.iter().any(|payload| payload.number == number && payload.codec != *codec)
        };
        let kept = known.iter().find(|payload| payload.codec == *codec).filter(|payload| free(payload.number));
        let kept = kept.map(|payload| VideoPayload { repeats: true, ..payload.clone() });
        let fresh = || {
            let number = Some(usual).filter(|number| free(*number)).or_else(|| (96..=127).find(|number| free(*number)));
            Some(VideoPayload { number: number?, codec: *codec, profile: profile.clone(), repeats: true })
        };
        list.extend(kept.or_else(fresh));
    }
    list
}

/// What we answer to an offer of `theirs`: our preference decides the order, their payload types are used, and of several
/// H.264 profiles the one that most encoders write is taken. Empty when there is no codec in common.
pub(super) fn answered(config: &TransportConfig, theirs: &[VideoPayload], audio: &[Payload]) -> Vec<VideoPayload> {
    let mut list: Vec<VideoPayload> = Vec::new();
    for codec in &config.video_codecs {
        let usable = |payload: &&VideoPayload| {
            payload.codec == *codec && !audio.iter().any(|taken| taken.number == payload.number)
        };
        if list.iter().all(|payload| payload.codec != *codec) {
            list.extend(theirs.iter().filter(usable).min_by_key(|payload| payload.rank()).cloned());
        }
    }
    list
}

/// What an answer means, be it ours or theirs; `None` without a codec.
pub(super) fn agreed(answer: &[VideoPayload], direction: Direction) -> Option<NegotiatedVideo> {
    let first = answer.first()?;
    Some(NegotiatedVideo {
        codec: first.codec,
        payload_type: first.number,
        direction,
        payload_types: PayloadTypes::new(answer.iter().map(|payload| (payload.number, payload.codec))),
        repeats: answer.iter().all(|payload| payload.repeats),
    })
}

#[cfg(test)]
mod tests {
    use super::super::codecs;
    use super::*;

    fn list(entries: &[(u8, &str, Option<&str>)]) -> Vec<VideoPayload> {
        entries
            .iter()
            .filter_map(|(number, map, format)| VideoPayload::read(*number, map, *format, *number != 109))
            .collect()
    }

    #[test]
    fn the_offer_keeps_known_payload_types_and_leaves_those_of_audio_alone() {
        let config = TransportConfig::default();
        let numbers = |known: &[VideoPayload], audio: &[Payload]| -> Vec<u8> {
            offered(&config, known, audio).iter().map(|payload| payload.number).collect()
        };
        let audio = codecs::offered(&config, &[], &[]);
        assert_eq!(numbers(&[], &audio), [96, 102]);
        let known = list(&[(100, "VP8/90000", None), (111, "H264/90000", Some("packetization-mode=1"))]);
        assert_eq!(numbers(&known, &audio), [100, 102], "111 is Opus");
        let h264_first = TransportConfig { video_codecs: vec![VideoCodec::H264, VideoCodec::H264], ..config.clone() };
        let offer = offered(&h264_first, &[], &audio);
        assert_eq!(offer.len(), 1);
        assert_eq!(
            offer[0].parameters().as_deref(),
            Some("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
        );
    }

    #[test]
    fn of_many_forms_of_h264_the_constrained_baseline_in_pieces_is_answered() {
        let theirs = list(&[
            (103, "H264/90000", Some("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f")),
            (107, "H264/90000", Some("level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f")),
            (109, "H264/90000", Some("level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=42E01F")),
            (127, "H264/90000", Some("packetization-mode=1;profile-level-id=4d001f")),
            (96, "vp8/90000", None),
            (98, "VP9/90000", Some("profile-id=0")),
            (97, "rtx/90000", Some("apt=96")),
        ]);
        assert_eq!(theirs.len(), 4);
        let config = TransportConfig::default();
        let answer = answered(&config, &theirs, &[]);
        assert_eq!(answer.iter().map(|payload| payload.number).collect::<Vec<_>>(), [96, 109]);
        let agreed = agreed(&answer, Direction::SendRecv).expect("a codec in common");
        assert_eq!((agreed.codec, agreed.payload_type), (VideoCodec::Vp8, 96));
        assert_eq!(agreed.payload_types.codec(109), Some(VideoCodec::H264));
        assert!(!agreed.repeats, "they would repeat some of the packets only");
        assert_eq!(answer[0].feedback().last(), Some("nack"));
        assert_eq!(answer[1].feedback().collect::<Vec<_>>(), ["ccm fir", "nack pli"]);
        assert_eq!(agreed.payload_types.codec(103), None);

        let none = TransportConfig { video_codecs: Vec::new(), ..config };
        assert!(answered(&none, &theirs, &[]).is_empty());
    }
}
