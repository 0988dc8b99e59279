//! What one call has at hand: the data of its store, which the imports read and edit.

/// The data of a store.
pub(crate) struct State {}
