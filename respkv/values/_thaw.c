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

static int one_allocator(void)
{
    PyMemAllocatorEx objects, buffers;
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &objects);
    PyMem_GetAllocator(PYMEM_DOMAIN_MEM, &buffers);
    return objects.ctx == buffers.ctx && objects.malloc == buffers.malloc && objects.realloc == buffers.realloc
        && objects.free == buffers.free;
}

/* Let the empty `edited` have the memory of `frozen`, to which the caller has the one reference, and gives it up. */
static void take(PyByteArrayObject *edited, PyObject *frozen, Py_ssize_t growth)
{
    Py_ssize_t size = PyBytes_GET_SIZE(frozen);
    Py_ssize_t taken = HEAD + size + 1;
    char *block = (char *)frozen;
    if (growth > 0 && growth < PY_SSIZE_T_MAX - taken - size / 8) {
        /* As much room as bytearrays make. They would copy a block that has a head; of a large one that is enlarged
         * here, the pages are moved. */
        Py_ssize_t roomy = taken + growth + size / 8;
        char *enlarged = PyObject_Realloc(frozen, roomy);
        if (enlarged != NULL) {
            block = enlarged;
            taken = roomy;
        }
    }
    PyObject_Free(edited->ob_bytes);
    edited->ob_bytes = block;
    edited->ob_start = block + HEAD;
    edited->ob_alloc = taken;
    Py_SET_SIZE(edited, size);
}

static PyObject *thaw_alone(PyObject *values, PyObject *key, Py_ssize_t growth)
{
    PyObject *frozen = PyDict_GetItemWithError(values, key);
    if (frozen == NULL && PyErr_Occurred())
        return NULL;
    if (frozen == NULL || !PyBytes_CheckExact(frozen) || Py_REFCNT(frozen) != 1 || !one_allocator())
        Py_RETURN_NONE;
    PyObject *edited = PyByteArray_FromStringAndSize(NULL, 0);
    if (edited == NULL)
        return NULL;
    Py_INCREF(frozen);
    if (PyDict_SetItem(values, key, edited) < 0) {
        Py_DECREF(frozen);
        Py_DECREF(edited);
        return NULL;
    }
    take((PyByteArrayObject *)edited, frozen, growth);
    return edited;
}

#else

static PyObject *thaw_alone(PyObject *values, PyObject *key, Py_ssize_t growth) { Py_RETURN_NONE; }

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
    return thaw_alone(arguments[0], arguments[1], growth);
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
