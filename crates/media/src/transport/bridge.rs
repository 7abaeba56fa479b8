//! TURN over TCP and TLS for a crate that speaks TURN over UDP only: a UDP socket on the loopback address whose packets
//! travel on a stream to the server, and back.
//!
//! Owns: one socket, and one stream per socket that speaks to it. Runs as tasks of the tokio runtime it was opened on
//! and ends when it is dropped. Must not import the `webrtc` or `rtc` crates.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsConnector;

use crate::MediaError;

/// Packets that wait for a slow stream: 256 are 2.5 s of two-way audio. What does not fit is dropped, as UDP would.
const QUEUE: usize = 256;

/// Sockets of this process that may use one bridge at a time; each call has one or two.
const MAX_STREAMS: usize = 1024;

/// A server that does not take the connection within this time is tried again with the next packet.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A stream without a packet for so long belongs to a connection that is gone: TURN itself refreshes more often.
const IDLE_TIME: Duration = Duration::from_secs(660);

/// The server behind a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Far {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

/// An open bridge.
pub(super) struct Bridge {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Bridge {
    /// Opens a bridge; streams are opened with the first packet of a socket. `roots` are trusted besides the system's.
    pub(super) async fn open(far: Far, roots: &[String], ipv4: bool) -> Result<Bridge, MediaError> {
        let failed =
            |error: std::io::Error| MediaError::Transport(format!("the TURN bridge cannot be opened: {error}"));
        let tls = if far.tls { Some(connector(roots)?) } else { None };
        let local = if ipv4 { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
        let socket = Arc::new(UdpSocket::bind((local, 0)).await.map_err(failed)?);
        let address = socket.local_addr().map_err(failed)?;
        Ok(Bridge { address, task: tokio::spawn(run(socket, far, tls)) })
    }

    /// Where TURN over UDP is understood.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// False when the runtime that it was opened on is gone.
    pub(super) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn connector(roots: &[String]) -> Result<TlsConnector, MediaError> {
    let failed = |text: String| MediaError::Transport(format!("TLS for TURN: {text}"));
    let mut extra: Vec<CertificateDer<'static>> = Vec::new();
    for pem in roots {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            extra.push(certificate.map_err(|error| failed(error.to_string()))?);
        }
    }
    // Given here and not taken from the process: a library must not set its host's default provider.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let config = trusting(builder, extra, provider).map_err(|error| failed(error.to_string()))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

type Builder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>;
type Provider = Arc<rustls::crypto::CryptoProvider>;

/// Trusts what the operating system trusts, and these roots.
#[cfg(not(target_os = "android"))]
fn trusting(
    builder: Builder,
    extra: Vec<CertificateDer<'static>>,
    provider: Provider,
) -> Result<rustls::ClientConfig, rustls::Error> {
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// Trusts these roots: Android keeps its own authorities behind Java.
#[cfg(target_os = "android")]
fn trusting(
    builder: Builder,
    extra: Vec<CertificateDer<'static>>,
    _: Provider,
) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut store = rustls::RootCertStore::empty();
    extra.into_iter().try_for_each(|root| store.add(root))?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// Gives each local socket its stream.
async fn run(socket: Arc<UdpSocket>, far: Far, tls: Option<TlsConnector>) {
    let mut streams: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    // Dropped with this task, and the streams with it.
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // A port that nobody listens on any more (ICMP): nothing that concerns the other streams.
                log::debug!("TURN bridge: {error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        let Some(packet) = buffer.get(..length).filter(|packet| packet.len() >= 4) else { continue };
        let mut packet = packet.to_vec();
        if is_channel_data(&packet) {
            packet.resize(packet.len().next_multiple_of(4), 0);
        }
        let open = streams.get(&from).filter(|stream| !stream.is_closed()).cloned();
        let stream = match open {
            Some(stream) => stream,
            None => {
                streams.retain(|_, stream| !stream.is_closed());
                if streams.len() == MAX_STREAMS {
                    continue;
                }
                let (sender, receiver) = mpsc::channel(QUEUE);
                streams.insert(from, sender.clone());
                tasks.spawn(stream(far.clone(), tls.clone(), receiver, socket.clone(), from));
                sender
            }
        };
        let _ = stream.try_send(packet);
    }
}

trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// One stream to the server, for one local socket. Ends with the first error; the next packet opens another one.
async fn stream(
    far: Far,
    tls: Option<TlsConnector>,
    packets: mpsc::Receiver<Vec<u8>>,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
) {
    match tokio::time::timeout(CONNECT_TIME, connect(&far, tls)).await {
        Ok(Ok(pipe)) => {
            let (reader, writer) = tokio::io::split(pipe);
            tokio::select! {
                () = outward(packets, writer) => {}
                () = inward(reader, &socket, to) => {}
            }
        }
        Ok(Err(error)) => log::warn!("TURN server over {}: {}", if far.tls { "TLS" } else { "TCP" }, error.kind()),
        Err(_) => log::warn!("TURN server: no connection in time"),
    }
}

async fn connect(far: &Far, tls: Option<TlsConnector>) -> std::io::Result<Box<dyn Pipe>> {
    let stream = TcpStream::connect((far.host.as_str(), far.port)).await?;
    stream.set_nodelay(true)?;
    match tls {
        None => Ok(Box::new(stream)),
        Some(connector) => {
            let name = ServerName::try_from(far.host.clone()).map_err(std::io::Error::other)?;
            Ok(Box::new(connector.connect(name, stream).await?))
        }
    }
}

async fn outward(mut packets: mpsc::Receiver<Vec<u8>>, mut writer: impl AsyncWrite + Unpin) {
    while let Ok(Some(packet)) = tokio::time::timeout(IDLE_TIME, packets.recv()).await {
        if writer.write_all(&packet).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

async fn inward(mut reader: impl AsyncRead + Unpin, socket: &UdpSocket, to: SocketAddr) {
    loop {
        let mut packet = vec![0_u8; 4];
        if reader.read_exact(&mut packet).await.is_err() {
            return;
        }
        let (body, wire) = lengths([packet[0], packet[1], packet[2], packet[3]]);
        packet.resize(4 + wire, 0);
        if reader.read_exact(&mut packet[4..]).await.is_err() {
            return;
        }
        packet.truncate(4 + body);
        let _ = socket.send_to(&packet, to).await;
    }
}

/// RFC 8656 section 12: the first two bits 01 mark ChannelData, 00 a STUN message.
fn is_channel_data(packet: &[u8]) -> bool {
    packet.first().is_some_and(|byte| byte & 0xC0 == 0x40)
}

/// The bytes that follow a four-byte head, without and with the padding that streams demand (RFC 8656 section 12.5).
fn lengths(head: [u8; 4]) -> (usize, usize) {
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if is_channel_data(&head) {
        (length, length.next_multiple_of(4))
    } else {
        // The length of a STUN message leaves out its header of 20 bytes.
        (length + 16, length + 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn channel_data_is_padded_on_the_stream_and_stun_is_not() {
        assert_eq!(lengths([0x40, 0, 0, 5]), (5, 8));
        assert_eq!(lengths([0x00, 1, 0, 8]), (24, 24));
    }

    #[tokio::test]
    async fn packets_cross_in_both_directions_and_a_lost_stream_is_opened_anew() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = server.local_addr().expect("its address").port();
        let far = Far { host: "127.0.0.1".into(), port, tls: false };
        let bridge = Bridge::open(far, &[], true).await.expect("a bridge");
        let client = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let data = [0x40, 0, 0, 5, 1, 2, 3, 4, 5];
        client.send_to(&data, bridge.address()).await.expect("sent");
        let (mut stream, _) = server.accept().await.expect("a stream");
        let mut arrived = [0_u8; 12];
        stream.read_exact(&mut arrived).await.expect("read");
        assert_eq!(arrived[..9], data);
        stream.write_all(&arrived).await.expect("written");
        let mut back = [0_u8; 64];
        let received =
            tokio::time::timeout(Duration::from_secs(5), client.recv_from(&mut back)).await.expect("in time");
        let (length, _) = received.expect("received");
        assert_eq!(back[..length], data);
        drop(stream);
        // As soon as the bridge has seen the end of the stream, a packet opens another one.
        let again = async {
            loop {
                client.send_to(&data, bridge.address()).await.expect("sent");
                if let Ok(accepted) = tokio::time::timeout(Duration::from_millis(20), server.accept()).await {
                    return accepted.expect("a stream").0;
                }
            }
        };
        let mut stream = tokio::time::timeout(Duration::from_secs(5), again).await.expect("opened anew");
        stream.read_exact(&mut arrived).await.expect("read");
        assert_eq!(arrived[..9], data);
    }
}
