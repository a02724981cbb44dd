-- The world that scripts see. Loaded once into a fresh interpreter; everything in here that a script must not reach is
-- a local. Chunk name "=respkv": positions in errors leave its frames out.
--
-- Rule 1: standard tables and _G are read-only. A script sees an empty table whose metatable looks up the real one, and
--   refuses writes; next, pairs, rawget and their like are told of it.
-- Rule 2: no value that wraps a Python object stays within reach. `redis.call` and others are C functions; an error they
--   raise is one userdata, FAILURE, which pcall and whatever else catches errors exchange for what it stands for.
-- Rule 3: a hook set here counts instructions; since hooks belong to one coroutine, each new one gets its own.

local wire = ...
local real_G, debug, python = _G, debug, python

-- What Python handed over, as C functions, which show no attributes.
local function as_functions(t)
    for name, value in pairs(t) do
        if type(value) == "userdata" and name ~= "null" then
            t[name] = python.as_function(value)
        elseif type(value) == "table" then
            as_functions(value)
        end
    end
end
as_functions(wire)

local error, type, next, pairs, ipairs, select, tonumber, unpack =
    error, type, next, pairs, ipairs, select, tonumber, unpack
local real_pcall, real_xpcall, real_rawget, real_rawset, real_rawequal = pcall, xpcall, rawget, rawset, rawequal
local real_getmetatable, real_setmetatable, real_tostring = getmetatable, setmetatable, tostring
local real_loadstring, real_load, setfenv, concat = loadstring, load, setfenv, table.concat
local real_create, real_resume, real_yield = coroutine.create, coroutine.resume, coroutine.yield
local real_running, real_status = coroutine.running, coroutine.status
local getinfo, sethook = debug.getinfo, debug.sethook
local byte, dump, find, gsub, sub = string.byte, string.dump, string.find, string.gsub, string.sub
local ceil, floor = math.ceil, math.floor

local READONLY = "Attempt to modify a readonly table"

-- Read-only tables

local real_of = real_setmetatable({}, { __mode = "k" })

local function refuse()
    error(READONLY, 2)
end

local function readonly(real, index)
    local proxy = real_setmetatable({}, { __index = index or real, __newindex = refuse, __metatable = false })
    real_of[proxy] = real
    return proxy
end

-- Errors

local take = wire.take
local _, FAILURE = real_pcall(wire.raise)

local function is_failure(err)
    return type(err) == "userdata" and real_rawequal(err, FAILURE)
end

-- What a script's own handler gets: tables of error replies stay tables.
local function exposed(err)
    if is_failure(err) then
        return (take())
    end
    return err
end

-- The clock of instructions

local interrupt = wire.interrupt
local INTERVAL = 100000
local is_ended = false
-- Whether the hook counts. It stays from one script to the next: to set and clear it takes 0.1 us.
local is_armed = false
local hook

local function disarm()
    is_armed = false
    sethook()
end

-- Call the hook at each line from now on.
local function hurry()
    is_armed = false
    sethook(hook, "l")
end

-- Ends the script if that is due. Called by the hook, and whenever an error was caught: deep in C calls the hook cannot
-- run and leaves such an error instead.
local function check()
    if interrupt() then
        is_ended = true
        -- From here on each line raises it again, so that pcall cannot swallow it.
        hurry()
        error(FAILURE, 0)
    end
end

hook = check

local function arm()
    is_ended = false
    is_armed = true
    sethook(hook, "", INTERVAL)
end

-- As Redis's pcall: of an error reply only its text is left.
local function caught(ok, err, ...)
    if ok then
        return true, err, ...
    end
    err = exposed(err)
    check()
    if type(err) == "table" then
        local text = real_rawget(err, "err")
        if type(text) == "string" then
            return false, text
        end
    end
    return false, err
end

-- Functions in C that may leave a call to another one, which then stands between them and the script.
local leaves = real_setmetatable({}, { __mode = "k" })

-- Where the script stands, for the error handler: the nearest frame that is neither a C function nor ours.
local function position(level)
    local info = getinfo(level, "Slf")
    if info and info.what == "C" then
        level = level + 1
        info = getinfo(level, "Slf")
    end
    if info and leaves[info.func] then
        level = level + 1
        info = getinfo(level, "Sl")
    end
    local is_ours = false
    while info and (info.source == "=respkv" or (is_ours and (info.what == "C" or info.what == "tail"))) do
        is_ours = true
        level = level + 1
        info = getinfo(level, "Sl")
    end
    return info
end

-- "user_script:1: " of the function that called the C function that is now running.
local function where()
    local info = getinfo(3, "Slf")
    if info and leaves[info.func] then
        info = getinfo(4, "Sl")
    end
    if info and info.currentline > 0 then
        return info.short_src .. ":" .. info.currentline .. ": "
    end
    return ""
end

local function handler(err)
    local info = position(3)
    if is_ended then
        -- Nothing of the script is left that could catch it.
        disarm()
    end
    if is_failure(err) then
        err = take()
    end
    if type(err) ~= "table" then
        err = { err = "ERR " .. real_tostring(err) }
    end
    if info then
        real_rawset(err, "source", info.source)
        real_rawset(err, "line", info.currentline)
    end
    return err
end

-- Globals

local globals = {}
local G = real_setmetatable({}, {
    __index = real_setmetatable(globals, {
        __index = function(_, name)
            error("Script attempted to access nonexistent global variable '" .. real_tostring(name) .. "'", 2)
        end,
    }),
    __newindex = refuse,
    __metatable = false,
})
real_of[G] = globals

local environment = G

-- Base functions

for _, name in ipairs({
    "assert", "error", "gcinfo", "ipairs", "select", "tonumber", "tostring", "type", "unpack", "rawequal",
}) do
    globals[name] = real_G[name]
end
globals._VERSION = _VERSION
globals._G = G

function globals.collectgarbage(option, argument)
    if option == nil or option == "collect" or option == "count" or option == "step" then
        return collectgarbage(option or "collect", argument or 0)
    end
    if option == "stop" or option == "restart" or option == "setpause" or option == "setstepmul" then
        return 0
    end
    error("bad argument #1 to 'collectgarbage' (invalid option '" .. real_tostring(option) .. "')", 2)
end

local function check_table(t, name)
    if type(t) ~= "table" then
        error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(t) .. ")", 3)
    end
end

function globals.next(t, key)
    check_table(t, "next")
    return next(real_of[t] or t, key)
end

function globals.pairs(t)
    check_table(t, "pairs")
    return pairs(real_of[t] or t)
end

function globals.rawget(t, key)
    check_table(t, "rawget")
    return real_rawget(real_of[t] or t, key)
end

function globals.rawset(t, key, value)
    check_table(t, "rawset")
    if real_of[t] then
        error(READONLY, 0)
    end
    return real_rawset(t, key, value)
end

local string_metatable

function globals.getmetatable(value)
    local kind = type(value)
    if kind == "string" then
        return string_metatable
    elseif kind == "table" and not real_of[value] then
        return real_getmetatable(value)
    end
    return nil
end

function globals.setmetatable(t, metatable)
    check_table(t, "setmetatable")
    if real_of[t] then
        error(READONLY, 0)
    end
    if metatable ~= nil and type(metatable) ~= "table" then
        error("bad argument #2 to 'setmetatable' (nil or table expected)", 2)
    end
    return real_setmetatable(t, metatable)
end

function globals.pcall(...)
    return caught(real_pcall(...))
end

local function handled(ok, ...)
    if not ok then
        check()
    end
    return ok, ...
end

function globals.xpcall(f, handle)
    return handled(real_xpcall(f, function(err)
        -- What runs here may run within the hook, with no other hook to end it.
        if is_ended or (type(err) == "string" and find(err, "stack overflow", 1, true)) then
            return err
        end
        return handle(exposed(err))
    end))
end

-- Text, never bytecode, which can be made to read and write anywhere: behind a space it is just a wrong character.
local function text_only(chunk)
    return byte(chunk, 1) == 27 and " " .. chunk or chunk
end

-- The function that a text makes. Lua does not hold on to the name while it compiles, which may collect garbage (as in
-- CVE-2025-49844): it does not matter if the same text is held here.
local function build(text, name)
    local zero = find(name, "%z")
    name = zero and sub(name, 1, zero - 1) or name
    local f, err = real_loadstring(text_only(text), name)
    if f and find(text, "...", 1, true) and wire.wants_room(dump(f)) then
        return nil, "function with too many parameters before '...'"
    end
    return f, err
end

local function in_environment(f, err)
    if f then
        setfenv(f, environment)
        return f
    end
    return nil, exposed(err)
end

function globals.loadstring(text, name)
    if type(text) ~= "string" and type(text) ~= "number" then
        error("bad argument #1 to 'loadstring' (string expected, got " .. type(text) .. ")", 2)
    end
    text = text .. ""
    return in_environment(build(text, real_tostring(name or text)))
end

function globals.load(read, name)
    if type(read) ~= "function" then
        error("bad argument #1 to 'load' (function expected, got " .. type(read) .. ")", 2)
    end
    -- Taken together first: the first byte alone tells bytecode, whatever pieces it comes in.
    local pieces = {}
    local ok, err = real_pcall(function()
        while true do
            local piece = read()
            if piece == nil or piece == "" then
                return
            end
            if type(piece) ~= "string" then
                error("reader function must return a string", 0)
            end
            pieces[#pieces + 1] = piece
        end
    end)
    if not ok then
        return nil, exposed(err)
    end
    return in_environment(build(concat(pieces), real_tostring(name or "=(load)")))
end

-- Coroutines

local function create(f)
    if type(f) ~= "function" or getinfo(f, "S").what == "C" then
        error("bad argument #1 to 'create' (Lua function expected)", 2)
    end
    local co = real_create(f)
    sethook(co, hook, "", INTERVAL)
    return co
end

local function resumed(ok, err, ...)
    if ok then
        return true, err, ...
    end
    err = exposed(err)
    check()
    return false, err
end

local function unwrapped(ok, ...)
    if ok then
        return ...
    end
    error((...), 0)
end

local coroutines = {
    create = create,
    running = real_running,
    status = real_status,
    yield = real_yield,
    resume = function(...)
        return resumed(real_resume(...))
    end,
    wrap = function(f)
        local co = create(f)
        return function(...)
            return unwrapped(real_resume(co, ...))
        end
    end,
}

-- Standard libraries

local function copy(from, names)
    local to = {}
    for name, value in pairs(from) do
        if not names or names[name] then
            to[name] = value
        end
    end
    return to
end

local strings = copy(real_G.string)
strings.dump = nil

-- Bounds on what can end the process: see _guards.c. Where that C is not to be had, a function of Lua stands between,
-- which loses the position of a caller that returns its value at once.
local PLACES_MAX, SHORT_BYTES, REPETITIONS_MAX, EXACT_MAX = 8000, 200, 1000, 2 ^ 53
local MATCH, FIND, UNPACK = 1, 2, 3

local function refuse_results()
    error("too many results to unpack", 3)
end

local function refuse_pattern()
    error("pattern too complex", 3)
end

local function index_of(at, value, default)
    local number = value == nil and default or tonumber(value)
    if not number then
        error("bad argument #" .. at .. " to 'unpack' (number expected, got " .. type(value) .. ")", 3)
    end
    if not (number > -EXACT_MAX and number < EXACT_MAX) then
        -- Nobody knows what int Lua takes of it.
        error("too many results to unpack", 3)
    end
    number = number < 0 and ceil(number) or floor(number)
    return (number + 2 ^ 31) % 2 ^ 32 - 2 ^ 31
end

local function guarded_unpack(...)
    local list, first, last = ...
    local given = select("#", ...)
    if type(list) ~= "table" then
        local got = given == 0 and "no value" or type(list)
        error("bad argument #1 to 'unpack' (table expected, got " .. got .. ")", 2)
    end
    first = index_of(2, first, 1)
    if index_of(3, last, #list) - first >= PLACES_MAX - given then
        error("too many results to unpack", 2)
    end
    return unpack(...)
end

local function passed(name, ok, ...)
    if ok then
        return ...
    end
    local err = ...
    if err == "not enough memory" then
        error(err, 0)
    end
    -- It has neither position nor name, since pcall stood where the script does.
    err = gsub(err, "'%?'", "'" .. name .. "'")
    error(err, 3)
end

local function guarded_match(name, real)
    return function(...)
        local _, pattern, replacement, is_plain = ...
        if type(pattern) == "string" and #pattern > SHORT_BYTES and not (name == "find" and is_plain) then
            local _, repetitions = gsub(pattern, "[*+?-]", "")
            if repetitions > REPETITIONS_MAX then
                error("pattern too complex", 2)
            end
        end
        if type(replacement) == "function" or type(replacement) == "table" then
            return real(...) -- whose errors are the script's own, but for those of a pattern, which tell a line of ours
        end
        return passed(name, real_pcall(real, ...))
    end
end

globals.unpack = wire.guard and wire.guard(unpack, refuse_results, UNPACK) or guarded_unpack
for _, name in ipairs({ "find", "match", "gmatch", "gfind", "gsub" }) do
    local real = strings[name]
    local guard = name == "find" and FIND or MATCH
    strings[name] = wire.guard and wire.guard(real, refuse_pattern, guard) or guarded_match(name, real)
end

local maths = copy(real_G.math)

globals.string = readonly(strings)
globals.table = readonly(copy(real_G.table))
globals.coroutine = readonly(coroutines)
globals.os = readonly({ clock = real_G.os.clock })
real_getmetatable("").__index = globals.string
real_getmetatable("").__metatable = false
string_metatable = readonly({ __index = globals.string })

for name, function_ in pairs(wire.math) do
    maths[name] = function_
end
globals.math = readonly(maths)

-- Redis's own

local function reply_of(kind)
    return function(text, ...)
        if type(text) ~= "string" or select("#", ...) > 0 then
            return { err = "ERR wrong number or type of arguments" }
        end
        if kind == "err" then
            return { err = wire.error_text(text) }
        end
        return { [kind] = text }
    end
end

local redis = copy(wire.redis)
local make_json, make_run
if wire.open_boundary then
    local call, pcall_, take_, make_json_, make_run_ = wire.open_boundary(wire.boundary, FAILURE, hurry)
    if call then
        redis.call, redis.pcall, take, make_json, make_run = call, pcall_, take_, make_json_, make_run_
    end
end
redis.error_reply = reply_of("err")
redis.status_reply = reply_of("ok")
globals.redis = readonly(redis)
globals.server = globals.redis

-- Let C do what it can of an instance of cjson: see _json.c.
local JSON_DECODE, JSON_ENCODE, JSON_OPTION = 1, 2, 3
local function hasten(instance)
    local options = {}
    for name, slow in pairs(make_json and instance or options) do
        if type(slow) == "function" then
            local kind = name == "decode" and JSON_DECODE or name == "encode" and JSON_ENCODE or JSON_OPTION
            local quick = make_json(kind, slow, options, instance.null)
            leaves[quick] = true
            instance[name] = quick
        end
    end
end

for name, library in pairs(wire.libraries) do
    if name == "cjson" then
        hasten(library)
        -- A new instance has options of its own, and may be changed.
        library.new = function()
            local instance = wire.new_json()
            as_functions(instance)
            hasten(instance)
            return instance
        end
    end
    globals[name] = readonly(copy(library))
end

-- Replies

local format = string.format
local DEPTH_MAX = 4000

-- A number as an integer reply shows it: cut towards zero.
local function integer(number)
    return format("%d", number)
end

local encode

local function encode_map(out, map, protocol, script_protocol, depth)
    local count = 0
    local at = #out + 1
    out[at] = ""
    for key, value in pairs(map) do
        count = count + 1
        encode(out, key, protocol, script_protocol, depth)
        encode(out, value, protocol, script_protocol, depth)
    end
    out[at] = protocol == 2 and "*" .. 2 * count .. "\r\n" or "%" .. count .. "\r\n"
end

local function encode_set(out, set, protocol, script_protocol, depth)
    local count = 0
    local at = #out + 1
    out[at] = ""
    for key in pairs(set) do
        count = count + 1
        encode(out, key, protocol, script_protocol, depth)
    end
    out[at] = (protocol == 2 and "*" or "~") .. count .. "\r\n"
end

local function line_of(text)
    return find(text, "[\r\n]") and string.gsub(text, "[\r\n]", " ") or text
end

-- The errors among the values that are encoded, nothing in place of those that were counted.
local errors

local function encode_table(out, t, protocol, script_protocol, depth)
    if depth > DEPTH_MAX then
        out[#out + 1] = "-ERR reached lua stack limit\r\n"
        errors = errors or {}
        errors[#errors + 1] = "ERR reached lua stack limit"
        return
    end
    depth = depth + 1
    local err = real_rawget(t, "err")
    if type(err) == "string" then
        err = line_of(err)
        out[#out + 1] = "-" .. err .. "\r\n"
        errors = errors or {}
        errors[#errors + 1] = real_rawget(t, "ignore_error_stats_update") ~= nil and "" or err
        return
    end
    local ok = real_rawget(t, "ok")
    if type(ok) == "string" then
        out[#out + 1] = "+" .. line_of(ok) .. "\r\n"
        return
    end
    local double = real_rawget(t, "double")
    if type(double) == "number" then
        local text = wire.format_double(double)
        out[#out + 1] = protocol == 2 and "$" .. #text .. "\r\n" .. text .. "\r\n" or "," .. text .. "\r\n"
        return
    end
    local map = real_rawget(t, "map")
    if type(map) == "table" then
        return encode_map(out, map, protocol, script_protocol, depth)
    end
    local set = real_rawget(t, "set")
    if type(set) == "table" then
        return encode_set(out, set, protocol, script_protocol, depth)
    end
    local big = real_rawget(t, "big_number")
    if type(big) == "string" then
        big = line_of(big)
        out[#out + 1] = protocol == 2 and "$" .. #big .. "\r\n" .. big .. "\r\n" or "(" .. big .. "\r\n"
        return
    end
    local verbatim = real_rawget(t, "verbatim_string")
    if type(verbatim) == "table" then
        local form, text = real_rawget(verbatim, "format"), real_rawget(verbatim, "string")
        if type(form) == "string" and type(text) == "string" then
            if protocol == 2 then
                out[#out + 1] = "$" .. #text .. "\r\n" .. text .. "\r\n"
            else
                form = string.sub(form .. "   ", 1, 3)
                out[#out + 1] = "=" .. #text + 4 .. "\r\n" .. form .. ":" .. text .. "\r\n"
            end
            return
        end
    end
    local at = #out + 1
    out[at] = ""
    local count = 0
    while true do
        local item = real_rawget(t, count + 1)
        if item == nil then
            break
        end
        count = count + 1
        encode(out, item, protocol, script_protocol, depth)
    end
    out[at] = "*" .. count .. "\r\n"
end

encode = function(out, value, protocol, script_protocol, depth)
    local kind = type(value)
    if kind == "string" then
        out[#out + 1] = "$" .. #value .. "\r\n" .. value .. "\r\n"
    elseif kind == "number" then
        out[#out + 1] = ":" .. integer(value) .. "\r\n"
    elseif kind == "table" then
        encode_table(out, value, protocol, script_protocol, depth)
    elseif kind == "boolean" and (value or script_protocol == 3) then
        if script_protocol == 3 and protocol == 3 then
            out[#out + 1] = value and "#t\r\n" or "#f\r\n"
        else
            out[#out + 1] = value and ":1\r\n" or ":0\r\n"
        end
    else
        out[#out + 1] = protocol == 2 and "$-1\r\n" or "_\r\n"
    end
end

-- The driver

local TABLE, BOOLEAN, FAILED = wire.TABLE, wire.BOOLEAN, wire.FAILED
local script_protocol = wire.script_protocol

local function answer(protocol, ok, value)
    if not ok then
        if type(value) ~= "table" then
            return FAILED, "ERR " .. real_tostring(value)
        end
        local text = real_rawget(value, "err")
        if type(text) ~= "string" then
            text = "ERR unknown error"
        end
        local counted = real_rawget(value, "ignore_error_stats_update") ~= nil
        return FAILED, text, real_rawget(value, "source"), real_rawget(value, "line"), counted
    end
    local kind = type(value)
    if kind == "string" or kind == "nil" then
        return value
    elseif kind == "number" then
        return value
    elseif kind == "table" then
        local err = real_rawget(value, "err")
        if err == nil and real_rawget(value, "ok") == "OK" then
            return true
        elseif type(err) == "string" then
            return FAILED, line_of(err), nil, nil, real_rawget(value, "ignore_error_stats_update") ~= nil
        end
        disarm()
        local out = {}
        errors = nil
        encode_table(out, value, protocol, script_protocol(), 1)
        if errors then
            return TABLE, concat(out), concat(errors, "\n")
        end
        return TABLE, concat(out)
    elseif kind == "boolean" then
        return BOOLEAN, value
    end
    return nil
end

-- Run a script: `count` keys, then arguments.
local function run(f, protocol, count, ...)
    if count == 0 then
        globals.KEYS, globals.ARGV = {}, { ... }
    else
        local keys, all = {}, { ... }
        for at = 1, count do
            keys[at] = all[at]
        end
        globals.KEYS, globals.ARGV = keys, { select(count + 1, ...) }
    end
    if not is_armed then
        arm()
    end
    return answer(protocol, real_xpcall(f, handler))
end

-- The same for one key.
local function run_one(f, protocol, key, ...)
    globals.KEYS, globals.ARGV = { key }, { ... }
    if not is_armed then
        arm()
    end
    return answer(protocol, real_xpcall(f, handler))
end

if make_run then
    run, run_one = make_run(globals, handler, answer, arm)
end

-- The same for so many arguments that they do not fit on the stack.
local function run_with(f, protocol, keys, argv)
    globals.KEYS, globals.ARGV = keys, argv
    if not is_armed then
        arm()
    end
    return answer(protocol, real_xpcall(f, handler))
end

-- Functions: their libraries see another world while they are loaded, and the scripts' one, without KEYS and ARGV, after.

local registered

local function complain(message)
    error({ err = "ERR " .. message }, 0)
end

local function is_text(value)
    return type(value) == "string" or type(value) == "number"
end

local function named_arguments(given)
    local name, callback, description, flags
    for key, value in next, given do
        if not is_text(key) then
            complain("named argument key given to redis.register_function is not a string")
        elseif key == "function_name" then
            name = is_text(value) and value .. "" or complain("function_name argument given to redis.register_function must be a string")
        elseif key == "description" then
            description = is_text(value) and value .. "" or complain("description argument given to redis.register_function must be a string")
        elseif key == "callback" then
            callback = type(value) == "function" and value or complain("callback argument given to redis.register_function must be a function")
        elseif key == "flags" then
            flags = type(value) == "table" and value or complain("flags argument to redis.register_function must be a table representing function flags")
        else
            complain("unknown argument given to redis.register_function")
        end
    end
    if not name then
        complain("redis.register_function must get a function name argument")
    elseif not callback then
        complain("redis.register_function must get a callback argument")
    end
    return name, callback, description, flags
end

local function register_function(...)
    -- A library that has kept hold of the function may call it at any time.
    if not registered then
        complain("redis.register_function can only be called on FUNCTION LOAD command")
    end
    local count = select("#", ...)
    if count < 1 or count > 2 then
        complain("wrong number of arguments to redis.register_function")
    end
    local name, callback, description, flags = ...
    if count == 1 then
        if type(name) ~= "table" then
            complain("calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).")
        end
        name, callback, description, flags = named_arguments(name)
    else
        description = nil
        if not is_text(name) then
            complain("first argument to redis.register_function must be a string")
        elseif type(callback) ~= "function" then
            complain("second argument to redis.register_function must be a function")
        end
        name = name .. ""
    end
    local words = {}
    for at = 1, flags and #flags or 0 do
        words[at] = type(flags[at]) == "string" and flags[at] or "?"
    end
    if #words > 0 and not wire.are_flags(concat(words, ",")) then
        complain("unknown flag given")
    elseif not wire.is_name(name) then
        complain(wire.bad_name)
    end
    for _, other in ipairs(registered) do
        if other.name == name then
            complain("Function already exists in the library")
        end
    end
    registered[#registered + 1] = { name = name, callback = callback, description = description, flags = concat(words, ",") }
end

local function nonexistent(_, name)
    error("Script attempted to access nonexistent global variable '" .. real_tostring(name) .. "'", 2)
end

local loading_redis = real_setmetatable({ register_function = register_function, log = redis.log }, { __index = nonexistent })
for name, value in pairs(redis) do
    if type(value) ~= "function" and (find(name, "^LOG_") or find(name, "^REDIS_")) then
        real_rawset(loading_redis, name, value)
    end
end
local loading_globals = real_setmetatable({ redis = readonly(loading_redis) }, { __index = nonexistent })
local library_metatable = { __index = globals, __newindex = refuse, __metatable = false }
local library_environment = real_setmetatable({}, library_metatable)
real_of[library_environment] = globals

-- Load a library: whether it worked, and what is wrong or its functions.
local function load_library(text)
    local f, err = build(text, "@user_function")
    if not f then
        return false, "compile", err
    end
    setfenv(f, library_environment)
    globals.KEYS, globals.ARGV = nil, nil
    registered = {}
    library_metatable.__index = loading_globals
    arm()
    local ok, value = real_xpcall(f, handler)
    library_metatable.__index = globals
    local functions = registered
    registered = nil
    if not ok then
        return false, "run", type(value) == "table" and real_rawget(value, "err") or "ERR " .. real_tostring(value)
    end
    return true, functions
end

local function call_function(f, protocol, keys, argv)
    globals.KEYS, globals.ARGV = nil, nil
    if not is_armed then
        arm()
    end
    return answer(protocol, real_xpcall(function()
        return f(keys, argv)
    end, handler))
end

local function compile(text, name)
    local f, err = build(text, name)
    if not f then
        return nil, err
    end
    setfenv(f, environment)
    return f
end

-- Nothing of the real globals is needed any more; `debug` must go so that lupa adds no traceback to messages.
real_getmetatable(FAILURE).__metatable = false
for _, name in ipairs({ "debug", "python", "io", "package", "require", "module", "dofile", "loadfile", "newproxy" }) do
    real_G[name] = nil
end

return {
    run = run,
    run_one = run_one,
    run_with = run_with,
    call_function = call_function,
    load_library = load_library,
    compile = compile,
    where = where,
    hurry = hurry,
    disarm = disarm,
    sweep = function()
        for proxy in pairs(real_of) do
            if proxy ~= G and next(proxy) ~= nil then
                for key in next, proxy do
                    proxy[key] = nil
                end
            end
        end
    end,
}
