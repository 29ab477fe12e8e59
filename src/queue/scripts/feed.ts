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
local used, kinds, fed, answers = {}, {}, 0, { 'open' }
local score = nextScore(KEYS[3])

local function room(lane)
  used[lane] = used[lane] or { before = tonumber(redis.call('HGET', windows, lane) or 0), jobs = {}, steps = 0 }
  return used[lane].before + #used[lane].jobs < limit
end

local function feed(row, id, lane, params, steps)
  local record, history = base .. ':job:' .. id, base .. ':history:' .. id
  redis.call('HSET', record, 'state', 'queued', 'lane', lane, 'params', params, 'createdAt', now, 'steps', steps,
    'bulk', bulk .. ' ' .. row, ${FRESH_COUNTS})
  redis.call('ZADD', KEYS[3], score, id)
  redis.call('ZADD', KEYS[4], score, id)
  score = score + 1 / 2048
  redis.call('RPUSH', history, '{"at":' .. string.format('%d', now) .. ',"from":null,"to":"queued","fence":0,"reason":"feed"}')
  redis.call('XADD', outbox, '*', 'type', 'job.queued', 'tenant', tenant, 'id', id, 'fence', 0, 'at', now,
    'bulk', bulk .. ' ' .. row)
  redis.call('SADD', key .. ':live', id)
  local kind = kindOf(params)
  kinds[kind] = (kinds[kind] or 0) + 1
  table.insert(used[lane].jobs, id)
  used[lane].steps = used[lane].steps + steps
  fed = fed + 1
end

for n = 7, #ARGV, 5 do
  local row, lane = ARGV[n], ARGV[n + 2]
  if redis.call('GETBIT', key .. ':fed', row) == 1 then
    answers[#answers + 1] = 0
  elseif room(lane) then
    redis.call('SETBIT', key .. ':fed', row, 1)
    feed(row, ARGV[n + 1], lane, ARGV[n + 3], ARGV[n + 4])
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = -1
  end
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
if fed > 0 then
  begin()
  redis.call('HINCRBY', key, 'queued', fed)
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
