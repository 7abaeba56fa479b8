//! The command line of `ewebrtc-phone`.
//!
//! Owns: options and help. Lives on: the main thread. Must not import: the library beyond its plain types.

use ewebrtc::Secret;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What `--help` prints.
pub const HELP: &str = "\
ewebrtc-phone: a telephone for the terminal and for scripts

usage: ewebrtc-phone --gateway URL --user NAME [options]

  --gateway URL    address of the gateway, e.g. http://127.0.0.1:8080
  --user NAME      whom to log in: a name, or a number of 10 or 11 digits
  --token T        access token; without it, one is asked of the gateway's
                   development mode
  --associate      bind the token to --user before the session is made
  --e911 ID        emergency address id; numbers need one
  --auto-answer    answer every incoming call and join every conference; the
                   end of standard input is ignored then
  --play SOURCE    what the other party hears, from the start of each call:
                   FILE.wav, wav:FILE, tone:HZ or silence (default silence)
  --play-video FILE.ivf
                   what the other party sees, from the start of the video of each
                   call: VP8 or H.264. Calls are video calls then, unless they
                   are dialled or answered with the word audio
  --record FILE    write what a person would hear to this WAV file, from the
                   connection to the end of a call; later calls are appended.
                   What the file held before is lost
  --record-video FILE.ivf
                   write the video that comes to this file, as --record does
  --websocket      hear of events over a WebSocket rather than by polling,
                   where the gateway offers one
  --json           write JSON lines to standard output
  --help           this text

Standard input takes one command a line, in words or as JSON:

  dial NAME | answer | reject | cancel | hangup | mute | unmute | upgrade |
  downgrade | accept | decline | calls | login | logout | quit | help, which names
  them all
  {\"id\":\"c1\",\"method\":\"dial\",\"options\":{\"destination\":\"bob\"}}

Exit status: 0 after quit, the end of input or a signal; 1 when the login
fails; 2 for bad usage. Warnings are logged to standard error, and what the
word 'log' asks for. The environment variable EWEBRTC_LOG, where it is set,
decides instead, e.g. debug,webrtc=off,rtc=off.
";

/// The command line, checked.
#[derive(Debug)]
pub struct Args {
    /// Address of the gateway.
    pub gateway: String,
    /// Name or number of the user.
    pub user: String,
    /// Access token, where given.
    pub token: Option<Secret>,
    /// Send `user` as userId.
    pub associate: bool,
    /// Emergency address id.
    pub e911: Option<String>,
    /// Answer every incoming call and join every conference.
    pub auto_answer: bool,
    /// `localMedia` of every call.
    pub local_media: String,
    /// WAV file to write.
    pub record: Option<PathBuf>,
    /// IVF file to write.
    pub record_video: Option<PathBuf>,
    /// Events over a WebSocket.
    pub websocket: bool,
    /// JSON lines instead of text.
    pub json: bool,
}

/// What to do.
#[derive(Debug)]
pub enum Parsed {
    /// Run with these.
    Run(Box<Args>),
    /// Print the help.
    Help,
}

impl Args {
    /// Reads the command line of the process.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse() -> Result<Parsed, String> {
        Self::read(lexopt::Parser::from_env())
    }

    fn read(mut parser: lexopt::Parser) -> Result<Parsed, String> {
        use lexopt::prelude::*;
        let (mut gateway, mut user, mut token, mut e911) = (None, None, None, None);
        let (mut associate, mut auto_answer, mut websocket, mut json) = (false, false, false, false);
        let (mut play, mut record) = (None, None);
        let (mut play_video, mut record_video) = (None, None);
        fn text(parser: &mut lexopt::Parser) -> Result<String, String> {
            parser.value().and_then(|v| v.string()).map_err(|e| e.to_string())
        }
        while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
            match arg {
                Long("gateway") => gateway = Some(text(&mut parser)?),
                Long("user") => user = Some(text(&mut parser)?),
                Long("token") => token = Some(Secret::from(text(&mut parser)?)),
                Long("e911") => e911 = Some(text(&mut parser)?),
                Long("play") => play = Some(text(&mut parser)?),
                Long("play-video") => play_video = Some(text(&mut parser)?),
                Long("record-video") => record_video = Some(PathBuf::from(text(&mut parser)?)),
                Long("record") => record = Some(PathBuf::from(text(&mut parser)?)),
                Long("associate") => associate = true,
                Long("auto-answer") => auto_answer = true,
                Long("websocket") => websocket = true,
                Long("json") => json = true,
                Long("help") | Short('h') => return Ok(Parsed::Help),
                other => return Err(other.unexpected().to_string()),
            }
        }
        let needed = |value: Option<String>, name: &str| {
            value.filter(|v| !v.is_empty()).ok_or_else(|| format!("--{name} is needed"))
        };
        Ok(Parsed::Run(Box::new(Self {
            gateway: needed(gateway, "gateway")?,
            user: needed(user, "user")?,
            token,
            associate,
            e911,
            auto_answer,
            local_media: source(play.as_deref().unwrap_or("silence"))? + &video_source(play_video.as_deref())?,
            record,
            record_video,
            websocket,
            json,
        })))
    }
}

/// The `localMedia` for a `--play` argument; a file must be there and be a WAV file.
fn source(text: &str) -> Result<String, String> {
    let bare = text.to_ascii_lowercase().ends_with(".wav") && !text.starts_with("wav:");
    let source = if bare { format!("wav:{text}") } else { text.to_owned() };
    if let Some(path) = source.strip_prefix("wav:") {
        let reader = hound::WavReader::open(path).map_err(|e| format!("--play {path}: {e}"))?;
        let spec = reader.spec();
        if !(8_000..=192_000).contains(&spec.sample_rate) {
            return Err(format!("--play {path}: {} samples per second; at least 8000 are needed", spec.sample_rate));
        }
        if reader.duration() == 0 {
            return Err(format!("--play {path}: there is no sound in it"));
        }
        return Ok(source);
    }
    let tone = source.strip_prefix("tone:").and_then(|hz| hz.parse::<f32>().ok());
    if source == "silence" || tone.is_some_and(|hz| (20.0..=20_000.0).contains(&hz)) {
        return Ok(source);
    }
    Err(format!("--play {text}: FILE.wav, wav:FILE, tone:HZ (20 to 20000) or silence is needed"))
}

/// The part of `localMedia` for a `--play-video` argument; the file must be there and be one of a codec that is sent.
fn video_source(path: Option<&str>) -> Result<String, String> {
    let Some(path) = path else { return Ok(String::new()) };
    let mut head = [0; 12];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.map_err(|e| format!("--play-video {path}: {e}"))?;
    match (&head[..4], &head[8..]) {
        (b"DKIF", b"VP80" | b"H264") => Ok(format!(";video=ivf:{path}")),
        (b"DKIF", _) => Err(format!("--play-video {path}: neither VP8 nor H.264 is in it")),
        _ => Err(format!("--play-video {path}: this is no IVF file")),
    }
}

/// Writes a valid WAV file without samples, so that a path that cannot be written is noticed at once and a recording of no call
/// is a file as well.
pub fn empty_wav(path: &Path) -> Result<(), hound::Error> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    hound::WavWriter::create(path, spec)?.finalize()
}

/// As [`empty_wav`], an IVF file without pictures.
pub fn empty_ivf(path: &Path) -> std::io::Result<()> {
    let mut head = b"DKIF\0\0\x20\0VP80".to_vec();
    // No size yet; 90000 ticks per second.
    head.extend([0; 4]);
    head.extend(90_000_u32.to_le_bytes());
    head.extend(1_u32.to_le_bytes());
    head.extend([0; 8]);
    std::fs::write(path, head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Parsed, String> {
        Args::read(lexopt::Parser::from_args(args.iter().copied()))
    }

    #[test]
    fn good_usage_is_understood() {
        let args =
            ["--gateway", "http://g", "--user", "bob", "--play", "tone:440", "--json", "--auto-answer", "--websocket"];
        match read(&args) {
            Ok(Parsed::Run(args)) => {
                assert_eq!((args.user.as_str(), args.local_media.as_str()), ("bob", "tone:440"));
                assert!(args.json && args.auto_answer && args.websocket && !args.associate);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(read(&["--help"]), Ok(Parsed::Help)));
    }

    #[test]
    fn bad_usage_says_what_is_wrong() {
        for (args, word) in [
            (&["--user", "bob"][..], "--gateway"),
            (&["--gateway", "http://g"], "--user"),
            (&["--gateway"], "--gateway"),
            (&["--frobnicate"], "frobnicate"),
            (&["extra"], "extra"),
            (&["--gateway", "x", "--user", "y", "--play", "nothing.wav"], "nothing.wav"),
            (&["--gateway", "x", "--user", "y", "--play", "tone:0"], "tone:0"),
            (&["--gateway", "x", "--user", "y", "--play-video", "nothing.ivf"], "nothing.ivf"),
            (&["--gateway", "x", "--user", "y", "--play-video", "Cargo.toml"], "no IVF file"),
        ] {
            let message = read(args).map(|_| ()).expect_err("refused");
            assert!(message.contains(word), "{message}");
        }
    }
}
