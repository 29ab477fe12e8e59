/**
 * What every transition script starts with.
 *
 * KEYS  1 record, 2 history, 3 outbox, 4 index of all, 5..9 index of queued, running, succeeded, failed, cancelled
 * ARGV  1 tenant, 2 id, 3 life of a finished record in ms; a script's own arguments follow from 4
 *
 * `move` is the only place that changes a state: record, index, history and outbox change together, or not at all.
 * A finished record expires with its history; its index entries are swept later.
 */
export const TRANSITION = `
local record, history, outbox, index = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local indexOf = { queued = KEYS[5], running = KEYS[6], succeeded = KEYS[7], failed = KEYS[8], cancelled = KEYS[9] }
local tenant, id, ttl = ARGV[1], ARGV[2], ARGV[3]
local HISTORY_LENGTH = 256

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function isTerminal(state)
  return state == 'succeeded' or state == 'failed' or state == 'cancelled'
end

local function note(from, to, fence, reason, worker, event)
  local entry = { at = now, from = from or cjson.null, to = to, fence = fence, reason = reason, worker = worker }
  redis.call('RPUSH', history, cjson.encode(entry))
  redis.call('LTRIM', history, -HISTORY_LENGTH, -1)
  redis.call('XADD', outbox, '*', 'type', event, 'tenant', tenant, 'id', id, 'fence', fence, 'at', now)
end

local function move(from, to, change)
  local score = redis.call('ZSCORE', index, id) or now
  redis.call('ZREM', indexOf[from], id)
  redis.call('ZADD', indexOf[to], score, id)
  redis.call('HSET', record, 'state', to)
  if isTerminal(to) then redis.call('HSET', record, 'finishedAt', now) end
  note(from, to, change.fence, change.reason, change.worker, change.event)
  if isTerminal(to) then
    redis.call('PEXPIRE', record, ttl)
    redis.call('PEXPIRE', history, ttl)
  end
end
`;
