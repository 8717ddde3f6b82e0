//! A connection that was looked at: whose it is, what those servers may have forgotten, and that
//! they evict nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::{RedisResult, cmd};

use super::OpenError;
use super::link::Link;
use super::scripts::{Keys, Scripts};
use crate::clock::{Clock, Moment};
use crate::store::Terms;

/// The oldest Redis that has what the scripts use.
const OLDEST: (u32, u32) = (6, 2);

/// A checked connection.
pub(super) struct Session {
    pub link: Link,
    /// The servers, by the ids that each draws when it starts.
    pub servers: String,
    /// What all instances agreed on; when it is another or gone, so is this session.
    pub generation: String,
    /// No second at or below it is vouched for.
    pub floor: i64,
    /// The master's address as Sentinels had it.
    pub master: Option<Vec<String>>,
}

/// What a session is opened with.
pub(super) struct Opening<'a> {
    pub scripts: &'a Scripts,
    pub keys: &'a Keys,
    pub terms: &'a Terms,
    pub clock: &'a dyn Clock,
    pub never_evicts: bool,
    /// Whether the servers are the same and yet must not be believed.
    pub distrust: bool,
}

impl Session {
    /// Looks at a new connection and agrees on the floor.
    pub async fn open(
        link: Link,
        master: Option<Vec<String>>,
        opening: &Opening<'_>,
    ) -> Result<Self, OpenError> {
        let masters = masters(&link).await.map_err(OpenError::Redis)?.ok_or(OpenError::MasterMissing)?;
        for info in &masters {
            check_version(info)?;
            if field(info, "role") != Some("master") {
                return Err(OpenError::NotMaster);
            }
        }
        if !opening.never_evicts {
            check_eviction(&link, &masters).await?;
        }
        let servers = servers(&masters).ok_or(OpenError::NoRunId)?;
        let nonce = getrandom::u64().map_err(|_| OpenError::NoRandomness)?;
        let mut agree = opening.scripts.agree.key(&opening.keys.generation);
        agree.key(&opening.keys.policy);
        agree.arg(&servers).arg(opening.keys.terms(&opening.terms.policy)).arg(opening.terms.future);
        agree.arg(opening.clock.now().seconds()).arg(i32::from(opening.distrust)).arg(nonce);
        let (generation, floor): (String, i64) = link.run(&agree).await.map_err(OpenError::Redis)?;
        Ok(Self { link, servers, generation, floor, master })
    }

    /// Whether the servers are still those that were looked at, with what they knew then.
    pub async fn is_unchanged(&self, keys: &Keys) -> RedisResult<bool> {
        let generation: Option<String> = self.link.ask(cmd("GET").arg(&keys.generation)).await?;
        if generation.as_deref() != Some(self.generation.as_str()) {
            return Ok(false);
        }
        if !self.link.is_cluster() {
            return Ok(true);
        }
        let masters = masters(&self.link).await?;
        Ok(masters.is_some_and(|masters| servers(&masters).as_ref() == Some(&self.servers)))
    }

    /// How far the servers' clocks are ahead of ours, in milliseconds; the one that is furthest off.
    pub async fn clock_offset(&self, clock: &dyn Clock) -> RedisResult<i64> {
        let asked = clock.now();
        let times: Vec<(i64, i64)> = self.link.ask_masters(&cmd("TIME")).await?;
        let answered = clock.now();
        let middle = Moment::from_millis(asked.millis() / 2 + answered.millis() / 2).millis();
        let offsets = times.into_iter().map(|(seconds, micros)| seconds * 1000 + micros / 1000 - middle);
        Ok(offsets.max_by_key(|offset| offset.abs()).unwrap_or(0))
    }
}

/// What every master tells of itself; `None` where a cluster has one more. The connection to a cluster leaves out whom
/// it can't reach, and learns only from calls that a replica took over: so the cluster itself is asked whose its slots
/// are.
async fn masters(link: &Link) -> RedisResult<Option<Vec<String>>> {
    let masters: Vec<String> = link.ask_masters(&cmd("INFO")).await?;
    if !link.is_cluster() {
        return Ok(Some(masters));
    }
    let views: Vec<String> = link.ask_masters(cmd("CLUSTER").arg("NODES")).await?;
    let owners: BTreeSet<&str> = views.iter().flat_map(|view| owners_of_slots(view)).collect();
    Ok((owners.len() == masters.len()).then_some(masters))
}

/// The ids of the masters that have slots, as one of them sees it.
fn owners_of_slots(view: &str) -> impl Iterator<Item = &str> {
    view.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (id, flags) = (words.next()?, words.nth(1)?);
        let is_master = flags.split(',').any(|flag| flag == "master");
        // Slots stand behind five words more; those in brackets are on their way.
        let has_slots = words.nth(5).is_some_and(|slots| !slots.starts_with('['));
        (is_master && has_slots).then_some(id)
    })
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let lines = info.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}

/// The ids of all masters, in an order of their own. A server draws its `run_id` when it starts and
/// its `master_replid` when it becomes master: one that was a replica in between is another.
fn servers(masters: &[String]) -> Option<String> {
    let id = |info: &String| {
        let role = field(info, "master_replid").unwrap_or_default();
        field(info, "run_id").map(|run| format!("{run}:{role}"))
    };
    let mut ids = masters.iter().map(id).collect::<Option<Vec<_>>>()?;
    ids.sort_unstable();
    (!ids.is_empty()).then(|| ids.join("+"))
}

fn check_version(info: &str) -> Result<(), OpenError> {
    let version = field(info, "redis_version").unwrap_or_default();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST { Err(OpenError::TooOld(version.to_owned())) } else { Ok(()) }
}

async fn check_eviction(link: &Link, masters: &[String]) -> Result<(), OpenError> {
    let told: Option<Vec<String>> =
        masters.iter().map(|info| field(info, "maxmemory_policy").map(str::to_owned)).collect();
    let policies = match told {
        Some(policies) => policies,
        None => {
            let question = cmd("CONFIG").arg("GET").arg("maxmemory-policy").to_owned();
            let answers: RedisResult<Vec<Vec<String>>> = link.ask_masters(&question).await;
            let answers = answers.map_err(|_| OpenError::EvictionUnknown)?;
            answers.into_iter().filter_map(|mut pair| pair.pop()).collect()
        }
    };
    if policies.is_empty() {
        return Err(OpenError::EvictionUnknown);
    }
    match policies.into_iter().find(|policy| policy != "noeviction") {
        Some(policy) => Err(OpenError::Evicts(policy)),
        None => Ok(()),
    }
}

/// How long looking at a new connection may take in all.
pub(super) fn opening_limit(connect_timeout: Duration) -> Duration {
    connect_timeout.saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:b\r\n# Replication\r\nrole:master\r\n";

    #[test]
    fn fields_of_info_are_found_whole() {
        assert_eq!(field(INFO, "run_id"), Some("b"));
        assert_eq!(field(INFO, "id"), None);
    }

    #[test]
    fn servers_are_named_in_one_order_and_none_is_left_out() {
        let other = INFO.replace("run_id:b", "run_id:a");
        assert_eq!(servers(&[INFO.to_owned(), other]).as_deref(), Some("a:+b:"));
        let promoted = format!("{INFO}master_replid:r\r\n");
        assert_eq!(servers(&[promoted]).as_deref(), Some("b:r"));
        assert_eq!(servers(&[INFO.to_owned(), String::new()]), None);
        assert_eq!(servers(&[]), None);
    }

    #[test]
    fn who_has_slots_is_told_by_the_cluster() {
        let view = "a 127.0.0.1:1@2 myself,master - 0 0 3 connected 5461-10922\n\
                    b 127.0.0.1:3@4 master,fail - 1 2 1 disconnected\n\
                    c 127.0.0.1:5@6 slave a 0 7 4 connected\n\
                    d 127.0.0.1:7@8 master - 0 7 4 connected 0-5460 10923-16383 [93-<-a]\n\
                    e 127.0.0.1:7@8 master - 0 7 4 connected [93-<-a]\n";
        assert_eq!(owners_of_slots(view).collect::<Vec<_>>(), ["a", "d"]);
        assert_eq!(owners_of_slots("").count(), 0);
    }

    #[test]
    fn a_redis_without_what_the_scripts_use_is_told_at_once() {
        assert!(check_version(INFO).is_ok());
        assert!(check_version("redis_version:6.2.0\r\n").is_ok());
        for old in ["redis_version:6.0.16\r\n", "redis_version:2.8.0\r\n", ""] {
            assert!(matches!(check_version(old), Err(OpenError::TooOld(_))), "{old}");
        }
    }
}
