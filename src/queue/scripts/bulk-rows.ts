/**
 * What happens to a bulk when one of its rows changes its state: Lua that the transitions of jobs and those of bulks
 * share. It expects `tenant`, `now`, `outbox` and `base`, what all keys of the tenant start with. The keys of a bulk are
 * made here from its id, which a transition learns only from the record; the braces of the prefix keep them in one slot.
 *
 * A row counts in one field of the hash: waiting is what is left of `rows`. Its bits: `fed` once it has a job, `done`
 * once that has ended, `failed` if it failed.
 */
import { CHUNK_ROWS } from '../../domain/bulk.ts';
import { PACE_SLOTS, PACE_SLOT_MS } from '../../domain/bulk-pace.ts';

export const BULK_ROWS = `
local CHUNK_ROWS, CHUNK_BYTES = ${CHUNK_ROWS}, ${CHUNK_ROWS / 8}
local BULK_HISTORY_LENGTH = 256
local windows = base .. ':windows'

local function bulkKey(bulk) return base .. ':bulk:' .. bulk end

-- The state is to be set before.
local function tellOfBulk(bulk, event, run)
  local id = redis.call('XADD', outbox, '*', 'type', event, 'tenant', tenant, 'id', bulk, 'fence', run or 0, 'at', now)
  local history = bulkKey(bulk) .. ':history'
  redis.call('RPUSH', history, cjson.encode({
    id = id, at = now, event = event, state = redis.call('HGET', bulkKey(bulk), 'state'), run = tonumber(run or 0) }))
  redis.call('LTRIM', history, -BULK_HISTORY_LENGTH, -1)
end

-- The lane's share of bulk rows; a field of 0 is dropped, because lanes come and go.
local function shiftWindow(lane, by)
  if redis.call('HINCRBY', windows, lane, by) <= 0 then redis.call('HDEL', windows, lane) end
end

-- Ends the bulk when no row of it is left to end.
local function endBulkIfOver(bulk)
  local key = bulkKey(bulk)
  local held = redis.call('HMGET', key, 'rows', 'succeeded', 'failed', 'cancelled', 'state', 'run')
  if tonumber(held[2]) + tonumber(held[3]) + tonumber(held[4]) < tonumber(held[1]) then return end
  redis.call('HSET', key, 'finishedAt', now)
  if held[5] ~= 'cancelled' then redis.call('HSET', key, 'state', 'completed') end
  -- Nothing comes into these any more, full or not.
  redis.call('SUNIONSTORE', key .. ':full', key .. ':full', key .. ':begun')
  tellOfBulk(bulk, 'bulk.completed', held[6])
end

local function notePace(key)
  local slot = math.floor(now / ${PACE_SLOT_MS})
  local field = slot % ${PACE_SLOTS}
  if redis.call('HGET', key, 'paceFrom' .. field) == tostring(slot) then
    redis.call('HINCRBY', key, 'pace' .. field, 1)
  else
    redis.call('HSET', key, 'paceFrom' .. field, string.format('%d', slot), 'pace' .. field, 1)
  end
end

-- The row has ended: its outcome is kept in the hash of its chunk until the feeder has written it to the store.
local function endRow(bulk, row, state, outcome, isReused)
  local key = bulkKey(bulk)
  local chunk = math.floor(row / CHUNK_ROWS)
  redis.call('SETBIT', key .. ':done', row, 1)
  if state == 'failed' then redis.call('SETBIT', key .. ':failed', row, 1) end
  redis.call('HSET', key .. ':ends:' .. chunk, row, outcome)
  redis.call('HINCRBY', key .. ':ends:' .. chunk, 'writes', 1)
  redis.call('SADD', key .. ':begun', chunk)
  local rows = math.min(CHUNK_ROWS, redis.call('HGET', key, 'rows') - chunk * CHUNK_ROWS)
  local done = redis.call('BITCOUNT', key .. ':done', chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES - 1)
  if done == rows then redis.call('SADD', key .. ':full', chunk) end
  -- What was not rendered says nothing about how fast rows are rendered.
  if not isReused then notePace(key) end
  endBulkIfOver(bulk)
end

local function outcomeOf(state, job, result, failure)
  return '{"job":' .. (job and '"' .. job .. '"' or 'null') .. ',"state":"' .. state .. '","finishedAt":'
    .. string.format('%d', now) .. ',"result":' .. (result or 'null') .. ',"failure":' .. (failure or 'null') .. '}'
end
`;
