//! Which codecs are offered under which payload types, and which ones both sides have.
//!
//! Owns: the table of payload types. Lives on any thread. Must not import the `webrtc` or `rtc` crates: how the crate is
//! told about codecs is the matter of `settings`.

use super::types::{AudioCodec, NegotiatedAudio, PayloadTypes};
use super::video_codecs::VideoPayload;
use super::{Direction, TransportConfig};

/// One line of a codec list: a payload type and its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) number: u8,
    pub(super) encoding: Encoding,
}

/// What we know to do with a payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Speech.
    Speech(AudioCodec),
    /// Telephone events (RFC 4733) with this clock rate.
    Events(u32),
}

impl Encoding {
    /// The encoding of an `a=rtpmap` value without its payload type, e.g. `opus/48000/2`.
    pub(super) fn parse(map: &str) -> Option<Encoding> {
        let mut parts = map.split('/');
        let name = parts.next()?.trim();
        let clock: u32 = parts.next()?.trim().parse().ok()?;
        let is = |codec: AudioCodec| name.eq_ignore_ascii_case(codec.name()) && clock == codec.clock_rate();
        if name.eq_ignore_ascii_case("telephone-event") {
            return matches!(clock, 8_000 | 48_000).then_some(Encoding::Events(clock));
        }
        [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma]
            .into_iter()
            .find(|codec| is(*codec))
            .map(Encoding::Speech)
    }

    /// The encoding that a payload type has without `a=rtpmap` (RFC 3551 table 4).
    pub(super) fn of_static(number: u8) -> Option<Encoding> {
        match number {
            0 => Some(Encoding::Speech(AudioCodec::Pcmu)),
            8 => Some(Encoding::Speech(AudioCodec::Pcma)),
            _ => None,
        }
    }

    /// The value of `a=rtpmap`, without the payload type.
    pub(super) fn map(self) -> String {
        match self {
            Encoding::Speech(AudioCodec::Opus) => "opus/48000/2".into(),
            Encoding::Speech(codec) => format!("{}/{}", codec.name(), codec.clock_rate()),
            Encoding::Events(clock) => format!("telephone-event/{clock}"),
        }
    }

    /// The value of `a=fmtp`, without the payload type.
    pub(super) fn parameters(self) -> Option<&'static str> {
        match self {
            Encoding::Speech(AudioCodec::Opus) => Some("minptime=10;useinbandfec=1"),
            Encoding::Speech(AudioCodec::Pcmu | AudioCodec::Pcma) => None,
            Encoding::Events(_) => Some("0-16"),
        }
    }
}

/// What we offer: speech by preference, then telephone events in the clock rates of those codecs. Payload types that a
/// session already uses (`known`) are kept, as RFC 3264 section 8.3.2 demands; those of its video are left alone.
pub(super) fn offered(config: &TransportConfig, known: &[Payload], video: &[VideoPayload]) -> Vec<Payload> {
    let mut codecs: Vec<AudioCodec> = Vec::new();
    for codec in &config.audio_codecs {
        if !codecs.contains(codec) {
            codecs.push(*codec);
        }
    }
    if codecs.is_empty() {
        codecs = TransportConfig::default().audio_codecs;
    }
    let mut list: Vec<Payload> = Vec::new();
    let mut encodings: Vec<Encoding> = codecs.iter().copied().map(Encoding::Speech).collect();
    if codecs.contains(&AudioCodec::Opus) {
        encodings.push(Encoding::Events(48_000));
    }
    encodings.push(Encoding::Events(8_000));
    for encoding in encodings {
        let usual = match encoding {
            Encoding::Speech(AudioCodec::Opus) => 111,
            Encoding::Speech(AudioCodec::Pcmu) => 0,
            Encoding::Speech(AudioCodec::Pcma) => 8,
            Encoding::Events(48_000) => 110,
            Encoding::Events(_) => 126,
        };
        let taken = |number: u8, list: &[Payload]| {
            list.iter().any(|payload| payload.number == number)
                || known.iter().any(|payload| payload.number == number && payload.encoding != encoding)
                || video.iter().any(|payload| payload.number == number)
        };
        let number = known.iter().find(|payload| payload.encoding == encoding).map(|payload| payload.number);
        let number = number.or_else(|| (!taken(usual, &list)).then_some(usual));
        let number = number.or_else(|| (96..=127).find(|number| !taken(*number, &list)));
        if let Some(number) = number {
            list.push(Payload { number, encoding });
        }
    }
    list
}

/// What we answer to an offer of `theirs`: our preference decides the order, their payload types are used, and of
/// several telephone events the one with the clock of the codec is taken. Empty when there is no codec in common.
pub(super) fn answered(config: &TransportConfig, theirs: &[Payload]) -> Vec<Payload> {
    let mut list: Vec<Payload> = offered(config, &[], &[])
        .into_iter()
        .filter_map(|ours| match ours.encoding {
            Encoding::Speech(_) => theirs.iter().find(|payload| payload.encoding == ours.encoding).cloned(),
            Encoding::Events(_) => None,
        })
        .collect();
    if let Some(Payload { encoding: Encoding::Speech(codec), .. }) = list.first() {
        list.extend(events_for(*codec, theirs));
    }
    list
}

/// The telephone event that goes with a codec: the one with its clock rate, else any.
fn events_for(codec: AudioCodec, list: &[Payload]) -> Option<Payload> {
    let with_clock = |clock: u32| list.iter().find(move |payload| payload.encoding == Encoding::Events(clock));
    let any = || list.iter().find(|payload| matches!(payload.encoding, Encoding::Events(_)));
    with_clock(codec.clock_rate()).or_else(any).cloned()
}

/// What an answer means, be it ours or theirs; `None` without a codec for speech.
pub(super) fn agreed(answer: &[Payload], direction: Direction) -> Option<NegotiatedAudio> {
    let speech = |payload: &Payload| match payload.encoding {
        Encoding::Speech(codec) => Some((payload.number, codec)),
        Encoding::Events(_) => None,
    };
    let (payload_type, codec) = answer.iter().find_map(speech)?;
    let events = events_for(codec, answer).and_then(|payload| match payload.encoding {
        Encoding::Events(clock) => Some((payload.number, clock)),
        Encoding::Speech(_) => None,
    });
    Some(NegotiatedAudio {
        codec,
        payload_type,
        telephone_event: events,
        telephone_events: [48_000, 8_000].map(|clock| {
            answer.iter().find(|payload| payload.encoding == Encoding::Events(clock)).map(|payload| payload.number)
        }),
        direction,
        payload_types: PayloadTypes::new(answer.iter().filter_map(speech)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u8, &str)]) -> Vec<Payload> {
        entries
            .iter()
            .filter_map(|(number, map)| Some(Payload { number: *number, encoding: Encoding::parse(map)? }))
            .collect()
    }

    #[test]
    fn the_offer_has_the_codecs_by_preference_and_both_telephone_events() {
        let maps: Vec<String> = offered(&TransportConfig::default(), &[], &[])
            .iter()
            .map(|payload| format!("{} {}", payload.number, payload.encoding.map()))
            .collect();
        assert_eq!(
            maps,
            ["111 opus/48000/2", "0 PCMU/8000", "8 PCMA/8000", "110 telephone-event/48000", "126 telephone-event/8000"]
        );
    }

    #[test]
    fn an_answer_follows_their_payload_types_and_takes_the_matching_telephone_event() {
        let theirs = list(&[
            (98, "OPUS/48000/2"),
            (0, "PCMU/8000"),
            (100, "telephone-event/8000"),
            (101, "telephone-event/48000"),
        ]);
        let answer = answered(&TransportConfig::default(), &theirs);
        assert_eq!(answer, list(&[(98, "opus/48000/2"), (0, "PCMU/8000"), (101, "telephone-event/48000")]));
        let audio = agreed(&answer, Direction::SendRecv).expect("a codec in common");
        assert_eq!((audio.codec, audio.payload_type), (AudioCodec::Opus, 98));
        assert_eq!(audio.telephone_event, Some((101, 48_000)));
        assert_eq!(audio.payload_types.codec(0), Some(AudioCodec::Pcmu));

        let g711 = TransportConfig { audio_codecs: vec![AudioCodec::Pcmu], ..TransportConfig::default() };
        let audio = agreed(&answered(&g711, &theirs), Direction::SendRecv).expect("a codec in common");
        assert_eq!((audio.codec, audio.payload_type), (AudioCodec::Pcmu, 0));
        assert_eq!(audio.telephone_event, Some((100, 8_000)));
        assert_eq!(audio.payload_types.codec(98), None);
    }

    #[test]
    fn a_later_offer_keeps_the_payload_types_of_the_session() {
        let known = list(&[(110, "opus/48000/2"), (101, "telephone-event/8000")]);
        let numbers: Vec<u8> =
            offered(&TransportConfig::default(), &known, &[]).iter().map(|payload| payload.number).collect();
        assert_eq!(numbers, [110, 0, 8, 96, 101]);
    }

    #[test]
    fn nothing_in_common_is_an_empty_answer() {
        assert!(
            answered(&TransportConfig::default(), &list(&[(9, "G722/8000"), (126, "telephone-event/8000")])).is_empty()
        );
    }
}
