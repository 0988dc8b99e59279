//! Whose stages run now: bounded in all, and each tenant to half of that, so that the slow sinks of one leave turns for others.
//!
//! Who waits holds a leased entry, so the places to wait in are bounded too; past them the dispatcher waits.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Entries that are leased for their stages, running or waiting for their turn. Some KiB each.
const PLACES_MAX: usize = 4_096;

/// A turn, or a place to wait for one; given back when dropped. None is ever taken away, so there is always one in the end.
type Permit = Option<OwnedSemaphorePermit>;

/// Counts who runs.
pub(super) struct Turns {
    places: Arc<Semaphore>,
    all: Arc<Semaphore>,
    /// One for each tenant that ever had a stage; the configuration bounds them.
    of_tenants: HashMap<String, Arc<Semaphore>>,
    of_tenant_max: usize,
}

/// The turn of one entry, which has not come yet.
pub(super) struct Turn {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

impl Turns {
    /// So many at one time.
    pub(super) fn new(turns_max: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES_MAX)),
            all: Arc::new(Semaphore::new(turns_max)),
            of_tenants: HashMap::new(),
            of_tenant_max: turns_max.div_ceil(2),
        }
    }

    /// Waits for a place to wait in.
    pub(super) async fn place(&self) -> Permit {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// The turn of an entry of this tenant.
    pub(super) fn of(&mut self, tenant: &str) -> Turn {
        let of_tenant_max = self.of_tenant_max;
        let make = || Arc::new(Semaphore::new(of_tenant_max));
        let own = match self.of_tenants.get(tenant) {
            Some(own) => Arc::clone(own),
            None => Arc::clone(self.of_tenants.entry(tenant.to_owned()).or_insert_with(make)),
        };
        Turn { own, all: Arc::clone(&self.all) }
    }
}

impl Turn {
    /// Waits until it has come: first among the tenant's own, then among all.
    pub(super) async fn come(self) -> (Permit, Permit) {
        let own = self.own.acquire_owned().await.ok();
        (own, self.all.acquire_owned().await.ok())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::{PLACES_MAX, Turns};

    #[test]
    fn one_tenant_takes_half_of_the_turns_and_others_the_rest() {
        let mut turns = Turns::new(4);
        let mut come = |tenant| turns.of(tenant).come().now_or_never();
        let own: Vec<_> = (0..2).map(|_| come("a").unwrap()).collect();
        assert!(come("a").is_none());
        let others: Vec<_> = ["b", "c"].map(|tenant| come(tenant).unwrap()).into();
        assert!(come("d").is_none());
        drop(own);
        assert!(come("d").is_some());
        drop(others);
    }

    #[test]
    fn places_end() {
        let turns = Turns::new(1);
        let places: Vec<_> = (0..PLACES_MAX).map(|_| turns.place().now_or_never().unwrap()).collect();
        assert!(turns.place().now_or_never().is_none());
        drop(places);
        assert!(turns.place().now_or_never().is_some());
    }
}
