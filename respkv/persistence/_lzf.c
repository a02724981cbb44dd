/* LZF, taken apart: see lzf.py, which has the format, and the same in Python.
 *
 * Rule 1: what is read and where it is put is held against both ends before it is, whatever the data say.
 * Rule 2: memory is reserved only after `size` is found possible for as many data.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

/* A reference of three bytes stands for at most 264: lzf.MOST_EXPANSION. */
#define MOST_EXPANSION 88

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

static PyMethodDef methods[] = {
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
