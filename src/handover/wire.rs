//! The connection between the two processes: messages, each after its length, and descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::process::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::HandOverError;

/// Both sides begin with it. Whatever changes the messages or what is in them changes the number.
const GREETING: &[u8; 23] = b"dragoman hand-over 0001";

/// How long the other side may take to greet.
const GREETING_TIME: Duration = Duration::from_secs(5);

/// The most descriptors that Linux passes at once (SCM_MAX_FD).
const MOST_DESCRIPTORS: usize = 253;

/// The connection.
pub(super) struct Wire {
    stream: UnixStream,
    /// The other process.
    pub process: Option<i32>,
}

impl Wire {
    /// Greets the other side, which must be of the same user and version.
    pub async fn greet(mut stream: UnixStream) -> Result<Self, HandOverError> {
        let peer = stream.peer_cred()?;
        if peer.uid() != geteuid().as_raw() {
            return Err(HandOverError::Stranger(peer.uid()));
        }
        stream.write_all(GREETING).await?;
        let mut greeting = [0; GREETING.len()];
        let read = timeout(GREETING_TIME, stream.read_exact(&mut greeting)).await;
        read.map_err(|_| HandOverError::TooSlow("greet"))?.map_err(broken)?;
        if greeting != *GREETING {
            return Err(HandOverError::OtherVersion);
        }
        Ok(Self { stream, process: peer.pid() })
    }

    pub async fn send(&mut self, message: &impl Serialize) -> Result<(), HandOverError> {
        send(&mut self.stream, message).await
    }

    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<T, HandOverError> {
        receive(&mut self.stream).await
    }

    /// Sends descriptors, which stay open here.
    pub async fn send_descriptors(&self, descriptors: &[BorrowedFd<'_>]) -> Result<(), HandOverError> {
        if descriptors.is_empty() {
            return Ok(());
        }
        if descriptors.len() > MOST_DESCRIPTORS {
            return Err(io::Error::other("too many listening sockets").into());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let send = || {
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
            Ok(sendmsg(&self.stream, &[IoSlice::new(b".")], &mut ancillary, SendFlags::empty())?)
        };
        self.stream.async_io(Interest::WRITABLE, send).await?;
        Ok(())
    }

    /// Receives as many descriptors as were announced.
    pub async fn receive_descriptors(&self, count: usize) -> Result<Vec<OwnedFd>, HandOverError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut received = Vec::new();
        let receive = || {
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0; 1];
            let flags = RecvFlags::CMSG_CLOEXEC;
            recvmsg(&self.stream, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags)?;
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    received.extend(descriptors);
                }
            }
            Ok(())
        };
        self.stream.async_io(Interest::READABLE, receive).await?;
        if received.len() == count { Ok(received) } else { Err(HandOverError::Garbled) }
    }

    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.stream.into_split()
    }
}

/// Sends one message. To be awaited to its end: half a message spoils all that follow.
pub(super) async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
) -> Result<(), HandOverError> {
    let mut bytes = postcard::to_extend(message, vec![0; 4]).map_err(|_| HandOverError::Garbled)?;
    let length = u32::try_from(bytes.len() - 4).map_err(|_| HandOverError::Garbled)?;
    bytes.iter_mut().zip(length.to_le_bytes()).for_each(|(to, from)| *to = from);
    stream.write_all(&bytes).await.map_err(broken)
}

/// Receives one message.
pub(super) async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<T, HandOverError> {
    let length = stream.read_u32_le().await.map_err(broken)?;
    let mut bytes = Vec::new();
    // Grows with what comes, whatever the length claims.
    let read = stream.take(u64::from(length)).read_to_end(&mut bytes).await.map_err(broken)?;
    if u32::try_from(read) != Ok(length) {
        return Err(HandOverError::Gone);
    }
    postcard::from_bytes(&bytes).map_err(|_| HandOverError::Garbled)
}

fn broken(error: io::Error) -> HandOverError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            HandOverError::Gone
        }
        _ => HandOverError::Connection(error),
    }
}
