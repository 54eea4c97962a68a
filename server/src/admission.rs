//! Caps on what may be held at the same time, in all and by one holder, so that no holder can take every place.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A number of places, and how many of them one holder may take.
pub(crate) struct Admission<H> {
    places: usize,
    per_holder: usize,
    taken: Mutex<Taken<H>>,
}

struct Taken<H> {
    in_all: usize,
    by_holder: HashMap<H, usize>,
}

/// An address as a holder: an IPv4 address, or the /64 of an IPv6 address, which one host has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host(IpAddr);

impl Host {
    pub(crate) fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V6(ip) => {
                let network = ip.to_bits() & (u128::MAX << 64);
                Self(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
            ip @ IpAddr::V4(_) => Self(ip),
        }
    }
}

/// Places that are taken until this is dropped.
pub(crate) struct Ticket<H: Clone + Eq + Hash> {
    admission: Arc<Admission<H>>,
    holder: H,
    places: usize,
}

impl<H: Clone + Eq + Hash> Admission<H> {
    pub(crate) fn new(places: usize, per_holder: usize) -> Arc<Self> {
        Arc::new(Self {
            places,
            per_holder,
            taken: Mutex::new(Taken {
                in_all: 0,
                by_holder: HashMap::new(),
            }),
        })
    }

    /// A place for this holder, if there is one.
    pub(crate) fn admit(self: &Arc<Self>, holder: H) -> Option<Ticket<H>> {
        let mut ticket = self.ticket(holder);
        ticket.grow(1).then_some(ticket)
    }

    /// A ticket of this holder for no place yet.
    pub(crate) fn ticket(self: &Arc<Self>, holder: H) -> Ticket<H> {
        Ticket {
            admission: self.clone(),
            holder,
            places: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken<H>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: Clone + Eq + Hash> Ticket<H> {
    /// Takes more places, all or none; whether there were so many.
    pub(crate) fn grow(&mut self, places: usize) -> bool {
        let mut taken = self.admission.lock();
        let of_holder = taken.by_holder.get(&self.holder).copied().unwrap_or(0);
        let fits = |taken: usize, most: usize| most.checked_sub(taken) >= Some(places);
        if !fits(taken.in_all, self.admission.places) || !fits(of_holder, self.admission.per_holder)
        {
            return false;
        }
        taken.in_all += places;
        match taken.by_holder.get_mut(&self.holder) {
            Some(of_holder) => *of_holder += places,
            None => drop(taken.by_holder.insert(self.holder.clone(), places)),
        }
        self.places += places;
        true
    }
}

impl<H: Clone + Eq + Hash> Drop for Ticket<H> {
    fn drop(&mut self) {
        if self.places == 0 {
            return;
        }
        let mut taken = self.admission.lock();
        taken.in_all -= self.places;
        match taken.by_holder.get_mut(&self.holder) {
            Some(of_holder) if *of_holder > self.places => *of_holder -= self.places,
            // Nothing is kept of a holder that is gone.
            _ => drop(taken.by_holder.remove(&self.holder)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(address: &str) -> Host {
        Host::of(address.parse().unwrap())
    }

    #[test]
    fn t15_one_peer_gets_its_share_and_all_peers_get_all_places() {
        let admission = Admission::new(3, 2);
        let first = admission.admit(host("192.0.2.1:1")).unwrap();
        let _second = admission.admit(host("192.0.2.1:2")).unwrap();
        assert!(admission.admit(host("192.0.2.1:3")).is_none());
        let _third = admission.admit(host("192.0.2.2:1")).unwrap();
        assert!(admission.admit(host("192.0.2.3:1")).is_none());
        drop(first);
        assert!(admission.admit(host("192.0.2.1:4")).is_some());
    }

    #[test]
    fn places_are_taken_one_after_the_other_and_given_back_together() {
        let admission = Admission::new(10, 6);
        let mut first = admission.ticket(host("192.0.2.1:1"));
        assert!(first.grow(2) && first.grow(3));
        assert!(!first.grow(2), "beyond the share of the holder");
        let mut second = admission.ticket(host("192.0.2.2:1"));
        assert!(!second.grow(6), "beyond all places");
        assert!(second.grow(5) && !first.grow(1));
        drop(first);
        assert!(second.grow(1));
        drop(second);
        let taken = admission.taken.lock().unwrap();
        assert_eq!((taken.in_all, taken.by_holder.len()), (0, 0));
    }

    #[test]
    fn t15_the_addresses_of_one_host_are_one_host() {
        let admission = Admission::new(9, 1);
        let _v6 = admission.admit(host("[2001:db8::1]:1")).unwrap();
        assert!(admission.admit(host("[2001:db8::ffff:2]:1")).is_none());
        assert!(admission.admit(host("[2001:db8:0:1::1]:1")).is_some());
        let _v4 = admission.admit(host("192.0.2.1:1")).unwrap();
        assert!(admission.admit(host("[::ffff:192.0.2.1]:1")).is_none());
    }

    #[test]
    fn nothing_is_kept_of_peers_that_are_gone() {
        let admission = Admission::new(9, 9);
        for last in 0..200 {
            drop(admission.admit(host(&format!("192.0.2.{last}:1"))));
        }
        let taken = admission.taken.lock().unwrap();
        assert_eq!((taken.in_all, taken.by_holder.len()), (0, 0));
    }
}
