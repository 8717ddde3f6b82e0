//! Requests: a client's read, a backend's written.

mod read;
mod write;

pub(super) use read::{read, read_extensions};
pub(super) use write::{write, write_extensions};
