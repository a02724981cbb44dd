-- cmsgpack: MessagePack, with the choices of Redis's library: integers and floats as short as they can be, tables whose
-- keys are 1 to n as arrays, nothing deeper than 16 tables. Errors are raised as plain text.

local pack_double, unpack_double = ...

local type, next, error, select, tonumber, tostring = type, next, error, select, tonumber, tostring
local byte, char, sub, concat, floor = string.byte, string.char, string.sub, table.concat, math.floor

local NESTING_MAX = 16

-- Packing

local function big_endian(number, size)
    local bytes = {}
    for at = size, 1, -1 do
        bytes[at] = char(number % 256)
        number = floor(number / 256)
    end
    return concat(bytes)
end

local function pack_number(number)
    if floor(number) ~= number or number >= 2 ^ 63 or number < -2 ^ 63 then
        return pack_double(number)
    elseif number >= 0 then
        if number <= 127 then
            return char(number)
        elseif number <= 0xff then
            return "\204" .. char(number)
        elseif number <= 0xffff then
            return "\205" .. big_endian(number, 2)
        elseif number <= 0xffffffff then
            return "\206" .. big_endian(number, 4)
        end
        return "\207" .. big_endian(number, 8)
    elseif number >= -32 then
        return char(256 + number)
    elseif number >= -128 then
        return "\208" .. char(256 + number)
    elseif number >= -32768 then
        return "\209" .. big_endian(65536 + number, 2)
    elseif number >= -2147483648 then
        return "\210" .. big_endian(4294967296 + number, 4)
    end
    -- Two halves, since 2^64 less a small number is no double.
    local low = number % 4294967296
    return "\211" .. big_endian(4294967296 + floor(number / 4294967296), 4) .. big_endian(low, 4)
end

local function pack_string(text)
    local length = #text
    if length < 32 then
        return char(160 + length) .. text
    elseif length <= 0xff then
        return "\217" .. char(length) .. text
    elseif length <= 0xffff then
        return "\218" .. big_endian(length, 2) .. text
    end
    return "\219" .. big_endian(length, 4) .. text
end

-- The number of items of a table that is an array, and of one that is not.
local function array_length(t)
    local max, count = 0, 0
    local is_array = true
    for key in next, t do
        if type(key) ~= "number" or key <= 0 or floor(key) ~= key then
            is_array = false
        elseif key > max then
            max = key
        end
        count = count + 1
    end
    return is_array and max == count, count
end

local function header(count, short, short_max, long)
    if count <= short_max then
        return char(short + count)
    elseif count <= 0xffff then
        return char(long) .. big_endian(count, 2)
    end
    return char(long + 1) .. big_endian(count, 4)
end

local function pack_value(out, value, level)
    local kind = type(value)
    if kind == "string" then
        out[#out + 1] = pack_string(value)
    elseif kind == "number" then
        out[#out + 1] = pack_number(value)
    elseif kind == "boolean" then
        out[#out + 1] = value and "\195" or "\194"
    elseif kind == "table" and level < NESTING_MAX then
        local is_array, count = array_length(value)
        if is_array then
            out[#out + 1] = header(count, 144, 15, 220)
            for at = 1, count do
                pack_value(out, value[at], level + 1)
            end
        else
            out[#out + 1] = header(count, 128, 15, 222)
            for key, item in next, value do
                pack_value(out, key, level + 1)
                pack_value(out, item, level + 1)
            end
        end
    else
        out[#out + 1] = "\192"
    end
end

local function pack(...)
    local count = select("#", ...)
    if count == 0 then
        error("bad argument #0 to 'pack' (MessagePack pack needs input.)", 0)
    end
    local out = {}
    for at = 1, count do
        pack_value(out, (select(at, ...)), 0)
    end
    return concat(out)
end

-- Unpacking

local MISSING = "Missing bytes in input."

local function need(text, at, count)
    if at + count - 1 > #text then
        error(MISSING, 0)
    end
end

local function unsigned(text, at, size)
    need(text, at, size)
    local number = 0
    for place = at, at + size - 1 do
        number = number * 256 + byte(text, place)
    end
    return number, at + size
end

local function signed(text, at, size)
    need(text, at, size)
    -- From the top byte's own sign on, so that each step is exact as far as the result is.
    local number = byte(text, at)
    if number >= 128 then
        number = number - 256
    end
    if size == 8 then
        local high = number
        for place = at + 1, at + 3 do
            high = high * 256 + byte(text, place)
        end
        return high * 4294967296 + unsigned(text, at + 4, 4), at + 8
    end
    for place = at + 1, at + size - 1 do
        number = number * 256 + byte(text, place)
    end
    return number, at + size
end

local function string_of(text, at, length)
    need(text, at, length)
    return sub(text, at, at + length - 1), at + length
end

local unpack_value

local function array_of(text, at, count)
    local items = {}
    for index = 1, count do
        items[index], at = unpack_value(text, at)
    end
    return items, at
end

local function map_of(text, at, count)
    local items = {}
    for _ = 1, count do
        local key, value
        key, at = unpack_value(text, at)
        value, at = unpack_value(text, at)
        if key == nil or key ~= key then
            error("table index is " .. (key == nil and "nil" or "NaN"), 0)
        end
        items[key] = value
    end
    return items, at
end

local function sized(size, take)
    return function(text, at)
        local length
        length, at = unsigned(text, at, size)
        return take(text, at, length)
    end
end

local function number_of(size, take)
    return function(text, at)
        return take(text, at, size)
    end
end

local function double_of(size)
    return function(text, at)
        local packed
        packed, at = string_of(text, at, size)
        return unpack_double(packed), at
    end
end

local readers = {
    [0xc0] = function(_, at) return nil, at end,
    [0xc2] = function(_, at) return false, at end,
    [0xc3] = function(_, at) return true, at end,
    [0xca] = double_of(4),
    [0xcb] = double_of(8),
    [0xcc] = number_of(1, unsigned),
    [0xcd] = number_of(2, unsigned),
    [0xce] = number_of(4, unsigned),
    [0xcf] = number_of(8, unsigned),
    [0xd0] = number_of(1, signed),
    [0xd1] = number_of(2, signed),
    [0xd2] = number_of(4, signed),
    [0xd3] = number_of(8, signed),
    [0xd9] = sized(1, string_of),
    [0xda] = sized(2, string_of),
    [0xdb] = sized(4, string_of),
    [0xdc] = sized(2, array_of),
    [0xdd] = sized(4, array_of),
    [0xde] = sized(2, map_of),
    [0xdf] = sized(4, map_of),
}

unpack_value = function(text, at)
    local first = byte(text, at)
    if not first then
        error(MISSING, 0)
    end
    at = at + 1
    if first < 0x80 then
        return first, at
    elseif first >= 0xe0 then
        return first - 256, at
    elseif first < 0x90 then
        return map_of(text, at, first - 0x80)
    elseif first < 0xa0 then
        return array_of(text, at, first - 0x90)
    elseif first < 0xc0 then
        return string_of(text, at, first - 0xa0)
    end
    local read = readers[first]
    if not read then
        error("Bad data format in input.", 0)
    end
    return read(text, at)
end

local function check_text(name, given, text)
    if type(text) == "number" then
        return tostring(text)
    elseif type(text) ~= "string" then
        local what = given == 0 and "no value" or type(text)
        error("bad argument #1 to '" .. name .. "' (string expected, got " .. what .. ")", 0)
    end
    return text
end

local function integer_argument(name, position, value, default)
    if value == nil then
        return default
    end
    local number = tonumber(value)
    if not number then
        error("bad argument #" .. position .. " to '" .. name .. "' (number expected, got " .. type(value) .. ")", 0)
    end
    return floor(number)
end

-- Up to `limit` values, from `offset` bytes on; all of them, or in front where it stopped, -1 at the end.
local function unpack_some(text, limit, offset, tells_where)
    if offset < 0 or limit < 0 then
        error("Invalid request to unpack with offset of " .. offset .. " and limit of " .. #text .. ".", 0)
    elseif offset > #text then
        error("Start offset " .. offset .. " greater than input length " .. #text .. ".", 0)
    end
    local values, count = {}, 0
    local at = offset + 1
    while at <= #text and count < limit do
        count = count + 1
        values[count], at = unpack_value(text, at)
    end
    if count > 7000 then
        error("too many results to unpack", 0)
    end
    if tells_where then
        return at > #text and -1 or at - 1, unpack(values, 1, count)
    end
    return unpack(values, 1, count)
end

return {
    pack = pack,
    unpack = function(...)
        return unpack_some(check_text("unpack", select("#", ...), (...)), math.huge, 0, false)
    end,
    unpack_one = function(...)
        local text, offset = ...
        text = check_text("unpack_one", select("#", ...), text)
        return unpack_some(text, 1, integer_argument("unpack_one", 2, offset, 0), true)
    end,
    unpack_limit = function(...)
        local text, limit, offset = ...
        text = check_text("unpack_limit", select("#", ...), text)
        if limit == nil then
            local what = select("#", ...) < 2 and "no value" or "nil"
            error("bad argument #2 to 'unpack_limit' (number expected, got " .. what .. ")", 0)
        end
        limit = integer_argument("unpack_limit", 2, limit, 0)
        offset = integer_argument("unpack_limit", 3, offset, 0)
        if limit == 0 and offset == 0 then
            return unpack_some(text, math.huge, 0, false)
        end
        return unpack_some(text, limit, offset, true)
    end,
}
