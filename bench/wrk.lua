-- Makes the requests of one kind of work for wrk, and prints what wrk has measured as one line of JSON.
-- Arguments: dialect mix keys choice size seed expected think
--   dialect   rest, or etcd (the JSON gateway of etcd: keys and values in base64)
--   mix       put:1,get:9,...       weights of the operations
--   keys      how many keys there are
--   choice    uniform, zipf, sequence or pairs
--   size      bytes of a value
--   seed      of the random choices
--   expected  statuses of 400 and above that are no errors (404,...), none, or count: count every status
--   think     mean milliseconds that a connection rests before a request, 0 for none

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local threads = {}

local function base64(text)
  local out = {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for place = 0, 3 do
      if place == 2 and not b or place == 3 and not c then
        out[#out + 1] = "="
      else
        local digit = math.floor(n / 64 ^ (3 - place)) % 64
        out[#out + 1] = ALPHABET:sub(digit + 1, digit + 1)
      end
    end
  end
  return table.concat(out)
end

-- The generator of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), with the
-- skew that YCSB uses.
local function zipf(count)
  local theta, zeta = 0.99, 0
  for i = 1, count do zeta = zeta + 1 / i ^ theta end
  local alpha = 1 / (1 - theta)
  local eta = (1 - (2 / count) ^ (1 - theta)) / (1 - (1 + 0.5 ^ theta) / zeta)
  return function()
    local u = math.random()
    local uz = u * zeta
    if uz < 1 then return 0 end
    if uz < 1 + 0.5 ^ theta then return math.min(1, count - 1) end
    return math.min(count - 1, math.floor(count * (eta * u - eta + 1) ^ alpha))
  end
end

local function chooser(choice, count)
  local turn = -1
  if choice == "zipf" then return zipf(count) end
  if choice == "sequence" then return function() turn = turn + 1; return turn end end
  if choice == "pairs" then return function() turn = turn + 1; return math.floor(turn / 2) % count end end
  return function() return math.random(0, count - 1) end
end

local function split(text, separator)
  local parts = {}
  for part in text:gmatch("[^" .. separator .. "]+") do parts[#parts + 1] = part end
  return parts
end

local function head(method, path)
  return method .. " " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n"
end

local function with_body(method, path, body)
  return head(method, path) .. "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

-- For each dialect and operation a function from a key to the whole request.
local function makers(dialect, size)
  local value = string.rep("v", size)
  if dialect == "etcd" then
    local tail = '","value":"' .. base64(value) .. '"}'
    return {
      put = function(key) return with_body("POST", "/v3/kv/put", '{"key":"' .. base64(key) .. tail) end,
      get = function(key) return with_body("POST", "/v3/kv/range", '{"key":"' .. base64(key) .. '"}') end,
      delete = function(key) return with_body("POST", "/v3/kv/deleterange", '{"key":"' .. base64(key) .. '"}') end,
      list = function() return with_body("POST", "/v3/kv/range", '{"key":"aw==","range_end":"bA=="}') end,
    }
  end
  local whole = '{"value":"' .. value .. '"}'
  return {
    put = function(key) return with_body("PUT", "/data/" .. key, whole) end,
    get = function(key) return head("GET", "/data/" .. key) .. "\r\n" end,
    delete = function(key) return head("DELETE", "/data/" .. key) .. "\r\n" end,
    list = function() return head("GET", "/data") .. "\r\n" end,
  }
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  local make = makers(args[1], tonumber(args[5]))
  local operations, total = {}, 0
  for _, part in ipairs(split(args[2], ",")) do
    local name, weight = part:match("([%a]+):(%d+)")
    total = total + weight
    operations[#operations + 1] = { make[name], total }
  end
  local next_key = chooser(args[4], tonumber(args[3]))
  math.randomseed(tonumber(args[6]))
  local turn = -1

  local function operation()
    if #operations == 1 then return operations[1][1] end
    turn = turn + 1
    if args[4] == "pairs" then return operations[turn % #operations + 1][1] end
    local point = math.random(total)
    for _, each in ipairs(operations) do
      if point <= each[2] then return each[1] end
    end
  end

  -- New and deleted keys have names of their own: what was loaded stays, whatever is measured first. wrk tries
  -- this function out at the start, so one key of a sequence is made for nothing.
  local form = ({ sequence = "n%07d", pairs = "d%07d" })[args[4]] or "k%07d"
  function request()
    return operation()(form:format(next_key()))
  end

  local think = tonumber(args[8])
  if think > 0 then
    function delay() return math.random(0, 2 * think) end
  end

  counting = args[7] ~= "none"
  unexpected, counts = 0, {}
  if counting then
    local expected = {}
    for _, status in ipairs(split(args[7], ",")) do expected[tonumber(status) or 0] = true end
    function response(status, headers)
      local name = tostring(status)
      if status == 503 then
        for field in pairs(headers) do
          if field:lower() == "retry-after" then name = "503 with Retry-After" end
        end
      end
      counts[name] = (counts[name] or 0) + 1
      if status >= 400 and not expected[status] then unexpected = unexpected + 1 end
    end
  end
end

function done(summary, latency)
  local bad, seen = summary.errors.status, {}
  if threads[1]:get("counting") then bad = 0 end
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("unexpected")
    for name, times in pairs(thread:get("counts")) do
      seen[#seen + 1] = string.format('["%s",%d]', name, times)
    end
  end
  local errors = summary.errors
  io.write(string.format(
    '\nresult {"requests":%d,"microseconds":%d,"bytes":%d,"p50":%d,"p99":%d,"p999":%d,"longest":%d,' ..
    '"bad_status":%d,"broken":%d,"timeouts":%d,"statuses":[%s]}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), latency.max, bad, errors.connect + errors.read + errors.write, errors.timeout,
    table.concat(seen, ",")))
end
