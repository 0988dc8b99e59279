//! Accepted mail is never lost: log, queue, retry schedule, recovery.
//!
//! An entry is accepted by one record in an append-only log, goes through its stages and attempts by further records, and is
//! done by a last one. Memory holds the order; everything else is on disk. Nothing is answered before it is durable: bytes,
//! file and the file's name.
//!
//! # On disk
//! ```text
//! lock                   held while a server runs
//! segments/<16 hex>.log  the log, in the order of their numbers; only the last one grows
//! segments/<16 hex>.kept old entries, away from the young ones; each was written once, the newest one lists what counts
//! bodies/<name>          one large body each, referred to by records
//! index/<segment's name> what a start needs of a sealed segment, so that it need not read it; nothing relies on it
//! ```
//!
//! # The crash table
//! As in qmail's INTERNALS: each state, what is on disk in it, and what the next start does. A crash can come between any
//! two lines, and leaves what the line before says, or some part of the step under way.
//!
//! | state | on disk | a start then |
//! | --- | --- | --- |
//! | B1 a large body arrives | file in `bodies/`, bytes and name perhaps | removes the orphan |
//! | B2 finished: file and directory synced | whole file that nothing refers to | removes the orphan; nobody was told 250 |
//! | A1 record written, not synced | none, some or all of the batch | keeps the whole records before the first torn one, cuts and reports the rest; nobody was told |
//! | A1k the same, but only the server died | the page cache has all of the batch, the disk none, some or all | keeps the whole records; writes the last batch again and syncs it before anything relies on it |
//! | A2 record synced | the record | has the entries; 250 may have been sent: this is the moment of acceptance |
//! | S1 stage or attempt recorded | a newer record of the entry | goes on from it; without it, the stage runs again from the one before |
//! | D1 done recorded | done, with the outbox in the same record | has the outbox's entries, not the entry |
//! | D2 body no longer needed | done; file still there or not | removes the orphan |
//! | R0 first segment of all renamed, directory perhaps not synced | blank segment alone | syncs the directory, goes on in it; all directories above were synced before |
//! | R1 new segment as `.new` | a half made file | removes it |
//! | R2 new segment renamed, directory synced | blank segment behind an unsealed one | removes the blank one, goes on in the old one |
//! | R3 old segment sealed "rotated" | the new one must exist | goes on in the new one; as long as that is blank, writes the seal again and syncs it |
//! | R4 index of the sealed segment written, never synced | all, some or none of it | takes it if it is whole and about just this segment; else reads the segment, and writes it anew |
//! | N1 no room: what was half written is cut off and the cut synced | what was there before | nothing to do; nobody was told that it was accepted |
//! | C1 old entries copied into a kept segment as `.kept-new` | both; the log has all | removes it |
//! | C2 kept segment synced, renamed, directory synced | both, and a checkpoint that says what counts | takes what it lists, syncs the directory, removes the segments that are left of those it replaces |
//! | C3 segments unlinked, directory synced | the rest | nothing to do; every segment that the newest checkpoint lists must be there, and the log from the first that it names |
//! | X1 closed | a seal "closed" at the end | goes on behind it; any damage before it is rot |
//!
//! A record says up to where the log was durable when it was written. So a start can tell what a crash tore (behind the last
//! such point: cut, reported, never acknowledged) from bit rot (before it: an error that names file and place; the spool does
//! not start with less mail than it acknowledged). The one thing that can't be told apart is damage inside the very last batch
//! before a crash, since nothing was written after it. In a sealed segment that has its index, rot is found when the entry
//! that it concerns is read: it is in the queue, set aside, and counted as damaged.
//!
//! # What poisons
//! A failed write or fsync of the log, or of its directory: the state of those bytes is unknown from then on, so nothing more
//! is acknowledged or leased until a restart reads everything anew. After a failed fsync the system may take pages for written
//! that are not, so the start writes the last batch again. A full disk does not poison: what was half written is cut off, for
//! good, and the caller is told [`CommitError::Full`]. An error with a body file concerns that body alone.
//!
//! # How it is shown
//! `tests/it/sim` runs the real committer, recovery and compaction on a simulated disk, with a crash at every step; its
//! documentation says how to run more of it.
//!
//! # When the disk is full
//! Blocks of the log are allocated ahead ([`Settings::reserve_bytes`]), and only records of what became of an entry may use the
//! last of them: nothing more is accepted, and what was accepted is still delivered and recorded once. When the disk has room,
//! the next record finds it.
//!
//! # Example
//! ```no_run
//! # async fn example(new: spool::NewEntry, now: smtp::Timestamp) -> Result<(), Box<dyn std::error::Error>> {
//! let (spool, found) = spool::Spool::open(spool::Settings::new("spool")).await?;
//! let mut body = spool.body();
//! body.append("Subject: hello\r\n\r\n".into()).await?;
//! let body = body.finish().await?;
//! spool.accept(vec![spool::NewEntry { content: vec![body.piece(0..body.size())], ..new }]).await?; // now 250
//! if let Some(mut lease) = spool.lease(now) {
//!     let content = spool.load(&lease.content)?;
//!     spool.record_done(&mut lease, spool::Done::default()).await?;
//! }
//! # Ok(())
//! # }
//! ```

mod body;
mod cache;
mod change;
mod committer;
mod compact;
mod company;
mod content;
mod counts;
pub mod disk;
mod encoding;
mod entry;
mod error;
mod index;
mod keep;
mod kept;
mod lease;
mod listing;
mod load;
mod needs;
mod outline;
mod plan;
mod queue;
mod record;
mod recover;
mod recovery;
mod request;
mod reserve;
mod rotation;
mod salvage;
mod scan;
pub mod schedule;
mod segment;
mod settings;
mod settle;
mod shared;
mod spool;
mod stage;
mod survey;
mod waiting;

pub use body::{Body, BodyWriter};
pub use content::{ContentPiece, StoredContent};
pub use counts::{Counts, Standing, Summary, TenantCounts};
pub use disk::Space;
pub use encoding::Binary;
pub use entry::{Attempt, Done, Entry, EntryState, NewEntry, Outcome, QueueId, Scores, Stage, Variables};
pub use error::{AcceptError, BodyError, CommitError, OpenError, ReadError, RecordError};
pub use lease::Lease;
pub use recovery::{Recovery, Torn};
pub use schedule::Schedule;
pub use settings::Settings;
pub use smtp::Ingress;
pub use spool::{Deleted, Spool};
pub use stage::{Position, Resume, StageName, StagePointer, Tier};
pub use survey::{Checked, Damage, READ_BYTES, Survey};
