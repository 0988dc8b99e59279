//! Verbs that sinks send (the contract's `command-draft.send-first`), and dialogues that go on with them.
//!
//! Promises one at a time, never before EHLO nor in the clear before a TLS that comes, a payload only behind a 3xx, and that
//! their replies fail nothing. A peer that waits for more than there is would take the next command for it, so that ends the
//! session.

use super::Client;
use super::draft::{Draft, OwnCommand};
use super::outcome::SessionError;
use super::step::{Answer, Meaning, Step};

/// Whether a command may go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Send,
    Wait,
}

impl Client {
    /// Lets verbs of sinks go first, then one command at a time, or as a group (RFC 2920 §3.1) where the peer takes it and
    /// nobody judges a reply in between.
    pub(crate) fn turn_for(&mut self, step: &Step) -> Turn {
        let Some(last) = self.expected.back() else {
            return match self.own.pop_front() {
                Some(own) => {
                    self.send_own(own);
                    Turn::Wait
                }
                None => Turn::Send,
            };
        };
        let may_follow = matches!(last, Step::Mail | Step::Rcpt(_))
            && matches!(step, Step::Rcpt(_) | Step::Data)
            && self.peer.offers("PIPELINING")
            && self.own.is_empty()
            && self.expected.len() < self.settings.limits.pipelined_commands_max
            && !self.interest.wants_reply(last.verb());
        if may_follow { Turn::Send } else { Turn::Wait }
    }

    /// Takes what was staged at a gate that lets its command go out.
    pub(crate) fn stage(&mut self, draft: &mut Draft) {
        let staged = std::mem::take(&mut draft.first);
        self.own_left = self.own_left.saturating_sub(u32::try_from(staged.len()).unwrap_or(u32::MAX));
        self.own.extend(staged);
    }

    /// Takes what was staged at a reply: it goes on with a dialogue, and so before all that waits already.
    pub(crate) fn stage_dialogue(&mut self, mut draft: Draft) {
        let waiting = std::mem::take(&mut self.own);
        self.stage(&mut draft);
        self.own.extend(waiting);
    }

    pub(crate) fn own_answered(&mut self, verb: &str, answer: &Answer) {
        let payload = self.payload.take();
        if answer.meaning != Meaning::More {
            return;
        }
        match payload {
            Some(payload) => {
                self.output.extend_from_slice(&payload);
                self.expect(Step::Own(verb.into()));
            }
            None if self.own.is_empty() => self.lose(SessionError::Unfinished { verb: verb.into() }),
            None => {}
        }
    }

    pub(crate) fn send_own(&mut self, own: OwnCommand) {
        let OwnCommand { verb, argument, payload } = own;
        let line = if argument.is_empty() { verb.to_string() } else { format!("{verb} {argument}") };
        self.payload = payload;
        self.command(&line, Step::Own(verb));
    }
}
