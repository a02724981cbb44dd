/* LZF both ways: see lzf.py, which has the format.
 *
 * Rule 1: what is read and where it is put is held against both ends before it is, whatever the data say.
 * Rule 2: memory is reserved only after a size is found possible for as many data.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* A reference of three bytes stands for at most 264: lzf.MOST_EXPANSION. */
#define MOST_EXPANSION 88

#define LITERALS_MAX 32
#define REFERENCE_MIN 3
#define REFERENCE_MAX 264
#define DISTANCE_MAX 8192

/* What compressing has to gain at least, in bytes. */
#define GAIN_MIN 4

/* Places where three bytes were seen last are kept by a hash of so many bits: fewer where there are fewer places. */
#define HASH_BITS_MIN 8
#define HASH_BITS_MAX 13

/* Copies are made in words of so many bytes where there is room to write behind their end: most are shorter. */
#define WORD 8

/* Copy `length` bytes to `to` from `distance` bytes before it. What is copied may be what was just written. */
static void repeat(unsigned char *to, Py_ssize_t distance, Py_ssize_t length, const unsigned char *end)
{
    const unsigned char *from = to - distance;
    if (distance >= WORD && end - to >= length + WORD) {
        const unsigned char *stop = to + length;
        for (; to < stop; to += WORD, from += WORD)
            memcpy(to, from, WORD);
    } else if (distance == 1) {
        memset(to, *from, length);
    } else {
        for (const unsigned char *stop = to + length; to < stop; to++, from++)
            *to = *from;
    }
}

/* Fill `to` with `size` bytes from `data`: what is wrong with the data, NULL if nothing is. */
static const char *fill(unsigned char *to, Py_ssize_t size, const unsigned char *data, Py_ssize_t data_size)
{
    const unsigned char *data_end = data + data_size;
    unsigned char *start = to;
    const unsigned char *end = to + size;
    while (data < data_end) {
        Py_ssize_t control = *data++;
        if (control < 32) {
            Py_ssize_t length = control + 1;
            if (length > data_end - data)
                return "compressed data end inside a literal run";
            if (length > end - to)
                return "compressed data are longer than announced";
            memcpy(to, data, length);
            data += length;
            to += length;
            continue;
        }
        Py_ssize_t length = (control >> 5) + 2;
        if (data_end - data < (length == 9 ? 2 : 1))
            return "compressed data end inside a reference";
        if (length == 9)
            length += *data++;
        Py_ssize_t distance = ((control & 31) << 8) + *data++ + 1;
        if (distance > to - start)
            return "compressed data refer before their start";
        if (length > end - to)
            return "compressed data are longer than announced";
        repeat(to, distance, length, end);
        to += length;
    }
    return to == end ? NULL : "compressed data are shorter than announced";
}

static PyObject *decompress(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || !PyBytes_CheckExact(arguments[0]) || !PyLong_CheckExact(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "decompress takes bytes and a size");
        return NULL;
    }
    Py_ssize_t data_size = PyBytes_GET_SIZE(arguments[0]);
    int overflow;
    long long size = PyLong_AsLongLongAndOverflow(arguments[1], &overflow);
    /* By division, which no size overflows. */
    if (overflow || size < 0 || (size > 0 && (size - 1) / MOST_EXPANSION >= data_size)) {
        PyErr_SetString(PyExc_ValueError, "compressed data cannot become that long");
        return NULL;
    }
    PyObject *output = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (output == NULL)
        return NULL;
    const char *error = fill((unsigned char *)PyBytes_AS_STRING(output), (Py_ssize_t)size,
        (const unsigned char *)PyBytes_AS_STRING(arguments[0]), data_size);
    if (error != NULL) {
        Py_DECREF(output);
        PyErr_SetString(PyExc_ValueError, error);
        return NULL;
    }
    return output;
}

/* How many bytes from `a` on are those from `b` on, up to `most`. */
static Py_ssize_t common(const unsigned char *a, const unsigned char *b, Py_ssize_t most)
{
    Py_ssize_t count = 0;
    while (count + WORD <= most && memcmp(a + count, b + count, WORD) == 0)
        count += WORD;
    while (count < most && a[count] == b[count])
        count++;
    return count;
}

/* Put `length` literal bytes to `to`: where they end, or NULL if that is beyond `end`. */
static unsigned char *put_literals(
    unsigned char *to, const unsigned char *end, const unsigned char *data, Py_ssize_t length)
{
    while (length > 0) {
        Py_ssize_t run = Py_MIN(length, LITERALS_MAX);
        if (end - to <= run)
            return NULL;
        *to++ = (unsigned char)(run - 1);
        memcpy(to, data, run);
        to += run;
        data += run;
        length -= run;
    }
    return to;
}

/* Compress `data` into at most `room` bytes: how many it became, 0 if they do not suffice. */
static Py_ssize_t squeeze(unsigned char *to, Py_ssize_t room, const unsigned char *data, Py_ssize_t size)
{
    /* By hash, the place behind the one where three such bytes began last; 0 for none. */
    uint32_t seen[1 << HASH_BITS_MAX];
    int bits = HASH_BITS_MIN;
    while (bits < HASH_BITS_MAX && (Py_ssize_t)1 << bits < size)
        bits++;
    memset(seen, 0, sizeof(*seen) << bits);
    unsigned char *start = to;
    const unsigned char *end = to + room;
    /* From `literals` to `at` there is nothing that was there before. */
    Py_ssize_t at = 0, literals = 0;
    while (size - at >= REFERENCE_MIN) {
        uint32_t word = data[at] | (uint32_t)data[at + 1] << 8 | (uint32_t)data[at + 2] << 16;
        uint32_t *place = seen + ((word * 2654435761u) >> (32 - bits));
        Py_ssize_t before = (Py_ssize_t)*place - 1;
        *place = (uint32_t)(at + 1);
        if (before < 0 || at - before > DISTANCE_MAX || memcmp(data + before, data + at, REFERENCE_MIN) != 0) {
            /* In what does not repeat itself, ever larger steps. */
            at += 1 + ((at - literals) >> 6);
            continue;
        }
        Py_ssize_t length = common(data + before, data + at, Py_MIN(size - at, REFERENCE_MAX));
        to = put_literals(to, end, data + literals, at - literals);
        if (to == NULL || end - to < 3)
            return 0;
        Py_ssize_t offset = at - before - 1;
        if (length < 9) {
            *to++ = (unsigned char)((length - 2) << 5 | offset >> 8);
        } else {
            *to++ = (unsigned char)(7 << 5 | offset >> 8);
            *to++ = (unsigned char)(length - 9);
        }
        *to++ = (unsigned char)offset;
        at += length;
        literals = at;
    }
    to = put_literals(to, end, data + literals, size - literals);
    return to == NULL ? 0 : to - start;
}

static PyObject *compress(PyObject *module, PyObject *data)
{
    const char *start;
    if (PyBytes_CheckExact(data)) {
        start = PyBytes_AS_STRING(data);
    } else if (PyByteArray_CheckExact(data)) {
        start = PyByteArray_AS_STRING(data);
    } else {
        PyErr_SetString(PyExc_TypeError, "compress takes bytes or a bytearray");
        return NULL;
    }
    Py_ssize_t size = Py_SIZE(data);
    if (size <= GAIN_MIN || size >= UINT32_MAX)
        Py_RETURN_NONE;
    unsigned char *output = PyMem_Malloc(size - GAIN_MIN);
    if (output == NULL)
        return PyErr_NoMemory();
    Py_ssize_t length = squeeze(output, size - GAIN_MIN, (const unsigned char *)start, size);
    PyObject *compressed
        = length ? PyBytes_FromStringAndSize((const char *)output, length) : Py_NewRef(Py_None);
    PyMem_Free(output);
    return compressed;
}

static PyMethodDef methods[] = {
    {"compress", compress, METH_O, "See lzf.py."},
    {"decompress", (PyCFunction)(void (*)(void))decompress, METH_FASTCALL, "See lzf.py."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "respkv.persistence._lzf",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__lzf(void) { return PyModule_Create(&definition); }
