//! From the words of `localMedia` and `remoteMedia` to sources and sinks of the media crate.
//!
//! Owns: the recorders that a phone has open, and the program's ends of its calls' audio and video. Lives on: the phone's
//! actor. Must not import: `api`, `runtime`, `signal`, `core`'s machines (only its grammar of media targets).

mod frames;

pub use frames::{VideoReader, VideoWriter};

use crate::core::media_target::{LocalAudio, LocalMedia, LocalVideo, RemoteAudio, RemoteMedia, RemoteVideo};
use ewebrtc_media::{
    AudioSink, AudioSource, IvfRecorder, MediaError, PcmReader, PcmWriter, VideoSink, VideoSource, WavRecorder,
    pcm_sink, pcm_source, video_channel,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How much program PCM may wait, in milliseconds: enough for a sentence of synthesised speech pushed at once, little
/// enough that `clear` is rarely needed for a late one.
const PCM_CAPACITY_MS: u32 = 30_000;

/// The program's ends of one call's audio and video.
#[derive(Default)]
pub struct ProgramEnds {
    /// Writes what the other party hears.
    pub writer: Option<PcmWriter>,
    /// Reads what the other party says.
    pub reader: Option<PcmReader>,
    /// Writes what the other party sees.
    pub video_writer: Option<VideoWriter>,
    /// Reads what the other party shows.
    pub video_reader: Option<VideoReader>,
}

/// What a call is made from.
pub struct Opened {
    /// Where its audio comes from.
    pub source: AudioSource,
    /// Where its audio goes.
    pub sink: AudioSink,
    /// Where its video comes from, once it has some.
    pub video_source: Option<VideoSource>,
    /// Where its video goes.
    pub video_sink: VideoSink,
    /// What the program gets of it.
    pub ends: ProgramEnds,
}

/// Sources and sinks of one phone.
pub struct Studio {
    pcm_rate: u32,
    recorders: HashMap<PathBuf, WavRecorder>,
    video_recorders: HashMap<PathBuf, IvfRecorder>,
}

impl Studio {
    /// A studio whose program PCM has `pcm_rate` samples per second.
    pub fn new(pcm_rate: u32) -> Self {
        Self { pcm_rate, recorders: HashMap::new(), video_recorders: HashMap::new() }
    }

    /// Sources and sinks of one call.
    ///
    /// # Errors
    /// A file cannot be written ([`MediaError::Source`], error 0020).
    pub fn open(&mut self, local: &LocalMedia, remote: &RemoteMedia) -> Result<Opened, MediaError> {
        let mut ends = ProgramEnds::default();
        let source = match &local.audio {
            LocalAudio::Silence => AudioSource::Silence,
            LocalAudio::Tone(hz) => AudioSource::Tone { hz: *hz },
            LocalAudio::Wav(path) => AudioSource::Wav(path.into()),
            LocalAudio::Device(_) => return Err(MediaError::Source("there is no support for devices yet".into())),
            LocalAudio::Pcm => {
                let (writer, source) = pcm_source(self.pcm_rate, PCM_CAPACITY_MS);
                ends.writer = Some(writer);
                AudioSource::Pcm(source)
            }
        };
        let sink = match &remote.audio {
            RemoteAudio::Discard => AudioSink::Discard,
            RemoteAudio::Wav(path) => AudioSink::Recorder(self.recorder(Path::new(path))?),
            RemoteAudio::Device(_) => return Err(MediaError::Source("there is no support for devices yet".into())),
            RemoteAudio::Pcm => {
                let (sink, reader) = pcm_sink(self.pcm_rate, PCM_CAPACITY_MS);
                ends.reader = Some(reader);
                AudioSink::Pcm(sink)
            }
        };
        let video_source = local.video.as_ref().map(|video| match video {
            LocalVideo::Ivf(path) => VideoSource::Ivf(path.into()),
            LocalVideo::Frames => {
                let (writer, reader) = video_channel();
                ends.video_writer = Some(VideoWriter::new(writer));
                VideoSource::Frames(reader)
            }
        });
        let video_sink = match &remote.video {
            RemoteVideo::Discard => VideoSink::Discard,
            RemoteVideo::Ivf(path) => VideoSink::Ivf(self.video_recorder(Path::new(path))?),
            RemoteVideo::Frames => {
                let (writer, reader) = video_channel();
                ends.video_reader = Some(VideoReader::new(reader));
                VideoSink::Frames(writer)
            }
        };
        Ok(Opened { source, sink, video_source, video_sink, ends })
    }

    /// One recorder per file: the first call of this phone starts the file anew, later calls append to it.
    fn recorder(&mut self, path: &Path) -> Result<WavRecorder, MediaError> {
        if let Some(recorder) = self.recorders.get(path) {
            return Ok(recorder.clone());
        }
        let recorder = WavRecorder::create(path)?;
        self.recorders.insert(path.to_owned(), recorder.clone());
        Ok(recorder)
    }

    /// As [`Studio::recorder`].
    fn video_recorder(&mut self, path: &Path) -> Result<IvfRecorder, MediaError> {
        if let Some(recorder) = self.video_recorders.get(path) {
            return Ok(recorder.clone());
        }
        let recorder = IvfRecorder::create(path)?;
        self.video_recorders.insert(path.to_owned(), recorder.clone());
        Ok(recorder)
    }
}
