/* Bounds on functions of Lua 5.1 that can end or corrupt the process, whoever calls them.
 *
 * A guarded function is the real one behind a look at its arguments, in the same frame of Lua, so that nothing else that
 * it does or says is different.
 */

#include "_lua.h"

/* The most places on its stack that Lua gives a function in C. */
enum { PLACES_MAX = 8000 };
/* How long a pattern may be without a look at it, and how many repetitions it may have: each takes less than 300 bytes
   of the C stack, of which a thread may have no more than half a megabyte. */
enum { SHORT_BYTES = 200, REPETITIONS_MAX = 1000 };
/* Below it, all whole numbers are exact. */
#define EXACT_MAX 9007199254740992.0
enum { REAL = 1, REFUSE, UPVALUES = REFUSE };
enum { MATCH = 1, FIND, UNPACK }; /* as in sandbox.lua */

static int refuse(lua_State *L)
{
    lua.pushvalue(L, UPVALUE(REFUSE));
    lua.call(L, 0, 0);
    return 0;
}

/* The matcher calls itself for each repetition in a pattern that it has come to: a million times `a?` fill the C stack
   (in redis-server too). */
static int is_too_complex(lua_State *L)
{
    size_t size = 0;
    int repetitions = 0;

    if (lua.type(L, 2) != LUA_TSTRING) {
        return 0;
    }
    const char *pattern = lua.tolstring(L, 2, &size);
    for (size_t at = 0; size > SHORT_BYTES && at < size; at++) {
        char byte = pattern[at];
        repetitions += byte == '*' || byte == '+' || byte == '-' || byte == '?';
    }
    return repetitions > REPETITIONS_MAX;
}

static int guarded_match(lua_State *L)
{
    return is_too_complex(L) ? refuse(L) : lua.tocfunction(L, UPVALUE(REAL))(L);
}

/* Its fourth argument says that the pattern is none. */
static int guarded_find(lua_State *L)
{
    return !lua.toboolean(L, 4) && is_too_complex(L) ? refuse(L) : lua.tocfunction(L, UPVALUE(REAL))(L);
}

/* Whether argument `index` is a number of which nobody knows what int Lua takes of it. */
static int is_vague(lua_State *L, int index)
{
    double number = lua.isnumber(L, index) ? lua.tonumber(L, index) : 0;
    return !(number > -EXACT_MAX && number < EXACT_MAX);
}

/* What Lua takes of argument `index` where it wants an int; `otherwise` without one. What is no number, the real function
   complains of. */
static long long int_at(lua_State *L, int index, long long otherwise)
{
    return lua.isnumber(L, index) ? (int)(long long)lua.tonumber(L, index) : otherwise;
}

/* `unpack` takes the difference of two far ends for a small number of values, and reads whatever lies there (redis-server's
   copy of Lua is mended). */
static int guarded_unpack(lua_State *L)
{
    if (lua.type(L, 1) == LUA_TTABLE) {
        if (is_vague(L, 2) || is_vague(L, 3)) {
            return refuse(L);
        }
        long long first = int_at(L, 2, 1), last = int_at(L, 3, (long long)lua.objlen(L, 1));
        if (last - first >= PLACES_MAX) {
            return refuse(L);
        }
    }
    return lua.tocfunction(L, UPVALUE(REAL))(L);
}

/* What Lua loads by package.loadlib: (real function, what raises the error, which guard) -> guarded function. No value if
 * that is impossible. After a Boundary was made.
 */
__attribute__((visibility("default"))) int respkv_guard(lua_State *L)
{
    if (lua.gettop(L) != 3 || lua.tocfunction(L, REAL) == NULL) {
        return 0;
    }
    int guard = (int)lua.tonumber(L, 3);
    lua.settop(L, UPVALUES);
    lua.pushcclosure(L, guard == UNPACK ? guarded_unpack : guard == FIND ? guarded_find : guarded_match, UPVALUES);
    return 1;
}
