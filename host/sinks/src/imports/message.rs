//! `message`: content of the current message with the edits staged so far.
//!
//! What works by the byte costs fuel by the byte, charged before the work. What parses, compiles or may read a file is
//! done off the guest's fiber, whose stack is small (RUNTIME, "Untrusted input").

use message::{Algorithm, Case, Draft, MessageError, PartId};
use smtp::Domain;

use super::Answer;
use crate::access::MessageAccess;
use crate::bindings::sluice::sink::message::{Field, Found, Host, Mailbox as Named, Part};
use crate::bindings::sluice::sink::types::{Address, AuthResult, Error};
use crate::limits::{INLINE_BYTES_MAX, READ_BYTES_MAX};
use crate::state::State;
use crate::subject::{MessageFacts, OPERATOR_SCORE};

/// Whether something must not run on the fiber even if the view is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Reads what is built already.
    Light,
    /// Recurses over what the guest or the sender wrote.
    Deep,
}

impl State {
    fn facts_of_message(&self) -> Option<&MessageFacts> {
        match self.call.access.message {
            MessageAccess::None => None,
            MessageAccess::All => self.subject.message.as_deref(),
        }
    }

    /// The content, where the event has one.
    pub(super) fn content(&self) -> Option<&Draft> {
        match self.call.access.message {
            MessageAccess::None => None,
            MessageAccess::All => self.subject.draft.as_ref(),
        }
    }

    async fn charge_header(&mut self) -> wasmtime::Result<()> {
        let bytes = self.content().map_or(0, Draft::header_size);
        self.charge(bytes).await
    }

    /// Runs work on the content where it may run. The MIME view is built by the first that needs it, and shared.
    async fn work<T: Send + 'static>(
        &mut self,
        work: Work,
        run: impl FnOnce(&Draft) -> Result<T, MessageError> + Send + 'static,
    ) -> Answer<T> {
        let Some(draft) = self.content() else {
            return Ok(Err(Error::NotPermitted));
        };
        let is_inline = work == Work::Light && draft.mime_cost() == 0 && draft.size() <= INLINE_BYTES_MAX;
        if is_inline {
            return Ok(run(draft).map_err(Error::from));
        }
        if !self.has_time() {
            return Ok(Err(Error::TimedOut));
        }
        let draft = draft.clone();
        let done = tokio::task::spawn_blocking(move || run(&draft)).await?;
        Ok(done.map_err(Error::from))
    }

    /// Charges for building the view, and for all bytes of a part.
    async fn charge_part(&mut self, part: u32) -> Answer<()> {
        self.charge_view().await?;
        match self.work(Work::Light, move |draft| draft.part_size(PartId(part))).await? {
            Ok(bytes) => self.charge(bytes).await.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn charge_view(&mut self) -> wasmtime::Result<()> {
        let bytes = self.content().map_or(0, Draft::mime_cost);
        self.charge(bytes).await
    }

    /// All bytes of a part, for a blob.
    pub(super) async fn part_bytes(&mut self, part: u32) -> Answer<bytes::Bytes> {
        if let Err(error) = self.charge_part(part).await? {
            return Ok(Err(error));
        }
        self.work(Work::Light, move |draft| draft.part_bytes(PartId(part))).await
    }
}

impl From<MessageError> for Error {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::NotFound => Self::NotFound,
            MessageError::InvalidArgument(reason) => Self::InvalidArgument(reason),
            MessageError::Protected(_) => Self::NotPermitted,
            MessageError::TooLarge(_) => Self::TooLarge,
            MessageError::Unavailable(_) => Self::Unavailable,
        }
    }
}

fn window(length: u32) -> usize {
    usize::try_from(length.min(READ_BYTES_MAX)).unwrap_or_default()
}

fn to_u32(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.facts_of_message().map(|facts| facts.id.clone()))
    }

    fn parent(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.facts_of_message().and_then(|facts| facts.parent.clone()))
    }

    fn maker(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.facts_of_message().and_then(|facts| facts.maker.clone()))
    }

    fn ingress(&mut self) -> wasmtime::Result<String> {
        Ok(self.facts_of_message().map_or("", |facts| facts.ingress.word()).to_owned())
    }

    fn arrived(&mut self) -> wasmtime::Result<Option<f64>> {
        Ok(self.facts_of_message().and_then(|facts| facts.arrived).map(crate::convert::timestamp))
    }

    fn size(&mut self) -> wasmtime::Result<u32> {
        Ok(self.content().map_or(0, |draft| to_u32(draft.size())))
    }

    /// The host checks no SPF, DKIM or DMARC yet, so nothing was found.
    fn auth_results(&mut self) -> wasmtime::Result<Vec<AuthResult>> {
        Ok(Vec::new())
    }

    async fn fields(&mut self) -> wasmtime::Result<Vec<Field>> {
        self.charge_header().await?;
        let copy =
            |field: message::Field<'_>| Field { name: field.name.to_owned(), value: field.value.to_vec() };
        Ok(self.content().map(|draft| draft.fields().map(copy).collect()).unwrap_or_default())
    }

    async fn header(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.toll(&[&name]).await?;
        self.charge_header().await?;
        Ok(self.content().and_then(|draft| draft.header(&name)))
    }

    async fn header_values(&mut self, name: String) -> wasmtime::Result<Vec<String>> {
        self.toll(&[&name]).await?;
        self.charge_header().await?;
        Ok(self.content().map(|draft| draft.header_values(&name)).unwrap_or_default())
    }

    async fn header_mailboxes(&mut self, name: String) -> wasmtime::Result<Vec<Named>> {
        self.toll(&[&name]).await?;
        self.charge_header().await?;
        let found = self.work(Work::Deep, move |draft| Ok(draft.header_mailboxes(&name))).await?;
        let tell = |one: message::NamedMailbox| {
            // In a header a domain may be anything; the canonical form where there is one.
            let domain = Domain::parse(&one.domain).map(|domain| domain.as_str().to_owned());
            let address = Address { local: one.local, domain: domain.unwrap_or(one.domain) };
            Named { name: one.name, address }
        };
        Ok(found.unwrap_or_default().into_iter().map(tell).collect())
    }

    async fn parts(&mut self) -> wasmtime::Result<Vec<Part>> {
        self.charge_view().await?;
        let parts = self.work(Work::Light, Draft::parts).await?;
        let tell = |part: message::Part| Part {
            id: part.id.0,
            parent: part.parent.map(|id| id.0),
            content_type: part.content_type,
            file_name: part.file_name,
            size: to_u32(part.size),
        };
        Ok(parts.unwrap_or_default().into_iter().map(tell).collect())
    }

    async fn part_header(&mut self, part: u32, name: String) -> wasmtime::Result<Option<String>> {
        self.toll(&[&name]).await?;
        self.charge_view().await?;
        self.charge_header().await?;
        let found = self.work(Work::Light, move |draft| draft.part_header(PartId(part), &name)).await?;
        Ok(found.ok().flatten())
    }

    async fn part_traits(&mut self, part: u32) -> wasmtime::Result<Vec<String>> {
        self.charge_view().await?;
        let traits = self.work(Work::Light, move |draft| draft.part_traits(PartId(part))).await?;
        Ok(traits.unwrap_or_default().into_iter().map(|one| one.word().to_owned()).collect())
    }

    async fn read_part(&mut self, part: u32, offset: u32, length: u32) -> Answer<Vec<u8>> {
        self.charge_view().await?;
        self.charge_length(window(length)).await?;
        let read = move |draft: &Draft| draft.read_part(PartId(part), offset.into(), window(length));
        Ok(self.work(Work::Light, read).await?.map(|bytes| bytes.to_vec()))
    }

    async fn read_text(&mut self, part: u32, offset: u32, length: u32) -> Answer<String> {
        // Of the raw message all bytes are looked at, however few are wanted.
        if part == 0 {
            let bytes = self.content().map_or(0, Draft::size);
            self.charge(bytes).await?;
        } else {
            self.charge_view().await?;
        }
        self.charge_length(window(length)).await?;
        self.work(Work::Light, move |draft| draft.read_text(PartId(part), offset.into(), window(length)))
            .await
    }

    async fn read_raw(&mut self, offset: u32, length: u32) -> Answer<Vec<u8>> {
        self.charge_length(window(length)).await?;
        let Some(draft) = self.content() else {
            return Ok(Err(Error::NotPermitted));
        };
        // Small contents are in memory, and nothing is parsed.
        if draft.size() <= INLINE_BYTES_MAX {
            return Ok(draft
                .read_raw(offset.into(), window(length))
                .map(|bytes| bytes.to_vec())
                .map_err(Error::from));
        }
        let read = move |draft: &Draft| draft.read_raw(offset.into(), window(length));
        Ok(self.work(Work::Deep, read).await?.map(|bytes| bytes.to_vec()))
    }

    async fn find(
        &mut self,
        part: u32,
        literals: Vec<Vec<u8>>,
        ignore_case: bool,
        limit: u32,
    ) -> Answer<Vec<Found>> {
        self.toll(&[&literals]).await?;
        if let Err(error) = self.charge_part(part).await? {
            return Ok(Err(error));
        }
        let case = if ignore_case { Case::Ignore } else { Case::Exact };
        let found =
            self.work(Work::Deep, move |draft| draft.find(PartId(part), &literals, case, limit)).await?;
        let tell = |one: message::Found| Found { literal: one.literal, offset: to_u32(one.offset) };
        Ok(found.map(|all| all.into_iter().map(tell).collect()))
    }

    async fn match_any(&mut self, part: u32, expressions: Vec<String>) -> Answer<Vec<u32>> {
        self.toll(&[&expressions]).await?;
        if let Err(error) = self.charge_part(part).await? {
            return Ok(Err(error));
        }
        // A program is some hundred times its source.
        self.charge_length(expressions.iter().map(String::len).sum::<usize>().saturating_mul(100)).await?;
        self.work(Work::Deep, move |draft| draft.match_any(PartId(part), &expressions)).await
    }

    async fn digest(&mut self, part: u32, algorithm: String) -> Answer<Vec<u8>> {
        self.toll(&[&algorithm]).await?;
        let Some(algorithm) = Algorithm::parse(&algorithm) else {
            return Ok(Err(Error::InvalidArgument("sha256, sha1 or md5".to_owned())));
        };
        if let Err(error) = self.charge_part(part).await? {
            return Ok(Err(error));
        }
        self.work(Work::Light, move |draft| draft.digest(PartId(part), algorithm)).await
    }

    async fn get_variable(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.toll(&[&key]).await?;
        if self.call.access.message == MessageAccess::None {
            return Ok(None);
        }
        Ok(self.subject.variables.value(&self.call.installation.id, &key).map(|value| value.to_vec()))
    }

    async fn set_variable(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        self.toll(&[&key, &value]).await?;
        if self.call.access.message == MessageAccess::None {
            return Ok(Err(Error::NotPermitted));
        }
        let set = self.subject.variables.set(&self.call.installation.id, &key, value.into());
        Ok(set.map_err(Error::from))
    }

    async fn score(&mut self, name: String) -> wasmtime::Result<Option<f64>> {
        self.toll(&[&name]).await?;
        if self.call.access.message == MessageAccess::None {
            return Ok(None);
        }
        Ok(self.subject.scores.value(&name))
    }

    /// What operators' sinks set is read by all under its own prefix, which nobody else may write.
    async fn set_score(&mut self, name: String, value: f64) -> Answer<()> {
        self.toll(&[&name]).await?;
        if self.call.access.message == MessageAccess::None || name.starts_with(OPERATOR_SCORE) {
            return Ok(Err(Error::NotPermitted));
        }
        if !value.is_finite() || name.is_empty() || name.chars().any(char::is_control) {
            return Ok(Err(Error::InvalidArgument("a word and a finite number".to_owned())));
        }
        let set = match self.call.installation.tenant {
            Some(_) => self.subject.scores.set(&name, value),
            None => self.subject.scores.set(&format!("{OPERATOR_SCORE}{name}"), value),
        };
        Ok(set.map_err(Error::from))
    }
}
