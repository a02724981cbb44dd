/* cjson.decode and cjson.encode as C functions of Lua, for what JSON mostly is; all else they leave to lua/cjson.lua.
 *
 * Rule 1: they answer what cjson.lua answers, or leave the call to it from the beginning: what is wrong and how that is
 *   said, options once they were asked for, deep nesting, numbers and escapes that are seldom.
 * Rule 2: nothing here is of Python, and the interpreter lock is not held. An error of Lua (no memory) may leave from
 *   anywhere; what is not Lua's is the text in `Json`, which belongs to the Boundary and is used again.
 */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "_lua.h"

/* Deeper is left to cjson.lua, which knows the limit. */
#define DEPTH_MAX 100
/* A longer text is given back when it was used; or, if an error of Lua left, when another one begins. */
#define KEPT_BYTES 65536

enum { DECODE = 1, ENCODE, OPTION };
/* `options` is a table that has something at 1 once an option was asked for. */
enum { OF_JSON = 1, OF_SLOW, OF_OPTIONS, OF_NULL, UPVALUES = OF_NULL };

/* The growing text; it is not in Lua, so it has a bound of its own: what Lua would not take anyway is left to it. */

static int reserve(Json *json, size_t more)
{
    if (json->capacity - json->size >= more) {
        return 1;
    }
    if (2 * (long long)(json->size + more) > json->room_bytes) {
        return 0;
    }
    size_t capacity = 2 * json->capacity + more + 256;
    char *bytes = realloc(json->bytes, capacity);
    if (bytes == NULL) {
        return 0;
    }
    json->bytes = bytes;
    json->capacity = capacity;
    return 1;
}

static int add(Json *json, const char *text, size_t length)
{
    if (!reserve(json, length)) {
        return 0;
    }
    memcpy(json->bytes + json->size, text, length);
    json->size += length;
    return 1;
}

static int add_byte(Json *json, char byte)
{
    return add(json, &byte, 1);
}

static void begin(Json *json)
{
    json->size = 0;
    if (json->capacity > KEPT_BYTES) {
        free(json->bytes);
        json->bytes = NULL;
        json->capacity = 0;
    }
}

static int has_room(lua_State *L, const Json *json, size_t size)
{
    return lua.gc(L, LUA_GCCOUNT, 0) * 1024LL + 2 * (long long)size <= json->room_bytes;
}

/* From JSON to Lua */

typedef struct {
    lua_State *L;
    Json *json;
    const char *at;
    const char *end; /* a zero byte */
} Reader;

/* Each of these pushes one value and is 1, or is 0 and leaves on the stack whatever it likes. */

static int decode_value(Reader *reader, int depth);

static void skip(Reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\t' || *reader->at == '\r') {
        reader->at++;
    }
}

static int is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static int hex_of(char byte)
{
    if (is_digit(byte)) {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* What \uXXXX at `at` stands for; -1 if that is half of a pair or nothing. */
static int code_of(const char *at)
{
    int code = 0;
    for (int digit = 0; digit < 4; digit++) {
        int value = hex_of(at[digit]);
        if (value < 0) {
            return -1;
        }
        code = code << 4 | value;
    }
    return code >= 0xd800 && code < 0xe000 ? -1 : code;
}

static int add_utf8(Json *json, int code)
{
    char bytes[3];
    if (code < 0x80) {
        return add_byte(json, (char)code);
    }
    if (code < 0x800) {
        bytes[0] = (char)(0xc0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3f));
        return add(json, bytes, 2);
    }
    bytes[0] = (char)(0xe0 | code >> 12);
    bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
    bytes[2] = (char)(0x80 | (code & 0x3f));
    return add(json, bytes, 3);
}

static const char *plain_end(const char *at)
{
    while (*at != '"' && *at != '\\' && *at != '\0') {
        at++;
    }
    return at;
}

/* A string with escapes, of which the one at `at` is the first. */
static int decode_escaped(Reader *reader, const char *start, const char *at)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    Json *json = reader->json;

    begin(json);
    for (;;) {
        if (!add(json, start, (size_t)(at - start))) {
            return 0;
        }
        if (*at == '"') {
            break;
        }
        if (*at == '\0') {
            return 0;
        }
        const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
        if (letter != NULL) {
            start = at + 2;
            if (!add_byte(json, meant[letter - letters])) {
                return 0;
            }
        }
        else {
            int code = at[1] == 'u' ? code_of(at + 2) : -1;
            if (code < 0 || !add_utf8(json, code)) {
                return 0;
            }
            start = at + 6;
        }
        at = plain_end(start);
    }
    reader->at = at + 1;
    lua.pushlstring(reader->L, json->bytes, json->size);
    return 1;
}

static int decode_string(Reader *reader)
{
    const char *start = reader->at + 1;
    const char *at = plain_end(start);
    if (*at != '"') {
        return decode_escaped(reader, start, at);
    }
    reader->at = at + 1;
    lua.pushlstring(reader->L, start, (size_t)(at - start));
    return 1;
}

static int decode_number(Reader *reader)
{
    const char *start = reader->at;
    const char *at = start + (*start == '-');
    const char *digits = at;
    int64_t number = 0;
    int is_whole = 1;

    if (!is_digit(*at) || (*at == '0' && (is_digit(at[1]) || (at[1] | 0x20) == 'x'))) {
        return 0;
    }
    for (; is_digit(*at); at++) {
        if (at - digits < 15) {
            number = number * 10 + (*at - '0');
        }
    }
    is_whole = at - digits <= 15;
    if (*at == '.') {
        is_whole = 0;
        if (!is_digit(*++at)) {
            return 0;
        }
        while (is_digit(*at)) {
            at++;
        }
    }
    if ((*at | 0x20) == 'e') {
        is_whole = 0;
        at++;
        if (*at == '+' || *at == '-') {
            at++;
        }
        if (!is_digit(*at)) {
            return 0;
        }
        while (is_digit(*at)) {
            at++;
        }
    }
    double value = (double)number;
    if (is_whole) {
        value = *start == '-' ? -value : value;
    }
    else {
        char *stop;
        value = strtod(start, &stop);
        if (stop != at) {
            return 0;
        }
    }
    reader->at = at;
    lua.pushnumber(reader->L, value);
    return 1;
}

static int decode_array(Reader *reader, int depth)
{
    lua_State *L = reader->L;

    if (depth > DEPTH_MAX || !lua.checkstack(L, 4)) {
        return 0;
    }
    lua.createtable(L, 0, 0);
    reader->at++;
    skip(reader);
    if (*reader->at == ']') {
        reader->at++;
        return 1;
    }
    for (int at = 1;; at++) {
        if (at == INT32_MAX || !decode_value(reader, depth)) {
            return 0;
        }
        lua.rawseti(L, -2, at);
        skip(reader);
        char mark = *reader->at++;
        if (mark == ']') {
            return 1;
        }
        if (mark != ',') {
            return 0;
        }
        skip(reader);
    }
}

static int decode_object(Reader *reader, int depth)
{
    lua_State *L = reader->L;

    if (depth > DEPTH_MAX || !lua.checkstack(L, 4)) {
        return 0;
    }
    lua.createtable(L, 0, 0);
    reader->at++;
    skip(reader);
    if (*reader->at == '}') {
        reader->at++;
        return 1;
    }
    for (;;) {
        if (*reader->at != '"' || !decode_string(reader)) {
            return 0;
        }
        skip(reader);
        if (*reader->at != ':') {
            return 0;
        }
        reader->at++;
        skip(reader);
        if (!decode_value(reader, depth)) {
            return 0;
        }
        lua.rawset(L, -3);
        skip(reader);
        char mark = *reader->at++;
        if (mark == '}') {
            return 1;
        }
        if (mark != ',') {
            return 0;
        }
        skip(reader);
    }
}

static int decode_word(Reader *reader, const char *word, size_t length)
{
    if (strncmp(reader->at, word, length)) {
        return 0;
    }
    reader->at += length;
    return 1;
}

static int decode_value(Reader *reader, int depth)
{
    switch (*reader->at) {
    case '"':
        return decode_string(reader);
    case '{':
        return decode_object(reader, depth + 1);
    case '[':
        return decode_array(reader, depth + 1);
    case 't':
        lua.pushboolean(reader->L, 1);
        return decode_word(reader, "true", 4);
    case 'f':
        lua.pushboolean(reader->L, 0);
        return decode_word(reader, "false", 5);
    case 'n':
        lua.pushvalue(reader->L, UPVALUE(OF_NULL));
        return decode_word(reader, "null", 4);
    default:
        return decode_number(reader);
    }
}

static int is_decoded(lua_State *L, Json *json)
{
    size_t length;
    if (lua.type(L, 1) != LUA_TSTRING) {
        return 0;
    }
    const char *text = lua.tolstring(L, 1, &length);
    if (!has_room(L, json, length)) {
        return 0;
    }
    Reader reader = {L, json, text, text + length};
    skip(&reader);
    if (!decode_value(&reader, 0)) {
        return 0;
    }
    skip(&reader);
    return reader.at == reader.end;
}

/* From Lua to JSON: each of these adds to the text and is 1, or is 0. */

static int encode_value(lua_State *L, Json *json, int index, int depth);

static int encode_number(Json *json, double number)
{
    char text[32];
    int length;

    if (!isfinite(number)) {
        return 0;
    }
    if (number > -1e14 && number < 1e14 && number == (double)(int64_t)number && (number != 0 || !signbit(number))) {
        char *at = text + sizeof text;
        uint64_t rest = (uint64_t)(number < 0 ? -number : number);
        do {
            *--at = (char)('0' + rest % 10);
            rest /= 10;
        } while (rest);
        if (number < 0) {
            *--at = '-';
        }
        return add(json, at, (size_t)(text + sizeof text - at));
    }
    length = snprintf(text, sizeof text, "%.14g", number);
    return add(json, text, (size_t)length);
}

static int is_special(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\' || byte == '/' || byte == 0x7f;
}

static int encode_special(Json *json, unsigned char byte)
{
    static const char named[] = "\b\t\n\f\r\"\\/";
    static const char letters[] = "btnfr\"\\/";
    const char *name = byte ? strchr(named, byte) : NULL;
    char text[8];

    if (name != NULL) {
        text[0] = '\\';
        text[1] = letters[name - named];
        return add(json, text, 2);
    }
    snprintf(text, sizeof text, "\\u%04x", byte);
    return add(json, text, 6);
}

static int encode_string(Json *json, const char *text, size_t length)
{
    const char *end = text + length;

    if (!reserve(json, length + 2) || !add_byte(json, '"')) {
        return 0;
    }
    while (text < end) {
        const char *start = text;
        while (text < end && !is_special((unsigned char)*text)) {
            text++;
        }
        if (!add(json, start, (size_t)(text - start)) || (text < end && !encode_special(json, (unsigned char)*text++))) {
            return 0;
        }
    }
    return add_byte(json, '"');
}

/* The length of a table that is an array; 0 for an empty table, -1 for any other, -2 for one too sparse or too long. */
static int array_length(lua_State *L, int index)
{
    double most = 0, count = 0;

    lua.pushnil(L);
    while (lua.next(L, index)) {
        double key = lua.type(L, -2) == LUA_TNUMBER ? lua.tonumber(L, -2) : 0;
        if (!(key >= 1) || floor(key) != key) {
            lua.settop(L, -3);
            return -1;
        }
        most = key > most ? key : most;
        count++;
        lua.settop(L, -2);
    }
    return most >= INT32_MAX || (most > 10 && most > 2 * count) ? -2 : (int)most;
}

static int encode_array(lua_State *L, Json *json, int index, int length, int depth)
{
    for (int at = 1; at <= length; at++) {
        lua.rawgeti(L, index, at);
        if (!add_byte(json, at == 1 ? '[' : ',') || !encode_value(L, json, index + 1, depth)) {
            return 0;
        }
        lua.settop(L, index);
    }
    return add_byte(json, ']');
}

static int encode_key(lua_State *L, Json *json)
{
    int type = lua.type(L, -2);
    if (type == LUA_TSTRING) {
        size_t length;
        const char *text = lua.tolstring(L, -2, &length);
        return encode_string(json, text, length);
    }
    return type == LUA_TNUMBER && add_byte(json, '"') && encode_number(json, lua.tonumber(L, -2)) && add_byte(json, '"');
}

static int encode_table(lua_State *L, Json *json, int index, int depth)
{
    if (depth > DEPTH_MAX || !lua.checkstack(L, 4)) {
        return 0;
    }
    int length = array_length(L, index);
    if (length > 0) {
        return encode_array(L, json, index, length, depth);
    }
    if (length == -2 || !add_byte(json, '{')) {
        return 0;
    }
    lua.pushnil(L);
    for (int is_first = 1; lua.next(L, index); is_first = 0) {
        if ((!is_first && !add_byte(json, ',')) || !encode_key(L, json) || !add_byte(json, ':')
            || !encode_value(L, json, index + 2, depth)) {
            return 0;
        }
        lua.settop(L, -2);
    }
    return add_byte(json, '}');
}

/* Of the value at `index`, which is the top of the stack. */
static int encode_value(lua_State *L, Json *json, int index, int depth)
{
    switch (lua.type(L, index)) {
    case LUA_TSTRING: {
        size_t length;
        const char *text = lua.tolstring(L, index, &length);
        return encode_string(json, text, length);
    }
    case LUA_TNUMBER:
        return encode_number(json, lua.tonumber(L, index));
    case LUA_TBOOLEAN:
        return lua.toboolean(L, index) ? add(json, "true", 4) : add(json, "false", 5);
    case LUA_TNIL:
        return add(json, "null", 4);
    case LUA_TUSERDATA:
        return lua.rawequal(L, index, UPVALUE(OF_NULL)) && add(json, "null", 4);
    case LUA_TTABLE:
        return encode_table(L, json, index, depth + 1);
    default:
        return 0;
    }
}

static int is_encoded(lua_State *L, Json *json)
{
    begin(json);
    if (!encode_value(L, json, 1, 0) || !has_room(L, json, json->size)) {
        return 0;
    }
    lua.pushlstring(L, json->bytes, json->size);
    return 1;
}

/* What scripts call */

static int leave(lua_State *L, int count)
{
    lua.settop(L, count);
    lua.pushvalue(L, UPVALUE(OF_SLOW));
    lua.insert(L, 1);
    lua.call(L, count, LUA_MULTRET);
    return lua.gettop(L);
}

static int has_options(lua_State *L)
{
    lua.rawgeti(L, UPVALUE(OF_OPTIONS), 1);
    int has = lua.type(L, -1) != LUA_TNIL;
    lua.settop(L, -2);
    return has;
}

static int decode(lua_State *L)
{
    Json *json = lua.touserdata(L, UPVALUE(OF_JSON));
    int count = lua.gettop(L);
    int is_done = count == 1 && !has_options(L) && is_decoded(L, json);
    begin(json);
    return is_done ? 1 : leave(L, count);
}

static int encode(lua_State *L)
{
    Json *json = lua.touserdata(L, UPVALUE(OF_JSON));
    int count = lua.gettop(L);
    int is_done = count == 1 && !has_options(L) && is_encoded(L, json);
    begin(json);
    return is_done ? 1 : leave(L, count);
}

static int option(lua_State *L)
{
    int count = lua.gettop(L);
    lua.pushboolean(L, 1);
    lua.rawseti(L, UPVALUE(OF_OPTIONS), 1);
    return leave(L, count);
}

int respkv_make_json(lua_State *L)
{
    if (lua.gettop(L) != 4) {
        return 0;
    }
    int kind = (int)lua.tonumber(L, 1);
    lua.pushvalue(L, UPVALUE(OF_JSON));
    for (int at = 2; at <= 4; at++) {
        lua.pushvalue(L, at);
    }
    lua.pushcclosure(L, kind == DECODE ? decode : kind == ENCODE ? encode : option, UPVALUES);
    return 1;
}
