//! From what a handler returns to what the event wants.
//!
//! A handler that fails must not look like one that had no objection: its error is logged and the call ends in a trap, so
//! that the host throws its edits away and the binding's on-fault answers.

use std::fmt::Display;

use crate::bindings::contract::sluice::sink::log;

/// What a handler of an event with the verdict `V` may return.
pub trait Answer<V> {
    /// The verdict; does not return if there is none.
    fn answer(self) -> V;
}

/// A verdict that has a neutral case, which a handler means that returns nothing.
pub trait Neutral {
    /// No opinion.
    fn neutral() -> Self;
}

impl<V> Answer<V> for V {
    fn answer(self) -> V {
        self
    }
}

impl<V: Neutral> Answer<V> for () {
    fn answer(self) -> V {
        V::neutral()
    }
}

impl<V, E: Display> Answer<V> for Result<V, E> {
    fn answer(self) -> V {
        self.unwrap_or_else(fault)
    }
}

impl<V: Neutral, E: Display> Answer<V> for Result<(), E> {
    fn answer(self) -> V {
        match self {
            Ok(()) => V::neutral(),
            Err(error) => fault(error),
        }
    }
}

impl<T> Neutral for Option<T> {
    fn neutral() -> Self {
        None
    }
}

/// What a handler of `on-prepare` or `on-self-test` may return: there a text is the answer, not a fault.
pub trait Report {
    /// The text is the reason why this version is not taken.
    ///
    /// # Errors
    /// That text.
    fn report(self) -> Result<(), String>;
}

impl Report for () {
    fn report(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> Report for Result<(), E> {
    fn report(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

fn fault<V, E: Display>(error: E) -> V {
    log::write(log::Level::Error, &error.to_string(), &[]);
    std::process::abort()
}
