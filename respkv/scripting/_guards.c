/* Bounds on functions of Lua 5.1 that can end or corrupt the process, whoever calls them.
 *
 * A guarded function is the real one behind a look at its arguments, in the same frame of Lua, so that nothing else that
 * it does or says is different.
 */

#include <limits.h>

#include "_lua.h"

/* The most places on its stack that Lua gives a function in C. */
enum { PLACES_MAX = 8000 };
/* How long a pattern may be without a look at it, and how many repetitions it may have: each takes less than 300 bytes
   of the C stack, of which a thread may have no more than half a megabyte. */
enum { SHORT_BYTES = 200, REPETITIONS_MAX = 1000 };
enum { REAL = 1, REFUSE, UPVALUES = REFUSE };

static int refuse(lua_State *L)
{
    lua.pushvalue(L, UPVALUE(REFUSE));
    lua.call(L, 0, 0);
    return 0;
}

/* The matcher calls itself for each repetition in a pattern that it has come to: a million times `a?` fill the C stack
   (in redis-server too). */
static int guarded_match(lua_State *L)
{
    size_t size = 0;
    int repetitions = 0;

    if (lua.type(L, 2) == LUA_TSTRING) {
        const char *pattern = lua.tolstring(L, 2, &size);
        for (size_t at = 0; size > SHORT_BYTES && at < size; at++) {
            char byte = pattern[at];
            repetitions += byte == '*' || byte == '+' || byte == '-' || byte == '?';
        }
    }
    return repetitions > REPETITIONS_MAX ? refuse(L) : lua.tocfunction(L, UPVALUE(REAL))(L);
}

/* What Lua takes of argument `index` where it wants an int; `otherwise` without one. What is no number, the real function
   complains of. */
static long long int_at(lua_State *L, int index, long long otherwise)
{
    if (lua.type(L, index) <= LUA_TNIL || !lua.isnumber(L, index)) {
        return otherwise;
    }
    double number = lua.tonumber(L, index);
    return number > -9e18 && number < 9e18 ? (int)(long long)number : INT_MIN;
}

/* `unpack` takes the difference of two far ends for a small number of values, and reads whatever lies there (redis-server's
   copy of Lua is mended). */
static int guarded_unpack(lua_State *L)
{
    if (lua.type(L, 1) == LUA_TTABLE) {
        long long first = int_at(L, 2, 1), last = int_at(L, 3, (long long)lua.objlen(L, 1));
        if (last - first >= PLACES_MAX) {
            return refuse(L);
        }
    }
    return lua.tocfunction(L, UPVALUE(REAL))(L);
}

/* What Lua loads by package.loadlib: (real function, what raises the error, whether it is `unpack`) -> guarded function.
 * No value if that is impossible. After a Boundary was made.
 */
__attribute__((visibility("default"))) int respkv_guard(lua_State *L)
{
    if (lua.gettop(L) != 3 || lua.tocfunction(L, REAL) == NULL) {
        return 0;
    }
    int is_unpack = lua.toboolean(L, 3);
    lua.settop(L, UPVALUES);
    lua.pushcclosure(L, is_unpack ? guarded_unpack : guarded_match, UPVALUES);
    return 1;
}
