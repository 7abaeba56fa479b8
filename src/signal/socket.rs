//! The event channel's WebSocket: opens it, reads its messages, notices when it is dead (RFC 6455; rest-protocol.md D-38).
//!
//! Owns: one socket at a time. Lives on: a task of its own for each socket. Must not import: `core`'s machines (only its
//! data types in `core::io`), `runtime`, `api`, `ewebrtc_media`.
//!
//! The address is used as the gateway named it and no token is sent there; but it is never weaker than the way to the
//! gateway: where that is TLS, the socket is.

use super::{CONNECT_TIMEOUT, Client, USER_AGENT};
use crate::core::io::{NetworkFailure, NetworkFailureKind, SocketEnd, SocketNews, SocketOrder};
use ewebrtc_wire::MAX_BODY;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::ServerName;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Longest time from the connection to the end of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a socket may be silent.
struct Patience {
    /// Before the phone pings by itself.
    quiet: Duration,
    /// After a ping of ours.
    answer: Duration,
    /// The same when the network has changed and the socket is tried.
    probe: Duration,
}

/// Longer than the gateway's own pings are apart, which are usually all there is to hear.
const PATIENCE: Patience =
    Patience { quiet: Duration::from_secs(25), answer: Duration::from_secs(5), probe: Duration::from_secs(3) };

/// Longest time for a few bytes of ours to be taken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for good-bye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Buffers of one socket; what is larger has a larger one for its time. A process may have hundreds of phones.
const READ_BUFFER: usize = 16 * 1024;
const WRITE_BUFFER: usize = 4 * 1024;

/// What a socket is carried by.
trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

type Stream = WebSocketStream<Box<dyn Carrier>>;

/// Opens the socket at this address and serves it until it ends or `orders` does. `tell` is awaited for each message, so
/// that nothing is read from the network that nobody has room for.
pub async fn socket<F>(
    client: &Client,
    url: &str,
    mut orders: UnboundedReceiver<SocketOrder>,
    tell: &impl Fn(SocketNews) -> F,
) -> SocketEnd
where
    F: Future<Output = ()> + Send,
{
    let opened = tokio::select! {
        opened = timeout(HANDSHAKE_TIMEOUT, open(client, url)) => opened,
        () = ended(&mut orders) => return SocketEnd::Ended,
    };
    let mut stream = match opened {
        Ok(Ok(stream)) => stream,
        Ok(Err(end)) => return end,
        Err(_) => return failed(NetworkFailureKind::Timeout, "the handshake of the WebSocket took too long"),
    };
    tell(SocketNews::Opened).await;
    serve(&mut stream, orders, tell, &PATIENCE).await;
    SocketEnd::Ended
}

/// Waits until nobody has orders any more. None comes before the socket is open.
async fn ended(orders: &mut UnboundedReceiver<SocketOrder>) {
    while orders.recv().await.is_some() {}
}

fn failed(kind: NetworkFailureKind, text: impl Into<String>) -> SocketEnd {
    SocketEnd::Failed(NetworkFailure { kind, text: text.into() })
}

async fn open(client: &Client, url: &str) -> Result<Stream, SocketEnd> {
    let unusable = || failed(NetworkFailureKind::Malformed, "the address of the WebSocket cannot be used");
    let mut url = reqwest::Url::parse(url).map_err(|_| unusable())?;
    if client.base.starts_with("https:") && url.scheme() == "ws" {
        url.set_scheme("wss").map_err(|()| unusable())?;
    }
    let secure = match url.scheme() {
        "wss" => true,
        "ws" => false,
        _ => return Err(unusable()),
    };
    let host = url.host_str().ok_or_else(unusable)?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default().ok_or_else(unusable)?;
    let plain = match timeout(CONNECT_TIMEOUT, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(failed(NetworkFailureKind::Connect, error.to_string())),
        Err(_) => return Err(failed(NetworkFailureKind::Timeout, "no connection for the WebSocket in time")),
    };
    // Acknowledgements are small and must not wait for more.
    let _ = plain.set_nodelay(true);
    let carrier: Box<dyn Carrier> = if secure {
        let name = ServerName::try_from(host).map_err(|_| unusable())?;
        let connected = TlsConnector::from(client.tls.clone()).connect(name, plain).await;
        Box::new(connected.map_err(|error| failed(NetworkFailureKind::Tls, error.to_string()))?)
    } else {
        Box::new(plain)
    };
    let mut request = url.as_str().into_client_request().map_err(|_| unusable())?;
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = READ_BUFFER;
    config.write_buffer_size = WRITE_BUFFER;
    config.max_message_size = Some(MAX_BODY);
    config.max_frame_size = Some(MAX_BODY);
    match client_async_with_config(request, carrier, Some(config)).await {
        Ok((stream, _)) => Ok(stream),
        Err(Error::Http(response)) => Err(SocketEnd::Refused(response.status().as_u16())),
        Err(Error::Io(error)) => Err(failed(NetworkFailureKind::Reset, error.to_string())),
        Err(_) => Err(failed(NetworkFailureKind::Malformed, "the answer to the handshake is no WebSocket's")),
    }
}

/// Reads messages and carries out orders until either side ends it, or it is silent for too long.
async fn serve<F>(
    stream: &mut Stream,
    mut orders: UnboundedReceiver<SocketOrder>,
    tell: &impl Fn(SocketNews) -> F,
    bounds: &Patience,
) where
    F: Future<Output = ()> + Send,
{
    // When silence has lasted too long; after a ping of ours that is the end.
    let mut patience = Instant::now() + bounds.quiet;
    let mut pinged = false;
    loop {
        tokio::select! {
            order = orders.recv() => {
                let (message, answer) = match order {
                    Some(SocketOrder::Send(text)) => (Message::text(text), None),
                    Some(SocketOrder::Probe) => (Message::Ping(Default::default()), Some(bounds.probe)),
                    Some(SocketOrder::Close) | None => {
                        let _ = timeout(CLOSE_TIMEOUT, stream.close(None)).await;
                        return;
                    }
                };
                if !send(stream, message).await {
                    return;
                }
                if let Some(answer) = answer {
                    patience = Instant::now() + answer;
                    pinged = true;
                }
            }
            message = stream.next() => {
                match message {
                    Some(Ok(Message::Text(text))) => tell(SocketNews::Message(text.as_bytes().to_vec())).await,
                    // The protocol has texts only; pings are answered by the reader itself.
                    Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(_))) | None => return,
                    Some(Err(error)) => return log::debug!("the WebSocket broke: {error}"),
                }
                patience = Instant::now() + bounds.quiet;
                pinged = false;
            }
            () = sleep_until(patience) => {
                if pinged {
                    return log::debug!("the WebSocket is dead: nothing was heard after a ping");
                }
                if !send(stream, Message::Ping(Default::default())).await {
                    return;
                }
                patience = Instant::now() + bounds.answer;
                pinged = true;
            }
        }
    }
}

async fn send(stream: &mut Stream, message: Message) -> bool {
    matches!(timeout(WRITE_TIMEOUT, stream.send(message)).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::sync::mpsc::unbounded_channel;
    use tokio_tungstenite::tungstenite::protocol::Role;

    const SHORT: Patience = Patience {
        quiet: Duration::from_millis(200),
        answer: Duration::from_millis(200),
        probe: Duration::from_millis(50),
    };

    /// Both ends of a socket that is open.
    async fn pair() -> (Stream, Stream) {
        let (ours, theirs) = duplex(65_536);
        let ours: Box<dyn Carrier> = Box::new(ours);
        let theirs: Box<dyn Carrier> = Box::new(theirs);
        (
            WebSocketStream::from_raw_socket(ours, Role::Client, None).await,
            WebSocketStream::from_raw_socket(theirs, Role::Server, None).await,
        )
    }

    async fn quiet(_: SocketNews) {}

    #[tokio::test]
    async fn a_silent_socket_is_pinged_and_then_given_up() {
        let (mut ours, mut theirs) = pair().await;
        let (_orders, inbox) = unbounded_channel();
        let start = Instant::now();
        serve(&mut ours, inbox, &quiet, &SHORT).await;
        assert!(start.elapsed() >= SHORT.quiet + SHORT.answer);
        drop(ours);
        assert!(matches!(theirs.next().await, Some(Ok(Message::Ping(_)))));
        assert!(matches!(theirs.next().await, None | Some(Err(_))), "one ping and nothing else");
    }

    #[tokio::test]
    async fn a_socket_whose_other_side_answers_or_pings_stays() {
        for pings in [false, true] {
            let (mut ours, mut theirs) = pair().await;
            let (orders, inbox) = unbounded_channel();
            let peer = async {
                for _ in 0..10 {
                    // Reading answers pings.
                    let read = timeout(SHORT.quiet / 2, theirs.next()).await;
                    assert!(!matches!(read, Ok(None | Some(Err(_)))), "{read:?}");
                    if pings {
                        theirs.send(Message::Ping(Default::default())).await.expect("it is open");
                    }
                }
                drop(orders);
                while let Some(Ok(message)) = theirs.next().await {
                    if let Message::Close(_) = message {
                        return true;
                    }
                }
                false
            };
            let (said_goodbye, ()) = tokio::join!(peer, serve(&mut ours, inbox, &quiet, &SHORT));
            assert!(said_goodbye);
        }
    }

    #[tokio::test]
    async fn a_socket_that_is_tried_is_given_up_sooner() {
        let (mut ours, _theirs) = pair().await;
        let (orders, inbox) = unbounded_channel();
        orders.send(SocketOrder::Probe).expect("taken");
        let start = Instant::now();
        let long = Patience { quiet: Duration::from_secs(60), answer: Duration::from_secs(60), ..SHORT };
        timeout(Duration::from_secs(10), serve(&mut ours, inbox, &quiet, &long)).await.expect("it ends");
        assert!(start.elapsed() >= SHORT.probe);
    }

    #[tokio::test]
    async fn a_socket_is_never_weaker_than_the_way_to_the_gateway() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let first_byte = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.read_u8().await.expect("a byte")
        };
        let client = Client::new("https://gateway.test", &[]).expect("a client");
        let url = format!("ws://127.0.0.1:{port}/socket?once");
        let (byte, opened) = tokio::join!(first_byte, open(&client, &url));
        assert_eq!(byte, 0x16, "a TLS handshake");
        assert!(matches!(opened.err(), Some(SocketEnd::Failed(f)) if f.kind == NetworkFailureKind::Tls));
        let client = Client::new("http://gateway.test", &[]).expect("a client");
        for bad in ["", "x", "http://127.0.0.1/", "ws://", "wss://a b/"] {
            assert!(matches!(open(&client, bad).await.err(), Some(SocketEnd::Failed(_))), "{bad}");
        }
    }
}
