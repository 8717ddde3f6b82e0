//! One question to Redis: not asked while the breaker is open, waited for as long as the settings
//! say, and never asked twice.

use std::sync::Arc;
use std::time::Instant;

use redis::{Cmd, FromRedisValue, RedisResult, ScriptInvocation};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::session::Session;
use super::{Shared, is_certain};
use crate::store::StoreError;

impl Shared {
    /// The connection to ask on.
    pub(super) fn ready(&self) -> Result<Arc<Session>, StoreError> {
        if self.breaker.is_open() {
            self.figures.error("breaker_open");
            return Err(StoreError::Away);
        }
        self.session.borrow().clone().ok_or_else(|| {
            self.figures.error("away");
            StoreError::Away
        })
    }

    /// Asks one thing.
    pub(super) async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> Result<T, StoreError> {
        let session = self.ready()?;
        let asked = Instant::now();
        let told = timeout(self.settings.timeout, session.link.ask(question)).await;
        self.hear(&session, asked, told)
    }

    /// Runs a script on a connection that was ready.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        session: &Arc<Session>,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        let asked = Instant::now();
        let told = timeout(self.settings.timeout, session.link.run(script)).await;
        self.hear(session, asked, told)
    }

    fn hear<T>(
        &self,
        session: &Arc<Session>,
        asked: Instant,
        told: Result<RedisResult<T>, Elapsed>,
    ) -> Result<T, StoreError> {
        self.figures.took(asked.elapsed());
        match told {
            Ok(Ok(answer)) => {
                self.answered();
                return Ok(answer);
            }
            Ok(Err(error)) if is_certain(&error) => return Err(self.refused(session, &error)),
            Ok(Err(error)) => self.failed(session, &error),
            Err(_) => self.timed_out(),
        }
        Err(StoreError::Away)
    }
}
