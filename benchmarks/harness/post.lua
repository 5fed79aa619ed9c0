-- Lets wrk post photos in turn, as the multipart field "file" or as raw bodies.
--   wrk ... -s post.lua ADDRESS -- multipart|raw PHOTO...
-- Prints the result as one line of JSON. Answers with a status from 400 count as refused.

local requests = {}
local turn = 0

local function read(path)
  local file = assert(io.open(path, "rb"))
  local data = file:read("*a")
  file:close()
  return data
end

function init(args)
  local boundary = "photo-boundary-7e9a"
  for index = 2, #args do
    local body, kind = read(args[index]), "image/jpeg"
    if args[1] == "multipart" then
      body = "--" .. boundary .. "\r\n"
        .. 'Content-Disposition: form-data; name="file"; filename="photo.jpg"\r\n'
        .. "Content-Type: image/jpeg\r\n\r\n" .. body .. "\r\n--" .. boundary .. "--\r\n"
      kind = "multipart/form-data; boundary=" .. boundary
    end
    requests[#requests + 1] = wrk.format("POST", nil, { ["Content-Type"] = kind }, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
