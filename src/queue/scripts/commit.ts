/**
 * running -> succeeded, by the holder of the newest fence. Answers 'committed' or 'stale'.
 *
 * KEYS  10 usage of the tenant
 * ARGV  4 fence, 5 result as JSON, 6 number of images
 *
 * The usage is counted in the same script, so a job is billed once. A commit sent twice, because its answer was
 * lost, finds the job succeeded under its own fence and answers 'committed' again without counting again.
 */
export const COMMIT = `
local held = redis.call('HMGET', record, 'state', 'fence', 'steps', 'worker')
if held[2] ~= ARGV[4] then return 'stale' end
if held[1] == 'succeeded' then return 'committed' end
if held[1] ~= 'running' then return 'stale' end

redis.call('HSET', record, 'result', ARGV[5], 'step', held[3])
redis.call('HDEL', record, 'etaSeconds')
redis.call('HINCRBY', KEYS[10], 'jobs', 1)
redis.call('HINCRBY', KEYS[10], 'images', ARGV[6])
redis.call('HINCRBY', KEYS[10], 'sampleSteps', held[3])
local fence = tonumber(held[2])
move('running', 'succeeded', { fence = fence, reason = 'commit', worker = held[4], event = 'job.succeeded' })
return 'committed'
`;
