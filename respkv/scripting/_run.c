/* What enters a script, as a C function of Lua: KEYS and ARGV, a protected call, and what commonly comes out of it.
 *
 * It does what `run` and `run_one` of sandbox.lua do, in a third of the time; results that are neither text, a number, nil
 * nor the status OK go to `answer` there, as errors do. Nothing here is of Python, and the interpreter lock is not held.
 */

#include "_lua.h"

/* Upvalues: what `respkv_make_run` was given, and names. */
enum { OF_GLOBALS = 1, OF_HANDLER, OF_ANSWER, OF_ARM, OF_KEYS, OF_ARGV, OF_OK_NAME, OF_ERR_NAME, OF_OK_TEXT };
enum { UPVALUES = OF_OK_TEXT };

/* Where the arguments stand. */
enum { FUNCTION = 1, PROTOCOL, FIRST };

/* Make a global of the `count` values from `first` on. */
static void set_global(lua_State *L, int name, int first, int count)
{
    lua.pushvalue(L, UPVALUE(name));
    lua.createtable(L, count, 0);
    for (int at = 0; at < count; at++) {
        lua.pushvalue(L, first + at);
        lua.rawseti(L, -2, at + 1);
    }
    lua.rawset(L, UPVALUE(OF_GLOBALS));
}

/* Whether the table on top is what redis.status_reply("OK") gives, with whatever else a script put there. */
static int is_ok(lua_State *L)
{
    lua.pushvalue(L, UPVALUE(OF_OK_NAME));
    lua.rawget(L, -2);
    lua.pushvalue(L, UPVALUE(OF_ERR_NAME));
    lua.rawget(L, -3);
    int is = lua.rawequal(L, -2, UPVALUE(OF_OK_TEXT)) && lua.type(L, -1) == LUA_TNIL;
    lua.settop(L, -3);
    return is;
}

/* What `answer` says of the value on top. */
static int answer(lua_State *L, int is_right)
{
    int value = lua.gettop(L);
    lua.pushvalue(L, UPVALUE(OF_ANSWER));
    lua.pushvalue(L, PROTOCOL);
    lua.pushboolean(L, is_right);
    lua.pushvalue(L, value);
    lua.call(L, 3, LUA_MULTRET);
    return lua.gettop(L) - value;
}

/* With `count` keys from `first` on, and arguments behind them. */
static int run_with(lua_State *L, int first, int count)
{
    int top = lua.gettop(L);

    set_global(L, OF_KEYS, first, count);
    set_global(L, OF_ARGV, first + count, top + 1 - first - count);
    if (lua.gethookmask(L) != LUA_MASKCOUNT) {
        lua.pushvalue(L, UPVALUE(OF_ARM));
        lua.call(L, 0, 0);
    }
    lua.pushvalue(L, UPVALUE(OF_HANDLER));
    lua.pushvalue(L, FUNCTION);
    if (lua.pcall(L, 0, 1, top + 1)) {
        return answer(L, 0);
    }
    switch (lua.type(L, -1)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
    case LUA_TNIL:
        return 1;
    case LUA_TTABLE:
        if (is_ok(L)) {
            lua.pushboolean(L, 1);
            return 1;
        }
        /* fall through */
    default:
        return answer(L, 1);
    }
}

/* (function, protocol, number of keys, keys and arguments...) -> as `answer` */
static int run(lua_State *L)
{
    return run_with(L, FIRST + 1, (int)lua.tonumber(L, FIRST));
}

/* (function, protocol, key, arguments...) -> as `answer` */
static int run_one(lua_State *L)
{
    return run_with(L, FIRST, 1);
}

static void push_function(lua_State *L, lua_CFunction function)
{
    for (int at = OF_GLOBALS; at <= OF_ARM; at++) {
        lua.pushvalue(L, at);
    }
    lua.pushlstring(L, "KEYS", 4);
    lua.pushlstring(L, "ARGV", 4);
    lua.pushlstring(L, "ok", 2);
    lua.pushlstring(L, "err", 3);
    lua.pushlstring(L, "OK", 2);
    lua.pushcclosure(L, function, UPVALUES);
}

int respkv_make_run(lua_State *L)
{
    lua.settop(L, OF_ARM);
    push_function(L, run);
    push_function(L, run_one);
    return 2;
}
