//! Permits for what a call takes from the pool: all of it or nothing, fair by tenant.
//!
//! The pool answers exhaustion with an error; here it becomes a wait. A tenant that floods waits behind itself: tenants
//! that wait are served in turn, one call each. The first in turn is never overtaken, so a component that takes much is not
//! starved by many that take little.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::engine::Needs;

/// The desk that hands them out.
#[derive(Clone, Debug)]
pub(crate) struct Permits(Arc<Mutex<Desk>>);

#[derive(Debug)]
struct Desk {
    free: Amount,
    lines: VecDeque<Line>,
}

#[derive(Clone, Copy, Debug)]
struct Amount {
    events: u32,
    needs: Needs,
}

/// The calls of one tenant that wait, in order.
#[derive(Debug)]
struct Line {
    tenant: Arc<str>,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    needs: Needs,
    wake: oneshot::Sender<Permit>,
}

/// The right to take something from the pool; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Permit {
    desk: Permits,
    needs: Needs,
}

impl Permits {
    pub(crate) fn new(events: u32, capacity: Needs) -> Self {
        let free = Amount { events, needs: capacity };
        Self(Arc::new(Mutex::new(Desk { free, lines: VecDeque::new() })))
    }

    /// Waits for everything that is needed; what is dropped while it waits has taken nothing.
    pub(crate) async fn acquire(&self, tenant: &Arc<str>, needs: Needs) -> Option<Permit> {
        let waiting = {
            let mut desk = self.desk();
            if desk.lines.is_empty() && desk.free.take(needs) {
                return Some(Permit { desk: self.clone(), needs });
            }
            desk.enqueue(tenant, needs)
        };
        waiting.await.ok()
    }

    fn release(&self, needs: Needs) {
        let mut desk = self.desk();
        desk.free.give(needs);
        // The first in turn whose needs are free is served, then the next tenant; a grant that nobody waits for any more is
        // taken back at once, without dropping it under the lock.
        while let Some(waiter) = desk.next() {
            let permit = Permit { desk: self.clone(), needs: waiter.needs };
            if let Err(unwanted) = waiter.wake.send(permit) {
                desk.free.give(unwanted.needs);
                std::mem::forget(unwanted);
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn enqueue(&mut self, tenant: &Arc<str>, needs: Needs) -> oneshot::Receiver<Permit> {
        let (wake, waiting) = oneshot::channel();
        let waiter = Waiter { needs, wake };
        match self.lines.iter_mut().find(|line| line.tenant == *tenant) {
            Some(line) => line.waiting.push_back(waiter),
            None => {
                let line = Line { tenant: Arc::clone(tenant), waiting: VecDeque::from([waiter]) };
                self.lines.push_back(line);
            }
        }
        waiting
    }

    /// The one whose turn it is, if what it needs is free; its tenant then goes to the end.
    fn next(&mut self) -> Option<Waiter> {
        loop {
            let line = self.lines.front_mut()?;
            let Some(first) = line.waiting.front() else {
                self.lines.pop_front();
                continue;
            };
            if first.wake.is_closed() {
                line.waiting.pop_front();
                continue;
            }
            if !self.free.take(first.needs) {
                return None;
            }
            let waiter = line.waiting.pop_front();
            self.lines.rotate_left(1);
            return waiter;
        }
    }
}

impl Amount {
    fn take(&mut self, needs: Needs) -> bool {
        let fits = self.events >= 1
            && self.needs.core_instances >= needs.core_instances
            && self.needs.memories >= needs.memories
            && self.needs.tables >= needs.tables;
        if fits {
            self.events -= 1;
            self.needs.core_instances -= needs.core_instances;
            self.needs.memories -= needs.memories;
            self.needs.tables -= needs.tables;
        }
        fits
    }

    fn give(&mut self, needs: Needs) {
        self.events += 1;
        self.needs.core_instances += needs.core_instances;
        self.needs.memories += needs.memories;
        self.needs.tables += needs.tables;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.desk.release(self.needs);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::Permits;
    use crate::engine::Needs;

    const SMALL: Needs = Needs { core_instances: 1, memories: 1, tables: 1 };
    const LARGE: Needs = Needs { core_instances: 3, memories: 3, tables: 3 };

    fn permits(events: u32) -> Permits {
        Permits::new(events, Needs { core_instances: 4, memories: 4, tables: 4 })
    }

    #[tokio::test]
    async fn tenants_that_wait_are_served_in_turn() {
        let (flood, other): (Arc<str>, Arc<str>) = ("flood".into(), "other".into());
        let permits = permits(1);
        let held = permits.acquire(&flood, SMALL).await;
        let mut first = Box::pin(permits.acquire(&flood, SMALL));
        let mut second = Box::pin(permits.acquire(&flood, SMALL));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        let mut late = Box::pin(permits.acquire(&other, SMALL));
        assert!(late.as_mut().now_or_never().is_none());
        drop(held);
        let held = first.as_mut().now_or_never().flatten().expect("the first in line");
        drop(held);
        assert!(second.as_mut().now_or_never().is_none(), "the flood got two turns in a row");
        drop(late.as_mut().now_or_never().flatten().expect("the other tenant's turn"));
        assert!(second.now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn one_that_needs_much_is_not_overtaken() {
        let tenant: Arc<str> = "acme".into();
        let permits = permits(8);
        let held = permits.acquire(&tenant, LARGE).await;
        let mut large = Box::pin(permits.acquire(&tenant, LARGE));
        assert!(large.as_mut().now_or_never().is_none());
        let other: Arc<str> = "other".into();
        let mut small = Box::pin(permits.acquire(&other, SMALL));
        assert!(small.as_mut().now_or_never().is_none(), "one place was free, but not its turn");
        drop(held);
        let large = large.now_or_never().flatten();
        assert!(large.is_some() && small.now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn whoever_stops_waiting_leaves_nothing_behind() {
        let tenant: Arc<str> = "acme".into();
        let permits = permits(1);
        let held = permits.acquire(&tenant, SMALL).await;
        let mut granted = Box::pin(permits.acquire(&tenant, SMALL));
        let mut gone = Box::pin(permits.acquire(&tenant, SMALL));
        assert!(granted.as_mut().now_or_never().is_none() && gone.as_mut().now_or_never().is_none());
        drop(gone);
        drop(held);
        drop(granted);
        assert!(permits.acquire(&tenant, SMALL).now_or_never().flatten().is_some());
    }
}
