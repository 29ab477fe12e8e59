/**
 * Puts jobs into a lane as BullMQ's own `add` does, for scripts that make the record at the same time: there is then no
 * moment at which one is there without the other, and nothing of BullMQ has to be run for each job. It writes what
 * version 6 writes (addPrioritizedJob, without parents, delays and deduplication), but for its event stream, which
 * nobody reads; a test holds both against each other, so that another version cannot change it unnoticed.
 *
 * Expects `tenant` and `now`.
 */
export const LANE_JOBS = `
-- 'lane' is what the lane's keys start with, 'id:' of a job included.
local function addToLane(lane, name, jobs, rank)
  local last = redis.call('INCRBY', lane .. 'pc', #jobs)
  local data, options = '","tenant":"' .. tenant .. '"}', '","priority":' .. rank .. ',"attempts":0}'
  local scored = {}
  for n, id in ipairs(jobs) do
    redis.call('HSET', lane .. id, 'name', name, 'data', '{"id":"' .. id .. data, 'opts', '{"jobId":"' .. id .. options,
      'timestamp', now, 'delay', 0, 'priority', rank)
    scored[#scored + 1] = rank * 0x100000000 + (last - #jobs + n) % 0x100000000
    scored[#scored + 1] = id
  end
  redis.call('ZADD', lane .. 'prioritized', unpack(scored))
  redis.call('ZADD', lane .. 'marker', 0, '0')
end
`;
