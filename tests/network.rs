//! The network of the machine goes and comes back, and every phone knows. Each test runs in a network namespace of its own,
//! as a process of its own, so that nothing else on the machine notices.
//!
//! Uses the library's public interface, and the programs `unshare` and `ip`; where they may not do their work the tests say
//! so and pass. Linux only.
#![cfg(target_os = "linux")]

use ewebrtc::{DialOptions, Event, Events, Gateway, GatewayConfig, LoginOptions, Phone, PhoneConfig};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Set in the process that is inside the namespace.
const INSIDE: &str = "EWEBRTC_TEST_IN_NAMESPACE";

/// Longest wait for an event.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `body` in a network namespace in which there is nothing but a loopback interface that is down.
fn in_a_namespace(test: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() || std::env::var_os(FAR).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(body);
    }
    let works = |flags: &str| {
        let script = "ip link add probe0 type veth peer name probe1 && ip link set lo up";
        let tried = Command::new("unshare").args([flags, "--", "sh", "-c", script]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let Some(flags) = ["-n", "-rn"].into_iter().find(|flags| works(flags)) else {
        println!("skipped: {test}: `unshare` and `ip` cannot make a network namespace with interfaces here");
        return;
    };
    let own = std::env::current_exe().expect("this program");
    let mut inside = Command::new("unshare");
    inside.arg(flags).arg("--").arg(own).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    assert!(inside.status().expect("it runs").success(), "{test} failed inside its namespace");
}

/// Set in the process that is the far end of the cables.
const FAR: &str = "EWEBRTC_TEST_FAR_END";

/// Another machine: this program again, in a network namespace of its own. Ends when dropped.
struct FarEnd(std::process::Child);

impl FarEnd {
    fn start(test: &str) -> Self {
        let own = std::env::current_exe().expect("this program");
        let mut far = Command::new("unshare");
        far.args(["-n", "--"]).arg(own).args(["--exact", test, "--nocapture"]).env(FAR, "1");
        Self(far.stdin(Stdio::piped()).spawn().expect("it runs"))
    }

    /// Lays a cable to it: `near` here, `there` at its side, with these addresses.
    fn cable(&self, near: &str, there: &str) {
        ip(&format!("link add {near} type veth peer name {there}"));
        // Until it has its namespace it is still in ours, where the other end cannot be found missing.
        let inside = format!("/proc/{}/ns/net", self.0.id());
        while std::fs::read_link(&inside).ok() == std::fs::read_link("/proc/self/ns/net").ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
        ip(&format!("link set {there} netns {}", self.0.id()));
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What runs there: a gateway, and bob, who answers and sends a tone, both until the process is killed.
async fn be_the_far_end(cables: &[(&str, &str)]) {
    ip("link set lo up");
    ip("address add 10.9.0.1/32 dev lo");
    for (name, address) in cables {
        while !std::path::Path::new(&format!("/proc/self/net/dev_snmp6/{name}")).exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        ip(&format!("address add {address} dev {name}"));
        ip(&format!("link set {name} up"));
    }
    let mut config = GatewayConfig::development();
    config.listen = "10.9.0.1:8080".into();
    let gateway = Gateway::start(config).await.expect("a gateway");
    let mut config = PhoneConfig::new(gateway.url());
    config.local_media = "tone:300".into();
    let bob = Phone::new(config).expect("a phone");
    let own = bob.clone();
    bob.on("call:incoming", move |_| drop(own.invoke("answer", serde_json::json!({}), None))).expect("an event");
    let token = gateway.dev_token("bob").await.expect("a token").access_token;
    bob.login(LoginOptions::new(token)).await.expect("login");
    std::future::pending::<()>().await;
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status().expect("ip is there");
    assert!(done.success(), "ip {arguments}");
}

/// A phone and its events.
struct Watched {
    phone: Phone,
    events: Events,
}

impl Watched {
    fn new(gateway: &str) -> Self {
        let phone = Phone::new(PhoneConfig::new(gateway)).expect("a phone");
        let events = phone.events();
        Self { phone, events }
    }

    async fn next(&mut self) -> Event {
        let event =
            tokio::time::timeout(PATIENCE, self.events.next()).await.expect("an event in time").expect("an event");
        if event.name().starts_with("connectivity:") {
            let members = event.to_json().as_object().expect("an object").len();
            assert_eq!(members, 3, "event, seq and timestamp only (P-1): {}", event.to_json());
        }
        event
    }

    async fn until(&mut self, name: &str) {
        while self.next().await.name() != name {}
    }

    /// The next event is this one: nothing else was told in between.
    async fn told(&mut self, name: &str) {
        assert_eq!(self.next().await.name(), name);
    }
}

#[test]
fn loopback_goes_down_and_comes_back() {
    in_a_namespace("loopback_goes_down_and_comes_back", async {
        // Made while there is no network at all: offline from the beginning, and no event says so.
        let mut early = Watched::new("http://127.0.0.1:8080");
        assert!(!early.phone.is_online());
        let error = early.phone.login(LoginOptions::new("token")).await.expect_err("offline");
        assert_eq!(error.code(), Some("0002"));
        early.told("error").await;

        ip("link set lo up");
        early.told("connectivity:on").await;
        assert!(early.phone.is_online());
        assert!(!ewebrtc::is_network_connected(), "loopback alone is no network");

        // Only loopback, and yet online for a gateway there: a whole call.
        let gateway = Gateway::start(GatewayConfig::development()).await.expect("a gateway");
        let mut alice = Watched::new(gateway.url());
        assert!(alice.phone.is_online());
        let token = gateway.dev_token("alice").await.expect("a token").access_token;
        alice.phone.login(LoginOptions::new(token)).await.expect("login");
        let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
        call.connected().await.expect("echo answers");
        alice.until("media:established").await;

        ip("link set lo down");
        alice.until("connectivity:off").await;
        assert!(!alice.phone.is_online());
        for refused in [
            alice.phone.hold().await,
            alice.phone.hangup().await,
            alice.phone.logout().await,
            alice.phone.associate_e911_id("E1").await,
        ] {
            assert_eq!(refused.expect_err("offline").code(), Some("0002"));
        }
        let calls = alice.phone.calls().await.expect("getters answer");
        assert_eq!((calls.len(), calls[0].state.as_str()), (1, "connected"), "calls are kept");
        alice.phone.mute().await.expect("needs no gateway");

        ip("link set lo up");
        alice.until("connectivity:on").await;
        call.hangup().await.expect("the session and the call were kept");
        alice.phone.logout().await.expect("logout");
        alice.until("session:disconnected").await;
        early.told("connectivity:off").await;
        early.told("connectivity:on").await;
        gateway.stop().await;
    });
}

#[test]
fn a_network_comes_with_its_addresses_and_routes_and_goes() {
    in_a_namespace("a_network_comes_with_its_addresses_and_routes_and_goes", async {
        ip("link set lo up");
        let mut named = Watched::new("https://gateway.example.org");
        let mut far = Watched::new("http://192.0.2.1:8080");
        let mut own = Watched::new("http://198.51.100.5:8080");
        for watched in [&named, &far, &own] {
            assert!(!watched.phone.is_online(), "there is only loopback");
        }
        // A pair of interfaces is a cable: net1 is its far end.
        ip("link add net0 type veth peer name net1");
        ip("address add 198.51.100.5/24 dev net0");
        ip("link set net0 up");
        // This machine's own address works without a cable.
        own.told("connectivity:on").await;
        assert!(!named.phone.is_online() && !far.phone.is_online());
        ip("link set net1 up");
        named.told("connectivity:on").await;
        assert!(ewebrtc::is_network_connected());
        assert!(!far.phone.is_online(), "no way leads there");
        ip("route add 192.0.2.0/24 dev net0");
        far.told("connectivity:on").await;
        ip("route del 192.0.2.0/24 dev net0");
        far.told("connectivity:off").await;
        assert!(named.phone.is_online());
        ip("link del net0");
        named.told("connectivity:off").await;
        own.told("connectivity:off").await;
        assert!(!ewebrtc::is_network_connected());
    });
}

#[test]
fn the_word_of_the_host_program_counts_until_it_is_given_back() {
    in_a_namespace("the_word_of_the_host_program_counts_until_it_is_given_back", async {
        ip("link set lo up");
        let mut told = Watched::new("https://gateway.example.org");
        let mut watching = Watched::new("https://gateway.example.org");
        told.phone.set_connectivity(true);
        assert!(told.phone.is_online());
        told.told("connectivity:on").await;
        ip("link add net0 type veth peer name net1");
        ip("address add 198.51.100.5/24 dev net0");
        ip("link set net0 up");
        ip("link set net1 up");
        watching.told("connectivity:on").await;
        ip("link del net0");
        watching.told("connectivity:off").await;
        assert!(told.phone.is_online(), "the network does not matter to this one");
        // The next thing it hears of is its own: nothing was told meanwhile.
        told.phone.follow_network();
        told.told("connectivity:off").await;
        assert!(!told.phone.is_online());
        told.phone.set_connectivity(false);
        told.phone.set_connectivity(true);
        told.told("connectivity:on").await;
        // A phone that is closed may be told anything.
        told.phone.close();
        told.told("phone:closed").await;
        told.phone.set_connectivity(false);
        told.phone.follow_network();
    });
}

/// From one network to another in the middle of a call, as when a device leaves a house: the old address is gone before the new
/// one is there, and the call goes on by itself.
#[test]
fn a_call_goes_on_over_another_network() {
    const NAME: &str = "a_call_goes_on_over_another_network";
    in_a_namespace(NAME, async {
        if std::env::var_os(FAR).is_some() {
            return be_the_far_end(&[("far0", "10.1.0.1/24"), ("far1", "10.2.0.1/24")]).await;
        }
        ip("link set lo up");
        let far = FarEnd::start(NAME);
        far.cable("net0", "far0");
        far.cable("net1", "far1");
        let join = |name: &str, own: &str, way: &str| {
            ip(&format!("link set {name} up"));
            ip(&format!("address add {own} dev {name}"));
            ip(&format!("route add 10.9.0.1/32 via {way}"));
        };
        join("net0", "10.1.0.2/24", "10.1.0.1");

        let mut alice = Watched::new("http://10.9.0.1:8080");
        let token = loop {
            if let Ok(token) = ewebrtc::dev_token("http://10.9.0.1:8080", "alice", &[]).await {
                break token.access_token;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        alice.phone.login(LoginOptions::new(token)).await.expect("login");
        let call = loop {
            let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
            // Bob may not be there yet.
            if call.connected().await.is_ok() {
                break call;
            }
        };
        alice.until("media:established").await;

        for (old, new) in [
            (("net0", "10.1.0.2/24"), ("net1", "10.2.0.2/24", "10.2.0.1")),
            (("net1", "10.2.0.2/24"), ("net0", "10.1.0.2/24", "10.1.0.1")),
        ] {
            ip(&format!("address del {} dev {}", old.1, old.0));
            ip(&format!("link set {} down", old.0));
            alice.until("connectivity:off").await;
            join(new.0, new.1, new.2);
            alice.until("connectivity:on").await;
            let changed = std::time::Instant::now();
            let before = call.stats().expect("a leg").packets_received;
            let heard = async {
                while call.stats().expect("the call is kept").packets_received < before + 100 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(PATIENCE, heard).await.expect("two seconds of audio over the new network");
            println!("heard again for two seconds {:?} after the change to {}", changed.elapsed(), new.0);
            assert_eq!(call.state().as_deref(), Some("connected"), "and nothing is left to be done");
        }
        call.hangup().await.expect("hangup");
        drop(far);
    });
}
