/**
 * queued or running -> running, with the next fence. Answers {'claimed', fields...} or {'refused', state}.
 *
 * ARGV  4 worker
 *
 * A row of a bulk that is paused or cancelled stays queued: the refusal takes it out of its lane.
 * Running is claimable because only the holder of the BullMQ lock claims: whoever ran the job before has lost it,
 * and the new fence shuts the old holder out.
 */
export const CLAIM = `
local state = redis.call('HGET', record, 'state')
if not state then return { 'refused', 'missing' } end
if isTerminal(state) then return { 'refused', state } end
local bulk = state == 'queued' and placeOf(redis.call('HGET', record, 'bulk'))
if bulk then
  local of = redis.call('HGET', bulkKey(bulk), 'state')
  if of == 'paused' or of == 'cancelled' then return { 'refused', state } end
end

local fence = redis.call('HINCRBY', record, 'fence', 1)
redis.call('HSET', record, 'worker', ARGV[4], 'startedAt', now, 'step', 0)
redis.call('HDEL', record, 'etaSeconds')
local reason = 'claim'
if state == 'running' then reason = 'takeover' end
move(state, 'running', { fence = fence, reason = reason, worker = ARGV[4], event = 'job.started' })
return { 'claimed', redis.call('HGETALL', record) }
`;
