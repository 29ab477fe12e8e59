/**
 * running -> failed, by the holder of the newest fence; queued -> failed for a job that nobody can run.
 * Answers 'failed' or 'stale'.
 *
 * ARGV  4 the state it must be in, 5 fence (not looked at when queued), 6 failure as JSON, 7 reason for the history
 *
 * Sent twice by the holder, it answers 'failed' twice.
 */
export const FAIL = `
local from, fence, failure = ARGV[4], ARGV[5], ARGV[6]
local held = redis.call('HMGET', record, 'state', 'fence', 'worker')
if from == 'running' and held[2] ~= fence then return 'stale' end
if held[1] == 'failed' and redis.call('HGET', record, 'failure') == failure then return 'failed' end
if held[1] ~= from then return 'stale' end

redis.call('HSET', record, 'failure', failure)
redis.call('HDEL', record, 'etaSeconds')
local worker = held[3] or nil
move(from, 'failed', { fence = tonumber(held[2]), reason = ARGV[7], worker = worker, event = 'job.failed' })
return 'failed'
`;
