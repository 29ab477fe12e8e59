/**
 * Puts back the jobs of one lane that a dead worker left active, before its locks expire. Answers how many.
 *
 * KEYS  1 active, 2 stalled, 3 wait, 4 prioritized, 5 marker
 * ARGV  1 what a job's key starts with, 2 name of the dead worker, 3 what tokens of the caller start with
 *
 * 'pb' is where BullMQ writes the name of the worker that took the job. A job goes before the others of its priority
 * (the score has no counter), as when a worker hands it back. Removing the lock shuts out a worker that is only half
 * dead. Jobs that the caller holds itself, under the same name, are not touched.
 */
export const RECLAIM = `
local active, stalled, wait, prioritized, marker = unpack(KEYS)
local prefix, dead, own = unpack(ARGV)
local count = 0
for _, id in ipairs(redis.call('LRANGE', active, 0, -1)) do
  local job = prefix .. id
  local holder = redis.call('HMGET', job, 'pb', 'priority')
  local token = redis.call('GET', job .. ':lock') or ''
  if holder[1] == dead and string.sub(token, 1, #own) ~= own then
    redis.call('DEL', job .. ':lock')
    redis.call('LREM', active, 1, id)
    redis.call('SREM', stalled, id)
    local priority = tonumber(holder[2] or 0)
    if priority > 0 then
      redis.call('ZADD', prioritized, priority * 0x100000000, id)
    else
      redis.call('RPUSH', wait, id)
    end
    count = count + 1
  end
end
if count > 0 then redis.call('ZADD', marker, 0, '0') end
return count
`;
