/**
 * What the whole farm counts of its jobs: Lua that every script which changes a state shares. It expects `outbox`, whose
 * name gives the others. Counted where the state is changed, so the figures neither lag nor drift, and no scrape has to
 * look at jobs.
 *
 *   <p>:moves     `to <state> <kind>` and `from <state> <kind>`, only ever growing: those in a state are the difference
 *   <p>:waiting   `jobs <lane>` and `steps <lane>` of queued jobs; a lane without any is dropped
 */
export const TALLY = `
local farm = string.sub(outbox, 1, -(#'outbox' + 1))
local moves, waiting = farm .. 'moves', farm .. 'waiting'

-- Only at the very start is the word sure to be the name of the field, not something that a caller wrote.
local function kindOf(params)
  local first = string.match(params, '^{"kind":"([a-z0-9]+)"')
  if first then return first end
  local readable, decoded = pcall(cjson.decode, params)
  return readable and type(decoded) == 'table' and decoded.kind or 'unknown'
end

local function tallyMoves(from, to, kind, count)
  if from then redis.call('HINCRBY', moves, 'from ' .. from .. ' ' .. kind, count) end
  redis.call('HINCRBY', moves, 'to ' .. to .. ' ' .. kind, count)
end

local function tallyWaiting(lane, jobs, steps)
  if redis.call('HINCRBY', waiting, 'jobs ' .. lane, jobs) <= 0 then
    redis.call('HDEL', waiting, 'jobs ' .. lane, 'steps ' .. lane)
  else
    redis.call('HINCRBY', waiting, 'steps ' .. lane, steps)
  end
end

-- A damaged record must still be able to move.
local function tally(from, to, params, lane, steps)
  tallyMoves(from, to, kindOf(params or ''), 1)
  if from == to or not lane then return end
  if to == 'queued' then tallyWaiting(lane, 1, tonumber(steps or 0)) end
  if from == 'queued' then tallyWaiting(lane, -1, -tonumber(steps or 0)) end
end
`;
