/**
 * From rows of a bulk to jobs. Both scripts start with BULK; both do nothing for a row that was fed before, so that a
 * feeder may always feed again what it does not know to be fed.
 */
import { FRESH_COUNTS, NEXT_SCORE } from './admit.ts';
import { LANE_JOBS } from './lane-jobs.ts';
import { TALLY } from './tally.ts';

const OPEN_ONLY = `
local state = redis.call('HGET', key, 'state')
if state ~= 'accepted' and state ~= 'running' then return { 'closed' } end
local function begin()
  if redis.call('HSETNX', key, 'startedAt', now) == 0 then return end
  redis.call('HSET', key, 'state', 'running')
  tellOfBulk(bulk, 'bulk.started', redis.call('HGET', key, 'run'))
end
`;

/**
 * Rows become queued jobs in their lanes, as far as the windows of their lanes allow. Answers {'open', n...} with a number a row: 1 it
 * has a job now, 0 it was fed before, -1 its window is full; or {'closed'} when the bulk takes no rows,
 * or not in this run: the id of a job is made of the run, and must not be one that was used.
 *
 * KEYS  3 index of all, 4 index of queued
 * ARGV  3 rows that may be queued in a lane, 4 the bulk's run as the caller knows it, 5 what the keys of lanes start
 *       with, 6 priority in them; then five a row: row, id of its job, lane, parameters as JSON, UNet calls
 */
export const FEED_ROWS = `
${OPEN_ONLY}
if redis.call('HGET', key, 'run') ~= ARGV[4] then return { 'closed' } end
${NEXT_SCORE}
${TALLY}
${LANE_JOBS}
local limit = tonumber(ARGV[3])
local used, kinds, answers = {}, {}, { 'open' }
-- Members and scores, put in with one command each.
local ids, scored = {}, {}
local score = nextScore(KEYS[3])
local entry = '{"at":' .. string.format('%d', now) .. ',"from":null,"to":"queued","fence":0,"reason":"feed"}'

local function room(lane)
  local taken = used[lane]
  if not taken then
    taken = { before = tonumber(redis.call('HGET', windows, lane) or 0), jobs = {}, steps = 0 }
    used[lane] = taken
  end
  return taken.before + #taken.jobs < limit
end

local function feed(row, id, lane, params, steps)
  local place = bulk .. ' ' .. row
  redis.call('HSET', base .. ':job:' .. id, 'state', 'queued', 'lane', lane, 'params', params, 'createdAt', now,
    'steps', steps, 'bulk', place, ${FRESH_COUNTS})
  redis.call('RPUSH', base .. ':history:' .. id, entry)
  redis.call('XADD', outbox, '*', 'type', 'job.queued', 'tenant', tenant, 'id', id, 'fence', 0, 'at', now,
    'bulk', place)
  ids[#ids + 1] = id
  scored[#scored + 1] = score
  scored[#scored + 1] = id
  score = score + 1 / 2048
  local kind = kindOf(params)
  kinds[kind] = (kinds[kind] or 0) + 1
  local taken = used[lane]
  taken.jobs[#taken.jobs + 1] = id
  taken.steps = taken.steps + steps
end

for n = 7, #ARGV, 5 do
  local row, lane = ARGV[n], ARGV[n + 2]
  local answer = 0
  if not room(lane) then
    if redis.call('GETBIT', key .. ':fed', row) == 0 then answer = -1 end
  elseif redis.call('SETBIT', key .. ':fed', row, 1) == 0 then
    feed(row, ARGV[n + 1], lane, ARGV[n + 3], ARGV[n + 4])
    answer = 1
  end
  answers[#answers + 1] = answer
end
for lane, taken in pairs(used) do
  local count = #taken.jobs
  if count > 0 then
    redis.call('HINCRBY', windows, lane, count)
    tallyWaiting(lane, count, taken.steps)
    addToLane(ARGV[5] .. ':' .. lane .. ':', lane, taken.jobs, tonumber(ARGV[6]))
  end
end
for kind, count in pairs(kinds) do tallyMoves(nil, 'queued', kind, count) end
if #ids > 0 then
  begin()
  redis.call('HINCRBY', key, 'queued', #ids)
  redis.call('SADD', key .. ':live', unpack(ids))
  redis.call('ZADD', KEYS[3], unpack(scored))
  redis.call('ZADD', KEYS[4], unpack(scored))
end
return answers
`;

/**
 * A row that cannot become a job has failed. Answers {'open'} or {'closed'}.
 *
 * ARGV  3 row, 4 failure as JSON
 */
export const FAIL_ROW = `
${OPEN_ONLY}
if redis.call('SETBIT', key .. ':fed', ARGV[3], 1) == 1 then return { 'open' } end
begin()
redis.call('HINCRBY', key, 'failed', 1)
endRow(bulk, tonumber(ARGV[3]), 'failed', outcomeOf('failed', nil, nil, ARGV[4]))
return { 'open' }
`;

/**
 * Rows whose pictures are there already have succeeded. Answers {'open'} or {'closed'}.
 *
 * ARGV  3 and so on: row, job that made them, result as JSON
 */
export const REUSE_ROWS = `
${OPEN_ONLY}
begin()
for n = 3, #ARGV, 3 do
  if redis.call('SETBIT', key .. ':fed', ARGV[n], 1) == 0 then
    redis.call('HINCRBY', key, 'succeeded', 1)
    endRow(bulk, tonumber(ARGV[n]), 'succeeded', outcomeOf('succeeded', ARGV[n + 1], ARGV[n + 2]), true)
  end
end
return { 'open' }
`;
