//! What Redis does with windows in one step.
//!
//! A window is a sorted set: its members are owners' tokens, their scores the milliseconds at which
//! they leave, by Redis's own clock. The tokens are random, so that neither tells anything.

use redis::Script;

/// Puts an owner into every window, or into none. Six arguments for each key: its limit, how long its
/// members stay, whether it refuses when it is full, how many members are wanted, and a block whose
/// members from a number on are returned before. Tells how many members each window took, or which
/// window has no room and for how long.
///
/// A question that comes twice, as a cluster's client may send it while slots move, is answered as the
/// first one was. Nothing is written before the first `ZADD`, which a full Redis refuses: all or nothing
/// then too.
const RESERVE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local live = string.format('(%.0f', now)
local first = ARGV[1]
if tonumber(ARGV[6]) > 1 then first = first .. string.char(1) end
if redis.call('ZSCORE', KEYS[1], first) then
  local made = {0}
  for i = 1, #KEYS do made[i + 1] = 1 end
  return made
end
local counts, full, longest = {}, 0, -1
for i, key in ipairs(KEYS) do
  local at = 3 + (i - 1) * 6
  local limit, block = tonumber(ARGV[at]), ARGV[at + 4]
  if block ~= '' then
    for unit = tonumber(ARGV[at + 5]), 10 do redis.call('ZREM', key, block .. string.char(unit)) end
  end
  counts[i] = redis.call('ZCOUNT', key, live, '+inf')
  if counts[i] >= limit and ARGV[at + 2] == '1' then
    local next = redis.call('ZRANGEBYSCORE', key, live, '+inf', 'WITHSCORES', 'LIMIT', counts[i] - limit, 1)
    local wait = tonumber(next[2]) - now
    if wait > longest then full, longest = i, wait end
  end
end
if full > 0 then return {full, longest} end
local told = {0}
for i, key in ipairs(KEYS) do
  local at = 3 + (i - 1) * 6
  local wanted = tonumber(ARGV[at + 3])
  local taken = math.max(0, math.min(wanted, tonumber(ARGV[at]) - counts[i]))
  local ends = string.format('%.0f', now + math.max(tonumber(ARGV[at + 1]), tonumber(ARGV[2])))
  for unit = 1, taken do
    local member = ARGV[1]
    if wanted > 1 then member = member .. string.char(unit) end
    redis.call('ZADD', key, ends, member)
  end
  if taken > 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
    local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
    redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last[2])))
  end
  told[i + 1] = taken
end
return told";

/// Ends an owner's reservation. One argument for each key: `release`, `clear`, or by how many
/// milliseconds the owner's stay is shortened.
const SETTLE: &str = "
for i, key in ipairs(KEYS) do
  local what = ARGV[i + 1]
  if what == 'release' then
    redis.call('ZREM', key, ARGV[1])
  elseif what == 'clear' then
    redis.call('DEL', key)
  else
    local ends = redis.call('ZSCORE', key, ARGV[1])
    if ends then redis.call('ZADD', key, 'XX', string.format('%.0f', ends - what), ARGV[1]) end
  end
end
return 1";

/// Writes back what this instance knows better. Two arguments for each key: an owner, and how many
/// milliseconds it stays; with none it is taken out.
const RESTORE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, key in ipairs(KEYS) do
  local owner, stays = ARGV[2 * i - 1], tonumber(ARGV[2 * i])
  if stays > 0 then
    redis.call('ZADD', key, string.format('%.0f', now + stays), owner)
    local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
    redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last[2])))
  else
    redis.call('ZREM', key, owner)
  end
end
return 1";

/// The scripts, read once.
pub(super) struct Scripts {
    pub reserve: Script,
    pub settle: Script,
    pub restore: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self { reserve: Script::new(RESERVE), settle: Script::new(SETTLE), restore: Script::new(RESTORE) }
    }
}
