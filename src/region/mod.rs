//! Regions: which there are, which one an answer means, and where accounts were found before. What a
//! backend says is only ever an index into the table: no address of an answer is ever asked.

mod learned;
mod table;

pub use learned::Learned;
pub use table::{Elsewhere, RegionTable};
