/* Bytes in a dict become a bytearray on the same memory: see thaw.py.
 *
 * A bytearray may begin anywhere within its block of memory, so that bytes can be cut off its front. Here the block is
 * what was the bytes object, and what the bytearray lacks of it at the front is that object's head.
 *
 * Rule 1: memory is taken only from bytes to which the dict has the one reference.
 * Rule 2: and only where both types are known to be made as this needs it: CPython 3.11 to 3.13, with the interpreter
 *   lock, built without checks of references.
 * Rule 3: and only while one allocator serves objects and buffers, since a block of the one becomes one of the other.
 *   That of PYTHONMALLOC=debug, for one, tells them apart.
 * Rule 4: nothing here runs Python code, so that nobody comes to have a reference meanwhile.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>

#if PY_VERSION_HEX < 0x030E0000 && !defined(PYPY_VERSION) && !defined(Py_GIL_DISABLED) && !defined(Py_REF_DEBUG) \
    && !defined(Py_TRACE_REFS)
#define KNOWS_LAYOUT 1
#else
#define KNOWS_LAYOUT 0
#endif

#if KNOWS_LAYOUT

#define HEAD ((Py_ssize_t)offsetof(PyBytesObject, ob_sval))

/* Of most machines; elsewhere more or fewer blocks are enlarged than need be. */
#define PAGE 4096

static int one_allocator(void)
{
    PyMemAllocatorEx objects, buffers;
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &objects);
    PyMem_GetAllocator(PYMEM_DOMAIN_MEM, &buffers);
    return objects.ctx == buffers.ctx && objects.malloc == buffers.malloc && objects.realloc == buffers.realloc
        && objects.free == buffers.free;
}

/* Let the empty `edited` have the memory of `frozen`, to which the caller has the one reference, and gives it up. */
static void take(PyByteArrayObject *edited, PyObject *frozen)
{
    PyObject_Free(edited->ob_bytes);
    edited->ob_bytes = (char *)frozen;
    edited->ob_start = edited->ob_bytes + HEAD;
    edited->ob_alloc = HEAD + PyBytes_GET_SIZE(frozen) + 1;
    Py_SET_SIZE(edited, PyBytes_GET_SIZE(frozen));
}

/* Enlarge the block of `edited`, if it has a head and no room for `growth` bytes more. A bytearray that grew by itself
 * would copy it; of a large block that is enlarged here, the pages are moved. */
static void make_room(PyByteArrayObject *edited, Py_ssize_t growth)
{
    Py_ssize_t size = Py_SIZE(edited), head = edited->ob_start - edited->ob_bytes;
    if (growth <= 0 || head == 0 || edited->ob_exports > 0 || growth > PY_SSIZE_T_MAX - head - size - size / 8 - 1)
        return;
    Py_ssize_t wanted = head + size + growth + 1;
    if (wanted <= edited->ob_alloc)
        return;
    /* What ends in the same page is there already. Other blocks get as much room as bytearrays make. */
    if (wanted / PAGE != edited->ob_alloc / PAGE)
        wanted += size / 8;
    char *block = PyObject_Realloc(edited->ob_bytes, wanted);
    if (block == NULL)
        return;
    edited->ob_bytes = block;
    edited->ob_start = block + head;
    edited->ob_alloc = wanted;
}

static PyObject *thaw_value(PyObject *values, PyObject *key, Py_ssize_t growth)
{
    PyObject *value = PyDict_GetItemWithError(values, key);
    if (value == NULL && PyErr_Occurred())
        return NULL;
    if (value == NULL || !one_allocator())
        Py_RETURN_NONE;
    if (PyByteArray_CheckExact(value)) {
        make_room((PyByteArrayObject *)value, growth);
        return Py_NewRef(value);
    }
    if (!PyBytes_CheckExact(value) || Py_REFCNT(value) != 1)
        Py_RETURN_NONE;
    PyObject *edited = PyByteArray_FromStringAndSize(NULL, 0);
    if (edited == NULL)
        return NULL;
    Py_INCREF(value);
    if (PyDict_SetItem(values, key, edited) < 0) {
        Py_DECREF(value);
        Py_DECREF(edited);
        return NULL;
    }
    take((PyByteArrayObject *)edited, value);
    make_room((PyByteArrayObject *)edited, growth);
    return edited;
}

#else

static PyObject *thaw_value(PyObject *values, PyObject *key, Py_ssize_t growth) { Py_RETURN_NONE; }

#endif

static PyObject *thaw(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3 || !PyDict_CheckExact(arguments[0]) || !PyBytes_CheckExact(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "thaw takes a dict, a key and a number of bytes");
        return NULL;
    }
    Py_ssize_t growth = PyLong_AsSsize_t(arguments[2]);
    if (growth == -1 && PyErr_Occurred())
        return NULL;
    return thaw_value(arguments[0], arguments[1], growth);
}

static PyMethodDef methods[] = {
    {"thaw", (PyCFunction)(void (*)(void))thaw, METH_FASTCALL, "See thaw.py."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "respkv.values._thaw",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__thaw(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && PyModule_AddIntConstant(module, "KNOWS_LAYOUT", KNOWS_LAYOUT) < 0)
        Py_CLEAR(module);
    return module;
}
