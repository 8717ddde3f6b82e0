//! What Redis does in one step, and how keys are named. A key tells nobody anything who has not
//! the state key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use redis::Script;
use sha2::Sha256;

use crate::account::Secret;
use crate::store::windows::subject;

/// Takes an entry. Its value is how often it was given back, one byte, and its owner; without an
/// owner it is free. Redis's own clock decides when it ends, and from then on also refuses it, so
/// that nothing is forgotten that could still be taken.
const TAKE: &str = "
if KEYS[2] and redis.call('GET', KEYS[2]) ~= ARGV[3] then return 'generation' end
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) >= tonumber(ARGV[2]) then return 'over' end
local held = redis.call('GET', KEYS[1])
if not held then held = '0' end
if #held > 1 then
  if string.sub(held, 2) == ARGV[1] then return 'taken' end
  return 'seen'
end
redis.call('SET', KEYS[1], held .. ARGV[1], 'PXAT', ARGV[2])
return 'taken'";

/// Gives an entry back, if it is still the owner's and was not given back too often.
const GIVE_BACK: &str = "
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 2) ~= ARGV[1] then return 0 end
local times = tonumber(string.sub(held, 1, 1))
if times >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], tostring(times + 1), 'KEEPTTL')
return 1";

/// Agrees with all other instances on the floor. The first who meets servers that were not there
/// before, or no record of any, raises it; so does who remembers by other terms than the last one.
const AGREE: &str = "
local time = tonumber(redis.call('TIME')[1])
local later = math.max(time, tonumber(ARGV[4])) + tonumber(ARGV[3])
local record = redis.call('GET', KEYS[1])
if not record or ARGV[5] == '1' or string.match(record, '^%S+') ~= ARGV[1] then
  record = string.format('%s %.0f %s', ARGV[1], later, ARGV[6])
  redis.call('SET', KEYS[1], record)
end
local floor = tonumber(string.match(record, '^%S+ (%S+)'))
local policy = redis.call('GET', KEYS[2])
if not policy or string.match(policy, '^%S+') ~= ARGV[2] then
  policy = string.format('%s %.0f', ARGV[2], math.max(later, floor))
  redis.call('SET', KEYS[2], policy)
end
floor = math.max(floor, tonumber(string.match(policy, '^%S+ (%S+)')))
return {record, string.format('%.0f', floor)}";

/// The scripts, read once.
pub(super) struct Scripts {
    pub take: Script,
    pub give_back: Script,
    pub agree: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self { take: Script::new(TAKE), give_back: Script::new(GIVE_BACK), agree: Script::new(AGREE) }
    }
}

/// Makes keys.
pub(super) struct Keys {
    mac: Hmac<Sha256>,
    /// Which servers all instances last agreed on, and the floor since.
    pub generation: String,
    /// By which terms was remembered last.
    pub policy: String,
}

impl Keys {
    pub fn new(state_key: &Secret) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(state_key.expose().as_bytes());
        // HMAC takes keys of any length.
        let mac = mac.unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
        let mut keys = Self { mac, generation: String::new(), policy: String::new() };
        // The tag in braces puts both on one node of a cluster, for one script.
        let tag = keys.text("state", &[]);
        keys.generation = format!("dragoman:{{{tag}}}:generation");
        keys.policy = format!("dragoman:{{{tag}}}:policy");
        keys
    }

    /// 128 bits that only holders of the state key can make.
    fn bytes(&self, purpose: &str, message: &[u8]) -> [u8; 16] {
        let mut mac = self.mac.clone();
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(message);
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        half
    }

    fn text(&self, purpose: &str, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes(purpose, message))
    }

    /// The key of an entry.
    pub fn entry(&self, digest: u128) -> String {
        format!("dragoman:{{{}}}", self.text("replay", &digest.to_be_bytes()))
    }

    /// The key of an upstream's challenge.
    pub fn challenge(&self, slot: &[u8]) -> String {
        format!("dragoman:{{{}}}", self.text("challenge", slot))
    }

    /// The key of a window. Those of one subject are on one node of a cluster, for one script.
    pub fn window(&self, key: u128) -> String {
        let subject = self.text("subject", &subject(key).to_be_bytes());
        format!("dragoman:{{{subject}}}:{}", self.text("window", &key.to_be_bytes()))
    }

    /// What the digests of windows are made with, on every instance.
    pub fn window_key(&self) -> [u8; 16] {
        self.bytes("window digest", &[])
    }

    /// The digest of a spent token among those of used requests.
    pub fn spent(&self, digest: u128) -> u128 {
        u128::from_be_bytes(self.bytes("spent", &digest.to_be_bytes()))
    }

    /// A name for the terms.
    pub fn terms(&self, policy: &str) -> String {
        self.text("policy", policy.as_bytes())
    }

    /// What the digests of entries are made with, on every instance.
    pub fn digest_key(&self) -> [u8; 16] {
        self.bytes("replay digest", &[])
    }
}
