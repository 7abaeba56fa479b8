//! From the words of `localMedia` and `remoteMedia` to sources and sinks of the media crate.
//!
//! Owns: the recorders that a phone has open, and the program-PCM ends of its calls. Lives on: the phone's actor.
//! Must not import: `api`, `runtime`, `signal`, `core`'s machines (only its grammar of media targets).

use crate::core::media_target::{LocalAudio, LocalMedia, RemoteAudio, RemoteMedia, RemoteVideo};
use ewebrtc_media::{AudioSink, AudioSource, MediaError, PcmReader, PcmWriter, WavRecorder, pcm_sink, pcm_source};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How much program PCM may wait, in milliseconds: enough for a sentence of synthesised speech pushed at once, little
/// enough that `clear` is rarely needed for a late one.
const PCM_CAPACITY_MS: u32 = 30_000;

/// The program's ends of one call's PCM.
#[derive(Default)]
pub struct PcmEnds {
    /// Writes what the other party hears.
    pub writer: Option<PcmWriter>,
    /// Reads what the other party says.
    pub reader: Option<PcmReader>,
}

/// Sources and sinks of one phone.
pub struct Studio {
    pcm_rate: u32,
    recorders: HashMap<PathBuf, WavRecorder>,
}

impl Studio {
    /// A studio whose program PCM has `pcm_rate` samples per second.
    pub fn new(pcm_rate: u32) -> Self {
        Self { pcm_rate, recorders: HashMap::new() }
    }

    /// The source and the sink of one call.
    ///
    /// # Errors
    /// A file cannot be written ([`MediaError::Source`], error 0020).
    pub fn open(
        &mut self,
        local: &LocalMedia,
        remote: &RemoteMedia,
    ) -> Result<(AudioSource, AudioSink, PcmEnds), MediaError> {
        if local.video.is_some() || remote.video != RemoteVideo::Discard {
            return Err(MediaError::Source("there is no support for video yet".into()));
        }
        let mut ends = PcmEnds::default();
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
        Ok((source, sink, ends))
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
}
