//! The new process: it takes the sockets and the memory of the one that serves, and then its place.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::HandOverError;
use super::answering::answer;
use super::message::{FromHeir, FromIncumbent, Memory, Offer};
use super::wire::Wire;
use crate::clock::{Clock, SystemClock};
use crate::config::{App, Settings};
use crate::guard::ReplayGuard;
use crate::server::Sockets;
use crate::server::sockets::Inherited;
use crate::store::own::{MemoryKeys, OwnStores};

/// How long the old process may take to say what it offers.
const OFFER_TIME: Duration = Duration::from_secs(10);

/// What carries on the memory of the process before.
pub struct Heir {
    /// The replay guard.
    pub guard: Arc<ReplayGuard>,
    /// The memory, where no shared store remembers.
    pub stores: Option<Arc<OwnStores>>,
    /// The apps of this process.
    pub apps: Vec<App>,
}

/// The process that serves so far.
pub struct Predecessor {
    wire: Wire,
    /// The lock of the data directory, if it has one.
    pub lock: Option<File>,
    /// The keys of its memory, where no shared store remembers.
    pub keys: Option<MemoryKeys>,
}

impl Predecessor {
    /// Asks the process that serves to hand over, and takes its sockets; it serves on.
    ///
    /// # Errors
    /// When there is none, or it does not fit these settings.
    pub async fn meet(path: &Path, settings: &Settings) -> Result<(Self, Sockets), HandOverError> {
        let nobody = |source| HandOverError::Nobody { path: path.to_owned(), source };
        let stream = UnixStream::connect(path).await.map_err(nobody)?;
        let mut wire = Wire::greet(stream).await?;
        let offered = async {
            let offer: Offer = wire.receive().await?;
            let count = offer.sockets.len() + usize::from(offer.locked);
            let descriptors = wire.receive_descriptors(count).await?;
            Ok::<_, HandOverError>((offer, descriptors))
        };
        let offered = timeout(OFFER_TIME, offered).await;
        let (offer, descriptors) = offered.map_err(|_| HandOverError::TooSlow("answer"))??;
        if let Some(reason) = unfit(&offer, settings) {
            wire.send(&FromHeir::Unfit(reason.clone())).await?;
            return Err(HandOverError::Unfit(reason));
        }
        let mut descriptors = descriptors.into_iter();
        let sockets = offer.sockets.into_iter().zip(descriptors.by_ref());
        let sockets = sockets.map(|((role, address), descriptor)| Inherited {
            role: Some(role),
            address,
            listener: descriptor.into(),
        });
        let sockets = Sockets::handed_over(sockets.collect());
        let lock = descriptors.next().map(File::from);
        Ok((Self { wire, lock, keys: offer.keys }, sockets))
    }

    /// Takes the memory: this process is built, and accepts nobody yet. When this returns, it is the
    /// one that decides, and is to accept.
    ///
    /// # Errors
    /// When the other process does not go on with it; that one serves on.
    pub async fn take_over(mut self, heir: &Heir) -> Result<Accession, HandOverError> {
        self.wire.send(&FromHeir::Ready).await?;
        let FromIncumbent::Estate(estate) = self.wire.receive().await? else {
            return Err(HandOverError::Garbled);
        };
        if let (Some(estate), Some(stores)) = (estate, &heir.stores) {
            let now = SystemClock.now();
            heir.guard.inherit(estate.guard, &heir.apps, now).await?;
            stores.inherit(estate.contents, now, &|id| heir.guard.share(id));
        }
        self.wire.send(&FromHeir::Taken).await?;
        match self.wire.receive().await? {
            FromIncumbent::Go => Ok(Accession(self.wire)),
            _ => Err(HandOverError::Garbled),
        }
    }
}

/// The moment after the switch: the process before waits to hear that this one serves.
pub struct Accession(Wire);

impl Accession {
    /// Tells the process before that this one serves, and answers its questions for as long as it
    /// has connections, with `held` in hand. Returns when its place, such as its socket, is free.
    pub async fn confirm(self, heir: Heir, held: impl Send + 'static) {
        let Self(mut wire) = self;
        let confirm = async {
            wire.send(&FromHeir::Serving).await?;
            wire.receive::<FromIncumbent>().await
        };
        if let Err(error) = confirm.await {
            // Then it is gone, and everything is here.
            tracing::warn!(%error, "the process before this one has ended early");
        }
        match heir.stores {
            Some(stores) => {
                tokio::spawn(async move {
                    answer(wire, heir.guard, stores).await;
                    drop(held);
                });
            }
            None => drop(wire),
        }
    }
}

/// Why this process can't follow that one.
fn unfit(offer: &Offer, settings: &Settings) -> Option<String> {
    let here = settings.data_dir.as_deref().map(canonical);
    if offer.data_dir != here {
        let other = |directory: &Option<std::path::PathBuf>| {
            directory.as_ref().map_or("none".to_owned(), |directory| directory.display().to_string())
        };
        let (old, new) = (other(&offer.data_dir), other(&here));
        return Some(format!("`data_dir` differs ({old}, {new}): that needs a restart"));
    }
    if offer.memory != Memory::of(settings) {
        return Some("[store] names another memory: that needs a restart".to_owned());
    }
    None
}

/// The same directory under one name.
pub fn canonical(path: &Path) -> std::path::PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
