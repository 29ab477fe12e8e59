/**
 * Deliveries of webhooks. Every endpoint has a queue of its own; `endpoints` says when each is to be looked at next.
 *
 *   queue --claim--> under way --settle--> settled
 *     ^                  |----retry---> queue
 *     '---lease over-----'
 *
 * A claim gives a token; only its newest holder settles, so a courier that froze past its lease changes nothing.
 *
 * KEYS  1 endpoints: `<tenant>/<endpoint>` by time
 * ARGV  1 prefix of all keys; a script's own arguments follow from 2
 */
export const WEBHOOKS = `
local endpoints = KEYS[1]
local prefix = ARGV[1]
local HEALTH_TTL = 30 * 24 * 3600 * 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function keysOf(tenant, endpoint)
  local base = prefix .. ':t:' .. tenant .. ':webhook:'
  return {
    base = base,
    health = base .. 'endpoint:' .. endpoint,
    queue = base .. 'queue:' .. endpoint,
    flying = base .. 'flying:' .. endpoint,
    list = base .. 'deliveries',
    settled = base .. 'settled',
  }
end

local function deliveryKey(keys, id) return keys.base .. 'delivery:' .. id end
local function attemptsKey(keys, id) return keys.base .. 'attempts:' .. id end

local function healthOf(keys, width)
  local held = redis.call('HMGET', keys.health, 'failures', 'openUntil', 'width', 'disabled', 'version')
  return {
    failures = tonumber(held[1] or 0), openUntil = tonumber(held[2] or 0), width = tonumber(held[3] or width),
    disabled = held[4] or '', version = tonumber(held[5] or 0),
  }
end

-- Says when the endpoint is to be looked at next: when something is due and may be sent, or when a lease ends.
local function plan(name, keys, width)
  local due = redis.call('ZRANGE', keys.queue, 0, 0, 'WITHSCORES')[2]
  local lease = redis.call('ZRANGE', keys.flying, 0, 0, 'WITHSCORES')[2]
  if not due and not lease then
    redis.call('ZREM', endpoints, name)
    redis.call('PEXPIRE', keys.health, HEALTH_TTL)
    return
  end
  redis.call('PERSIST', keys.health)
  local health = healthOf(keys, width)
  local at = tonumber(lease or math.huge)
  if due and redis.call('ZCARD', keys.flying) < health.width then
    at = math.min(at, math.max(tonumber(due), health.openUntil))
  end
  -- Never before now: an endpoint that has more goes to the end of the line, behind those that wait already.
  redis.call('ZADD', endpoints, math.max(at, now), name)
end

-- Old entries of the log go when new ones come. Deliveries that are under way or due are none.
local function settle(keys, id, kept, ttl)
  redis.call('ZADD', keys.settled, now, id)
  redis.call('PEXPIRE', deliveryKey(keys, id), ttl)
  redis.call('PEXPIRE', attemptsKey(keys, id), ttl)
  local old = redis.call('ZRANGEBYSCORE', keys.settled, '-inf', now - ttl, 'LIMIT', 0, 10)
  local more = redis.call('ZCARD', keys.settled) - #old - kept
  if more > 0 then old = redis.call('ZRANGE', keys.settled, 0, #old + math.min(more, 10) - 1) end
  for _, gone in ipairs(old) do
    redis.call('DEL', deliveryKey(keys, gone), attemptsKey(keys, gone))
    redis.call('ZREM', keys.list, gone)
    redis.call('ZREM', keys.settled, gone)
  end
end

local function heal(keys)
  redis.call('HDEL', keys.health, 'failures', 'openUntil', 'width', 'disabled')
  redis.call('HINCRBY', keys.health, 'version', 1)
end
`;

/**
 * Makes a delivery, due at once. Answers 'queued', 'known', 'skipped' or 'dropped'.
 *
 * ARGV  2 tenant, 3 endpoint, 4 id, 5 width of an endpoint, 6 how many may wait for one, 7 '1' when it perishes,
 *       8 '1' when somebody asks for it by hand, 9 entries of the log to keep, 10 their life in ms; from 11 the fields
 *
 * News that perishes is not even queued for an endpoint that is paused or disabled. Scores of the list are made unique by a
 * fraction, as those of jobs are.
 */
export const ENQUEUE_DELIVERY = `
local tenant, endpoint, id, width = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local keys = keysOf(tenant, endpoint)
local delivery = deliveryKey(keys, id)
if redis.call('EXISTS', delivery) == 1 then return 'known' end
if ARGV[8] == '1' then heal(keys) end
if ARGV[7] == '1' then
  local health = healthOf(keys, width)
  if health.openUntil > now or health.disabled ~= '' then return 'skipped' end
end

local newest = redis.call('ZRANGE', keys.list, -1, -1, 'WITHSCORES')[2]
local score = now
if newest and tonumber(newest) >= now then score = tonumber(newest) + 1 / 2048 end
redis.call('ZADD', keys.list, score, id)
redis.call('HSET', delivery, 'endpoint', endpoint, 'createdAt', now, 'tries', 0, unpack(ARGV, 11))

if redis.call('ZCARD', keys.queue) >= tonumber(ARGV[6]) then
  local reason = 'already ' .. ARGV[6] .. ' messages wait for this endpoint'
  redis.call('HSET', delivery, 'state', 'dropped', 'reason', reason, 'finishedAt', now)
  settle(keys, id, tonumber(ARGV[9]), tonumber(ARGV[10]))
  return 'dropped'
end
redis.call('HSET', delivery, 'state', 'pending', 'dueAt', now)
redis.call('ZADD', keys.queue, now, id)
plan(tenant .. '/' .. endpoint, keys, width)
return 'queued'
`;

/**
 * Takes due deliveries, oldest endpoint first. Answers the ms until the next look, then four entries a delivery:
 * tenant, id, fields, and version and fields of its endpoint's health.
 *
 * ARGV  2 how many, 3 width of an endpoint, 4 life of a lease in ms, 5 how many for one host, 6 what the caller has
 *       under way by host, as JSON, 7 endpoints to look at
 *
 * An endpoint is named by its host and its path, so that many paths on one dead host cannot take all places.
 */
export const CLAIM_DELIVERIES = `
local free, width, lease = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local hostWidth, busy = tonumber(ARGV[5]), cjson.decode(ARGV[6])
local answer = { 0 }

for _, name in ipairs(redis.call('ZRANGEBYSCORE', endpoints, '-inf', now, 'LIMIT', 0, ARGV[7])) do
  if free <= 0 then break end
  local tenant, endpoint = string.match(name, '^(.*)/([^/]+)$')
  local host = string.match(name, '^(.*)%-')
  local keys = keysOf(tenant, endpoint)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', keys.flying, '-inf', now)) do
    redis.call('ZREM', keys.flying, id)
    redis.call('ZADD', keys.queue, now, id)
  end
  local health = healthOf(keys, width)
  local hostRoom = hostWidth - (busy[host] or 0)
  local room = math.min(free, health.width - redis.call('ZCARD', keys.flying), hostRoom)
  if room > 0 and health.openUntil <= now then
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', keys.queue, '-inf', now, 'LIMIT', 0, room)) do
      redis.call('ZREM', keys.queue, id)
      if redis.call('EXISTS', deliveryKey(keys, id)) == 1 then
        redis.call('ZADD', keys.flying, now + lease, id)
        redis.call('HINCRBY', deliveryKey(keys, id), 'token', 1)
        busy[host] = (busy[host] or 0) + 1
        free = free - 1
        answer[#answer + 1] = tenant
        answer[#answer + 1] = id
        answer[#answer + 1] = redis.call('HGETALL', deliveryKey(keys, id))
        answer[#answer + 1] = health.disabled
      end
    end
  end
  plan(name, keys, width)
  -- To the end of the line, until the host has room again.
  if hostRoom <= 0 then redis.call('ZADD', endpoints, now + 250, name) end
end

local next = redis.call('ZRANGE', endpoints, 0, 0, 'WITHSCORES')[2]
if next then answer[1] = math.max(0, math.ceil(tonumber(next) - now)) else answer[1] = -1 end
return answer
`;

/** The health of an endpoint. Answers failures, ms that it is still paused, its version. ARGV 2 tenant, 3 endpoint */
export const READ_HEALTH = `
local health = healthOf(keysOf(ARGV[2], ARGV[3]), 0)
return { health.failures, math.max(0, health.openUntil - now), health.version }
`;

/**
 * Notes an attempt and what follows from it. Answers 'settled'; 'stale' when the delivery is no longer the caller's;
 * 'moved' when the endpoint's health has changed since it was read, and then nothing is noted.
 *
 * ARGV  2 tenant, 3 endpoint, 4 id, 5 token, 6 state, 7 ms until the next attempt, 8 reason or '', 9 attempt as JSON
 *       or '', 10 version of the health, 11 failures, 12 pause in ms, 13 width, 14 why disabled or '',
 *       15 entries of the log to keep, 16 their life in ms, 17 width of an endpoint, 18 attempts to keep
 */
export const SETTLE_DELIVERY = `
local tenant, endpoint, id, state = ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local keys = keysOf(tenant, endpoint)
local delivery = deliveryKey(keys, id)
if redis.call('HGET', delivery, 'token') ~= ARGV[5] then return 'stale' end
if not redis.call('ZSCORE', keys.flying, id) and not redis.call('ZSCORE', keys.queue, id) then return 'stale' end
local health = healthOf(keys, 0)
if ARGV[9] ~= '' then
  if health.version ~= tonumber(ARGV[10]) then return 'moved' end
  local open = math.max(0, health.openUntil - now)
  local changed = health.failures ~= tonumber(ARGV[11]) or tonumber(ARGV[12]) > 0 or open > 0 or ARGV[14] ~= ''
  if changed then
    local openUntil = 0
    if tonumber(ARGV[12]) > 0 then openUntil = now + tonumber(ARGV[12]) end
    redis.call('HSET', keys.health, 'failures', ARGV[11], 'openUntil', openUntil, 'width', ARGV[13])
    if ARGV[14] ~= '' then redis.call('HSET', keys.health, 'disabled', ARGV[14]) end
    redis.call('HINCRBY', keys.health, 'version', 1)
  end
  redis.call('RPUSH', attemptsKey(keys, id), ARGV[9])
  redis.call('LTRIM', attemptsKey(keys, id), -tonumber(ARGV[18]), -1)
  redis.call('HINCRBY', delivery, 'tries', 1)
end

redis.call('ZREM', keys.flying, id)
redis.call('ZREM', keys.queue, id)
redis.call('HSET', delivery, 'state', state)
if ARGV[8] ~= '' then redis.call('HSET', delivery, 'reason', ARGV[8]) end
if state == 'pending' then
  local due = now + tonumber(ARGV[7])
  redis.call('ZADD', keys.queue, due, id)
  redis.call('HSET', delivery, 'dueAt', due)
else
  redis.call('HDEL', delivery, 'dueAt')
  redis.call('HSET', delivery, 'finishedAt', now)
  settle(keys, id, tonumber(ARGV[15]), tonumber(ARGV[16]))
end
plan(tenant .. '/' .. endpoint, keys, tonumber(ARGV[17]))
return 'settled'
`;

/**
 * Makes a delivery due at once, from its first attempt on, and its endpoint fit to be sent to. Answers 'queued',
 * 'under_way' or 'missing'. ARGV 2 tenant, 3 id, 4 width of an endpoint
 */
export const REDELIVER = `
local tenant, id = ARGV[2], ARGV[3]
local delivery = deliveryKey(keysOf(tenant, ''), id)
local endpoint = redis.call('HGET', delivery, 'endpoint')
if not endpoint then return 'missing' end
local keys = keysOf(tenant, endpoint)
heal(keys)
local underWay = redis.call('ZSCORE', keys.flying, id)
if not underWay then
  redis.call('HSET', delivery, 'state', 'pending', 'tries', 0, 'dueAt', now)
  redis.call('HDEL', delivery, 'reason', 'finishedAt')
  redis.call('PERSIST', delivery)
  redis.call('PERSIST', attemptsKey(keys, id))
  redis.call('ZREM', keys.settled, id)
  redis.call('ZADD', keys.queue, now, id)
end
plan(tenant .. '/' .. endpoint, keys, tonumber(ARGV[4]))
if underWay then return 'under_way' end
return 'queued'
`;
