//! A message while it arrives, and when it is whole.
//!
//! The bytes go to the spool's body writer as they come; an error of the disk is kept until the dot, where it can be
//! answered. A whole content whose header section shows that it goes in circles is refused here, before a sink sees it.

use bytes::Bytes;
use message::submission::{self, Submitted};
use message::{Content, Draft};
use smtp::{Protocol, Reply, replies};
use spool::{Body, BodyError, BodyWriter};

use super::Inbound;
use crate::clock;

/// A content that is not whole yet.
pub(super) struct Arriving {
    writer: BodyWriter,
    failed: Option<BodyError>,
}

/// A whole content, durable already if it is large.
pub(super) struct Arrived {
    /// Where its bytes are.
    pub(super) body: Body,
    /// What sinks read and edit.
    pub(super) draft: Draft,
}

impl Arriving {
    /// Nothing yet.
    pub(super) fn new(inbound: &Inbound) -> Self {
        Self { writer: inbound.spool.body(), failed: None }
    }

    /// Takes more; waits while the disk is behind, which slows the client down.
    pub(super) async fn append(&mut self, bytes: Bytes) {
        if self.failed.is_none() {
            self.failed = self.writer.append(bytes).await.err();
        }
    }

    /// The whole content, or the reply that it is refused with.
    pub(super) async fn finish(self, inbound: &Inbound, protocol: Protocol) -> Result<Arrived, Reply> {
        let finished = match self.failed {
            Some(error) => Err(error),
            None => self.writer.finish().await,
        };
        let body = finished.map_err(|error| {
            tracing::error!(%error, "a content was not stored");
            match error {
                BodyError::Full => replies::STORAGE_LOW,
                BodyError::Disk(_) => replies::STORAGE_UNAVAILABLE,
            }
        })?;
        let content = body.content();
        if goes_in_circles(&content, inbound.received_fields_max) {
            return Err(replies::MESSAGE_LOOP);
        }
        let mut draft = Draft::new(content.clone()).with_authority(&inbound.host_name);
        let forged = draft.remove_forged_results();
        if forged > 0 {
            tracing::info!(forged, "Authentication-Results under our name were taken away (RFC 8601 §5)");
        }
        if protocol == Protocol::Submission {
            complete(&mut draft, &content, inbound)?;
        }
        Ok(Arrived { body, draft })
    }
}

/// A message whose header section can't be read is refused: nobody knows whom its Bcc names.
fn complete(draft: &mut Draft, content: &Content, inbound: &Inbound) -> Result<(), Reply> {
    let id = clock::fresh_id().to_string();
    let submitted = Submitted { at: clock::now().0, id: &id, host_name: &inbound.host_name };
    submission::complete(draft, content, submitted).map_err(|error| {
        tracing::info!(%error, "a user's message can't be completed");
        replies::MESSAGE_REJECTED
    })
}

/// RFC 5321 §6.3: counting Received fields finds a loop that no host sees alone.
fn goes_in_circles(content: &Content, received_fields_max: usize) -> bool {
    message::received_count(content.head()) > received_fields_max
}
