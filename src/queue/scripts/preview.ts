/**
 * Shows a preview to those who listen, and keeps it for those who come next; from the holder of the newest fence alone.
 * Answers 1, or 0 when the job is no longer the caller's.
 *
 * KEYS  1 record, 2 previews of the job
 * ARGV  1 fence, 2 number of the image, 3 message as JSON, 4 life in ms, 5 channel of the job
 */
export const PREVIEW = `
local held = redis.call('HMGET', KEYS[1], 'state', 'fence')
if held[1] ~= 'running' or held[2] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[3])
return 1
`;
