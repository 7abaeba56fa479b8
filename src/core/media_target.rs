//! Grammar of the options `localMedia` and `remoteMedia`: where a call's audio and video come from and where they go.
//!
//! Owns: [`LocalMedia`], [`RemoteMedia`]. Lives on: any thread. Must not import: anything but `std`.
//!
//! `localMedia` is one of `wav:PATH`, `tone:HZ`, `silence`, `pcm`, `device[:NAME]`; `remoteMedia` one of `wav:PATH`,
//! `pcm`, `discard`, `device[:NAME]`. A part `;video=…` may follow: `ivf:PATH` or `frames` in both, `discard` in
//! `remoteMedia` only. Without one there is no video to send, and video that comes is discarded.

use std::fmt;

/// Longest text of a media target, in bytes: two paths of the usual maximum plus their prefixes.
pub const MAX_TARGET: usize = 2 * (4096 + 16);
/// Lowest and highest frequency of `tone:HZ`, in hertz: what the encoders carry.
pub const TONE_RANGE: (f32, f32) = (1.0, 20_000.0);

/// What precedes the name of a source or sink of video.
const VIDEO_PART: &str = ";video=";

/// Where the audio that is sent comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalAudio {
    /// A WAV file, played once from the start of the call.
    Wav(String),
    /// A tone of this frequency in hertz.
    Tone(f32),
    /// Silence.
    Silence,
    /// Samples that the program pushes.
    Pcm,
    /// An audio device, by name or the default one.
    Device(Option<String>),
}

/// Where the video that is sent comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalVideo {
    /// An IVF file of encoded frames, from its beginning whenever video begins to be sent, and again after its end.
    Ivf(String),
    /// Encoded frames that the program pushes.
    Frames,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalMedia {
    /// The audio.
    pub audio: LocalAudio,
    /// The video; `None`: there is no source of it.
    pub video: Option<LocalVideo>,
}

/// Where the audio that is received goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteAudio {
    /// A WAV file that is recorded.
    Wav(String),
    /// Samples that the program pulls.
    Pcm,
    /// Nowhere.
    Discard,
    /// An audio device, by name or the default one.
    Device(Option<String>),
}

/// Where the video that is received goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteVideo {
    /// An IVF file that is recorded.
    Ivf(String),
    /// Encoded frames that the program takes.
    Frames,
    /// Nowhere.
    Discard,
}

/// Where what is received goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteMedia {
    /// The audio.
    pub audio: RemoteAudio,
    /// The video.
    pub video: RemoteVideo,
}

/// Why a text is no media target; becomes `AdditionalInformation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError(pub &'static str);

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TargetError {}

/// Does this text of a `localMedia` option name a source of video?
pub fn names_video(text: &str) -> bool {
    text.contains(VIDEO_PART)
}

/// The scheme of a part and what stands behind its colon.
type Part<'a> = (&'a str, Option<&'a str>);

/// Splits off what is common to both grammars: the part for audio and that for video, with bounds checked.
fn split(text: &str) -> Result<(Part<'_>, Option<Part<'_>>), TargetError> {
    if text.len() > MAX_TARGET {
        return Err(TargetError("the text is too long"));
    }
    if text.chars().any(char::is_control) {
        return Err(TargetError("the text contains control characters"));
    }
    let (audio, video) = match text.split_once(VIDEO_PART) {
        Some((audio, video)) => (audio, Some(video)),
        None => (text, None),
    };
    if video.is_some_and(names_video) {
        return Err(TargetError("there is more than one part for video"));
    }
    Ok((part(audio), video.map(part)))
}

fn part(text: &str) -> Part<'_> {
    match text.split_once(':') {
        Some((scheme, rest)) => (scheme, Some(rest)),
        None => (text, None),
    }
}

fn path(rest: Option<&str>, what: &'static str) -> Result<String, TargetError> {
    match rest {
        Some(path) if !path.is_empty() => Ok(path.to_owned()),
        Some(_) | None => Err(TargetError(what)),
    }
}

fn wav(rest: Option<&str>) -> Result<String, TargetError> {
    path(rest, "wav: needs a path")
}

fn ivf(rest: Option<&str>) -> Result<String, TargetError> {
    path(rest, "ivf: needs a path")
}

fn device(rest: Option<&str>) -> Result<Option<String>, TargetError> {
    match rest {
        None => Ok(None),
        Some("") => Err(TargetError("device: needs a name")),
        Some(name) => Ok(Some(name.to_owned())),
    }
}

impl LocalMedia {
    /// Reads the text of a `localMedia` option.
    ///
    /// # Errors
    /// When the text is not of the grammar.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (audio, video) = split(text)?;
        let audio = match audio {
            ("wav", rest) => LocalAudio::Wav(wav(rest)?),
            ("tone", Some(hz)) => {
                let hz: f32 = hz.trim().parse().map_err(|_| TargetError("tone: needs a frequency in hertz"))?;
                if !(TONE_RANGE.0..=TONE_RANGE.1).contains(&hz) {
                    return Err(TargetError("the frequency is out of range"));
                }
                LocalAudio::Tone(hz)
            }
            ("silence", None) => LocalAudio::Silence,
            ("pcm", None) => LocalAudio::Pcm,
            ("device", rest) => LocalAudio::Device(device(rest)?),
            _ => return Err(TargetError("expected wav:PATH, tone:HZ, silence, pcm or device[:NAME]")),
        };
        let video = match video {
            None => None,
            Some(("ivf", rest)) => Some(LocalVideo::Ivf(ivf(rest)?)),
            Some(("frames", None)) => Some(LocalVideo::Frames),
            Some(_) => return Err(TargetError("expected ;video=ivf:PATH or ;video=frames")),
        };
        Ok(Self { audio, video })
    }
}

impl RemoteMedia {
    /// Reads the text of a `remoteMedia` option.
    ///
    /// # Errors
    /// When the text is not of the grammar.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (audio, video) = split(text)?;
        let audio = match audio {
            ("wav", rest) => RemoteAudio::Wav(wav(rest)?),
            ("pcm", None) => RemoteAudio::Pcm,
            ("discard", None) => RemoteAudio::Discard,
            ("device", rest) => RemoteAudio::Device(device(rest)?),
            _ => return Err(TargetError("expected wav:PATH, pcm, discard or device[:NAME]")),
        };
        let video = match video {
            None | Some(("discard", None)) => RemoteVideo::Discard,
            Some(("ivf", rest)) => RemoteVideo::Ivf(ivf(rest)?),
            Some(("frames", None)) => RemoteVideo::Frames,
            Some(_) => return Err(TargetError("expected ;video=ivf:PATH, ;video=frames or ;video=discard")),
        };
        Ok(Self { audio, video })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_audio() {
        let local = |text| LocalMedia::parse(text).map(|media| media.audio);
        let remote = |text| RemoteMedia::parse(text).map(|media| media.audio);
        assert_eq!(local("wav:/a b/c:d.wav"), Ok(LocalAudio::Wav("/a b/c:d.wav".into())));
        assert_eq!(local("tone:440"), Ok(LocalAudio::Tone(440.0)));
        assert_eq!(local("silence"), Ok(LocalAudio::Silence));
        assert_eq!(local("pcm"), Ok(LocalAudio::Pcm));
        assert_eq!(local("device"), Ok(LocalAudio::Device(None)));
        assert_eq!(local("device:USB"), Ok(LocalAudio::Device(Some("USB".into()))));
        assert_eq!(remote("wav:x"), Ok(RemoteAudio::Wav("x".into())));
        assert_eq!(remote("discard"), Ok(RemoteAudio::Discard));
        assert_eq!(remote("pcm"), Ok(RemoteAudio::Pcm));
        assert_eq!(remote("device"), Ok(RemoteAudio::Device(None)));
        for bad in [
            "",
            "wav",
            "wav:",
            "tone",
            "tone:",
            "tone:x",
            "tone:0",
            "tone:NaN",
            "tone:1e9",
            "silence:1",
            "pcm:2",
            "device:",
            "discard",
            "Silence",
            "wav:a\nb",
        ] {
            assert!(LocalMedia::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "silence", "tone:440", "wav:", "discard:x", "device:"] {
            assert!(RemoteMedia::parse(bad).is_err(), "{bad:?}");
        }
        assert!(LocalMedia::parse(&format!("wav:{}", "x".repeat(9000))).is_err());
    }

    #[test]
    fn the_grammar_of_video() {
        let local = |text| LocalMedia::parse(text).map(|media| media.video);
        let remote = |text| RemoteMedia::parse(text).map(|media| media.video);
        assert_eq!(local("silence"), Ok(None));
        assert_eq!(local("silence;video=frames"), Ok(Some(LocalVideo::Frames)));
        assert_eq!(local("wav:a;b.wav;video=ivf:/c;d e:f"), Ok(Some(LocalVideo::Ivf("/c;d e:f".into()))));
        assert_eq!(remote("discard"), Ok(RemoteVideo::Discard));
        assert_eq!(remote("pcm;video=discard"), Ok(RemoteVideo::Discard));
        assert_eq!(remote("wav:a;video=ivf:b"), Ok(RemoteVideo::Ivf("b".into())));
        assert_eq!(remote("pcm;video=frames"), Ok(RemoteVideo::Frames));
        for bad in [
            "",
            ";video=ivf:a",
            "silence;video=",
            "silence;video=ivf",
            "silence;video=ivf:",
            "silence;video=frames:1",
            "silence;video=Frames",
            "silence;video=wav:a",
            "silence;video=ivf:a;video=ivf:b",
            "silence; video=frames",
            "video=frames",
        ] {
            assert!(LocalMedia::parse(bad).is_err(), "{bad:?}");
            assert!(RemoteMedia::parse(&bad.replace("silence", "discard")).is_err(), "{bad:?}");
        }
        assert!(LocalMedia::parse("silence;video=discard").is_err(), "a sink is no source");
    }

    #[test]
    fn a_source_of_video_is_seen_without_reading_the_rest() {
        assert!(names_video("silence;video=ivf:a") && !names_video("wav:video=ivf"));
    }
}
