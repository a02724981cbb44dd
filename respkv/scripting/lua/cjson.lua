-- cjson: JSON to tables and back, with the options, the limits and the messages of the cjson 2.1 that Redis has.
-- Returns what makes an instance; errors are raised as plain text, to which the caller adds the script's position.

local null = ...

local type, next, tostring, tonumber, error, rawget = type, next, tostring, tonumber, error, rawget
local byte, char, sub, find, match, format, rep = string.byte, string.char, string.sub, string.find, string.match, string.format, string.rep
local gsub, lower, concat, floor, huge = string.gsub, string.lower, table.concat, math.floor, math.huge

-- Encoding

local escapes = {}
for code = 0, 31 do
    escapes[char(code)] = format("\\u%04x", code)
end
escapes["\b"], escapes["\t"], escapes["\n"], escapes["\f"], escapes["\r"] = "\\b", "\\t", "\\n", "\\f", "\\r"
escapes['"'], escapes["/"], escapes["\\"], escapes["\127"] = '\\"', "\\/", "\\\\", "\\u007f"

local function quoted(text)
    if find(text, '[%c"/\\\127]') then
        text = gsub(text, '[%z%c"/\\\127]', escapes)
    elseif find(text, "%z") then
        text = gsub(text, "%z", escapes)
    end
    return '"' .. text .. '"'
end

-- The length of a table that is an array; 0 for an empty table, -1 for any other.
local function array_length(t, config)
    local max, count = 0, 0
    local length = #t
    for key in next, t do
        if type(key) ~= "number" or key < 1 or floor(key) ~= key then
            return -1
        end
        if key > max then
            max = key
        end
        count = count + 1
    end
    if config.sparse_ratio > 0 and max > count * config.sparse_ratio and max > config.sparse_safe then
        if not config.sparse_convert then
            error("Cannot serialise table: excessively sparse array", 0)
        end
        return -1
    end
    return max
end

local function encode_number(number, config)
    if number ~= number or number == huge or number == -huge then
        local how = config.encode_invalid
        if how == "null" then
            return "null"
        elseif not how then
            error("Cannot serialise number: must not be NaN or Inf", 0)
        end
        return number ~= number and "nan" or number > 0 and "inf" or "-inf"
    end
    return format(config.number_format, number)
end

local function encode_value(out, at, value, config, depth)
    local kind = type(value)
    if kind == "string" then
        out[at] = quoted(value)
    elseif kind == "number" then
        out[at] = encode_number(value, config)
    elseif kind == "boolean" then
        out[at] = value and "true" or "false"
    elseif kind == "nil" or value == null then
        out[at] = "null"
    elseif kind == "table" then
        depth = depth + 1
        local length = array_length(value, config)
        if depth > config.encode_depth then
            error("Cannot serialise, excessive nesting (" .. depth .. ")", 0)
        end
        if length > 0 then
            out[at] = "["
            for index = 1, length do
                if index > 1 then
                    at = at + 1
                    out[at] = ","
                end
                at = encode_value(out, at + 1, rawget(value, index), config, depth)
            end
            at = at + 1
            out[at] = "]"
            return at
        end
        out[at] = "{"
        local is_first = true
        for key, item in next, value do
            if not is_first then
                at = at + 1
                out[at] = ","
            end
            is_first = false
            at = at + 1
            if type(key) == "string" then
                out[at] = quoted(key) .. ":"
            elseif type(key) == "number" then
                out[at] = '"' .. encode_number(key, config) .. '":'
            else
                error("Cannot serialise table: table key must be a number or string", 0)
            end
            at = encode_value(out, at + 1, item, config, depth)
        end
        at = at + 1
        out[at] = "}"
        return at
    else
        error("Cannot serialise " .. kind .. ": type not supported", 0)
    end
    return at
end

local function encode(config, value)
    local out = {}
    local at = encode_value(out, 1, value, config, 0)
    return at == 1 and out[1] or concat(out, "", 1, at)
end

-- Decoding

local TOKENS = {
    ["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END", [":"] = "T_COLON",
    [","] = "T_COMMA", ["t"] = "T_BOOLEAN", ["f"] = "T_BOOLEAN", ["n"] = "T_NULL",
}

local unescaped = {
    ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", t = "\t", n = "\n", f = "\f", r = "\r",
}

local function utf8(code)
    if code < 0x80 then
        return char(code)
    elseif code < 0x800 then
        return char(0xc0 + floor(code / 64), 0x80 + code % 64)
    elseif code < 0x10000 then
        return char(0xe0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
    end
    return char(
        0xf0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64, 0x80 + code % 64
    )
end

local function expected(what, found, at)
    error("Expected " .. what .. " but found " .. found .. " at character " .. at, 0)
end

-- The rest of a string with escapes: `at` is behind the quote. Its text and the place behind it; or nil, the place and
-- what is wrong.
local function escaped_string(text, at)
    local out = {}
    while true do
        local stop = find(text, '["\\%z]', at)
        if not stop then
            return nil, #text + 1, "unexpected end of string"
        end
        out[#out + 1] = sub(text, at, stop - 1)
        local what = byte(text, stop)
        if what == 34 then
            return concat(out), stop + 1
        elseif what == 0 then
            return nil, stop, "unexpected end of string"
        end
        local letter = sub(text, stop + 1, stop + 1)
        if letter == "u" then
            local code = tonumber(match(text, "^%x%x%x%x", stop + 2) or "", 16)
            at = stop + 6
            if code and code >= 0xd800 and code < 0xe000 then
                local following = code < 0xdc00 and match(text, "^\\u(%x%x%x%x)", at)
                following = following and tonumber(following, 16)
                if following and following >= 0xdc00 and following < 0xe000 then
                    code = 0x10000 + (code - 0xd800) * 1024 + following - 0xdc00
                    at = at + 6
                else
                    code = nil
                end
            end
            if not code then
                return nil, stop, "invalid unicode escape code"
            end
            out[#out + 1] = utf8(code)
        else
            local meant = unescaped[letter]
            if not meant then
                return nil, stop, "invalid escape code"
            end
            out[#out + 1] = meant
            at = stop + 2
        end
    end
end

-- The end of what C's strtod takes from `at` on, and the number; nil if that is nothing.
local function number_at(text, at)
    local _, stop = find(text, "^[+-]?0[xX]%x*%.?%x*", at)
    if stop and tonumber((match(text, "^[+-]?0[xX]%x+", at))) then
        local number = match(text, "^[+-]?0[xX]%x+", at)
        return at + #number, tonumber(number)
    end
    local digits = match(text, "^[+-]?%d+%.?%d*", at) or match(text, "^[+-]?%.%d+", at)
    if digits then
        local exponent = match(text, "^[eE][+-]?%d+", at + #digits) or ""
        return at + #digits + #exponent, tonumber(digits .. exponent)
    end
    local sign = match(text, "^[+-]?", at)
    local word = lower(sub(text, at + #sign, at + #sign + 7))
    local number = sub(word, 1, 3) == "inf" and huge or sub(word, 1, 3) == "nan" and -(0 / 0) or nil
    if not number then
        return nil
    end
    if sign == "-" then
        number = -number
    end
    return at + #sign + (word == "infinity" and 8 or 3), number
end

local function is_invalid_number(text, at)
    local first = byte(text, at)
    if first == 43 then
        return true
    elseif first == 45 then
        at = at + 1
        first = byte(text, at)
    end
    if first == 48 then
        return find(text, "^[xX%d]", at + 1) ~= nil
    elseif first and first <= 57 then
        return false
    end
    local word = lower(sub(text, at, at + 2))
    return word == "inf" or word == "nan"
end

-- What stands at `at`, which is no blank, as a message names it.
local function token_at(text, at, config)
    local letter = sub(text, at, at)
    if letter == "" or letter == "\0" then
        return "T_END", at
    elseif letter == '"' then
        local value, stop, wrong = escaped_string(text, at + 1)
        if not value then
            return wrong, stop
        end
        return "T_STRING", at
    elseif find(letter, "[%d-]") then
        if (not config.decode_invalid and is_invalid_number(text, at)) or not number_at(text, at) then
            return "invalid number", at
        end
        return "T_NUMBER", at
    elseif letter == "t" or letter == "f" or letter == "n" then
        if find(text, "^true", at) or find(text, "^false", at) or find(text, "^null", at) then
            return TOKENS[letter], at
        end
    elseif TOKENS[letter] then
        return TOKENS[letter], at
    end
    if find(letter, "[+nNiI]") and config.decode_invalid and is_invalid_number(text, at) then
        return number_at(text, at) and "T_NUMBER" or "invalid number", at
    end
    return "invalid token", at
end

local function wrong(text, at, what, config)
    expected(what, token_at(text, at, config))
end

local decode_value

local function skip(text, at)
    return find(text, "[^ \t\r\n]", at) or #text + 1
end

local function decode_array(text, at, config, depth)
    local items, count = {}, 0
    at = skip(text, at)
    if byte(text, at) == 93 then
        return items, at + 1
    end
    while true do
        local value
        value, at = decode_value(text, at, config, depth)
        count = count + 1
        items[count] = value
        at = skip(text, at)
        local mark = byte(text, at)
        if mark == 93 then
            return items, at + 1
        elseif mark ~= 44 then
            wrong(text, at, "comma or array end", config)
        end
        at = skip(text, at + 1)
    end
end

local function decode_object(text, at, config, depth)
    local items = {}
    at = skip(text, at)
    if byte(text, at) == 125 then
        return items, at + 1
    end
    while true do
        if byte(text, at) ~= 34 then
            wrong(text, at, "object key string", config)
        end
        local stop = find(text, '["\\%z]', at + 1)
        local key
        if stop and byte(text, stop) == 34 then
            key, at = sub(text, at + 1, stop - 1), stop + 1
        else
            local found
            key, stop, found = escaped_string(text, at + 1)
            if not key then
                expected("object key string", found, stop)
            end
            at = stop
        end
        at = skip(text, at)
        if byte(text, at) ~= 58 then
            wrong(text, at, "colon", config)
        end
        items[key], at = decode_value(text, skip(text, at + 1), config, depth)
        at = skip(text, at)
        local mark = byte(text, at)
        if mark == 125 then
            return items, at + 1
        elseif mark ~= 44 then
            wrong(text, at, "comma or object end", config)
        end
        at = skip(text, at + 1)
    end
end

decode_value = function(text, at, config, depth)
    local first = byte(text, at)
    if first == 34 then
        local stop = find(text, '["\\%z]', at + 1)
        if stop and byte(text, stop) == 34 then
            return sub(text, at + 1, stop - 1), stop + 1
        end
        local value, behind, found = escaped_string(text, at + 1)
        if not value then
            expected("value", found, behind)
        end
        return value, behind
    elseif first == 123 or first == 91 then
        depth = depth + 1
        if depth > config.decode_depth then
            error("Found too many nested data structures (" .. depth .. ") at character " .. at, 0)
        end
        return (first == 123 and decode_object or decode_array)(text, at + 1, config, depth)
    elseif first == 116 and find(text, "^true", at) then
        return true, at + 4
    elseif first == 102 and find(text, "^false", at) then
        return false, at + 5
    elseif first == 110 and find(text, "^null", at) then
        return null, at + 4
    end
    local what = token_at(text, at, config)
    if what ~= "T_NUMBER" then
        wrong(text, at, "value", config)
    end
    local behind, number = number_at(text, at)
    return number, behind
end

local function decode(config, text)
    if #text >= 2 and (byte(text, 1) == 0 or byte(text, 2) == 0) then
        error("JSON parser does not support UTF-16 or UTF-32", 0)
    end
    local value, at = decode_value(text, skip(text, 1), config, 0)
    at = skip(text, at)
    local behind = byte(text, at)
    if behind and behind ~= 0 then
        wrong(text, at, "the end", config)
    end
    return value
end

-- Options

local function argument_error(position, name, what)
    error("bad argument #" .. position .. " to '" .. name .. "' (" .. what .. ")", 0)
end

local function integer_option(config, field, name, least, most, position, value)
    if value ~= nil then
        local number = tonumber(value)
        if not number then
            argument_error(position, name, "number expected, got " .. type(value))
        end
        number = floor(number)
        if number < least or number > most then
            argument_error(position, name, "expected integer between " .. least .. " and " .. most)
        end
        config[field] = number
    end
    return config[field]
end

local function choice_option(config, field, name, choices, position, value)
    if value ~= nil then
        if type(value) == "boolean" then
            config[field] = value
        else
            if type(value) ~= "string" and type(value) ~= "number" then
                argument_error(position, name, "string expected, got " .. type(value))
            end
            local choice = choices[value .. ""]
            if choice == nil then
                argument_error(position, name, "invalid option '" .. value .. "'")
            end
            config[field] = choice
        end
    end
    return config[field]
end

local INT_MAX = 2147483647
local ON_OFF = { on = true, off = false }
local ON_OFF_NULL = { on = true, off = false, null = "null" }

local function new()
    local config = {
        sparse_convert = false, sparse_ratio = 2, sparse_safe = 10, encode_depth = 1000, decode_depth = 1000,
        precision = 14, number_format = "%.14g", keep_buffer = true, encode_invalid = false, decode_invalid = true,
    }

    local function expect(count, most, name, given)
        if given > most then
            argument_error(most + 1, name, "found too many arguments")
        end
    end

    local function only(given, name)
        if given ~= 1 then
            argument_error(1, name, "expected 1 argument")
        end
    end

    return {
        encode = function(...)
            only(select("#", ...), "encode")
            return encode(config, (...))
        end,
        decode = function(...)
            only(select("#", ...), "decode")
            local text = ...
            if type(text) == "number" then
                text = tostring(text)
            elseif type(text) ~= "string" then
                argument_error(1, "decode", "string expected, got " .. type(text))
            end
            return decode(config, text)
        end,
        encode_sparse_array = function(...)
            local name = "encode_sparse_array"
            expect(0, 3, name, select("#", ...))
            local convert, ratio, safe = ...
            choice_option(config, "sparse_convert", name, ON_OFF, 1, convert)
            integer_option(config, "sparse_ratio", name, 0, INT_MAX, 2, ratio)
            integer_option(config, "sparse_safe", name, 0, INT_MAX, 3, safe)
            return config.sparse_convert, config.sparse_ratio, config.sparse_safe
        end,
        encode_max_depth = function(...)
            expect(0, 1, "encode_max_depth", select("#", ...))
            return integer_option(config, "encode_depth", "encode_max_depth", 1, INT_MAX, 1, (...))
        end,
        decode_max_depth = function(...)
            expect(0, 1, "decode_max_depth", select("#", ...))
            return integer_option(config, "decode_depth", "decode_max_depth", 1, INT_MAX, 1, (...))
        end,
        encode_number_precision = function(...)
            expect(0, 1, "encode_number_precision", select("#", ...))
            local precision = integer_option(config, "precision", "encode_number_precision", 1, 14, 1, (...))
            config.number_format = "%." .. precision .. "g"
            return precision
        end,
        encode_keep_buffer = function(...)
            expect(0, 1, "encode_keep_buffer", select("#", ...))
            return choice_option(config, "keep_buffer", "encode_keep_buffer", ON_OFF, 1, (...))
        end,
        encode_invalid_numbers = function(...)
            expect(0, 1, "encode_invalid_numbers", select("#", ...))
            return choice_option(config, "encode_invalid", "encode_invalid_numbers", ON_OFF_NULL, 1, (...))
        end,
        decode_invalid_numbers = function(...)
            expect(0, 1, "decode_invalid_numbers", select("#", ...))
            return choice_option(config, "decode_invalid", "decode_invalid_numbers", ON_OFF, 1, (...))
        end,
    }
end

return new
