//! Which local addresses and ports a connection is bound to, and so which host candidates it offers.
//!
//! Owns: the enumeration of interfaces and the choice of ports. Lives on any thread. Must not import the `webrtc` or
//! `rtc` crates: they get the result.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};

use super::types::AddressPolicy;
use crate::MediaError;

/// Each address costs a socket; hosts with more addresses (containers, bridges) offer the first ones.
const MAX_ADDRESSES: usize = 16;

/// The addresses to offer, and whether loopback ones are among those that may be told to the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) list: Vec<IpAddr>,
    pub(super) loopback_shown: bool,
}

/// The addresses of this host that the policy allows. Loopback is taken when asked for, or when there is nothing else.
pub(super) fn of_host(policy: AddressPolicy) -> Result<Addresses, MediaError> {
    let interfaces = if_addrs::get_if_addrs()
        .map_err(|error| MediaError::Transport(format!("the network interfaces cannot be listed: {error}")))?;
    choose(policy, interfaces.iter().map(if_addrs::Interface::ip))
}

fn choose(policy: AddressPolicy, found: impl Iterator<Item = IpAddr>) -> Result<Addresses, MediaError> {
    if !policy.ipv4 && !policy.ipv6 {
        return Err(MediaError::Transport("neither IPv4 nor IPv6 is allowed".into()));
    }
    let (mut outer, mut loopback): (Vec<IpAddr>, Vec<IpAddr>) = (Vec::new(), Vec::new());
    for address in found {
        let (family_is_allowed, link_local) = match address {
            IpAddr::V4(v4) => (policy.ipv4, v4.is_link_local()),
            IpAddr::V6(v6) => (policy.ipv6, v6.is_unicast_link_local()),
        };
        if !family_is_allowed || link_local || address.is_unspecified() || address.is_multicast() {
            continue;
        }
        let list = if address.is_loopback() { &mut loopback } else { &mut outer };
        if !list.contains(&address) {
            list.push(address);
        }
    }
    // A host whose list cannot be read in full (containers) still has its loopback address.
    if loopback.is_empty() && policy.ipv4 {
        loopback.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    } else if loopback.is_empty() {
        loopback.push(IpAddr::V6(Ipv6Addr::LOCALHOST));
    }
    // IPv4 first: it is the family that most paths have, and the list is cut at its end.
    outer.sort_by_key(IpAddr::is_ipv6);
    let loopback_shown = policy.loopback || outer.is_empty();
    outer.truncate(MAX_ADDRESSES);
    if loopback_shown {
        outer.extend(loopback.into_iter().take(2));
    }
    Ok(Addresses { list: outer, loopback_shown })
}

/// Where the next search in a range begins, so that calls do not queue up for its first port.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// A socket address for each IP address: port 0 (the system chooses), or a port of the range that is free just now.
pub(super) fn with_ports(list: &[IpAddr], ports: Option<&RangeInclusive<u16>>) -> Result<Vec<SocketAddr>, MediaError> {
    let Some(ports) = ports else {
        return Ok(list.iter().map(|address| SocketAddr::new(*address, 0)).collect());
    };
    let size = u32::from(*ports.end()).checked_sub(u32::from(*ports.start())).map_or(0, |span| span + 1);
    if size == 0 || *ports.start() == 0 {
        return Err(MediaError::Transport("the range of ports is empty".into()));
    }
    let mut chosen = Vec::with_capacity(list.len());
    for address in list {
        let begin = u32::from(NEXT_PORT.fetch_add(1, Ordering::Relaxed));
        let free = (0..size).find_map(|step| {
            let offset = u16::try_from((begin + step) % size).ok()?;
            let candidate = SocketAddr::new(*address, ports.start().checked_add(offset)?);
            UdpSocket::bind(candidate).is_ok().then_some(candidate)
        });
        chosen.push(free.ok_or_else(|| MediaError::Transport("no free UDP port in the range".into()))?);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(policy: AddressPolicy, found: &[&str]) -> Vec<String> {
        let found = found.iter().map(|text| text.parse().expect("an address"));
        choose(policy, found).expect("a choice").list.iter().map(ToString::to_string).collect()
    }

    const HOST: [&str; 6] = ["127.0.0.1", "::1", "fe80::1", "2001:db8::5", "192.0.2.5", "169.254.3.4"];

    #[test]
    fn families_follow_the_policy_and_link_local_addresses_stay_out() {
        let policy = AddressPolicy::default();
        assert_eq!(chosen(policy, &HOST), ["192.0.2.5", "2001:db8::5"]);
        assert_eq!(chosen(AddressPolicy { ipv6: false, ..policy }, &HOST), ["192.0.2.5"]);
        assert_eq!(chosen(AddressPolicy { ipv4: false, ..policy }, &HOST), ["2001:db8::5"]);
        assert!(choose(AddressPolicy { ipv4: false, ipv6: false, loopback: true }, std::iter::empty()).is_err());
    }

    #[test]
    fn loopback_is_offered_when_asked_for_or_when_there_is_nothing_else() {
        let asked = AddressPolicy { ipv6: false, loopback: true, ..AddressPolicy::default() };
        assert_eq!(chosen(asked, &HOST), ["192.0.2.5", "127.0.0.1"]);
        let nothing_else = choose(AddressPolicy::default(), ["127.0.0.1".parse().expect("an address")].into_iter());
        assert!(nothing_else.expect("a choice").loopback_shown);
    }

    #[test]
    fn a_range_gives_a_free_port_of_it_and_an_error_when_there_is_none() {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let held = UdpSocket::bind((local, 0)).expect("a port");
        let port = held.local_addr().expect("its address").port();
        assert!(with_ports(&[local], Some(&(port..=port))).is_err());
        drop(held);
        assert_eq!(with_ports(&[local], Some(&(port..=port))).expect("free again"), [SocketAddr::new(local, port)]);
        assert!(with_ports(&[local], Some(&RangeInclusive::new(5, 4))).is_err());
        assert_eq!(with_ports(&[local], None).expect("any port")[0].port(), 0);
    }
}
