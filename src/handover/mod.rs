//! One process takes over from another, and nobody notices: an upgrade of the program, or of what a
//! reload can't change.
//!
//! The new process asks for it at a socket that only the same user can use. It gets the listening
//! sockets and builds everything, while the old one serves on. Then, for an instant, both pause:
//! connections wait in the listening sockets, signed calls wait for a decision, and what the old one
//! remembers moves to the new one. From then on the new one accepts and decides. The old one ends its
//! connections with their next answers, and asks the new one over that same socket what may pass, so
//! that at any time one memory decides. If that one is gone, it refuses.
//!
//! Until the old one has said `Go`, any failure leaves it as it was. If the new one dies after that
//! and before it serves, the old one goes on as after a crash: what the other may have accepted is
//! below the floor. Where a shared store remembers, nothing of the memory moves.

mod answering;
mod error;
mod heir;
mod incumbent;
mod link;
mod message;
mod socket;
#[cfg(test)]
mod tests;
mod wire;

pub use error::HandOverError;
pub use heir::{Accession, Heir, Predecessor, canonical};
pub use incumbent::Incumbent;
pub use message::Memory;
pub use socket::Socket;
