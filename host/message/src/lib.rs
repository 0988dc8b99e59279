//! The content of a message: header index, MIME view, staged edits, trace fields.
//!
//! Pure: bytes come in, bytes go out. What no edit touches keeps its bytes. [`Content`] is what came and never changes;
//! a [`Draft`] is a content with the edits that sinks staged, and [`Draft::pieces`] is what is to be written down.
//!
//! **Cost.** Header functions touch the header section and never load a body. The first MIME function of a content
//! touches [`Draft::mime_cost`] bytes, later ones none. A function that takes a part and works by the byte (`read_part`,
//! `read_text`, `find`, `match_any`, `digest`, `part_bytes`) touches at most [`Draft::part_size`] bytes of that part.
//! An edit of fields touches the header section only; one of parts touches [`Draft::size`] bytes at most, beside those that it
//! writes. So whoever charges for the work can do it before the work is done.

mod add_text;
mod addition;
pub mod content;
pub mod digest;
pub mod down;
pub mod draft;
pub mod dsn;
mod encode;
mod entity;
pub mod error;
mod expressions;
mod field;
pub mod find;
pub mod fuzz;
pub mod headers;
mod html;
pub mod limits;
pub mod mime;
mod parts;
mod plan;
mod rope;
mod scan;
mod segment;
mod splice;
pub mod submission;
pub mod text;
mod text_body;
pub mod trace;
mod transfer;
mod view;
mod walk;

pub use content::{Content, Load, LoadError};
pub use digest::Algorithm;
pub use down::{DownEncodeError, down_encode};
pub use draft::{Draft, Piece, Position};
pub use error::MessageError;
pub use find::{Case, Found};
pub use headers::{Field, HeaderBound, HeaderIndex};
pub use mime::{Part, PartId, PartTrait};
pub use text::NamedMailbox;
pub use trace::{ReceivedFacts, TlsDetail, received_count, received_field, return_path_field};
