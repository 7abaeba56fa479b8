//! HTTP between a phone and its gateway: sends one request, returns one complete answer or the reason why there is none. The
//! event channel's WebSocket stands in `socket`.
//!
//! Owns: the HTTP client and its TLS settings. Lives on: the process's runtime, one task per request and socket.
//! Must not import: `core`'s machines (only its data types in `core::io`), `runtime`, `api`, `ewebrtc_media`.

mod socket;

pub use socket::socket;

use crate::core::io::{HttpRequest, HttpResponse, NetworkFailure, NetworkFailureKind, Verb};
use ewebrtc_wire::{BASE_PATH, MAX_BODY};
#[cfg(not(target_os = "android"))]
use rustls_platform_verifier::Verifier;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// What the phone calls itself to the gateway (RFC 9110 section 10.1.5).
const USER_AGENT: &str = concat!("ewebrtc/", env!("CARGO_PKG_VERSION"), " (", env!("EWEBRTC_TARGET"), ")");

/// A client for one gateway. Cloning is cheap; the clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    tls: Arc<rustls::ClientConfig>,
}

impl Client {
    /// A client for the gateway at `endpoint` (`http://host:port` or `https://host`); the resource base
    /// [`BASE_PATH`] is appended (rest-protocol.md section 1.1). `roots` are additional trusted certificates in PEM.
    ///
    /// # Errors
    /// A text saying what is wrong with the address or a certificate.
    pub fn new(endpoint: &str, roots: &[String]) -> Result<Self, String> {
        let trimmed = endpoint.trim().trim_end_matches('/');
        let trimmed = trimmed.strip_suffix(BASE_PATH).unwrap_or(trimmed);
        let url = reqwest::Url::parse(trimmed).map_err(|e| format!("gateway address {trimmed:?}: {e}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("gateway address {trimmed:?}: an http or https URL is needed"));
        }
        let tls = tls(roots)?;
        let http = connections(&tls)?;
        Ok(Self { http, base: trimmed.to_owned(), tls: Arc::new(tls) })
    }

    /// From now on requests go over connections of their own: those that there are belong to a network that is gone, and what
    /// is sent over them would wait for an answer in vain. What is under way goes on.
    pub fn forget_connections(&mut self) {
        match connections(&self.tls) {
            Ok(http) => self.http = http,
            Err(error) => log::warn!("{error}; the old connections stay"),
        }
    }

    /// Sends a request of the REST protocol below the resource base and reads the complete answer.
    ///
    /// # Errors
    /// No HTTP answer came (P-65); the kind says how it failed. Bodies above [`MAX_BODY`] are `Malformed`.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, NetworkFailure> {
        let url = format!("{}{BASE_PATH}{}", self.base, request.path);
        let method = match request.verb {
            Verb::Get => reqwest::Method::GET,
            Verb::Post => reqwest::Method::POST,
            Verb::Put => reqwest::Method::PUT,
            Verb::Delete => reqwest::Method::DELETE,
        };
        let mut builder = self.http.request(method, url).bearer_auth(request.token.expose());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        builder = match request.body {
            Some(body) => builder.body(body),
            None if request.verb == Verb::Post || request.verb == Verb::Put => builder.header("Content-Length", "0"),
            None => builder,
        };
        exchange(builder, request.timeout).await
    }

    /// `POST <endpoint><path>` with a JSON body and no token, for the gateway's development mode.
    pub async fn post_json(&self, path: &str, body: String, timeout: Duration) -> Result<HttpResponse, NetworkFailure> {
        let builder = self
            .http
            .post(format!("{}{path}", self.base))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json")
            .body(body);
        exchange(builder, timeout).await
    }

    /// The address of the gateway without the resource base.
    pub fn endpoint(&self) -> &str {
        &self.base
    }
}

/// An HTTP client without connections yet.
fn connections(tls: &rustls::ClientConfig) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .tcp_nodelay(true)
        .no_proxy()
        .user_agent(USER_AGENT)
        .build()
        .map_err(|e| format!("HTTP client: {e}"))
}

/// TLS with the operating system's trust, and the given roots beside it; ring is the only provider of this process's
/// clients, and no process-wide default is installed. Android keeps its authorities behind Java, out of reach here: only the
/// given roots are trusted there.
fn tls(roots: &[String]) -> Result<rustls::ClientConfig, String> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS: {e}"))?;
    let mut extra = Vec::new();
    for pem in roots {
        let before = extra.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            extra.push(certificate.map_err(|e| format!("root certificate: {e:?}"))?);
        }
        if extra.len() == before {
            return Err("root certificate: there is none in the text".into());
        }
    }
    trusting(builder, extra, provider).map_err(|error| format!("root certificate: {error}"))
}

type Builder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>;
type Roots = Vec<rustls::pki_types::CertificateDer<'static>>;
type Provider = Arc<rustls::crypto::CryptoProvider>;

#[cfg(not(target_os = "android"))]
fn trusting(builder: Builder, extra: Roots, provider: Provider) -> Result<rustls::ClientConfig, rustls::Error> {
    /// The operating system's trust, read once: it is the same for all phones, and reading it takes milliseconds.
    static SYSTEM_TRUST: once_cell::sync::OnceCell<Arc<Verifier>> = once_cell::sync::OnceCell::new();
    let alone = extra.is_empty();
    let verifier = if alone {
        SYSTEM_TRUST.get_or_try_init(|| Verifier::new(provider).map(Arc::new)).cloned()
    } else {
        Verifier::new_with_extra_roots(extra, provider).map(Arc::new)
    };
    match verifier {
        Ok(verifier) => Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()),
        // A machine without any authority can still reach a gateway without TLS; one with TLS it will not trust.
        Err(error) if alone => {
            log::warn!("no trusted certificates on this machine: {error}");
            Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
        }
        Err(error) => Err(error),
    }
}

#[cfg(target_os = "android")]
fn trusting(builder: Builder, extra: Roots, _: Provider) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut store = rustls::RootCertStore::empty();
    extra.into_iter().try_for_each(|root| store.add(root))?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

async fn exchange(builder: reqwest::RequestBuilder, timeout: Duration) -> Result<HttpResponse, NetworkFailure> {
    match tokio::time::timeout(timeout, read(builder)).await {
        Ok(result) => result,
        Err(_) => Err(NetworkFailure {
            kind: NetworkFailureKind::Timeout,
            text: format!("no complete answer within {} ms", timeout.as_millis()),
        }),
    }
}

async fn read(builder: reqwest::RequestBuilder) -> Result<HttpResponse, NetworkFailure> {
    let mut response = builder.send().await.map_err(|e| failure(&e))?;
    let headers = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_ascii_lowercase(), value.to_str().ok()?.to_owned())))
        .collect();
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| failure(&e))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(NetworkFailure {
                kind: NetworkFailureKind::Malformed,
                text: format!("answer larger than {MAX_BODY} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { status, headers, body })
}

/// The kind of a failure, and a text without the URL (its path holds the session's id).
fn failure(error: &reqwest::Error) -> NetworkFailure {
    let mut kind = if error.is_timeout() {
        NetworkFailureKind::Timeout
    } else if error.is_connect() {
        NetworkFailureKind::Connect
    } else if error.is_decode() || error.is_builder() {
        NetworkFailureKind::Malformed
    } else {
        NetworkFailureKind::Reset
    };
    let mut text = String::new();
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(inner) = cause {
        let io = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if inner.is::<rustls::Error>() || io.is_some_and(|e| e.is::<rustls::Error>()) {
            kind = NetworkFailureKind::Tls;
        }
        if text.len() < 500 {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&inner.to_string());
        }
        cause = inner.source();
    }
    if text.is_empty() {
        text = "the request failed".into();
    }
    NetworkFailure { kind, text }
}
