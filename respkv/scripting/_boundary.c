/* redis.call and redis.pcall as C functions of Lua: from Lua's stack to a list of bytes, and from a reply to Lua's values.
 *
 * lupa's way makes a tuple for each argument, a dict for none, and asks for the memory in use by a method. This one calls
 * the same Python code, with the argv that a handler takes. See docs/adr/0025.
 *
 * Lua is lupa's: its functions are looked up in lupa's extension module, whose Lua is the one that runs.
 *
 * Rule 1: Lua leaves a C function by longjmp. So whatever may raise an error of Lua is called either without the
 *   interpreter lock and without a reference that we own, or within lua_pcall.
 * Rule 2: what lua_pcall calls here owns nothing: it borrows from an object that its caller holds.
 * Rule 3: an exception of Python never goes through Lua. The callbacks answer with `failed` or `full` instead, and the
 *   script sees the userdata FAILURE, which sandbox.lua exchanges for what it stands for.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_lua.h"

struct lua_functions lua;
static int lua_is_known = 0;

/* Texts up to this length are copied aside, so that the lock is given up before Lua makes its own of them. */
#define SHORT_TEXT 1024
/* Replies nest a few levels; this is far from what the C stack takes. */
#define DEPTH_MAX 100
/* As in replies.py. */
#define PLAIN_BYTES 64
/* So many arguments, of up to so many bytes, are known by Lua's own copy of them. */
#define KNOWN 128
#define KNOWN_BYTES 64

/* What Python hands over, in the order of the arguments of Boundary. */
enum {
    CALL,         /* (argv: list[bytes]) -> what Lua sees, or `failed` or `full` */
    CALL_VALUES,  /* the same, for arguments of which some are neither text nor integers */
    PCALL,        /* as CALL, of redis.pcall */
    PCALL_VALUES, /* as CALL_VALUES */
    TAKE,         /* () -> what the last failure stands for */
    FILL,         /* () -> None: there is no room for a reply, the script is to end */
    UNEXPECTED,   /* () -> None: the next failure is an internal error */
    OK_REPLY,     /* the reply that becomes {ok = "OK"} */
    FAILED_REPLY,
    FULL_REPLY,
    CALLBACKS
};

typedef struct {
    PyObject_HEAD
    PyObject *callbacks[CALLBACKS];
    /* The bytes that were made last of a text at an address that falls here, or NULL: see `bytes_of`. */
    PyObject *known[KNOWN];
    long long room_bytes; /* what Lua may hold before a reply: the limit less the headroom of interpreter.py */
    Json json;
} Boundary;

/* Upvalues of the functions that scripts call. */
enum { OF_BOUNDARY = 1, OF_FAILURE, OF_HURRY, OF_PUSH, OF_OK_NAME, OF_OK_TEXT, UPVALUES = OF_OK_TEXT };

/* From Python to Lua: called within lua_pcall, with the interpreter lock held. */

static void push_value(lua_State *L, PyObject *value, int depth);

static void push_dict(lua_State *L, PyObject *dict, int depth)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    lua.createtable(L, 0, (int)PyDict_GET_SIZE(dict));
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (key == Py_None) {
            continue; /* Lua has no such key */
        }
        push_value(L, key, depth);
        push_value(L, value, depth);
        lua.rawset(L, -3);
    }
}

static void push_list(lua_State *L, PyObject *list, int depth)
{
    Py_ssize_t count = PyList_GET_SIZE(list);

    lua.createtable(L, count < INT32_MAX ? (int)count : 0, 0);
    for (Py_ssize_t at = 0; at < count && at < PyList_GET_SIZE(list); at++) {
        push_value(L, PyList_GET_ITEM(list, at), depth);
        lua.rawseti(L, -2, (int)at + 1);
    }
}

static double number_of(PyObject *value)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (!overflow) {
        return (double)number;
    }
    return overflow < 0 ? -0x1p63 : 0x1p63;
}

static const char DEEP[] = "ERR reply is nested too deep";

static void push_value(lua_State *L, PyObject *value, int depth)
{
    if (PyBytes_Check(value)) {
        lua.pushlstring(L, PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value));
    }
    else if (PyBool_Check(value)) {
        lua.pushboolean(L, value == Py_True);
    }
    else if (PyLong_Check(value)) {
        lua.pushnumber(L, number_of(value));
    }
    else if (PyFloat_Check(value)) {
        lua.pushnumber(L, PyFloat_AS_DOUBLE(value));
    }
    else if (PyList_Check(value) || PyDict_Check(value)) {
        if (depth >= DEPTH_MAX || !lua.checkstack(L, 8)) {
            lua.pushlstring(L, DEEP, sizeof DEEP - 1);
            lua.error(L);
        }
        if (PyList_Check(value)) {
            push_list(L, value, depth + 1);
        }
        else {
            push_dict(L, value, depth + 1);
        }
    }
    else {
        lua.pushnil(L);
    }
}

static int push_protected(lua_State *L)
{
    push_value(L, lua.touserdata(L, 1), 0);
    return 1;
}

/* Push `value`, which the caller holds; or Lua's message, and the answer is not 0. */
static int push_in_pcall(lua_State *L, PyObject *value)
{
    lua.pushvalue(L, UPVALUE(OF_PUSH));
    lua.pushlightuserdata(L, value);
    return lua.pcall(L, 1, 1, 0);
}

/* From Lua to Python, with the interpreter lock held; nothing here can raise an error of Lua. */

static PyObject *text_of_integer(long long number)
{
    char digits[24];
    char *at = digits + sizeof digits;
    unsigned long long rest = number < 0 ? 0ULL - (unsigned long long)number : (unsigned long long)number;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0) {
        *--at = '-';
    }
    return PyBytes_FromStringAndSize(at, digits + sizeof digits - at);
}

/* A text of Lua. A script gives the same ones again and again, names of commands above all, and in Lua each text is
 * there once, so its address tells where to look for the bytes that were made of it. By then another text may be there:
 * they are compared. What is found also has its hash, and is what dicts know already.
 */
static PyObject *bytes_of(Boundary *self, const char *text, size_t length)
{
    if (length > KNOWN_BYTES) {
        return PyBytes_FromStringAndSize(text, (Py_ssize_t)length);
    }
    uintptr_t address = (uintptr_t)text;
    PyObject **known = &self->known[(address >> 4 ^ address >> 11) % KNOWN];
    PyObject *bytes = *known;
    if (bytes == NULL || (size_t)PyBytes_GET_SIZE(bytes) != length || memcmp(PyBytes_AS_STRING(bytes), text, length)) {
        bytes = PyBytes_FromStringAndSize(text, (Py_ssize_t)length);
        if (bytes == NULL) {
            return NULL;
        }
        Py_XSETREF(*known, bytes);
    }
    return Py_NewRef(bytes);
}

/* An argument; `*is_plain` becomes 0 if it is not yet what a handler takes. */
static PyObject *argument_of(lua_State *L, Boundary *self, int index, int *is_plain)
{
    int type = lua.type(L, index);
    if (type == LUA_TSTRING) {
        size_t length;
        const char *text = lua.tolstring(L, index, &length);
        return bytes_of(self, text, length);
    }
    if (type == LUA_TNUMBER) {
        double number = lua.tonumber(L, index);
        if (number >= -0x1p63 && number < 0x1p63 && number == (double)(long long)number) {
            return text_of_integer((long long)number);
        }
        *is_plain = 0;
        return PyFloat_FromDouble(number);
    }
    *is_plain = 0;
    return Py_NewRef(Py_None);
}

static PyObject *arguments_of(lua_State *L, Boundary *self, int *is_plain)
{
    int count = lua.gettop(L);
    PyObject *list = PyList_New(count);
    for (int at = 0; list != NULL && at < count; at++) {
        PyObject *argument = argument_of(L, self, at + 1, is_plain);
        if (argument == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, at, argument);
    }
    return list;
}

/* A new reference to what a callback answers, or NULL with an exception. */
static PyObject *answer_of(lua_State *L, Boundary *self, int is_pcall)
{
    int is_plain = 1;
    PyObject *argv = arguments_of(L, self, &is_plain);
    if (argv == NULL) {
        return NULL;
    }
    int which = is_pcall ? (is_plain ? PCALL : PCALL_VALUES) : (is_plain ? CALL : CALL_VALUES);
    PyObject *answer = PyObject_CallOneArg(self->callbacks[which], argv);
    Py_DECREF(argv);
    return answer;
}

/* After an exception that no callback caught, as of a lack of memory: it is told, and the script sees an internal error. */
static void note_exception(Boundary *self)
{
    PyErr_WriteUnraisable((PyObject *)self);
    PyObject *nothing = PyObject_CallNoArgs(self->callbacks[UNEXPECTED]);
    if (nothing == NULL) {
        PyErr_Clear();
    }
    Py_XDECREF(nothing);
}

static int has_room(lua_State *L, Boundary *self, size_t size)
{
    long long used = lua.gc(L, LUA_GCCOUNT, 0) * 1024LL;
    return used + 2 * (long long)size <= self->room_bytes;
}

typedef enum { NUMBER, BOOLEAN, NIL, TEXT, OK, PUSHED, WRONG, FAILED, FULL } Outcome;

/* The body of redis.call: everything that needs the interpreter lock. Sets what belongs to its outcome. */
static Outcome run(lua_State *L, Boundary *self, int is_pcall, double *number, char *text, size_t *length)
{
    Outcome outcome;
    PyObject *answer = answer_of(L, self, is_pcall);
    lua.settop(L, 0);
    if (answer == NULL) {
        note_exception(self);
        return FAILED;
    }
    if (PyBytes_CheckExact(answer)) {
        *length = (size_t)PyBytes_GET_SIZE(answer);
        if (!has_room(L, self, *length + PLAIN_BYTES)) {
            outcome = FULL;
        }
        else if (*length <= SHORT_TEXT) {
            memcpy(text, PyBytes_AS_STRING(answer), *length);
            outcome = TEXT;
        }
        else {
            outcome = push_in_pcall(L, answer) ? WRONG : PUSHED;
        }
    }
    else if (PyLong_CheckExact(answer)) {
        *number = number_of(answer);
        outcome = NUMBER;
    }
    else if (answer == self->callbacks[OK_REPLY]) {
        outcome = has_room(L, self, 4 * PLAIN_BYTES) ? OK : FULL;
    }
    else if (answer == Py_None) {
        outcome = NIL;
    }
    else if (PyBool_Check(answer)) {
        *number = answer == Py_True;
        outcome = BOOLEAN;
    }
    else if (answer == self->callbacks[FAILED_REPLY]) {
        outcome = FAILED;
    }
    else if (answer == self->callbacks[FULL_REPLY]) {
        Py_DECREF(answer);
        return FULL; /* the callback called `fill` itself */
    }
    else {
        outcome = push_in_pcall(L, answer) ? WRONG : PUSHED;
    }
    Py_DECREF(answer);
    if (outcome == FULL) {
        PyObject *nothing = PyObject_CallNoArgs(self->callbacks[FILL]);
        if (nothing == NULL) {
            note_exception(self);
        }
        Py_XDECREF(nothing);
    }
    return outcome;
}

static int call(lua_State *L, int is_pcall)
{
    Boundary *self = lua.touserdata(L, UPVALUE(OF_BOUNDARY));
    char text[SHORT_TEXT];
    size_t length = 0;
    double number = 0;

    PyGILState_STATE state = PyGILState_Ensure();
    Outcome outcome = run(L, self, is_pcall, &number, text, &length);
    PyGILState_Release(state);
    /* Here is nothing left that an error of Lua could take along. */
    switch (outcome) {
    case NUMBER:
        lua.pushnumber(L, number);
        return 1;
    case TEXT:
        lua.pushlstring(L, text, length);
        return 1;
    case OK:
        lua.createtable(L, 0, 1);
        lua.pushvalue(L, UPVALUE(OF_OK_NAME));
        lua.pushvalue(L, UPVALUE(OF_OK_TEXT));
        lua.rawset(L, -3);
        return 1;
    case BOOLEAN:
        lua.pushboolean(L, number != 0);
        return 1;
    case NIL:
        lua.pushnil(L);
        return 1;
    case PUSHED:
        return 1;
    case WRONG:
        return lua.error(L);
    case FULL:
        /* From the next line on the hook ends the script. */
        lua.pushvalue(L, UPVALUE(OF_HURRY));
        lua.call(L, 0, 0);
        break;
    case FAILED:
        break;
    }
    lua.pushvalue(L, UPVALUE(OF_FAILURE));
    return lua.error(L);
}

static int redis_call(lua_State *L)
{
    return call(L, 0);
}

static int redis_pcall(lua_State *L)
{
    return call(L, 1);
}

/* What the last failure stands for. */
static int redis_take(lua_State *L)
{
    Boundary *self = lua.touserdata(L, UPVALUE(OF_BOUNDARY));
    int is_wrong;

    lua.settop(L, 0);
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *pending = PyObject_CallNoArgs(self->callbacks[TAKE]);
    if (pending == NULL) {
        PyErr_WriteUnraisable((PyObject *)self);
        lua.pushnil(L);
        is_wrong = 0;
    }
    else {
        is_wrong = push_in_pcall(L, pending);
        Py_DECREF(pending);
    }
    PyGILState_Release(state);
    return is_wrong ? lua.error(L) : 1;
}

/* Push one of the functions above; on the stack are the arguments of `respkv_open_boundary`. */
static void push_function(lua_State *L, Boundary *self, lua_CFunction function)
{
    lua.pushlightuserdata(L, self);
    lua.pushvalue(L, 2);
    lua.pushvalue(L, 3);
    lua.pushcclosure(L, push_protected, 0);
    lua.pushlstring(L, "ok", 2);
    lua.pushlstring(L, "OK", 2);
    lua.pushcclosure(L, function, UPVALUES);
}

/* What Lua loads by package.loadlib: (Boundary.handle, FAILURE, what hurries the hook) -> redis.call, redis.pcall, take,
 * and what makes the functions of _json.c and of _run.c. No value if Lua is not as it is declared above. Called once, under Lua, without the interpreter lock.
 */
__attribute__((visibility("default"))) int respkv_open_boundary(lua_State *L)
{
    Boundary *self;
    size_t length = 0;

    if (!lua_is_known || lua.gettop(L) != 3 || lua.type(L, 1) != LUA_TSTRING) {
        return 0;
    }
    const char *handle = lua.tolstring(L, 1, &length);
    if (length != sizeof self) {
        return 0;
    }
    memcpy(&self, handle, sizeof self);
    lua.pushnumber(L, 1.5);
    lua.pushnil(L);
    if (lua.type(L, -2) != LUA_TNUMBER || lua.tonumber(L, -2) != 1.5 || lua.gettop(L) != 5) {
        return 0;
    }
    lua.settop(L, 3);
    push_function(L, self, redis_call);
    push_function(L, self, redis_pcall);
    push_function(L, self, redis_take);
    lua.pushlightuserdata(L, &self->json);
    lua.pushcclosure(L, respkv_make_json, 1);
    lua.pushcclosure(L, respkv_make_run, 0);
    return 5;
}

/* The module */

static int find_lua(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (library == NULL) {
        PyErr_SetString(PyExc_ImportError, "lupa's Lua is not loaded");
        return -1;
    }
#define FIND(result, name, arguments) *(void **)&lua.name = dlsym(library, "lua_" #name);
    LUA_FUNCTIONS(FIND)
#define IS_MISSING(result, name, arguments) || lua.name == NULL
    if (0 LUA_FUNCTIONS(IS_MISSING)) {
        dlclose(library);
        PyErr_SetString(PyExc_ImportError, "lupa does not show the functions of its Lua");
        return -1;
    }
    /* Stays open: it is one more reference to a library that Python never unloads. */
    lua_is_known = 1;
    return 0;
}

static int boundary_traverse(Boundary *self, visitproc visit, void *arg)
{
    for (int at = 0; at < CALLBACKS; at++) {
        Py_VISIT(self->callbacks[at]);
    }
    return 0;
}

/* Nothing of Lua runs any more: whoever runs it holds the interpreter, which holds this. */
static int boundary_clear(Boundary *self)
{
    for (int at = 0; at < CALLBACKS; at++) {
        Py_CLEAR(self->callbacks[at]);
    }
    for (int at = 0; at < KNOWN; at++) {
        Py_CLEAR(self->known[at]);
    }
    return 0;
}

static void boundary_dealloc(Boundary *self)
{
    PyObject_GC_UnTrack(self);
    boundary_clear(self);
    free(self->json.bytes);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *boundary_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    PyObject *path = NULL;
    PyObject *callbacks;
    long long room_bytes;

    (void)named;
    if (!PyArg_ParseTuple(arguments, "O&O!L", PyUnicode_FSConverter, &path, &PyTuple_Type, &callbacks, &room_bytes)) {
        return NULL;
    }
    int is_wrong = !lua_is_known && find_lua(PyBytes_AS_STRING(path)) < 0;
    Py_DECREF(path);
    if (is_wrong) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(callbacks) != CALLBACKS) {
        PyErr_SetString(PyExc_TypeError, "the wrong number of callbacks");
        return NULL;
    }
    Boundary *self = (Boundary *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    for (int at = 0; at < CALLBACKS; at++) {
        self->callbacks[at] = Py_NewRef(PyTuple_GET_ITEM(callbacks, at));
    }
    self->room_bytes = room_bytes;
    self->json.room_bytes = room_bytes;
    return (PyObject *)self;
}

static PyObject *boundary_handle(Boundary *self, PyObject *nothing)
{
    (void)nothing;
    return PyBytes_FromStringAndSize((const char *)&self, sizeof self);
}

static PyMethodDef boundary_methods[] = {
    {"handle", (PyCFunction)boundary_handle, METH_NOARGS, "What Lua is to give to respkv_open_boundary."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject boundary_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "respkv.scripting._boundary.Boundary",
    .tp_doc = "Boundary(path of lupa's module, callbacks, room in bytes): must outlive the Lua that it was opened in.",
    .tp_basicsize = sizeof(Boundary),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = boundary_new,
    .tp_dealloc = (destructor)boundary_dealloc,
    .tp_traverse = (traverseproc)boundary_traverse,
    .tp_clear = (inquiry)boundary_clear,
    .tp_methods = boundary_methods,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "respkv.scripting._boundary",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__boundary(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made != NULL && PyModule_AddType(made, &boundary_type) < 0) {
        Py_CLEAR(made);
    }
    return made;
}
