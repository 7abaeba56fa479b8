//! Another implementation at the other end: baresip (Debian's `baresip-core`), called over SIP, with ICE, DTLS-SRTP and
//! telephone events of its own. What it hears of our keys it tells, and it presses keys itself.
//!
//! Needs baresip (`make deps`) and a network interface beside loopback.

#[path = "leg_common/mod.rs"]
mod leg_common;
#[path = "transport_support/ports.rs"]
mod ports;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ewebrtc_media::dtmf::Tone;
use ewebrtc_media::transport::AudioCodec;
use ewebrtc_media::{AudioSink, AudioSource, LegEvent};
use leg_common::{PATIENCE, Party, config, only};

const BARESIP: &str = "/usr/bin/baresip";

/// A running baresip that answers every call and plays back what it hears.
struct Baresip {
    process: Child,
    folder: PathBuf,
    sip: u16,
    control: TcpStream,
    /// What has come from its control connection and is not yet a whole message.
    pending: Vec<u8>,
}

impl Baresip {
    fn start(codec: &str) -> Baresip {
        assert!(Path::new(BARESIP).exists(), "{BARESIP} is missing: run `make deps`");
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("baresip-{}-{}", std::process::id(), &codec[..4]));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (sip, control) = (ports::free(), ports::free());
        let modules: String = ["account", "g711", "opus", "aubridge", "ice", "dtls_srtp", "menu", "ctrl_tcp"]
            .iter()
            .map(|name| match *name {
                "account" | "menu" | "ctrl_tcp" => format!("module_app {name}.so\n"),
                name => format!("module {name}.so\n"),
            })
            .collect();
        let text = format!(
            "module_path {}\n{modules}sip_listen 127.0.0.1:{sip}\nctrl_tcp_listen 127.0.0.1:{control}\n\
             audio_source aubridge,loop\naudio_player aubridge,loop\nrtcp_mux yes\nnet_interface 127.0.0.1\n",
            self::modules().display()
        );
        let account = format!(
            "<sip:bare@127.0.0.1>;regint=0;answermode=auto;medianat=ice;mediaenc=dtls_srtp;audio_codecs={codec}\n"
        );
        std::fs::write(folder.join("config"), text).expect("its settings");
        std::fs::write(folder.join("accounts"), account).expect("its account");
        std::fs::write(folder.join("contacts"), "").expect("its contacts");
        let log = std::fs::File::create(folder.join("log")).expect("its log");
        // setpriv (util-linux) ends it when this process dies, however it dies.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", BARESIP, "-v", "-f"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("its log"))
            .stdout(log)
            .spawn()
            .expect("baresip starts");
        let end = Instant::now() + PATIENCE;
        let control = loop {
            match TcpStream::connect(("127.0.0.1", control)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "its control port: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        control.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
        Baresip { process, folder, sip, control, pending: Vec::new() }
    }

    /// Gives one of its commands, as a JSON message in a netstring.
    fn order(&mut self, command: &str, parameters: &str) {
        let text = format!("{{\"command\":\"{command}\",\"params\":\"{parameters}\"}}");
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes()).expect("it takes commands");
    }

    /// The next message of its control connection, if one has come.
    fn message(&mut self) -> Option<String> {
        let mut piece = [0; 4_096];
        if let Ok(count) = self.control.read(&mut piece) {
            self.pending.extend_from_slice(&piece[..count]);
        }
        let colon = self.pending.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&self.pending[..colon]).ok()?.parse().expect("a netstring");
        let end = colon + 1 + length;
        let text = String::from_utf8_lossy(self.pending.get(colon + 1..end)?).into_owned();
        self.pending.drain(..=end);
        Some(text)
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            log.split(['\n', '\r']).filter(|line| !line.contains("bit/s")).for_each(|line| eprintln!("{line}"));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where Debian has baresip's modules: with the architecture in the path or, in older releases, without.
fn modules() -> PathBuf {
    let places = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut places = places.chain([PathBuf::from("/usr/lib")]).map(|place| place.join("baresip/modules"));
    places.find(|place| place.exists()).expect("baresip has its modules")
}

/// The value of a member of a flat JSON object, as baresip writes them.
fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    json.split_once(&format!("\"{name}\":\""))?.1.split('"').next()
}

/// The description with the first of its candidates only. baresip 1.0 keeps to the pair of addresses with which its DTLS
/// begins, even where the agreed pair is another one, so there must be no choice.
fn with_one_candidate(description: &str) -> String {
    let mut candidates = 0;
    let kept = |line: &&str| {
        candidates += usize::from(line.starts_with("a=candidate:"));
        candidates < 2 || !line.starts_with("a=candidate:")
    };
    description.split_inclusive('\n').filter(kept).collect()
}

/// Calls baresip with this offer and gives its answer.
fn invite(socket: &UdpSocket, port: u16, offer: &str) -> String {
    let own = socket.local_addr().expect("an address");
    let request = |method: &str, to: &str, body: &str| {
        format!(
            "{method} sip:bare@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:leg@127.0.0.1>;tag=leg\r\nTo: {to}\r\nCall-ID: keys\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:leg@{own}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let first = request("INVITE", "<sip:bare@127.0.0.1>", offer);
    socket.send_to(first.as_bytes(), ("127.0.0.1", port)).expect("sent");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut buffer = vec![0; 65_536];
    loop {
        let count = socket.recv(&mut buffer).expect("baresip answers");
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        let status = text.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with('1') || status == "200", "{text}");
        if status == "200" {
            let to = text.lines().find_map(|line| line.strip_prefix("To: ")).expect("To");
            socket.send_to(request("ACK", to, "").as_bytes(), ("127.0.0.1", port)).expect("sent");
            return text.split_once("\r\n\r\n").expect("a body").1.to_owned();
        }
    }
}

async fn keys_both_ways(codec: AudioCodec, name: &str) {
    let mut settings = only(codec, config(AudioSource::Tone { hz: 440.0 }, AudioSink::Discard));
    // baresip has no candidates on loopback.
    settings.ice.addresses.loopback = false;
    let mut leg = Party::new(settings).await;
    let mut baresip = Baresip::start(name);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let offer = leg.leg.create_offer().await.expect("an offer");
    let answer = with_one_candidate(&invite(&socket, baresip.sip, &with_one_candidate(&offer)));
    leg.leg.apply_answer(&answer).await.unwrap_or_else(|error| panic!("{error}: {answer}"));
    leg.expect(&LegEvent::FirstAudio).await;
    leg.leg.activate();

    let keys = "1123#*0AD5";
    let gap = Duration::from_millis(70);
    let tones: Vec<Tone> = keys.chars().filter_map(|key| Tone::new(key, gap)).collect();
    leg.leg.send_tones(&tones).expect("room for ten");
    let (mut began, mut ended, mut messages) = (String::new(), String::new(), Vec::new());
    let end = Instant::now() + PATIENCE;
    while ended.len() < keys.len() && Instant::now() < end {
        let Some(message) = baresip.message() else { continue };
        match (member(&message, "type"), member(&message, "param")) {
            (Some("CALL_DTMF_START"), Some(key)) => began.push_str(key),
            (Some("CALL_DTMF_END"), _) => ended.push('.'),
            _ => {}
        }
        messages.push(message);
    }
    assert_eq!((began.as_str(), ended.len()), (keys, keys.len()), "{messages:#?}");

    baresip.order("sndcode", "7");
    leg.expect(&LegEvent::ToneReceived('7')).await;
    leg.leg.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_hears_our_keys_and_we_hear_its_with_opus() {
    keys_both_ways(AudioCodec::Opus, "opus/48000/2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_hears_our_keys_and_we_hear_its_with_g711() {
    keys_both_ways(AudioCodec::Pcmu, "PCMU/8000/1").await;
}
