//! The token of a request that passes through, for a backend that has it elsewhere than the client.

use http::request;

use super::backends::RegionBackend;
use super::trust::Sides;
use super::{Arrival, Gateway};
use crate::account::{Call, Operation, Secret};
use crate::clock::Moment;
use crate::dialect::{Dialect, MovedToken};

/// Where a request passes to, and what becomes of its token.
#[derive(Debug, Default)]
pub struct Onward {
    /// The region whose backend gets it.
    pub region: String,
    /// The session's token, where it is moved for that backend.
    pub token: Option<MovedToken>,
}

impl Gateway {
    /// Where the token of a request goes that the config has moved. A session that the gateway had issued is opened; what
    /// stands already where the backend wants it stays.
    pub(super) fn moved_token(
        &self,
        arrival: &Arrival,
        head: &request::Parts,
        backend: &RegionBackend,
        now: Moment,
    ) -> Option<MovedToken> {
        if !self.routes.moves_token(head) {
            return None;
        }
        let upstream = self.pack(backend.dialect);
        let clients: Vec<_> = self.routes.open(arrival.listener).map(|index| self.pack(index)).collect();
        let presented =
            clients.iter().filter_map(|client| Some((*client, client.tokens_of_head(head).pop()?)));
        let presented: Vec<_> = presented.collect();
        let opened = presented.iter().find_map(|(client, token)| {
            let mut call = Call::new(Operation::WhoAmI);
            call.token = Some(token.clone());
            Some((*client, self.opened_token(Sides::of(self, client, backend), &call, now)?))
        });
        if let Some((client, token)) = opened {
            return client.move_token(upstream, head, &token);
        }
        let stands = !upstream.tokens_of_head(head).is_empty();
        let (client, token): &(_, Secret) = presented.first().filter(|_| !stands)?;
        client.move_token(upstream, head, token)
    }
}
