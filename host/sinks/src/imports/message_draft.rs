//! `message-draft`: staged edits of the content.
//!
//! An edit of fields touches the header section; one of parts reads the MIME view and may write a text anew, so it is done off
//! the guest's fiber, whose stack is small (RUNTIME, "Untrusted input"), and paid by the byte before it is done.

use bytes::Bytes;
use message::{Draft, MessageError, PartId, Position as Place};

use super::Answer;
use crate::access::Allowed;
use crate::bindings::sluice::sink::message_draft::{Host, Position};
use crate::bindings::sluice::sink::types::Error;
use crate::state::State;

impl State {
    /// Edits the sink's own copy; an edit touches the header section, and costs as much.
    async fn edit<T>(
        &mut self,
        edit: impl FnOnce(&mut Draft) -> Result<T, MessageError> + Send,
    ) -> Answer<T> {
        if self.call.access.message_draft == Allowed::No {
            return Ok(Err(Error::NotPermitted));
        }
        let bytes = self.content().map_or(0, Draft::header_size);
        self.charge(bytes).await?;
        let Some(draft) = &mut self.subject.draft else {
            return Ok(Err(Error::NotPermitted));
        };
        Ok(edit(draft).map_err(Error::from))
    }

    /// The same for an edit that needs the MIME view, and touches or writes so many bytes beside it.
    async fn edit_parts<T: Send + 'static>(
        &mut self,
        bytes: u64,
        edit: impl FnOnce(&mut Draft) -> Result<T, MessageError> + Send + 'static,
    ) -> Answer<T> {
        if self.call.access.message_draft == Allowed::No {
            return Ok(Err(Error::NotPermitted));
        }
        let view = self.content().map_or(0, |draft| draft.mime_cost() + draft.header_size());
        self.charge(view.saturating_add(bytes)).await?;
        if !self.has_time() {
            return Ok(Err(Error::TimedOut));
        }
        let Some(mut draft) = self.subject.draft.clone() else {
            return Ok(Err(Error::NotPermitted));
        };
        let (draft, edited) = tokio::task::spawn_blocking(move || {
            let edited = edit(&mut draft);
            (draft, edited)
        })
        .await?;
        self.subject.draft = Some(draft);
        Ok(edited.map_err(Error::from))
    }

    /// Bytes of the content, all of which an edit may touch.
    fn content_size(&self) -> u64 {
        self.content().map_or(0, Draft::size)
    }

    fn blob(&self, id: u32) -> Result<(Bytes, u64), Error> {
        let bytes = self.blobs.bytes(id)?.clone();
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok((bytes, size))
    }
}

fn place(at: Position) -> Place {
    match at {
        Position::Top => Place::Top,
        Position::Bottom => Place::Bottom,
    }
}

impl Host for State {
    async fn add_header(&mut self, at: Position, name: String, value: String) -> Answer<()> {
        self.toll(&[&name, &value]).await?;
        self.edit(|draft| draft.add_header(place(at), &name, &value)).await
    }

    async fn insert_header(&mut self, index: u32, name: String, value: Vec<u8>) -> Answer<()> {
        self.toll(&[&name, &value]).await?;
        self.edit(|draft| draft.insert_header(index, &name, &value)).await
    }

    async fn replace_header(&mut self, name: String, occurrence: u32, value: String) -> Answer<()> {
        self.toll(&[&name, &value]).await?;
        self.edit(|draft| draft.replace_header(&name, occurrence, &value)).await
    }

    async fn remove_header(&mut self, name: String, occurrence: u32) -> Answer<()> {
        self.toll(&[&name]).await?;
        self.edit(|draft| draft.remove_header(&name, occurrence)).await
    }

    async fn remove_headers(&mut self, name: String) -> Answer<u32> {
        self.toll(&[&name]).await?;
        self.edit(|draft| draft.remove_headers(&name)).await
    }

    async fn replace_part(&mut self, part: u32, content_type: String, decoded: u32) -> Answer<()> {
        self.toll(&[&content_type]).await?;
        let (decoded, size) = match self.blob(decoded) {
            Ok(blob) => blob,
            Err(error) => return Ok(Err(error)),
        };
        self.edit_parts(size, move |draft| draft.replace_part(PartId(part), &content_type, &decoded)).await
    }

    async fn remove_part(&mut self, part: u32) -> Answer<()> {
        self.edit_parts(0, move |draft| draft.remove_part(PartId(part))).await
    }

    async fn attach(&mut self, content_type: String, file_name: Option<String>, decoded: u32) -> Answer<u32> {
        self.toll(&[&content_type, &file_name]).await?;
        let (decoded, size) = match self.blob(decoded) {
            Ok(blob) => blob,
            Err(error) => return Ok(Err(error)),
        };
        let bytes = size.saturating_add(self.content_size());
        let attach = move |draft: &mut Draft| draft.attach(&content_type, file_name.as_deref(), &decoded);
        Ok(self.edit_parts(bytes, attach).await?.map(|part| part.0))
    }

    async fn add_text(&mut self, at: Position, plain: String, html: Option<String>) -> Answer<()> {
        self.toll(&[&plain, &html]).await?;
        let bytes = self.content_size();
        self.edit_parts(bytes, move |draft| draft.add_text(place(at), &plain, html.as_deref())).await
    }

    async fn rewrite(&mut self, content: u32) -> Answer<()> {
        let content = match self.blobs.bytes(content) {
            Ok(content) => content.clone(),
            Err(error) => return Ok(Err(error)),
        };
        self.charge_length(content.len()).await?;
        self.edit(|draft| draft.rewrite(content)).await
    }

    fn revert(&mut self) -> wasmtime::Result<()> {
        if self.call.access.message_draft == Allowed::Yes
            && let Some(draft) = &mut self.subject.draft
        {
            draft.revert();
        }
        Ok(())
    }
}
