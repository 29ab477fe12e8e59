/**
 * What waits at the head of each lane, without taking it. Answers the time, then three numbers a lane: since when its
 * next job waits, or '' when none does; when its next paused job is due, or ''; the priority of the next job, or ''.
 * Times are ms of Redis.
 *
 * KEYS  three a lane: wait, prioritized, delayed
 * ARGV  one a lane: what a job's key starts with
 *
 * BullMQ takes from 'wait' before 'prioritized'; scores of 'delayed' are times in ms times 4096.
 */
export const PEEK_LANES = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = { now }
for n, prefix in ipairs(ARGV) do
  local wait, prioritized, delayed = KEYS[3 * n - 2], KEYS[3 * n - 1], KEYS[3 * n]
  local head = redis.call('LINDEX', wait, -1) or redis.call('ZRANGE', prioritized, 0, 0)[1]
  local paused = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
  local job = head and redis.call('HMGET', prefix .. head, 'timestamp', 'priority')
  answer[3 * n - 1] = job and tonumber(job[1] or now) or ''
  answer[3 * n] = paused and math.floor(tonumber(paused) / 4096) or ''
  answer[3 * n + 1] = job and tonumber(job[2]) or ''
end
return answer
`;
