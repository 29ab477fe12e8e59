/**
 * queued or running -> cancelled. Answers {'cancelled'}, {'terminal', state} or {'missing'}.
 *
 * KEYS  10 channel of cancelled jobs
 * ARGV  4 the message for that channel
 *
 * A running job's fence moves on, so that its holder is shut out even if the message never reaches it.
 */
export const CANCEL = `
local held = redis.call('HMGET', record, 'state', 'fence', 'worker')
local state, fence = held[1], tonumber(held[2])
if not state then return { 'missing' } end
if isTerminal(state) then return { 'terminal', state } end

if state == 'running' then
  fence = redis.call('HINCRBY', record, 'fence', 1)
  redis.call('PUBLISH', KEYS[10], ARGV[4])
end
redis.call('HDEL', record, 'etaSeconds')
move(state, 'cancelled', { fence = fence, reason = 'cancel', worker = held[3] or nil, event = 'job.cancelled' })
return { 'cancelled' }
`;
