/**
 * Transitions of a bulk as such. Each starts with BULK.
 *
 * KEYS  1 the bulk's record, 2 outbox
 * ARGV  1 tenant, 2 id of the bulk; a script's own arguments follow from 3
 */
import { NEXT_SCORE } from './admit.ts';
import { BULK_ROWS } from './bulk-rows.ts';

export const BULK = `
local key, outbox = KEYS[1], KEYS[2]
local tenant, bulk = ARGV[1], ARGV[2]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The record's key without ':bulk:' and the id.
local base = string.sub(key, 1, -(#bulk + 7))
${BULK_ROWS}

local function stateAndRun() return unpack(redis.call('HMGET', key, 'state', 'run')) end

-- Flat: id, state and lane of every job of the bulk that has not ended.
local function liveJobs()
  local jobs = {}
  for _, id in ipairs(redis.call('SMEMBERS', key .. ':live')) do
    local held = redis.call('HMGET', base .. ':job:' .. id, 'state', 'lane')
    if held[1] then
      jobs[#jobs + 1] = id
      jobs[#jobs + 1] = held[1]
      jobs[#jobs + 1] = held[2]
    end
  end
  return jobs
end

-- Gives the lanes back what its queued jobs take of them, or takes it again.
local function shiftWindows(jobs, by)
  for n = 1, #jobs, 3 do
    if jobs[n + 1] == 'queued' then shiftWindow(jobs[n + 2], by) end
  end
end
`;

/**
 * (nothing) -> accepted. Answers 1, or 0 when it is there already.
 *
 * KEYS  3 bulks of the tenant, 4 open bulks, 5 tenants
 * ARGV  3 member of the open bulks; then names and values of the facts
 */
export const ACCEPT_BULK = `
if redis.call('EXISTS', key) == 1 then return 0 end
${NEXT_SCORE}
redis.call('HSET', key, 'state', 'accepted', 'createdAt', now, 'run', 0, 'queued', 0, 'running', 0, 'succeeded', 0,
  'failed', 0, 'cancelled', 0, unpack(ARGV, 4))
redis.call('ZADD', KEYS[3], nextScore(KEYS[3]), bulk)
redis.call('SADD', KEYS[4], ARGV[3])
redis.call('SADD', KEYS[5], tenant)
tellOfBulk(bulk, 'bulk.accepted')
return 1
`;

/** accepted or running -> paused. Answers {'done', jobs} or {'refused', state}; what is done already is done again. */
export const PAUSE_BULK = `
local state, run = stateAndRun()
if state ~= 'accepted' and state ~= 'running' and state ~= 'paused' then return { 'refused', state or 'missing' } end
local jobs = liveJobs()
if state ~= 'paused' then
  redis.call('HSET', key, 'state', 'paused')
  shiftWindows(jobs, -1)
  tellOfBulk(bulk, 'bulk.paused', run)
end
return { 'done', jobs }
`;

/** paused -> accepted or running, as it was. Answers as PAUSE_BULK does. */
export const RESUME_BULK = `
local state, run = stateAndRun()
if state ~= 'accepted' and state ~= 'running' and state ~= 'paused' then return { 'refused', state or 'missing' } end
local jobs = liveJobs()
if state == 'paused' then
  redis.call('HSET', key, 'state', redis.call('HEXISTS', key, 'startedAt') == 1 and 'running' or 'accepted')
  shiftWindows(jobs, 1)
  tellOfBulk(bulk, 'bulk.resumed', run)
end
return { 'done', jobs }
`;

/**
 * anything but completed -> cancelled. Rows without a job are cancelled here, in one step; the caller cancels the jobs
 * that it is answered, as many as the windows hold. Answers as PAUSE_BULK does.
 */
export const CANCEL_BULK = `
local state, run = stateAndRun()
if not state or state == 'completed' then return { 'refused', state or 'missing' } end
local jobs = liveJobs()
if state ~= 'cancelled' then
  if state == 'paused' then shiftWindows(jobs, 1) end
  local held = redis.call('HMGET', key, 'rows', 'queued', 'running', 'succeeded', 'failed', 'cancelled')
  redis.call('HINCRBY', key, 'cancelled', held[1] - held[2] - held[3] - held[4] - held[5] - held[6])
  redis.call('HSET', key, 'state', 'cancelled')
  tellOfBulk(bulk, 'bulk.cancelled', run)
  endBulkIfOver(bulk)
end
return { 'done', jobs }
`;

/**
 * Failed rows wait again, in the bulk's next run. Answers {'done', rows} or {'refused', state}.
 *
 * KEYS  3 open bulks
 * ARGV  3 member of the open bulks
 *
 * A failed row is fed and done, so that XOR clears its bits.
 */
export const RETRY_BULK = `
local state = stateAndRun()
if not state or state == 'cancelled' then return { 'refused', state or 'missing' } end
local failed = tonumber(redis.call('HGET', key, 'failed'))
if failed == 0 then return { 'done', 0 } end
for _, bits in ipairs({ ':fed', ':done' }) do
  redis.call('BITOP', 'XOR', key .. bits, key .. bits, key .. ':failed')
  redis.call('PERSIST', key .. bits)
end
redis.call('DEL', key .. ':failed')
redis.call('HSET', key, 'failed', 0)
redis.call('PERSIST', key)
redis.call('PERSIST', key .. ':history')
redis.call('HDEL', key, 'finishedAt')
if state == 'completed' then redis.call('HSET', key, 'state', 'running') end
redis.call('SADD', KEYS[3], ARGV[3])
tellOfBulk(bulk, 'bulk.retried', redis.call('HINCRBY', key, 'run', 1))
return { 'done', failed }
`;

/**
 * Outcomes of a chunk are in the store. Answers 1, or 0 when others were added since they were read.
 *
 * KEYS  3 the chunk's outcomes
 * ARGV  3 chunk, 4 writes as they were read
 */
export const FORGET_OUTCOMES = `
local writes = redis.call('HGET', KEYS[3], 'writes')
if writes and writes ~= ARGV[4] then return 0 end
redis.call('DEL', KEYS[3])
redis.call('SREM', key .. ':begun', ARGV[3])
redis.call('SREM', key .. ':full', ARGV[3])
return 1
`;

/**
 * Lets a bulk that is over expire. Answers 1, or 0 when there is something left to do for it.
 *
 * KEYS  3 open bulks
 * ARGV  3 member of the open bulks, 4 life in ms
 */
export const CLOSE_BULK = `
if redis.call('HEXISTS', key, 'finishedAt') == 0 and redis.call('EXISTS', key) == 1 then return 0 end
if redis.call('EXISTS', key .. ':begun', key .. ':live') > 0 then return 0 end
redis.call('SREM', KEYS[3], ARGV[3])
for _, part in ipairs({ '', ':fed', ':done', ':failed', ':history' }) do redis.call('PEXPIRE', key .. part, ARGV[4]) end
return 1
`;
