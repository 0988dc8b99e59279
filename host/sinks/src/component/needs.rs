//! What an instance of a component takes from the pool: core instances, memories and tables, counted by walking through
//! what instantiates what.
//!
//! A component that is instantiated twice counts twice, so a small file can ask for very much; the sums stop at the largest
//! number. What comes from outside the walk (a module that is imported) counts as that.

use wasmparser::Encoding;

use crate::engine::Needs;

/// A module or component whose end was not reached yet.
pub(super) struct Frame {
    encoding: Encoding,
    needs: Needs,
    modules: Vec<Needs>,
    components: Vec<Needs>,
}

/// More than any pool holds.
pub(super) const fn too_many() -> Needs {
    Needs { core_instances: u32::MAX, memories: u32::MAX, tables: u32::MAX }
}

impl Frame {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { encoding, needs: Needs::default(), modules: Vec::new(), components: Vec::new() }
    }

    pub(super) fn is_module(&self) -> bool {
        self.encoding == Encoding::Module
    }

    /// Of one instance.
    pub(super) fn needs(&self) -> Needs {
        self.needs
    }

    pub(super) fn add_memories(&mut self, count: u32) {
        self.needs.memories = self.needs.memories.saturating_add(count);
    }

    pub(super) fn add_tables(&mut self, count: u32) {
        self.needs.tables = self.needs.tables.saturating_add(count);
    }

    pub(super) fn define_module(&mut self, needs: Needs) {
        self.modules.push(needs);
    }

    pub(super) fn define_component(&mut self, needs: Needs) {
        self.components.push(needs);
    }

    pub(super) fn define_unknown_module(&mut self) {
        self.define_module(too_many());
    }

    pub(super) fn define_unknown_component(&mut self) {
        self.define_component(too_many());
    }

    /// An export gives what it exports another index.
    pub(super) fn repeat_module(&mut self, index: u32) {
        self.define_module(self.module(index));
    }

    /// See [`Frame::repeat_module`].
    pub(super) fn repeat_component(&mut self, index: u32) {
        self.define_component(self.component(index));
    }

    pub(super) fn module(&self, index: u32) -> Needs {
        known(&self.modules, index)
    }

    pub(super) fn component(&self, index: u32) -> Needs {
        known(&self.components, index)
    }

    pub(super) fn instantiate_module(&mut self, index: u32) {
        self.add(self.module(index));
        self.needs.core_instances = self.needs.core_instances.saturating_add(1);
    }

    /// Calls between components that have code go through adapters, for which wasmtime makes a core instance; the
    /// components that only give an interface its name have none.
    pub(super) fn instantiate_component(&mut self, index: u32) {
        let needs = self.component(index);
        let adapters = u32::from(needs.core_instances > 0);
        self.add(needs);
        self.needs.core_instances = self.needs.core_instances.saturating_add(adapters);
    }

    fn add(&mut self, needs: Needs) {
        self.needs.core_instances = self.needs.core_instances.saturating_add(needs.core_instances);
        self.needs.memories = self.needs.memories.saturating_add(needs.memories);
        self.needs.tables = self.needs.tables.saturating_add(needs.tables);
    }
}

fn known(all: &[Needs], index: u32) -> Needs {
    usize::try_from(index).ok().and_then(|index| all.get(index)).copied().unwrap_or_else(too_many)
}
