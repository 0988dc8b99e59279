//! The content, from DATA's 354 or BDAT to the replies to its end.
//!
//! Promises that nothing is sent that the facts did not announce: a content that changed under us breaks the connection
//! before its end, and so is never taken as whole. It is pulled in pieces, so that none is held whole.

use super::facts::{ContentFacts, to_u64};
use super::outcome::{Cause, Ending, Fate, MessageFlaw, Next, SessionError};
use super::question::Question;
use super::settings::Protocol;
use super::step::{Answer, Meaning, Step};
use super::transaction::{Stage, Transaction};
use super::writer::{ContentWriter, Framing};
use super::{Action, Client};
use crate::reply::Reply;

/// Bytes that are asked for at once; our choice: what goes into a socket at once.
const PIECE_BYTES_MAX: u64 = 64 * 1_024;

/// How far a content got.
#[derive(Debug)]
pub(crate) struct Sending {
    writer: ContentWriter,
    offset: u64,
}

impl Sending {
    fn new(framing: Framing) -> Self {
        Self { writer: ContentWriter::new(framing), offset: 0 }
    }
}

impl Client {
    /// Answers [`Action::SendContent`], with exactly those bytes.
    pub fn content(&mut self, bytes: &[u8]) {
        match self.question.take() {
            Some(Question::Content(range)) => {
                if to_u64(bytes.len()) != range.end - range.start || !self.write_content(bytes) {
                    self.loss.get_or_insert(SessionError::Content);
                }
            }
            other => self.question = other,
        }
    }

    /// Answers [`Action::SendContent`] and [`Action::DownEncode`]: the content cannot be read now. Its recipients wait.
    pub fn content_unavailable(&mut self) {
        match self.question.take() {
            Some(Question::Content(_)) => {
                self.loss.get_or_insert(SessionError::Content);
            }
            Some(Question::DownEncode) => {
                if let Some(transaction) = &mut self.transaction {
                    let cause = Cause::Session(SessionError::Content);
                    transaction.settle_rest(&Fate::Deferred { cause, wait: None });
                }
            }
            other => self.question = other,
        }
    }

    /// Answers [`Action::DownEncode`]: there is a 7-bit form, of which all that is asked for from now on is given.
    pub fn content_encoded(&mut self, content: ContentFacts) {
        match (self.question.take(), &mut self.transaction) {
            (Some(Question::DownEncode), Some(transaction)) => {
                transaction.content = content;
                transaction.stage = Stage::Encoded;
            }
            (other, _) => self.question = other,
        }
    }

    /// Answers [`Action::DownEncode`]: encoding it would break it, as a signature. The message fails.
    pub fn content_not_encodable(&mut self) {
        match (self.question.take(), &mut self.transaction) {
            (Some(Question::DownEncode), Some(transaction)) => {
                transaction.settle_rest(&Fate::Failed(Cause::Message(MessageFlaw::NeedsEightBitMime)));
            }
            (other, _) => self.question = other,
        }
    }

    /// All of the content as one chunk (RFC 3030 §2): no dots, and one answer.
    pub(crate) fn begin_chunk(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        let line = format!("BDAT {} LAST\r\n", transaction.content.wire_bytes());
        self.output.extend_from_slice(line.as_bytes());
        transaction.stage = Stage::Content(Sending::new(Framing::Chunk));
    }

    pub(crate) fn data_answered(&mut self, answer: &Answer) {
        let Some(transaction) = &mut self.transaction else { return };
        // The peer may wait for content although nobody is to have it: then only closing keeps it from being sent.
        if answer.reply.is_intermediate() {
            transaction.stage = Stage::Content(Sending::new(Framing::Dot));
        }
        match answer.meaning {
            Meaning::More => transaction.keep_from_others(),
            Meaning::Done => self.misunderstood(answer),
            Meaning::Transient | Meaning::Permanent => transaction.settle_rest(&answer.refusal()),
        }
    }

    pub(crate) fn send_content(&mut self) -> Option<Action> {
        let transaction = self.transaction.as_mut()?;
        let end = transaction.content.bytes;
        let Stage::Content(sending) = &mut transaction.stage else { return None };
        if sending.offset < end {
            let range = sending.offset..end.min(sending.offset + PIECE_BYTES_MAX);
            return Some(self.ask(Question::Content(range)));
        }
        let before = self.output.len();
        sending.writer.finish(&mut self.output);
        if sending.writer.written() != transaction.content.wire_bytes() {
            self.output.truncate(before);
            self.lose(SessionError::Content);
            return None;
        }
        transaction.stage = Stage::Dot;
        let accepted: Vec<usize> = transaction.accepted().collect();
        match self.settings.protocol {
            Protocol::Smtp => self.expect(Step::Dot),
            Protocol::Lmtp => accepted.into_iter().for_each(|index| self.expect(Step::DotOf(index))),
        }
        None
    }

    pub(crate) fn dot_answered(&mut self, answer: &Answer) {
        let Some(transaction) = &mut self.transaction else { return };
        transaction.is_answered();
        match answer.meaning {
            Meaning::Done => transaction.settle_rest(&Fate::Delivered(answer.reply.clone())),
            Meaning::More => self.misunderstood(answer),
            Meaning::Transient | Meaning::Permanent => transaction.settle_rest(&answer.refusal()),
        }
    }

    /// RFC 2033 §4.2: one for each accepted recipient, in the order of RCPT.
    pub(crate) fn dot_of_answered(&mut self, index: usize, answer: &Answer) {
        let Some(transaction) = &mut self.transaction else { return };
        transaction.is_answered();
        match answer.meaning {
            Meaning::Done => transaction.settle(index, Fate::Delivered(answer.reply.clone())),
            Meaning::More => self.misunderstood(answer),
            Meaning::Transient | Meaning::Permanent => transaction.settle(index, answer.refusal()),
        }
    }

    /// A reply inside the content: a refusal counts, and no more is sent; anything else is a lie.
    pub(crate) fn answered_early(&mut self, reply: Reply) {
        let meaning = Meaning::of(&Step::Dot, &reply);
        let answer = Answer { verb: ".".into(), reply, meaning };
        if matches!(meaning, Meaning::Done | Meaning::More) {
            return self.lose(SessionError::Early);
        }
        self.ending = Some(Ending { cause: Some(answer.cause()), next: Next::Close, wait: None });
        if let Some(transaction) = &mut self.transaction {
            transaction.settle_rest(&answer.refusal());
        }
        self.input.clear();
        self.finish_message();
    }

    /// False when it is more than was announced.
    fn write_content(&mut self, bytes: &[u8]) -> bool {
        let Some(Transaction { stage: Stage::Content(sending), content, .. }) =
            self.transaction.as_deref_mut()
        else {
            return false;
        };
        let before = self.output.len();
        sending.writer.write(bytes, &mut self.output);
        sending.offset += to_u64(bytes.len());
        if sending.writer.written() > content.wire_bytes() {
            self.output.truncate(before);
            return false;
        }
        true
    }
}
