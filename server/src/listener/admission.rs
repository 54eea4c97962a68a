//! Caps on what may be held at the same time, in all and by one peer.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

/// A number of places, and how many of them one peer may take.
pub(super) struct Admission {
    places: usize,
    per_peer: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    by_peer: HashMap<Peer, usize>,
}

/// Whom places are counted for: an IPv4 address, or the /64 of an IPv6 address, which one host has for itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Peer(IpAddr);

impl Peer {
    fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V6(ip) => {
                let network = ip.to_bits() & (u128::MAX << 64);
                Self(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
            ip @ IpAddr::V4(_) => Self(ip),
        }
    }
}

/// A place that is taken until this is dropped.
pub(super) struct Ticket {
    admission: Arc<Admission>,
    address: SocketAddr,
}

impl Admission {
    pub(super) fn new(places: usize, per_peer: usize) -> Arc<Self> {
        Arc::new(Self {
            places,
            per_peer,
            taken: Mutex::default(),
        })
    }

    /// A place for this peer, if there is one.
    pub(super) fn admit(self: &Arc<Self>, address: SocketAddr) -> Option<Ticket> {
        let peer = Peer::of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if taken.in_all >= self.places || of_peer >= self.per_peer {
            return None;
        }
        taken.in_all += 1;
        taken.by_peer.insert(peer, of_peer + 1);
        Some(Ticket {
            admission: self.clone(),
            address,
        })
    }
}

impl Ticket {
    /// Whom it was given to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let peer = Peer::of(self.address);
        let taken = self.admission.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        taken.in_all -= 1;
        match taken.by_peer.get_mut(&peer) {
            Some(of_peer) if *of_peer > 1 => *of_peer -= 1,
            // Nothing is kept of a peer that is gone.
            _ => drop(taken.by_peer.remove(&peer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn t15_one_peer_gets_its_share_and_all_peers_get_all_places() {
        let admission = Admission::new(3, 2);
        let first = admission.admit(address("192.0.2.1:1")).unwrap();
        let _second = admission.admit(address("192.0.2.1:2")).unwrap();
        assert!(admission.admit(address("192.0.2.1:3")).is_none());
        let _third = admission.admit(address("192.0.2.2:1")).unwrap();
        assert!(admission.admit(address("192.0.2.3:1")).is_none());
        drop(first);
        assert!(admission.admit(address("192.0.2.1:4")).is_some());
    }

    #[test]
    fn t15_the_addresses_of_one_host_are_one_peer() {
        let admission = Admission::new(9, 1);
        let _v6 = admission.admit(address("[2001:db8::1]:1")).unwrap();
        assert!(admission.admit(address("[2001:db8::ffff:2]:1")).is_none());
        assert!(admission.admit(address("[2001:db8:0:1::1]:1")).is_some());
        let _v4 = admission.admit(address("192.0.2.1:1")).unwrap();
        assert!(admission.admit(address("[::ffff:192.0.2.1]:1")).is_none());
    }

    #[test]
    fn nothing_is_kept_of_peers_that_are_gone() {
        let admission = Admission::new(9, 9);
        for last in 0..200 {
            drop(admission.admit(address(&format!("192.0.2.{last}:1"))));
        }
        let taken = admission.taken.lock().unwrap();
        assert_eq!((taken.in_all, taken.by_peer.len()), (0, 0));
    }
}
