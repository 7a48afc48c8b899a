-- wrk: asks for the paths of a file in turn, and counts the answers whose status is not the expected one.
-- wrk -s paths.lua URL -- FILE STATUS
local threads = {}
unexpected = 0

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  paths, at, expected = {}, 0, tonumber(args[2])
  for line in io.lines(args[1]) do table.insert(paths, wrk.format("GET", line)) end
end

function request()
  at = at % #paths + 1
  return paths[at]
end

function response(status)
  if status ~= expected then unexpected = unexpected + 1 end
end

function done(summary)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("unexpected") end
  print(string.format("unexpected: %d", wrong))
  print(string.format("requests: %d", summary.requests))
  print(string.format("rate: %.1f", summary.requests / (summary.duration / 1e6)))
end
