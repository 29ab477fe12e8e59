/**
 * Notes the use of a lane, and tells all pullers when it is new.
 *
 * KEYS  1 lanes
 * ARGV  1 lane, 2 channel of new lanes
 */
export const REGISTER_LANE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('ZADD', KEYS[1], now, ARGV[1]) == 1 then redis.call('PUBLISH', ARGV[2], ARGV[1]) end
`;

/**
 * Forgets a lane when nothing is in it and nobody used it for so long. Answers 1 when it did.
 *
 * KEYS  1 lanes, 2..5 wait, prioritized, delayed, active; then the other keys that BullMQ keeps for a lane
 * ARGV  1 lane, 2 idle time in ms
 */
export const PRUNE_LANE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local used = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not used or tonumber(used) > now - ARGV[2] then return 0 end
if redis.call('EXISTS', KEYS[2], KEYS[3], KEYS[4], KEYS[5]) > 0 then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', unpack(KEYS, 6))
return 1
`;
