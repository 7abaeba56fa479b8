//! What calls are set up with: ICE servers, paths, IPv6 and the audio codec, by method and by name, and what they do to the
//! calls made afterwards; and every method that belongs to no phone, by name.
//!
//! Uses the library's public interface only.

use ewebrtc::{
    AudioCodec, Call, Credential, DialOptions, Error, Event, Events, Gateway, GatewayConfig, IcePolicy, IceServer,
    LoginOptions, Phone, PhoneConfig,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A phone that never asks its gateway for anything.
fn phone() -> Phone {
    Phone::new(PhoneConfig::new("http://127.0.0.1:9")).expect("a phone")
}

async fn next(events: &mut Events) -> Event {
    timeout(PATIENCE, events.next()).await.expect("an event in time").expect("an event")
}

async fn until(events: &mut Events, name: &str) -> Event {
    loop {
        let event = next(events).await;
        if event.name() == name {
            return event;
        }
    }
}

fn server(urls: &[&str]) -> IceServer {
    IceServer {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        username: "user".into(),
        credential: Credential::new("secret"),
    }
}

/// A gateway, a phone that is logged in, and everything that the phone has said to the gateway.
struct Site {
    gateway: Gateway,
    phone: Phone,
    events: Events,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Site {
    async fn new(set: impl FnOnce(&mut PhoneConfig)) -> Self {
        let gateway = Gateway::start(GatewayConfig::development()).await.expect("a gateway");
        let target = gateway.url().trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut config = PhoneConfig::new(format!("http://{}", listener.local_addr().expect("an address")));
        set(&mut config);
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = said.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(relay(stream, target.clone(), kept.clone()));
            }
        });
        let phone = Phone::new(config).expect("a phone");
        let events = phone.events();
        let token = gateway.dev_token("alice").await.expect("a token").access_token;
        phone.login(LoginOptions::new(token)).await.expect("login");
        Self { gateway, phone, events, said }
    }

    /// A call to the echo, with the event of its connection.
    async fn talk(&mut self) -> (Call, Event) {
        self.said.lock().expect("whole").clear();
        let call = self.phone.dial(DialOptions::new("echo")).await.expect("dial");
        let connected = until(&mut self.events, "call:connected").await;
        assert_eq!(connected.call(), Some(call.handle()));
        (call, connected)
    }

    /// The offer of the last call.
    fn offer(&self) -> String {
        let said = String::from_utf8_lossy(&self.said.lock().expect("whole")).into_owned();
        let (_, offer) = said.split_once("v=0").expect("an offer");
        offer.to_owned()
    }

    async fn leave(self) {
        self.phone.close();
        timeout(PATIENCE, self.phone.closed()).await.expect("it closes");
        self.gateway.stop().await;
    }
}

/// Passes everything on and keeps what the phone says.
async fn relay(stream: TcpStream, target: String, said: Arc<Mutex<Vec<u8>>>) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    let ((mut from_phone, mut to_phone), (mut from_gateway, mut to_gateway)) = (stream.into_split(), far.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut from_gateway, &mut to_phone).await });
    let mut piece = [0u8; 16_384];
    while let Ok(count @ 1..) = from_phone.read(&mut piece).await {
        said.lock().expect("whole").extend_from_slice(&piece[..count]);
        if to_gateway.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
}

/// The first codec of an event.
fn codec(event: &Event) -> Option<&str> {
    event.get("codec")?[0]["rtp"][0]["codec"].as_str()
}

/// Values that are no argument of these methods, with the code of the refusal.
#[tokio::test]
async fn what_cannot_be_a_setting_is_refused_and_changes_nothing() {
    let phone = phone();
    let mut events = phone.events();
    let servers = json!([{"urls": ["stun:192.0.2.1"]}]);
    phone.invoke("setIceServers", json!({"iceServers": servers}), None).expect("set");
    phone.invoke("setIceTransport", json!({"iceTransport": "relay"}), None).expect("set");
    phone.invoke("setIpv6", json!({"ipv6": false}), None).expect("set");
    let odd = [Value::Null, json!(5), json!(true), json!("secret"), json!({}), json!([])];
    let odd_servers = [
        json!([{}]),
        json!(["stun:secret"]),
        json!([{"url": ""}]),
        json!([{"urls": []}]),
        json!([{"url": "http://secret"}]),
        json!([{"url": 5}]),
        json!([{"url": "turn:192.0.2.1", "username": 5}]),
        json!([{"url": "turn:192.0.2.1", "credential": ["secret"]}]),
        json!([{"url": "stun:192.0.2.1"}, {"url": "stun:"}]),
    ];
    let odd_paths = [json!("ALL"), json!(" all"), json!("")];
    for (method, argument, code, values) in [
        ("setIceServers", "iceServers", "4811", [&odd[..], &odd_servers[..]].concat()),
        ("setIceTransport", "iceTransport", "4821", [&odd[..], &odd_paths[..]].concat()),
        ("setIpv6", "ipv6", "4831", odd.iter().filter(|value| !value.is_boolean()).cloned().collect()),
    ] {
        for options in values.into_iter().map(|value| json!({argument: value})).chain([Value::Null, json!({})]) {
            let error = phone.invoke(method, options.clone(), Some("odd")).expect_err("refused");
            assert_eq!(error.code(), Some(code), "{method} {options}");
            assert!(!error.to_string().contains("secret"), "{error}");
            let event = next(&mut events).await;
            assert_eq!((event.name(), event.tag(), event.text("ErrorCode")), ("error", Some("odd"), Some(code)));
            assert_eq!(event.text("JSMethod"), Some(method));
        }
    }
    for (error, code) in [
        (phone.set_ice_servers(Vec::new()), "4811"),
        (phone.set_ice_servers(vec![server(&[])]), "4811"),
        (phone.set_ice_servers(vec![server(&["stun:192.0.2.1"]), server(&["ftp:192.0.2.1"])]), "4811"),
    ] {
        assert_eq!(error.expect_err("refused").code(), Some(code));
        assert_eq!(next(&mut events).await.text("ErrorCode"), Some(code));
    }
    for codec in [Value::Null, json!(5), json!(""), json!("G729"), json!(["opus"])] {
        let error = phone.invoke("setAudioCodec", json!({"codec": codec}), None).expect_err("refused");
        assert!(matches!(error, Error::Config(_)), "{codec}: {error:?}");
    }
    assert_eq!(phone.invoke("getIceServers", Value::Null, None), Ok(servers));
    assert_eq!(phone.invoke("getIceTransport", Value::Null, None), Ok("relay".into()));
    assert_eq!(phone.invoke("getIpv6", Value::Null, None), Ok(false.into()));
    assert_eq!(phone.invoke("getAudioCodec", Value::Null, None), Ok(Value::Null));

    // A phone without IPv4 keeps IPv6.
    let mut config = PhoneConfig::new("http://127.0.0.1:9");
    config.ice.addresses.ipv4 = false;
    let only = Phone::new(config).expect("a phone");
    assert_eq!(only.set_ipv6(false).expect_err("nothing would be left").code(), Some("4831"));
    assert!(only.ipv6());
    only.close();
    phone.close();
}

#[tokio::test]
async fn settings_are_read_set_and_reset_by_method_and_by_name() {
    let mut config = PhoneConfig::new("http://127.0.0.1:9");
    config.ice.servers = vec![server(&["turn:192.0.2.7"])];
    config.ice.policy = IcePolicy::Relay;
    config.ice.addresses.ipv6 = false;
    config.audio_codecs = vec![AudioCodec::Pcma, AudioCodec::Opus];
    let phone = Phone::new(config).expect("a phone");
    let mut events = phone.events();
    let named = |method: &str, options: Value| phone.invoke(method, options, None).expect("answered");
    assert_eq!((phone.ice_servers(), phone.ice_transport()), (vec![server(&["turn:192.0.2.7"])], IcePolicy::Relay));
    assert_eq!((phone.ipv6(), phone.audio_codec()), (false, None));
    assert_eq!(
        named("getIceServers", Value::Null),
        json!([{"urls": ["turn:192.0.2.7"], "username": "user", "credential": "secret"}])
    );

    phone.set_ice_servers(vec![server(&["stun:[2001:db8::1]:3478", "turns:192.0.2.8"])]).expect("set");
    phone.set_ice_transport(IcePolicy::None);
    phone.set_ipv6(true).expect("set");
    phone.set_audio_codec(AudioCodec::Pcmu);
    assert_eq!(named("getIceServers", Value::Null)[0]["urls"], json!(["stun:[2001:db8::1]:3478", "turns:192.0.2.8"]));
    assert_eq!(named("getIceTransport", Value::Null), "none");
    assert_eq!(named("getIpv6", Value::Null), true);
    assert_eq!(named("getAudioCodec", Value::Null), "PCMU");

    // Names in any case, and read back as they were given.
    named("setAudioCodec", json!({"codec": "OPUS"}));
    assert_eq!((phone.audio_codec(), named("getAudioCodec", Value::Null)), (Some(AudioCodec::Opus), "OPUS".into()));
    assert_eq!(named("getSupportedAudioCodecs", Value::Null), json!(["opus", "PCMU", "PCMA"]));
    named("setIceServers", json!({"iceServers": [{"url": "STUN:192.0.2.9"}]}));
    assert_eq!(phone.ice_servers()[0].urls, ["STUN:192.0.2.9"]);
    // What is read can be set again.
    named("setIceServers", json!({"iceServers": named("getIceServers", Value::Null)}));

    for reset in ["resetIceServers", "resetIceTransport", "resetIpv6", "resetAudioCodec"] {
        assert_eq!(named(reset, Value::Null), Value::Null);
    }
    assert_eq!((phone.ice_servers(), phone.ice_transport()), (vec![server(&["turn:192.0.2.7"])], IcePolicy::Relay));
    assert_eq!((phone.ipv6(), phone.audio_codec()), (false, None));
    phone.set_ice_transport(IcePolicy::All);
    phone.reset_ice_transport();
    phone.reset_ice_servers();
    phone.reset_ipv6();
    phone.reset_audio_codec();
    assert_eq!(phone.ice_transport(), IcePolicy::Relay);
    assert!(!format!("{:?}", phone.ice_servers()).contains("secret"));

    // Nothing was published but the end of what was asked for with a tag.
    phone.invoke_async("getIceTransport", Value::Null, Some("done")).await.expect("answered");
    let event = next(&mut events).await;
    assert_eq!((event.name(), event.tag(), event.seq()), ("command:finished", Some("done"), 1));
    assert_eq!(named("isOnline", Value::Null), true);
    let on_a_call = phone.invoke_on(77, "getIpv6", Value::Null, None);
    assert_eq!(on_a_call, Err(Error::UnknownMethod("getIpv6".into())), "this is no method of a call");
    phone.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codec_is_that_of_calls_made_afterwards() {
    let mut site = Site::new(|_| {}).await;
    let (call, connected) = site.talk().await;
    assert_eq!(codec(&connected), Some("opus"));
    site.phone.set_audio_codec(AudioCodec::Pcma);
    // The running call keeps its own, also when it is changed.
    site.phone.hold().await.expect("hold");
    site.phone.resume().await.expect("resume");
    let resumed = until(&mut site.events, "call:resumed").await;
    assert_eq!(codec(&resumed), Some("opus"));
    call.hangup().await.expect("hangup");

    let (call, connected) = site.talk().await;
    assert_eq!(codec(&connected), Some("PCMA"));
    let offer = site.offer();
    assert!(offer.contains("PCMA/8000") && offer.contains("telephone-event/8000"), "{offer}");
    assert!(!offer.contains("opus") && !offer.contains("PCMU"), "{offer}");
    until(&mut site.events, "media:established").await;
    call.hangup().await.expect("hangup");

    site.phone.reset_audio_codec();
    let (call, connected) = site.talk().await;
    assert_eq!(codec(&connected), Some("opus"));
    call.hangup().await.expect("hangup");
    site.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_addresses_are_those_of_calls_made_afterwards() {
    let mut site = Site::new(|_| {}).await;
    for (transport, why) in [(IcePolicy::None, "no path"), (IcePolicy::Relay, "no TURN server")] {
        site.phone.set_ice_transport(transport);
        let call = site.phone.dial(DialOptions::new("echo")).await.expect("accepted");
        let error = until(&mut site.events, "error").await;
        assert!(error.text("AdditionalInformation").is_some_and(|text| text.contains(why)), "{}", error.to_json());
        assert_eq!(until(&mut site.events, "call:disconnected").await.call(), Some(call.handle()));
    }
    site.phone.reset_ice_transport();

    let sixes = |offer: &str| {
        offer.lines().filter(|line| line.contains("candidate:")).filter(|line| line.contains("::1 ")).count()
    };
    let (call, _) = site.talk().await;
    let offer = site.offer().replace("\\r\\n", "\n");
    assert!(offer.contains(" 127.0.0.1 "), "{offer}");
    let (before, possible) = (sixes(&offer), std::net::UdpSocket::bind("[::1]:0").is_ok());
    call.hangup().await.expect("hangup");
    if possible {
        assert!(before > 0, "{offer}");
    } else {
        println!("skipped: that IPv6 addresses are offered: this machine has none");
    }
    site.phone.set_ipv6(false).expect("set");
    let (call, _) = site.talk().await;
    let offer = site.offer().replace("\\r\\n", "\n");
    assert_eq!(sixes(&offer), 0, "{offer}");
    call.hangup().await.expect("hangup");
    site.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ice_servers_are_asked_by_calls_made_afterwards() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("stun:{}", socket.local_addr().expect("an address"));
    let mut site = Site::new(|_| {}).await;
    site.phone.invoke("setIceServers", json!({"iceServers": [{"url": url}]}), None).expect("set");
    site.phone.dial(DialOptions::new("echo")).await.expect("dial");
    // A binding request (RFC 8489 sections 5 and 6).
    let mut request = [0u8; 1500];
    let (length, _) =
        timeout(PATIENCE, socket.recv_from(&mut request)).await.expect("asked in time").expect("a packet");
    assert!(length >= 20);
    assert_eq!((&request[..2], &request[4..8]), (&[0x00, 0x01][..], &[0x21, 0x12, 0xa4, 0x42][..]));
    until(&mut site.events, "call:connected").await;
    site.leave().await;
}

#[test]
fn what_belongs_to_no_phone_is_answered_with_and_without_one() {
    let none = Value::Null;
    let utility = |method: &str, options: Value| ewebrtc::utility(method, &options);
    let refused = |method: &str, options: Value| {
        let result = ewebrtc::utility(method, &options);
        assert!(matches!(result, Err(Error::Config(_))), "{method} {options}: {result:?}");
    };
    // Arguments of every wrong kind first.
    for wrong in [none.clone(), json!({}), json!({"module": 5, "level": 5}), json!({"module": "", "level": ""})] {
        for method in [
            "getLogger",
            "createCustomLogger",
            "deleteCustomLogger",
            "setGlobalLogLevel",
            "getLogLevel",
            "setLogLevel",
            "isCustomType",
            "logError",
            "logTrace",
        ] {
            refused(method, wrong.clone());
        }
    }
    for level in ["WARN", "all", "5"] {
        refused("setGlobalLogLevel", json!({"level": level}));
        refused("setLogLevel", json!({"module": "call", "level": level}));
    }
    refused("getLogger", json!({"module": "nobody"}));
    refused("deleteCustomLogger", json!({"module": "call"}));
    assert_eq!(utility("dial", none.clone()), Err(Error::UnknownMethod("dial".into())));
    assert_eq!(utility("getIpv6", none.clone()), Err(Error::UnknownMethod("getIpv6".into())), "that needs a phone");

    assert_eq!(utility("getLogLevels", none.clone()), Ok(json!(["error", "warn", "info", "debug", "trace"])));
    assert_eq!(utility("getDefaultLogLevel", none.clone()), Ok("warn".into()));
    assert_eq!(utility("getModuleDefaults", none.clone()).expect("answered")["call"], "info");
    let made = utility("createCustomLogger", json!({"module": "by name"})).expect("made");
    assert_eq!(made, json!({"module": "by name", "level": "warn", "isCustomType": true}));
    refused("createCustomLogger", json!({"module": "by name"}));
    assert!(
        utility("getLoggers", none.clone()).expect("answered").as_array().expect("a list").contains(&"by name".into())
    );
    utility("setLogLevel", json!({"module": "by name", "level": "trace"})).expect("set");
    assert_eq!(utility("getLogLevel", json!({"module": "by name"})), Ok("trace".into()));
    assert_eq!(utility("isCustomType", json!({"module": "call"})), Ok(false.into()));
    utility("setGlobalLogLevel", json!({"level": "error"})).expect("set");
    assert_eq!(utility("getGlobalLogLevel", none.clone()), Ok("error".into()));
    assert_eq!(utility("getCurrentModuleLogLevels", none.clone()).expect("answered")["by name"], "error");
    utility("resetLogLevels", none.clone()).expect("reset");
    assert_eq!(utility("getGlobalLogLevel", none.clone()), Ok("warn".into()));

    assert_eq!(utility("hasWebRTC", none.clone()), Ok(ewebrtc::Capabilities::now().support.to_string().into()));
    assert_eq!(utility("isNetworkConnected", none.clone()), Ok(ewebrtc::is_network_connected().into()));
    assert_eq!(utility("getBrowserSupport", none.clone()), Ok(ewebrtc::Capabilities::now().to_json()));

    // What is written arrives with its level and its logger; what is no text is written as JSON.
    let lines: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let kept = lines.clone();
    ewebrtc::LogManager::install().expect("this program has no logger");
    ewebrtc::LogManager::set_callback(move |line| {
        if line.module == "by name" {
            kept.lock().expect("whole").push((line.level.to_string(), line.message.to_owned()));
        }
    });
    utility("setLogLevel", json!({"module": "by name", "level": "trace"})).expect("set");
    for (method, message) in [("logError", json!("e")), ("logWarning", json!(5)), ("logInfo", json!({"a": 1}))] {
        utility(method, json!({"module": "by name", "message": message})).expect("written");
    }
    utility("logDebug", json!({"module": "by name"})).expect("written");
    utility("logTrace", json!({"module": "by name", "message": "t", "data": {"b": 2}})).expect("written");
    utility("setLogLevel", json!({"module": "by name", "level": "error"})).expect("set");
    utility("logWarning", json!({"module": "by name", "message": "left out"})).expect("not written");
    let expected = [("error", "e"), ("warn", "5"), ("info", "{\"a\":1}"), ("debug", ""), ("trace", "t\n{\"b\":2}")];
    assert_eq!(*lines.lock().expect("whole"), expected.map(|(level, text)| (level.to_owned(), text.to_owned())));
    utility("deleteCustomLogger", json!({"module": "by name"})).expect("deleted");
    refused("logError", json!({"module": "by name", "message": "nobody"}));

    // A phone answers the same names, also one that is closed.
    let phone = phone();
    phone.close();
    phone.wait_closed().expect("closed");
    assert_eq!(phone.invoke("getLogLevels", none.clone(), None), utility("getLogLevels", none.clone()));
    assert!(matches!(phone.invoke("getLogger", none.clone(), None), Err(Error::Config(_))));
    assert_eq!(phone.invoke("hasWebRTC", none.clone(), None), utility("hasWebRTC", none));
}
