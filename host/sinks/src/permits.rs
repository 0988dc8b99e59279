//! Permits for what a call takes from the pool: all of it or nothing, fair by tenant.
//!
//! The pool answers exhaustion with an error; here it becomes a wait. A tenant that floods waits behind itself: tenants
//! that wait are served in turn, one call each, and none holds more than half of the pool, so a tenant whose sinks sleep
//! can't keep the others out. The first in turn is never overtaken, so a component that takes much is not starved by many
//! that take little.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, Needs, TABLES_MAX};

/// The desk that hands them out.
#[derive(Clone, Debug)]
pub(crate) struct Permits(Arc<Mutex<Desk>>);

#[derive(Debug)]
struct Desk {
    free: Amount,
    /// The most that one tenant may hold.
    share: Amount,
    held: HashMap<Arc<str>, Amount>,
    lines: VecDeque<Line>,
}

#[derive(Clone, Copy, Debug, Default)]
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
    tenant: Arc<str>,
    /// None when it was never handed out.
    needs: Option<Needs>,
}

/// A place in a line; whoever leaves it makes way for those behind.
struct Place<'a>(&'a Permits);

impl Permits {
    pub(crate) fn new(events: u32, capacity: Needs) -> Self {
        let free = Amount { events, needs: capacity };
        let desk = Desk { free, share: free.share(), held: HashMap::new(), lines: VecDeque::new() };
        Self(Arc::new(Mutex::new(desk)))
    }

    /// Waits for everything that is needed; what is dropped while it waits has taken nothing.
    pub(crate) async fn acquire(&self, tenant: &Arc<str>, needs: Needs) -> Option<Permit> {
        let waiting = {
            let mut desk = self.desk();
            if desk.lines.is_empty() && desk.take(tenant, needs) {
                return Some(self.permit(Arc::clone(tenant), needs));
            }
            let waiting = desk.enqueue(tenant, needs);
            // Those before it may have left, or be held up by what they hold themselves.
            self.serve(&mut desk);
            waiting
        };
        let _place = Place(self);
        // Declared behind its place, so dropped before it.
        let waiting = waiting;
        waiting.await.ok()
    }

    fn permit(&self, tenant: Arc<str>, needs: Needs) -> Permit {
        Permit { desk: self.clone(), tenant, needs: Some(needs) }
    }

    /// The first in turn whose needs are free is served, then the next tenant. A grant that nobody waits for any more is
    /// taken back at once.
    fn serve(&self, desk: &mut Desk) {
        while let Some((tenant, waiter)) = desk.next() {
            let permit = self.permit(Arc::clone(&tenant), waiter.needs);
            if let Err(mut unwanted) = waiter.wake.send(permit) {
                desk.give(&tenant, waiter.needs);
                unwanted.needs = None;
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

    /// The one whose turn it is, if what it needs is free; its tenant then goes to the end. Who holds its share already is
    /// passed over.
    fn next(&mut self) -> Option<(Arc<str>, Waiter)> {
        let mut index = 0;
        while let Some(line) = self.lines.get_mut(index) {
            while line.waiting.front().is_some_and(|first| first.wake.is_closed()) {
                line.waiting.pop_front();
            }
            let Some(needs) = line.waiting.front().map(|first| first.needs) else {
                self.lines.remove(index);
                continue;
            };
            let tenant = Arc::clone(&line.tenant);
            if !self.is_within_share(&tenant, needs) {
                index += 1;
                continue;
            }
            if !self.take(&tenant, needs) {
                return None;
            }
            let mut line = self.lines.remove(index)?;
            let waiter = line.waiting.pop_front();
            self.lines.push_back(line);
            return waiter.map(|waiter| (tenant, waiter));
        }
        None
    }

    fn is_within_share(&self, tenant: &Arc<str>, needs: Needs) -> bool {
        let held = self.held.get(tenant).copied().unwrap_or_default();
        self.share.less(held).is_some_and(|left| left.less(Amount::of(needs)).is_some())
    }

    fn take(&mut self, tenant: &Arc<str>, needs: Needs) -> bool {
        if !self.is_within_share(tenant, needs) {
            return false;
        }
        let Some(free) = self.free.less(Amount::of(needs)) else { return false };
        self.free = free;
        let held = self.held.entry(Arc::clone(tenant)).or_default();
        *held = held.and(Amount::of(needs));
        true
    }

    fn give(&mut self, tenant: &Arc<str>, needs: Needs) {
        self.free = self.free.and(Amount::of(needs));
        let left = self.held.get(tenant).and_then(|held| held.less(Amount::of(needs)));
        match left {
            Some(left) if left.events > 0 => {
                self.held.insert(Arc::clone(tenant), left);
            }
            _ => {
                self.held.remove(tenant);
            }
        }
    }
}

impl Amount {
    /// Of one call.
    fn of(needs: Needs) -> Self {
        Self { events: 1, needs }
    }

    /// Half of it, but what the largest component takes.
    fn share(self) -> Self {
        let half = |all: u32, one_max: u32| (all / 2).max(one_max.min(all));
        Self {
            events: half(self.events, 1),
            needs: Needs {
                core_instances: half(self.needs.core_instances, CORE_INSTANCES_MAX),
                memories: half(self.needs.memories, MEMORIES_MAX),
                tables: half(self.needs.tables, TABLES_MAX),
            },
        }
    }

    /// None if it is not enough.
    fn less(self, other: Self) -> Option<Self> {
        Some(Self {
            events: self.events.checked_sub(other.events)?,
            needs: Needs {
                core_instances: self.needs.core_instances.checked_sub(other.needs.core_instances)?,
                memories: self.needs.memories.checked_sub(other.needs.memories)?,
                tables: self.needs.tables.checked_sub(other.needs.tables)?,
            },
        })
    }

    fn and(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_add(other.events),
            needs: Needs {
                core_instances: self.needs.core_instances.saturating_add(other.needs.core_instances),
                memories: self.needs.memories.saturating_add(other.needs.memories),
                tables: self.needs.tables.saturating_add(other.needs.tables),
            },
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(needs) = self.needs.take() {
            let mut desk = self.desk.desk();
            desk.give(&self.tenant, needs);
            self.desk.serve(&mut desk);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.serve(&mut self.0.desk());
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
        let (tenant, holder): (Arc<str>, Arc<str>) = ("acme".into(), "holder".into());
        let permits = permits(8);
        let held = permits.acquire(&holder, LARGE).await;
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

    #[tokio::test]
    async fn no_tenant_holds_more_than_half() {
        let (flood, other): (Arc<str>, Arc<str>) = ("flood".into(), "other".into());
        let permits = Permits::new(4, Needs { core_instances: 400, memories: 400, tables: 400 });
        let held = (permits.acquire(&flood, SMALL).await, permits.acquire(&flood, SMALL).await);
        let mut third = Box::pin(permits.acquire(&flood, SMALL));
        assert!(third.as_mut().now_or_never().is_none(), "two of four are its share");
        let others = permits.acquire(&other, SMALL).now_or_never().flatten();
        assert!(others.is_some(), "it waits behind nobody but itself");
        drop(held);
        assert!(third.now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn whoever_gives_up_holds_up_nobody_behind() {
        let (tenant, other): (Arc<str>, Arc<str>) = ("acme".into(), "other".into());
        let permits = permits(8);
        let held = permits.acquire(&"holder".into(), LARGE).await;
        let mut large = Box::pin(permits.acquire(&tenant, LARGE));
        assert!(large.as_mut().now_or_never().is_none());
        let mut small = Box::pin(permits.acquire(&other, SMALL));
        assert!(small.as_mut().now_or_never().is_none());
        drop(large);
        assert!(small.now_or_never().flatten().is_some(), "nothing was given back, and nothing had to be");
        drop(held);
    }
}
