//! How many sessions there are, in all and of each client address.
//!
//! RFC 5321 §4.3.2 lets a server that is too busy answer 421 to the connection itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The most sessions at one time.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// On all listeners.
    pub total_max: u32,
    /// Of one client address.
    pub per_address_max: u32,
}

/// Counts the sessions that are open.
#[derive(Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    open: Mutex<Open>,
    /// Told whenever one closes, so that a listener out of descriptors tries again.
    closed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    total: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// One open session; gives its place back when dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    /// Not known yet where a proxy has not told it.
    address: Option<IpAddr>,
    /// How many this address has, this one included, at the moment it came.
    pub of_address: u32,
}

impl Connections {
    /// None open yet.
    #[must_use]
    pub fn new(limits: ConnectionLimits) -> Self {
        Self { limits, open: Mutex::default(), closed: Notify::new() }
    }

    /// A place for a client, or none if a limit is reached.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut place = self.enter_unknown()?;
        place.belongs_to(address).then_some(place)
    }

    /// A place for a client whose address a proxy is about to tell, or none if there are too many in all.
    #[must_use]
    pub fn enter_unknown(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.lock();
        if open.total >= self.limits.total_max {
            return None;
        }
        open.total = open.total.saturating_add(1);
        Some(Place { connections: Arc::clone(self), address: None, of_address: 0 })
    }

    /// Resolves when the next session closes.
    pub async fn one_closed(&self) {
        self.closed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Counts it for the client's address; false if that has too many. Once: a place does not change its client.
    #[must_use]
    pub fn belongs_to(&mut self, address: IpAddr) -> bool {
        let mut open = self.connections.lock();
        let of_address = open.by_address.get(&address).copied().unwrap_or(0);
        if self.address.is_some() || of_address >= self.connections.limits.per_address_max {
            return false;
        }
        self.of_address = of_address.saturating_add(1);
        open.by_address.insert(address, self.of_address);
        self.address = Some(address);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.total = open.total.saturating_sub(1);
        if let Some(address) = self.address
            && let Entry::Occupied(mut count) = open.by_address.entry(address)
        {
            match count.get().checked_sub(1) {
                None | Some(0) => {
                    count.remove();
                }
                Some(left) => *count.get_mut() = left,
            }
        }
        drop(open);
        self.connections.closed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use super::{ConnectionLimits, Connections};

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    fn connections() -> Arc<Connections> {
        Arc::new(Connections::new(ConnectionLimits { total_max: 3, per_address_max: 2 }))
    }

    #[test]
    fn an_address_at_its_limit_leaves_room_for_others() {
        let connections = connections();
        let _first = connections.enter(address(1)).unwrap();
        let second = connections.enter(address(1)).unwrap();
        assert_eq!(second.of_address, 2);
        assert!(connections.enter(address(1)).is_none());
        assert!(connections.enter(address(2)).is_some());
    }

    #[test]
    fn the_total_is_a_limit_and_a_place_comes_back() {
        let connections = connections();
        let places: Vec<_> = (1..=3).map(|last| connections.enter(address(last)).unwrap()).collect();
        assert!(connections.enter(address(4)).is_none());
        drop(places);
        assert!(connections.enter(address(4)).is_some());
        assert_eq!(connections.lock().by_address.len(), 0);
    }
}
