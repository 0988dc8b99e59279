//! The memory of one call: all linear memories of its store together stay under one limit.

use wasmtime::{ResourceLimiter, Result, format_err};

use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// Counts what the memories of a store hold. What goes over the limit traps, so that a guest can't run on with a null
/// pointer that its allocator did not expect.
#[derive(Debug)]
pub(crate) struct Limiter {
    bytes: u64,
    bytes_max: u64,
    last_charge: u64,
    is_over: bool,
}

impl Limiter {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes: 0, bytes_max, last_charge: 0, is_over: false }
    }

    /// Whether the trap was ours.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.last_charge = 0;
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let charge = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        if self.bytes.saturating_add(charge) > self.bytes_max {
            self.is_over = true;
            let (bytes, limit) = (self.bytes, self.bytes_max);
            return Err(format_err!(
                "{bytes} bytes of memory and {charge} more are over the limit of {limit}"
            ));
        }
        self.bytes += charge;
        self.last_charge = charge;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        self.bytes -= self.last_charge;
        self.last_charge = 0;
        self.is_over = true;
        Err(error)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if desired > TABLE_ELEMENTS_MAX {
            self.is_over = true;
            return Err(format_err!(
                "a table of {desired} elements is over the limit of {TABLE_ELEMENTS_MAX}"
            ));
        }
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        self.is_over = true;
        Err(error)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::{ResourceLimiter, format_err};

    use super::Limiter;
    use crate::engine::TABLE_ELEMENTS_MAX;

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 41, None).is_err());
        assert!(limiter.is_over());
    }

    #[test]
    fn what_the_engine_could_not_give_is_not_counted() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        limiter.memory_grow_failed(format_err!("no space")).unwrap_err();
        assert!(limiter.memory_growing(0, 100, None).unwrap());
    }

    #[test]
    fn a_memory_s_own_maximum_is_no_fault() {
        let mut limiter = Limiter::new(100);
        assert!(!limiter.memory_growing(0, 60, Some(50)).unwrap());
        assert!(!limiter.is_over());
    }

    #[test]
    fn a_table_ends_at_its_elements() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.table_growing(0, TABLE_ELEMENTS_MAX, None).unwrap());
        assert!(!limiter.table_growing(0, TABLE_ELEMENTS_MAX + 1, Some(TABLE_ELEMENTS_MAX)).unwrap());
        assert!(!limiter.is_over());
        limiter.table_growing(0, TABLE_ELEMENTS_MAX + 1, None).unwrap_err();
        assert!(limiter.is_over());
    }
}
