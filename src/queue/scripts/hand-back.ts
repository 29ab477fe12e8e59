/**
 * running -> queued, by the holder of the newest fence. Answers 'queued' or 'stale'.
 *
 * ARGV  4 fence, 5 reason; then pairs of a counter and its increment
 *
 * The fence stays: progress and commit want 'running', so the old holder is shut out already, and a hand-back sent
 * twice finds its own work done and counts nothing again.
 */
export const HAND_BACK = `
local held = redis.call('HMGET', record, 'state', 'fence', 'worker')
if held[2] ~= ARGV[4] then return 'stale' end
if held[1] == 'queued' then return 'queued' end
if held[1] ~= 'running' then return 'stale' end

for n = 6, #ARGV, 2 do redis.call('HINCRBY', record, ARGV[n], ARGV[n + 1]) end
redis.call('HSET', record, 'step', 0)
redis.call('HDEL', record, 'etaSeconds', 'worker', 'startedAt')
local fence = tonumber(held[2])
move('running', 'queued', { fence = fence, reason = ARGV[5], worker = held[3], event = 'job.requeued' })
return 'queued'
`;
