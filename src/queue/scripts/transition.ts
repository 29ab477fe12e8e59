/**
 * What every transition script starts with.
 *
 * KEYS  1 record, 2 history, 3 outbox, 4 index of all, 5..9 index of queued, running, succeeded, failed, cancelled
 * ARGV  1 tenant, 2 id, 3 life of a finished record in ms; a script's own arguments follow from 4
 *
 * `move` is the only place that changes a state: record, index, history, outbox and the bulk's counters change together,
 * or not at all. A finished record expires with its history; its index entries are swept later. The finished rows of a
 * bulk are in no index: they would be a million.
 */
import { BULK_ROWS } from './bulk-rows.ts';
import { TALLY } from './tally.ts';

export const TRANSITION = `
local record, history, outbox, index = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local indexOf = { queued = KEYS[5], running = KEYS[6], succeeded = KEYS[7], failed = KEYS[8], cancelled = KEYS[9] }
local tenant, id, ttl = ARGV[1], ARGV[2], ARGV[3]
local HISTORY_LENGTH = 256

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The record's key without ':job:' and the id.
local base = string.sub(record, 1, -(#id + 6))
${BULK_ROWS}
${TALLY}

local function isTerminal(state)
  return state == 'succeeded' or state == 'failed' or state == 'cancelled'
end

local function note(from, to, fence, reason, worker, event, place)
  local told = { 'type', event, 'tenant', tenant, 'id', id, 'fence', fence, 'at', now }
  if place then
    told[#told + 1] = 'bulk'
    told[#told + 1] = place
  end
  -- By the id of its event a listener knows what it has heard of, also when the outbox has forgotten.
  local entry = { id = redis.call('XADD', outbox, '*', unpack(told)), at = now, from = from or cjson.null, to = to,
    fence = fence, reason = reason, worker = worker }
  redis.call('RPUSH', history, cjson.encode(entry))
  redis.call('LTRIM', history, -HISTORY_LENGTH, -1)
end

-- The bulk and the row of the job, or nothing.
local function placeOf(place)
  if not place then return nil end
  local bulk, row = string.match(place, '^(%S+) (%d+)$')
  return bulk, tonumber(row)
end

local function countRow(place, from, to)
  local bulk, row = placeOf(place)
  local key = bulkKey(bulk)
  local bulkState = redis.call('HGET', key, 'state')
  -- Deleted by hand; its jobs must still be able to end.
  if not bulkState then return end
  if from ~= to then
    redis.call('HINCRBY', key, from, -1)
    redis.call('HINCRBY', key, to, 1)
    -- A paused bulk has given up its share of the lanes.
    if (from == 'queued' or to == 'queued') and bulkState ~= 'paused' then
      shiftWindow(redis.call('HGET', record, 'lane'), from == 'queued' and -1 or 1)
    end
  end
  if isTerminal(to) then
    redis.call('SREM', key .. ':live', id)
    local ended = redis.call('HMGET', record, 'result', 'failure')
    endRow(bulk, row, to, outcomeOf(to, id, ended[1], ended[2]))
  end
end

local function move(from, to, change)
  local held = redis.call('HMGET', record, 'bulk', 'params', 'lane', 'steps')
  local place = held[1] or nil
  tally(from, to, held[2], held[3], held[4])
  redis.call('ZREM', indexOf[from], id)
  if place and isTerminal(to) then
    redis.call('ZREM', index, id)
  else
    redis.call('ZADD', indexOf[to], redis.call('ZSCORE', index, id) or now, id)
  end
  redis.call('HSET', record, 'state', to)
  if isTerminal(to) then redis.call('HSET', record, 'finishedAt', now) end
  note(from, to, change.fence, change.reason, change.worker, change.event, place)
  if isTerminal(to) then
    redis.call('PEXPIRE', record, ttl)
    redis.call('PEXPIRE', history, ttl)
  end
  if place then countRow(place, from, to) end
end
`;
