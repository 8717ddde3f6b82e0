//! Certificates that are renewed on disk are taken without a signal: whoever renews them need not
//! know about the gateway.

use super::reload::Reloader;
use crate::config::Listener;
use crate::server::Entrance;

/// What the last look at the certificates found.
#[derive(Default)]
pub(super) struct Renewal {
    /// What is wrong with the files now.
    fault: Option<String>,
    told: bool,
}

impl Renewal {
    /// Looks whether certificates differ from those that are shown, and shows them if they are good.
    pub fn look(&mut self, reloader: &mut Reloader) {
        match tokio::task::block_in_place(|| renewed(&reloader.settings.listeners)) {
            Ok(None) => *self = Self::default(),
            Ok(Some(listeners)) => {
                *self = Self::default();
                match Entrance::of(&listeners) {
                    Ok(entrances) => reloader.service.replace_entrances(entrances),
                    Err(fault) => return self.failed(fault, reloader),
                }
                reloader.observer.metrics().set_certificates(&listeners);
                reloader.observer.metrics().certificates_renewed(true);
                reloader.settings.listeners = listeners;
                tracing::info!("renewed certificates are in place");
            }
            Err(fault) => self.failed(fault, reloader),
        }
    }

    /// A certificate and its key are written one after the other, so that they may not fit for a
    /// moment: only what is still wrong at the next look counts, and it is logged once.
    fn failed(&mut self, fault: String, reloader: &Reloader) {
        let lasting = self.fault.as_ref() == Some(&fault);
        if lasting {
            reloader.observer.metrics().certificates_renewed(false);
        }
        if lasting && !self.told {
            tracing::error!(%fault, "certificates not renewed, the old ones stay");
        }
        self.told = lasting;
        self.fault = Some(fault);
    }
}

/// The listeners with what is in their files now; `None` when that is what it was.
fn renewed(listeners: &[Listener]) -> Result<Option<Vec<Listener>>, String> {
    let again = |listener: &Listener| {
        let tls = listener.tls.iter().map(|files| files.again()).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, String>(Listener { tls, ..listener.clone() })
    };
    let now = listeners.iter().map(again).collect::<Result<Vec<_>, _>>()?;
    Ok((now != listeners).then_some(now))
}
