//! What a value looks like: a secret, a stand-in for one, a hash, a path, or an ordinary word.

mod placeholder;
mod shape;
mod status;

pub(crate) use placeholder::is_placeholder;
pub(crate) use shape::{is_chain_address, is_hash, is_long_opaque, is_opaque, is_path};
pub(crate) use status::{is_coined, is_label, is_password_like, is_status_word};
