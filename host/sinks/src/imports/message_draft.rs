//! `message-draft`: staged edits of the content. Edits of fields and of the whole are served; those of parts are not yet,
//! and answer `other("not-served-yet")`, so that a sink's author sees the reason in the first test.

use message::{Draft, MessageError, Position as Place};

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

    fn not_served<T>(&self) -> Answer<T> {
        Ok(Err(match self.call.access.message_draft {
            Allowed::Yes => Error::Other("not-served-yet".to_owned()),
            Allowed::No => Error::NotPermitted,
        }))
    }
}

impl Host for State {
    async fn add_header(&mut self, at: Position, name: String, value: String) -> Answer<()> {
        self.toll(&[&name, &value]).await?;
        let at = match at {
            Position::Top => Place::Top,
            Position::Bottom => Place::Bottom,
        };
        self.edit(|draft| draft.add_header(at, &name, &value)).await
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

    async fn replace_part(&mut self, _part: u32, content_type: String, _decoded: u32) -> Answer<()> {
        self.toll(&[&content_type]).await?;
        self.not_served()
    }

    fn remove_part(&mut self, _part: u32) -> Answer<()> {
        self.not_served()
    }

    async fn attach(
        &mut self,
        content_type: String,
        file_name: Option<String>,
        _decoded: u32,
    ) -> Answer<u32> {
        self.toll(&[&content_type, &file_name]).await?;
        self.not_served()
    }

    async fn add_text(&mut self, _at: Position, plain: String, html: Option<String>) -> Answer<()> {
        self.toll(&[&plain, &html]).await?;
        self.not_served()
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
