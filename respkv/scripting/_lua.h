/* What the files in C share: the functions of lupa's Lua, and the state of `_json.c` that a Boundary keeps.
 *
 * Of Lua 5.1's lua.h, whose binary interface is fixed; `respkv_open_boundary` checks that it is so.
 */

#ifndef RESPKV_LUA_H
#define RESPKV_LUA_H

#include <stddef.h>

typedef struct lua_State lua_State;
typedef int (*lua_CFunction)(lua_State *);

enum { LUA_TNIL, LUA_TBOOLEAN, LUA_TLIGHTUSERDATA, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LUA_TFUNCTION, LUA_TUSERDATA };
enum { LUA_GLOBALSINDEX = -10002, LUA_MULTRET = -1, LUA_GCCOUNT = 3, LUA_MASKCOUNT = 8 };
#define UPVALUE(i) (LUA_GLOBALSINDEX - (i))

#define LUA_FUNCTIONS(X)                                                  \
    X(void, pushnil, (lua_State *))                                       \
    X(void, pushnumber, (lua_State *, double))                            \
    X(void, pushboolean, (lua_State *, int))                              \
    X(void, pushlstring, (lua_State *, const char *, size_t))             \
    X(void, pushlightuserdata, (lua_State *, void *))                     \
    X(void, pushcclosure, (lua_State *, lua_CFunction, int))              \
    X(void, pushvalue, (lua_State *, int))                                \
    X(void, insert, (lua_State *, int))                                   \
    X(int, gettop, (lua_State *))                                         \
    X(void, settop, (lua_State *, int))                                   \
    X(int, checkstack, (lua_State *, int))                                \
    X(int, type, (lua_State *, int))                                      \
    X(int, rawequal, (lua_State *, int, int))                             \
    X(int, isnumber, (lua_State *, int))                                  \
    X(double, tonumber, (lua_State *, int))                               \
    X(size_t, objlen, (lua_State *, int))                                 \
    X(int, toboolean, (lua_State *, int))                                 \
    X(const char *, tolstring, (lua_State *, int, size_t *))              \
    X(void *, touserdata, (lua_State *, int))                             \
    X(lua_CFunction, tocfunction, (lua_State *, int))                     \
    X(void, createtable, (lua_State *, int, int))                         \
    X(int, next, (lua_State *, int))                                      \
    X(void, rawget, (lua_State *, int))                                   \
    X(void, rawgeti, (lua_State *, int, int))                             \
    X(void, rawset, (lua_State *, int))                                   \
    X(void, rawseti, (lua_State *, int, int))                             \
    X(void, call, (lua_State *, int, int))                                \
    X(int, pcall, (lua_State *, int, int, int))                           \
    X(int, gc, (lua_State *, int, int))                                   \
    X(int, gethookmask, (lua_State *))                                    \
    X(int, error, (lua_State *))

#define LUA_DECLARE(result, name, arguments) result(*name) arguments;
struct lua_functions {
    LUA_FUNCTIONS(LUA_DECLARE)
};
/* Where they are, once a Boundary was made. */
extern struct lua_functions lua;

/* A text that grows, and what Lua may hold before more is put into it. */
typedef struct {
    char *bytes;
    size_t size;
    size_t capacity;
    long long room_bytes;
} Json;

/* (kind, slow, options, null) -> a function of cjson in C; its first upvalue is a Json, which lives longer. */
int respkv_make_json(lua_State *L);

/* (globals, handler, answer, arm), all of sandbox.lua -> its `run` and `run_one` in C */
int respkv_make_run(lua_State *L);

#endif
