//! Grammar of the options `localMedia` and `remoteMedia`: where a call's audio comes from and where it goes.
//!
//! Owns: [`LocalMedia`], [`RemoteMedia`]. Lives on: any thread. Must not import: anything but `std`.
//!
//! `localMedia` is one of `wav:PATH`, `tone:HZ`, `silence`, `pcm`, `device[:NAME]`; `remoteMedia` one of `wav:PATH`,
//! `pcm`, `discard`, `device[:NAME]`. Parts `;video=…` name video sources and sinks; they are refused until there is video.

use std::fmt;

/// Longest text of a media target, in bytes: a path of the usual maximum plus its prefix.
pub const MAX_TARGET: usize = 4096 + 16;
/// Lowest and highest frequency of `tone:HZ`, in hertz: what the encoders carry.
pub const TONE_RANGE: (f32, f32) = (1.0, 20_000.0);

/// Where the audio that is sent comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalMedia {
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

/// Where the audio that is received goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteMedia {
    /// A WAV file that is recorded.
    Wav(String),
    /// Samples that the program pulls.
    Pcm,
    /// Nowhere.
    Discard,
    /// An audio device, by name or the default one.
    Device(Option<String>),
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
    text.contains(";video=")
}

/// Splits off what is common to both grammars: scheme and rest, with bounds and video parts checked.
fn split(text: &str) -> Result<(&str, Option<&str>), TargetError> {
    if text.len() > MAX_TARGET {
        return Err(TargetError("the text is too long"));
    }
    if text.chars().any(char::is_control) {
        return Err(TargetError("the text contains control characters"));
    }
    if names_video(text) {
        return Err(TargetError("video is not supported"));
    }
    Ok(match text.split_once(':') {
        Some((scheme, rest)) => (scheme, Some(rest)),
        None => (text, None),
    })
}

fn path(rest: Option<&str>) -> Result<String, TargetError> {
    match rest {
        Some(path) if !path.is_empty() => Ok(path.to_owned()),
        Some(_) | None => Err(TargetError("wav: needs a path")),
    }
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
    /// When the text is not of the grammar, or asks for video.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        match split(text)? {
            ("wav", rest) => Ok(Self::Wav(path(rest)?)),
            ("tone", Some(hz)) => {
                let hz: f32 = hz.trim().parse().map_err(|_| TargetError("tone: needs a frequency in hertz"))?;
                if !(TONE_RANGE.0..=TONE_RANGE.1).contains(&hz) {
                    return Err(TargetError("the frequency is out of range"));
                }
                Ok(Self::Tone(hz))
            }
            ("silence", None) => Ok(Self::Silence),
            ("pcm", None) => Ok(Self::Pcm),
            ("device", rest) => Ok(Self::Device(device(rest)?)),
            _ => Err(TargetError("expected wav:PATH, tone:HZ, silence, pcm or device[:NAME]")),
        }
    }
}

impl RemoteMedia {
    /// Reads the text of a `remoteMedia` option.
    ///
    /// # Errors
    /// When the text is not of the grammar, or asks for video.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        match split(text)? {
            ("wav", rest) => Ok(Self::Wav(path(rest)?)),
            ("pcm", None) => Ok(Self::Pcm),
            ("discard", None) => Ok(Self::Discard),
            ("device", rest) => Ok(Self::Device(device(rest)?)),
            _ => Err(TargetError("expected wav:PATH, pcm, discard or device[:NAME]")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar() {
        assert_eq!(LocalMedia::parse("wav:/a b/c:d.wav"), Ok(LocalMedia::Wav("/a b/c:d.wav".into())));
        assert_eq!(LocalMedia::parse("tone:440"), Ok(LocalMedia::Tone(440.0)));
        assert_eq!(LocalMedia::parse("silence"), Ok(LocalMedia::Silence));
        assert_eq!(LocalMedia::parse("pcm"), Ok(LocalMedia::Pcm));
        assert_eq!(LocalMedia::parse("device"), Ok(LocalMedia::Device(None)));
        assert_eq!(LocalMedia::parse("device:USB"), Ok(LocalMedia::Device(Some("USB".into()))));
        assert_eq!(RemoteMedia::parse("wav:x"), Ok(RemoteMedia::Wav("x".into())));
        assert_eq!(RemoteMedia::parse("discard"), Ok(RemoteMedia::Discard));
        assert_eq!(RemoteMedia::parse("pcm"), Ok(RemoteMedia::Pcm));
        assert_eq!(RemoteMedia::parse("device"), Ok(RemoteMedia::Device(None)));
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
            "wav:a;video=ivf:b",
            "wav:a\nb",
        ] {
            assert!(LocalMedia::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "silence", "tone:440", "wav:", "discard:x", "device:"] {
            assert!(RemoteMedia::parse(bad).is_err(), "{bad:?}");
        }
        assert!(LocalMedia::parse(&format!("wav:{}", "x".repeat(5000))).is_err());
    }
}
