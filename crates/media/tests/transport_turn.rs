//! Paths through a real TURN server (coturn, the Debian package `coturn`) on the loopback address: over UDP, over TCP and
//! over TLS, the latter two through the bridge.

mod transport_support;

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ewebrtc_media::transport::{IceConfig, IcePolicy, IceServer, TransportConfig, TransportState};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use transport_support::{Open, Side, both_ways, exchange, lines, loopback, ports, side, until, warm_up, within};

/// A running server; ends with the test.
struct Coturn {
    child: Child,
    folder: PathBuf,
    port: u16,
    tls_port: u16,
    root: String,
}

impl Coturn {
    fn start(name: &str) -> Coturn {
        let program = std::env::var_os("PATH")
            .into_iter()
            .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
            .chain([PathBuf::from("/usr/bin"), PathBuf::from("/usr/sbin")])
            .map(|folder| folder.join("turnserver"))
            .find(|program| program.is_file())
            .expect("coturn's program `turnserver` is missing: install the Debian package coturn (`make deps` does)");
        let folder = std::env::temp_dir().join(format!("ewebrtc-turn-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let root_key = KeyPair::generate().expect("a key");
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_pem = root.self_signed(&root_key).expect("a root").pem();
        let issuer = Issuer::new(root, root_key);
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name").signed_by(&key, &issuer);
        std::fs::write(folder.join("leaf.pem"), leaf.expect("a leaf").pem()).expect("written");
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).expect("written");
        let (port, tls_port) = (ports::free(), ports::free());
        let output = std::fs::File::create(folder.join("output")).expect("a file");
        let child = Command::new(program)
            .current_dir(&folder)
            .arg("-n")
            .args([
                "--listening-ip",
                "127.0.0.1",
                "--relay-ip",
                "127.0.0.1",
                "--realm",
                "example.org",
                "--lt-cred-mech",
            ])
            .args(["--listening-port", &port.to_string(), "--tls-listening-port", &tls_port.to_string()])
            .args(["--user", "caller:secret", "--cert", "leaf.pem", "--pkey", "key.pem", "--userdb", "turndb"])
            .args(["--pidfile", "pid", "--log-file", "stdout", "--no-cli", "--allow-loopback-peers"])
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("turnserver starts");
        let mut server = Coturn { child, folder, port, tls_port, root: root_pem };
        let end = Instant::now() + Duration::from_secs(30);
        while [port, tls_port].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            let ended = server.child.try_wait().expect("its state");
            let output = || std::fs::read_to_string(server.folder.join("output")).unwrap_or_default();
            assert!(ended.is_none(), "turnserver ended: {}", output());
            assert!(Instant::now() < end, "turnserver does not listen: {}", output());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn relay_only(&self, url: String) -> TransportConfig {
        let server = IceServer { urls: vec![url], username: "caller".into(), credential: "secret".into() };
        let ice = IceConfig {
            servers: vec![server],
            policy: IcePolicy::Relay,
            extra_root_certificates_pem: vec![self.root.clone()],
            ..loopback()
        };
        TransportConfig { ice, ..TransportConfig::default() }
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Two sides that may only be relayed come together quickly and speak, and nothing is left of it.
async fn relayed_call(config: TransportConfig) {
    warm_up().await;
    let before = Open::now();
    let (a, b) = (side(config.clone()).await, side(config).await);
    let begin = Instant::now();
    let (offer, answer) = exchange(&a, &b).await;
    for text in [&offer, &answer] {
        let candidates = lines(text, "a=candidate");
        assert!(!candidates.is_empty() && candidates.iter().all(|line| line.contains(" typ relay ")), "{text}");
        assert!(candidates.iter().all(|line| line.contains("raddr 0.0.0.0 rport 0")), "{text}");
    }
    a.connected().await;
    b.connected().await;
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    both_ways(&a, &b).await;
    within(5, "known to be relayed", async {
        while !a.transport.stats().await.relayed {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    prompt(&a, &b).await;
    a.transport.close().await;
    b.transport.close().await;
    drop((a, b));
    before.nothing_more().await;
}

/// A packet on a quiet line is not held back until something else happens, which takes more than 100 ms at the median.
async fn prompt(a: &Side, b: &Side) {
    let mut delays = Vec::new();
    for _ in 0..20 {
        let wanted = b.log.received() + 1;
        let begin = Instant::now();
        assert!(a.send());
        until("the packet", || b.log.received() >= wanted).await;
        delays.push(begin.elapsed());
    }
    delays.sort();
    assert!(delays[10] < Duration::from_millis(60), "{delays:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_through_turn_over_udp() {
    let server = Coturn::start("udp");
    relayed_call(server.relay_only(format!("turn:127.0.0.1:{}?transport=udp", server.port))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_through_turn_over_tcp() {
    let server = Coturn::start("tcp");
    relayed_call(server.relay_only(format!("turn:127.0.0.1:{}?transport=tcp", server.port))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_through_turn_over_tls() {
    let server = Coturn::start("tls");
    relayed_call(server.relay_only(format!("turns:localhost:{}", server.tls_port))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_trusted_gives_no_relay() {
    let server = Coturn::start("untrusted");
    let mut config = server.relay_only(format!("turns:localhost:{}", server.tls_port));
    config.ice.extra_root_certificates_pem.clear();
    let a = side(config).await;
    let offer = a.transport.create_offer().await.expect("an offer");
    assert!(lines(&offer, "a=candidate").is_empty(), "{offer}");
    assert_eq!(a.transport.state(), TransportState::New);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stun_adds_an_address_and_a_wrong_password_no_relay() {
    let server = Coturn::start("stun");
    let mut config = server.relay_only(format!("turn:127.0.0.1:{}", server.port));
    config.ice.policy = IcePolicy::All;
    config.ice.servers[0].credential = "wrong".into();
    config
        .ice
        .servers
        .push(IceServer { urls: vec![format!("stun:127.0.0.1:{}", server.port)], ..IceServer::default() });
    let (a, b) = (side(config.clone()).await, side(config).await);
    let begin = Instant::now();
    let (offer, _) = exchange(&a, &b).await;
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(!offer.contains(" typ relay"), "{offer}");
    assert!(offer.contains(" typ host"), "{offer}");
    a.connected().await;
    both_ways(&a, &b).await;
}
