/** What a new record counts. */
export const FRESH_COUNTS = `'fence', 0, 'attempts', 0, 'crashes', 0, 'soloCrashes', 0, 'step', 0`;

export const NEXT_SCORE = `
local function nextScore(zset)
  local newest = redis.call('ZRANGE', zset, -1, -1, 'WITHSCORES')
  if newest[2] and tonumber(newest[2]) >= now then return tonumber(newest[2]) + 1 / 2048 end
  return now
end
`;

/**
 * (nothing) -> queued. Answers {'admitted', fields}, {'existing', id} or {'conflict', id}.
 *
 * KEYS  10 tenants, 11 the idempotency record, when the caller sent a key
 * ARGV  4 lane, 5 parameters as JSON, 6 UNet calls to do, 7 hash of the request, 8 life of the idempotency record
 *
 * A call sent twice, because its answer was lost, finds its own record and answers 'admitted' again.
 * Scores are creation times made strictly increasing by a fraction, so that one score addresses one job: listing
 * needs no tie-break. 1/2048 ms is exact in a double until the year 2109.
 */
export const ADMIT = `
if KEYS[11] then
  local used = redis.call('HMGET', KEYS[11], 'id', 'hash')
  if used[1] and used[1] ~= id then
    if used[2] == ARGV[7] then return { 'existing', used[1] } end
    return { 'conflict', used[1] }
  end
end
if redis.call('EXISTS', record) == 1 then return { 'admitted', redis.call('HGETALL', record) } end

${NEXT_SCORE}
local score = nextScore(index)

redis.call('HSET', record, 'state', 'queued', 'lane', ARGV[4], 'params', ARGV[5], 'createdAt', now, 'steps', ARGV[6],
  ${FRESH_COUNTS})
redis.call('ZADD', index, score, id)
redis.call('ZADD', indexOf.queued, score, id)
redis.call('SADD', KEYS[10], tenant)
if KEYS[11] then
  redis.call('HSET', KEYS[11], 'id', id, 'hash', ARGV[7])
  redis.call('PEXPIRE', KEYS[11], ARGV[8])
end
tally(nil, 'queued', ARGV[5], ARGV[4], ARGV[6])
note(nil, 'queued', 0, 'admit', nil, 'job.queued')
return { 'admitted', redis.call('HGETALL', record) }
`;
