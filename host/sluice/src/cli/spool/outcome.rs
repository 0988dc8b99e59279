//! What came of an export or an import, while it runs and at its end.

use anyhow::ensure;

use super::note;

/// Entries after which a long run says how far it is.
const PROGRESS_ENTRIES: usize = 1_000;

/// How many entries made it, and why the others did not.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Entries that were written or accepted.
    pub(super) done: usize,
    /// Entries that were there already, the very same.
    pub(super) there: usize,
    failed: usize,
}

impl Outcome {
    /// Names what went wrong at once: a run may be long, and so may the list.
    pub(super) fn fail(&mut self, sentence: &str) {
        self.failed = self.failed.saturating_add(1);
        note(sentence);
    }

    /// Says how far it is, now and then.
    pub(super) fn tell(&self, entries: usize, all: usize) {
        if entries > 0 && entries.is_multiple_of(PROGRESS_ENTRIES) {
            note(&format!("{entries} of {all}"));
        }
    }

    /// Prints the counts.
    ///
    /// # Errors
    /// When an entry did not make it.
    pub(super) fn finish(&self, what: &str) -> anyhow::Result<()> {
        let Self { done, there, failed } = self;
        super::super::print(&format!("{done} {what}, {there} were there already, {failed} failed\n"))?;
        ensure!(*failed == 0, "{failed} were not {what}; a line above says for each what is wrong");
        Ok(())
    }
}
