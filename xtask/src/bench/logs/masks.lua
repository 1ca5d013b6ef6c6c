-- What the pack `mlps3` hides, for nginx: the same classes, with checksums where numbers have them.
local gsub, var = ngx.re.gsub, ngx.var
local byte, sub, rep = string.byte, string.sub, string.rep

local function keep(text, first, last)
  return sub(text, 1, first) .. rep("*", #text - first - last) .. sub(text, -last)
end

local function luhn(digits)
  local sum, double = 0, false
  for at = #digits, 1, -1 do
    local digit = byte(digits, at) - 48
    if double then
      digit = digit * 2
      if digit > 9 then digit = digit - 9 end
    end
    sum = sum + digit
    double = not double
  end
  return sum % 10 == 0
end

local weights = { 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2 }
local checks = "10X98765432"

local function resident(text)
  local sum = 0
  for at = 1, 17 do sum = sum + (byte(text, at) - 48) * weights[at] end
  local check = sub(checks, sum % 11 + 1, sum % 11 + 1)
  return check == string.upper(sub(text, 18, 18))
end

local classes = {
  { [[\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+]], function() return "[REDACTED]" end },
  { [[\bgh[pousr]_[A-Za-z0-9]{36,}]], function() return "[REDACTED]" end },
  { [[\b(?:AKIA|ASIA)[A-Z0-9]{16}\b]], function() return "[REDACTED]" end },
  { [[\bsk-[A-Za-z0-9_-]{20,}]], function() return "[REDACTED]" end },
  { [[(?i)\bbearer\s+[A-Za-z0-9._~+/=-]+]], function() return "Bearer [REDACTED]" end },
  { [[[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+]], function(m) return sub(m[0], 1, 1) .. "***" .. sub(m[0], (m[0]:find("@", 1, true))) end },
  { [[(?<![0-9A-Za-z])[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[0-9Xx](?![0-9A-Za-z])]],
    function(m) return resident(m[0]) and keep(m[0], 3, 4) or m[0] end },
  { [[(?<![0-9A-Za-z])(?:4\d{15}|5[1-5]\d{14}|62\d{14,17}|3[47]\d{13})(?![0-9A-Za-z])]],
    function(m) return luhn(m[0]) and keep(m[0], 6, 4) or m[0] end },
  { [[(?<![0-9A-Za-z])1[3-9]\d{9}(?![0-9A-Za-z])]], function(m) return keep(m[0], 3, 4) end },
  { [[\+[1-9]\d{7,14}(?!\d)]], function(m) return keep(m[0], 4, 2) end },
  { [[(?<![0-9A-Za-z])[EeGg]\d{8}(?![0-9A-Za-z])]], function(m) return keep(m[0], 1, 2) end },
}

local function mask(text)
  if not text then return "" end
  for at = 1, #classes do
    text = gsub(text, classes[at][1], classes[at][2], "jo")
  end
  return text
end

var.masked_id = mask(var.request_id)
var.masked_path = mask(var.uri)
var.masked_query = mask(var.args)
var.masked_agent = mask(var.http_user_agent)
