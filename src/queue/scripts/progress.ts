/**
 * Progress of many jobs at once; changes no state. Answers a list of 1 (noted) and 0 (no longer the caller's). Who
 * listens to a job hears of it; `keys.ts` names the channel.
 *
 * KEYS  one record a job
 * ARGV  four a job: fence, step, steps, seconds to go or ''
 */
export const PROGRESS = `
local answers = {}
for n, record in ipairs(KEYS) do
  local fence, step, steps, eta = ARGV[4 * n - 3], ARGV[4 * n - 2], ARGV[4 * n - 1], ARGV[4 * n]
  local held = redis.call('HMGET', record, 'state', 'fence')
  if held[1] == 'running' and held[2] == fence then
    redis.call('HSET', record, 'step', step, 'steps', steps)
    if eta == '' then redis.call('HDEL', record, 'etaSeconds') else redis.call('HSET', record, 'etaSeconds', eta) end
    redis.call('PUBLISH', record .. ':live', '{"kind":"progress","run":' .. fence .. ',"step":' .. step
      .. ',"steps":' .. steps .. ',"etaSeconds":' .. (eta == '' and 'null' or eta) .. '}')
    answers[n] = 1
  else
    answers[n] = 0
  end
end
return answers
`;
