//! The operating system's word on the network: which addresses this machine has, whether a gateway can be reached with
//! them, and when that changes.
//!
//! Owns: the one watcher of the process, [`Reach`] of each phone. Lives on: a task of the process's runtime; questions are
//! answered on any thread. Must not import: `core`, `api`, `signal`, `ffi`.
//!
//! Linux tells of every change of links, addresses and routes by a netlink socket (rtnetlink(7)). Where there is none, on
//! other systems and where it is forbidden to programs, the interfaces are looked at every [`LOOK_EVERY`]. Nothing is sent
//! in either case. A phone counts as offline only where that is certain: an unanswered request tells the rest.

use super::legs::lock;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// How often the interfaces are looked at where the system tells nothing by itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long it must be quiet before a burst of changes is looked at: an interface that comes up is reported in pieces.
#[cfg(target_os = "linux")]
const QUIET: Duration = Duration::from_millis(200);

/// A burst that does not end is looked at after this time all the same.
#[cfg(target_os = "linux")]
const LONGEST_BURST: Duration = Duration::from_secs(1);

/// An address of this machine, and whether its interface is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Own {
    address: IpAddr,
    up: bool,
}

/// What is known of the network at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// `None`: the system does not list its interfaces.
    addresses: Option<Vec<Own>>,
}

/// Where a gateway is, as far as its address says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this machine, by loopback.
    Loopback,
    /// At this address.
    Address(IpAddr),
    /// Behind a name.
    Name {
        /// The name is one of a network without servers for names (RFC 6762), which may be without any but link-local addresses.
        local: bool,
    },
}

impl Place {
    /// The place of the gateway with this URL.
    pub fn of(endpoint: &str) -> Self {
        let Some(host) = reqwest::Url::parse(endpoint).ok().and_then(|url| url.host_str().map(str::to_owned)) else {
            return Place::Name { local: false };
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
            // To connect to the unspecified address is to connect to oneself.
            Ok(address) if address.is_loopback() || address.is_unspecified() => Place::Loopback,
            Ok(address) => Place::Address(address),
            // RFC 6761 section 6.3
            Err(_) if host == "localhost" || host.ends_with(".localhost") => Place::Loopback,
            Err(_) => Place::Name { local: host.ends_with(".local") },
        }
    }
}

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

impl Network {
    /// Asks the system: a call or two.
    fn now() -> Self {
        match if_addrs::get_if_addrs() {
            Ok(interfaces) => {
                let own = |one: &if_addrs::Interface| Own { address: one.ip().to_canonical(), up: one.is_oper_up() };
                Self::of(interfaces.iter().map(own).collect())
            }
            Err(error) => {
                log::warn!("the network interfaces cannot be listed, so the phones count as online: {error}");
                Self { addresses: None }
            }
        }
    }

    fn of(mut addresses: Vec<Own>) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        Self { addresses: Some(addresses) }
    }

    /// Whether an address that others can reach was there before and is gone.
    pub fn lacks(&self, before: &Network) -> bool {
        let (Some(now), Some(before)) = (&self.addresses, &before.addresses) else { return false };
        before.iter().any(|one| one.up && !one.address.is_loopback() && !now.contains(one))
    }

    /// Whether a gateway at `place` can be reached, as far as can be known without sending anything: on loopback while
    /// loopback is up; at an address with one of the same family that is up and a route there (`routed`); behind a name with
    /// any address that reaches others.
    fn reaches(&self, place: &Place, routed: impl Fn(IpAddr) -> bool) -> bool {
        let Some(own) = &self.addresses else { return true };
        let up = || own.iter().filter(|one| one.up && !one.address.is_unspecified()).map(|one| one.address);
        let others = || up().filter(|address| !address.is_loopback());
        match place {
            Place::Loopback => up().any(|address| address.is_loopback()),
            // This machine itself, by whatever address, also that of an interface without a cable.
            Place::Address(far) if own.iter().any(|one| one.address == *far) => true,
            Place::Address(far) => {
                let near = link_local(*far);
                others().any(|address| address.is_ipv4() == far.is_ipv4() && (near || !link_local(address)))
                    && routed(*far)
            }
            Place::Name { local } => others().any(|address| *local || !link_local(address)),
        }
    }
}

/// False when the system knows no way to `far`. Connecting a UDP socket looks the route up and sends nothing.
fn routed(far: IpAddr) -> bool {
    let any: IpAddr = if far.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let looked_up = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| socket.connect(SocketAddr::new(far, 9)));
    match looked_up {
        Ok(()) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable
        ),
    }
}

/// What a phone knows about the way to its gateway: the system's word, or that of its host program, which counts more.
pub struct Reach {
    place: Place,
    network: watch::Receiver<Network>,
    injected: Mutex<Option<bool>>,
}

impl Reach {
    /// The way to a gateway at `place`. The first call in the process starts the watcher, on `runtime`.
    pub fn new(place: Place, runtime: &tokio::runtime::Handle) -> Self {
        Self { place, network: watcher(runtime), injected: Mutex::new(None) }
    }

    /// Whether the phone counts as online.
    pub fn online(&self) -> bool {
        let injected = *lock(&self.injected);
        injected.unwrap_or_else(|| self.network.borrow().reaches(&self.place, routed))
    }

    /// What the system says, unless the host program has said something.
    pub fn observed(&self) -> Option<bool> {
        if lock(&self.injected).is_some() { None } else { Some(self.online()) }
    }

    /// The word of the host program; `None` gives the matter back to the system. `tell` gets what counts now, in the order
    /// of the calls of this function.
    pub fn inject(&self, online: Option<bool>, tell: impl FnOnce(bool)) {
        let mut injected = lock(&self.injected);
        *injected = online;
        tell(online.unwrap_or_else(|| self.network.borrow().reaches(&self.place, routed)));
    }

    /// To wait for changes with.
    pub fn changes(&self) -> watch::Receiver<Network> {
        self.network.clone()
    }
}

/// The watcher of the process; it is started once and never ends.
fn watcher(runtime: &tokio::runtime::Handle) -> watch::Receiver<Network> {
    static WATCHER: OnceLock<Arc<watch::Sender<Network>>> = OnceLock::new();
    let sender = WATCHER.get_or_init(|| {
        // Listened to before the first look, so that no change is missed in between.
        #[cfg(target_os = "linux")]
        let told = netlink::open();
        let sender = Arc::new(watch::Sender::new(Network::now()));
        let news = sender.clone();
        #[cfg(target_os = "linux")]
        runtime.spawn(async move {
            match told {
                Ok(socket) => netlink::follow(socket, &news).await,
                Err(error) => log::info!("the system does not tell of changes of the network: {error}"),
            }
            look_now_and_then(&news).await;
        });
        #[cfg(not(target_os = "linux"))]
        runtime.spawn(async move { look_now_and_then(&news).await });
        sender
    });
    sender.subscribe()
}

/// Looks at the interfaces for ever.
async fn look_now_and_then(news: &watch::Sender<Network>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let seen = Network::now();
        news.send_if_modified(|known| {
            let changed = *known != seen;
            *known = seen;
            changed
        });
    }
}

/// Changes as Linux tells of them.
#[cfg(target_os = "linux")]
mod netlink {
    use super::{LONGEST_BURST, Network, QUIET};
    use std::io::{self, Read as _};
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
    use tokio::io::unix::AsyncFd;
    use tokio::sync::watch;
    use tokio::time::Instant;

    /// Links, addresses and routes of both families.
    const GROUPS: libc::c_int = libc::RTMGRP_LINK
        | libc::RTMGRP_IPV4_IFADDR
        | libc::RTMGRP_IPV4_ROUTE
        | libc::RTMGRP_IPV6_IFADDR
        | libc::RTMGRP_IPV6_ROUTE;

    /// A socket that hears of every change.
    pub(super) fn open() -> io::Result<OwnedFd> {
        let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: a system call without pointers.
        let number = unsafe { libc::socket(libc::AF_NETLINK, flags, libc::NETLINK_ROUTE) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above made it, and nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        // SAFETY: zeros are valid in every member of this plain struct.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or_default();
        address.nl_groups = GROUPS.cast_unsigned();
        let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or_default();
        // SAFETY: the address lives for the call and has the size given.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) };
        if bound == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
    }

    /// Looks at the network after every burst of changes. Returns when the socket fails.
    pub(super) async fn follow(socket: OwnedFd, news: &watch::Sender<Network>) {
        // SAFETY: a `File` owns its descriptor and names the same one until it is dropped.
        let socket = match unsafe { AsyncFd::register(std::fs::File::from(socket)) } {
            Ok(socket) => socket,
            Err(error) => return log::warn!("changes of the network cannot be waited for: {error}"),
        };
        loop {
            if let Err(error) = heard(&socket).await {
                return log::warn!("the system no longer tells of changes of the network: {error}");
            }
            let until = Instant::now() + LONGEST_BURST;
            while Instant::now() < until {
                match tokio::time::timeout(QUIET, heard(&socket)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            // Also when the addresses are the same: a route may have come or gone.
            news.send_replace(Network::now());
        }
    }

    /// Waits for a change and takes it off the socket. What it says does not matter: the interfaces are looked at anew.
    async fn heard(socket: &AsyncFd<std::fs::File>) -> io::Result<()> {
        let mut piece = [0u8; 8192];
        loop {
            let mut ready = socket.readable().await?;
            match ready.try_io(|socket| socket.get_ref().read(&mut piece)) {
                Ok(Ok(_)) => return Ok(()),
                // More has happened than the socket could keep: something has changed in any case.
                Ok(Err(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(()),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(addresses: &[&str]) -> Network {
        let own = |text: &&str| {
            let (address, up) = text.strip_prefix('!').map_or((*text, true), |down| (down, false));
            Own { address: address.parse().expect("an address"), up }
        };
        Network::of(addresses.iter().map(own).collect())
    }

    fn place(host: &str) -> Place {
        Place::of(&format!("http://{host}:8080"))
    }

    #[test]
    fn the_place_of_a_gateway_is_read_from_its_address() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "0.0.0.0",
        ] {
            assert_eq!(place(host), Place::Loopback, "{host}");
        }
        for (host, address) in
            [("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1"), ("[::ffff:192.0.2.1]", "192.0.2.1")]
        {
            assert_eq!(place(host), Place::Address(address.parse().expect("an address")), "{host}");
        }
        assert_eq!(place("gateway.example.org"), Place::Name { local: false });
        assert_eq!(place("notlocalhost"), Place::Name { local: false });
        assert_eq!(place("printer.local"), Place::Name { local: true });
        assert_eq!(Place::of("no address at all"), Place::Name { local: false });
    }

    #[test]
    fn a_phone_is_offline_only_where_that_is_certain() {
        let table: [(&[&str], &str, bool); 22] = [
            // Only loopback: online for a gateway there, and for no other.
            (&["127.0.0.1", "::1"], "127.0.0.1", true),
            (&["127.0.0.1"], "localhost", true),
            (&["127.0.0.1"], "192.0.2.9", false),
            (&["127.0.0.1"], "gateway.example.org", false),
            (&["!127.0.0.1"], "127.0.0.1", false),
            (&["!127.0.0.1", "192.0.2.5"], "127.0.0.1", false),
            (&[], "127.0.0.1", false),
            (&[], "gateway.example.org", false),
            // A network: of the family that is needed, and up.
            (&["127.0.0.1", "192.0.2.5"], "192.0.2.9", true),
            (&["127.0.0.1", "192.0.2.5"], "gateway.example.org", true),
            (&["127.0.0.1", "!192.0.2.5"], "192.0.2.9", false),
            (&["127.0.0.1", "!192.0.2.5"], "gateway.example.org", false),
            (&["2001:db8::5"], "192.0.2.9", false),
            (&["2001:db8::5"], "[2001:db8::9]", true),
            (&["2001:db8::5"], "gateway.example.org", true),
            // This machine by an address of its own, whatever has become of its cable.
            (&["!192.0.2.5"], "192.0.2.5", true),
            // Link-local addresses reach what is on the link.
            (&["169.254.3.4", "fe80::1"], "gateway.example.org", false),
            (&["169.254.3.4"], "printer.local", true),
            (&["169.254.3.4"], "169.254.9.9", true),
            (&["169.254.3.4"], "192.0.2.9", false),
            (&["fe80::1"], "[2001:db8::9]", false),
            (&["0.0.0.0"], "gateway.example.org", false),
        ];
        for (own, host, online) in table {
            assert_eq!(network(own).reaches(&place(host), |_| true), online, "{own:?} to {host}");
        }
        assert!(!network(&["192.0.2.5"]).reaches(&place("198.51.100.9"), |_| false), "no route");
        assert!(network(&["192.0.2.5"]).reaches(&place("gateway.example.org"), |_| false), "who knows where it is");
        let unknown = Network { addresses: None };
        assert!(unknown.reaches(&place("192.0.2.9"), |_| false), "nothing is known");
    }

    #[test]
    fn the_word_of_the_host_counts_until_it_is_taken_back() {
        let (sender, network_now) = watch::channel(network(&["127.0.0.1"]));
        let reach = Reach { place: Place::Loopback, network: network_now, injected: Mutex::new(None) };
        let mut told = Vec::new();
        assert_eq!((reach.online(), reach.observed()), (true, Some(true)));
        reach.inject(Some(false), |online| told.push(online));
        assert_eq!((reach.online(), reach.observed()), (false, None));
        sender.send_replace(network(&[]));
        reach.inject(Some(true), |online| told.push(online));
        assert_eq!((reach.online(), reach.observed()), (true, None));
        reach.inject(None, |online| told.push(online));
        assert_eq!((reach.online(), reach.observed()), (false, Some(false)));
        assert_eq!(told, [false, true, false]);
    }

    #[test]
    fn what_the_system_says_is_understood() {
        // Wherever tests run, the machine reaches itself.
        assert!(routed(Ipv4Addr::LOCALHOST.into()));
        assert!(Network::now().addresses.is_none_or(|own| own.windows(2).all(|pair| pair[0] < pair[1])));
    }
}
