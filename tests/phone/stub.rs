//! A wire between phone and gateway that can be broken in every way a network breaks.
//!
//! Owns: [`Wire`]. Lives on: tasks of the test's runtime. Must not import: other tests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// What the wire does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Pass,
    /// Carries requests to the gateway, and ends the connection when it answers one that begins with this.
    Swallow(&'static str),
    /// Takes a request that begins with this, and ends the connection; see [`Wire::discarded`].
    Discard(&'static str),
    /// Nothing listens.
    Refuse,
    /// Accepts and resets at once.
    Reset,
    /// Accepts, reads and never answers.
    Hang,
    /// Answers with something that is no HTTP.
    Garbage,
    /// Answers every request with this status and no body.
    Status(u16),
    /// Answers every request with this status and a refusal in the form of the protocol.
    Refusal {
        /// HTTP status.
        status: u16,
        /// Message id, e.g. `SVC0002`; may be empty.
        message_id: &'static str,
    },
    /// Answers every request with an endless body.
    Endless,
}

struct State {
    mode: Mode,
    /// Raised when running connections are to fall silent.
    frozen: watch::Sender<()>,
    target: String,
    connections: Vec<JoinHandle<()>>,
    discarded: Arc<Notify>,
    /// Holds the port while nothing listens there, so that no other test gets it.
    placeholder: Option<TcpSocket>,
}

/// A TCP relay on a port of its own.
pub struct Wire {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Wire {
    /// A wire to the gateway at this URL.
    pub async fn to(url: &str) -> Self {
        let target = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            mode: Mode::Pass,
            frozen: watch::Sender::new(()),
            target,
            connections: Vec::new(),
            discarded: Arc::default(),
            placeholder: None,
        }));
        let wire = Self { address, state, accepting: Mutex::new(None) };
        wire.accept(listener);
        wire
    }

    /// Where the phone connects to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the phone connects to, as if TLS were spoken there.
    pub fn tls_url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Changes what the wire does; running connections are cut.
    pub async fn set(&self, mode: Mode) {
        let was = {
            let mut state = self.state.lock().expect("whole");
            state.connections.drain(..).for_each(|c| c.abort());
            std::mem::replace(&mut state.mode, mode)
        };
        if mode == Mode::Refuse && was != Mode::Refuse {
            let task = self.accepting.lock().expect("whole").take();
            if let Some(task) = task {
                task.abort();
                // The listener is closed then.
                let _ = task.await;
            }
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_reuseaddr(true).expect("the port may be taken again");
            socket.bind(self.address).expect("the same port again");
            self.state.lock().expect("whole").placeholder = Some(socket);
        } else if mode != Mode::Refuse && was == Mode::Refuse {
            let socket = self.state.lock().expect("whole").placeholder.take().expect("kept");
            self.accept(socket.listen(64).expect("the port was kept"));
        }
    }

    /// Running connections stay open and carry nothing any more, like those of a network that was left; new ones work.
    pub fn freeze(&self) {
        let next = watch::Sender::new(());
        std::mem::replace(&mut self.state.lock().expect("whole").frozen, next).send_replace(());
    }

    /// From now on nobody gets an answer: running connections stay open and carry nothing, new ones are as in [`Mode::Hang`].
    pub fn hang(&self) {
        self.state.lock().expect("whole").mode = Mode::Hang;
        self.freeze();
    }

    /// Waits until a request was discarded.
    pub async fn discarded(&self) {
        let discarded = self.state.lock().expect("whole").discarded.clone();
        discarded.notified().await;
    }

    /// From now on leads to another gateway.
    pub async fn lead_to(&self, url: &str) {
        self.state.lock().expect("whole").target = url.trim_start_matches("http://").to_owned();
        self.set(Mode::Pass).await;
    }

    fn accept(&self, listener: TcpListener) {
        let state = self.state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut guard = state.lock().expect("whole");
                let (mode, target) = (guard.mode, guard.target.clone());
                let discarded = guard.discarded.clone();
                guard.connections.retain(|c| !c.is_finished());
                let mut frozen = guard.frozen.subscribe();
                guard.connections.push(tokio::spawn(async move {
                    let mut served = std::pin::pin!(serve(stream, mode, target, discarded));
                    tokio::select! {
                        () = served.as_mut() => {}
                        // Dropping it would close the connection.
                        Ok(()) = frozen.changed() => std::future::pending().await,
                    }
                }));
            }
        });
        *self.accepting.lock().expect("whole") = Some(task);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(task) = self.accepting.lock().expect("whole").take() {
            task.abort();
        }
        self.state.lock().expect("whole").connections.drain(..).for_each(|c| c.abort());
    }
}

/// What accepts TLS in the name of 127.0.0.1, and the certificate in PEM of its authority, which is made for this run.
pub fn tls() -> (tokio_rustls::TlsAcceptor, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let authority_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).expect("an authority");
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).expect("parameters");
    let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a configuration");
    (tokio_rustls::TlsAcceptor::from(Arc::new(config)), authority.pem())
}

async fn serve(mut stream: TcpStream, mode: Mode, target: String, discarded: Arc<Notify>) {
    match mode {
        Mode::Pass => {
            if let Ok(mut gateway) = TcpStream::connect(&target).await {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut gateway).await;
            }
        }
        Mode::Swallow(verb) | Mode::Discard(verb) => {
            let mut begin = [0u8; 4096];
            let length = stream.read(&mut begin).await.unwrap_or(0);
            let meant = begin.starts_with(verb.as_bytes());
            if meant && mode == Mode::Discard(verb) {
                return discarded.notify_one();
            }
            if let Ok(mut gateway) = TcpStream::connect(&target).await
                && gateway.write_all(&begin[..length]).await.is_ok()
            {
                if !meant {
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut gateway).await;
                    return;
                }
                let (mut from, _to) = stream.split();
                let (mut answers, mut requests) = gateway.split();
                let mut answer = [0u8; 1];
                tokio::select! {
                    _ = tokio::io::copy(&mut from, &mut requests) => {}
                    _ = answers.read(&mut answer) => {}
                }
            }
        }
        Mode::Refuse => {}
        Mode::Reset => {
            // Linger 0 makes the close a reset.
            let _ = stream.set_zero_linger();
        }
        Mode::Hang => {
            let mut sink = [0u8; 4096];
            while matches!(stream.read(&mut sink).await, Ok(n) if n > 0) {}
        }
        Mode::Garbage => answer(&mut stream, b"\x16\x03 this is no HTTP\r\n\r\n").await,
        Mode::Status(status) => {
            let text = format!("HTTP/1.1 {status} Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            answer(&mut stream, text.as_bytes()).await;
        }
        Mode::Refusal { status, message_id } => {
            let body = ewebrtc_wire::RequestError::new(message_id, "what the gateway says", "").to_json();
            let head = format!("HTTP/1.1 {status} Refused\r\nContent-Type: application/json\r\nConnection: close");
            answer(&mut stream, format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
        Mode::Endless => {
            answer(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n").await;
            let chunk = vec![b'x'; 65_536];
            while stream.write_all(&chunk).await.is_ok() {}
        }
    }
}

async fn answer(stream: &mut TcpStream, text: &[u8]) {
    let mut request = [0u8; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(text).await;
}
