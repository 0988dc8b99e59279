//! Accepted mail is never lost: an append-only log, the queue over it, the retry schedule, recovery at start.
