/* Keys of many small sets and dicts by their place, without a look at the keys that stand before them.
 *
 * To Python, the n-th key of a set is what an iterator comes to, which takes hold of each key on the way: among
 * millions, each is a miss of the processor's caches, and they are waited for one after the other. Here a set's table
 * is walked, which is one piece of memory, a dict's entry is gone to, and the memory for the next ones is asked for
 * before it is needed. See keys_at.py, which has the same in Python.
 *
 * Rule 1: nothing here runs Python code, so that nothing changes while it is looked at.
 * Rule 2: what is looked at is what CPython shows of it: PySetObject is in cpython/setobject.h, dicts are read by
 *   PyDict_Next.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* So many are looked at together. */
#define AHEAD 32

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

/* Slots of a set's table in a cache line of 64 bytes. */
#define SLOTS_A_LINE (64 / sizeof(setentry))

/* The key at `place`, or NULL if there are not so many: borrowed. */
static PyObject *key_of_set(PySetObject *set, Py_ssize_t place)
{
    const setentry *slot = set->table;
    const setentry *end = slot + set->mask + 1;
    for (; slot < end; slot++) {
        /* What was taken out left a mark, whose hash is that of no key. */
        if (slot->key != NULL && slot->hash != -1 && place-- == 0)
            return slot->key;
    }
    return NULL;
}

static PyObject *key_of_dict(PyObject *dict, Py_ssize_t place)
{
    PyObject *key, *value;
    Py_ssize_t at = PyDict_GET_SIZE(dict);
    if (place >= at)
        return NULL;
    if (!PyDict_Next(dict, &at, &key, &value)) {
        /* There is nothing behind as many entries as there are keys, so that no key among them was taken out. */
        at = place;
        place = 0;
    } else {
        at = 0;
    }
    for (; PyDict_Next(dict, &at, &key, &value); place--) {
        if (place == 0)
            return key;
    }
    return NULL;
}

/* Ask for the memory in which the key at `place` is looked for. */
static void prepare(PyObject *part, Py_ssize_t place)
{
    if (PyAnySet_CheckExact(part)) {
        PySetObject *set = (PySetObject *)part;
        /* Keys are spread evenly over the slots. */
        Py_ssize_t last = set->used ? place * (set->mask + 1) / set->used : 0;
        for (Py_ssize_t at = 0; at <= last; at += SLOTS_A_LINE)
            PREFETCH(set->table + at);
    }
}

static PyObject *keys_at(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || !PyList_CheckExact(arguments[0]) || !PyList_CheckExact(arguments[1])
        || PyList_GET_SIZE(arguments[0]) != PyList_GET_SIZE(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "keys_at takes two lists of one length");
        return NULL;
    }
    PyObject *parts = arguments[0], *places = arguments[1];
    Py_ssize_t size = PyList_GET_SIZE(parts);
    PyObject *found = PyList_New(size);
    if (found == NULL)
        return NULL;
    PyObject *keys[AHEAD];
    Py_ssize_t place[AHEAD];
    for (Py_ssize_t start = 0; start < size; start += AHEAD) {
        Py_ssize_t some = Py_MIN(AHEAD, size - start);
        for (Py_ssize_t i = 0; i < some; i++)
            PREFETCH(PyList_GET_ITEM(parts, start + i));
        for (Py_ssize_t i = 0; i < some; i++) {
            place[i] = PyLong_AsSsize_t(PyList_GET_ITEM(places, start + i));
            if (place[i] < 0) {
                if (!PyErr_Occurred())
                    PyErr_SetString(PyExc_IndexError, "a place below 0");
                goto failed;
            }
            prepare(PyList_GET_ITEM(parts, start + i), place[i]);
        }
        for (Py_ssize_t i = 0; i < some; i++) {
            PyObject *part = PyList_GET_ITEM(parts, start + i);
            if (PyAnySet_CheckExact(part)) {
                keys[i] = key_of_set((PySetObject *)part, place[i]);
            } else if (PyDict_CheckExact(part)) {
                keys[i] = key_of_dict(part, place[i]);
            } else {
                PyErr_SetString(PyExc_TypeError, "keys_at looks into sets and dicts");
                goto failed;
            }
            if (keys[i] == NULL) {
                PyErr_SetString(PyExc_IndexError, "a place beyond the keys");
                goto failed;
            }
            PREFETCH(keys[i]);
        }
        for (Py_ssize_t i = 0; i < some; i++) {
            Py_INCREF(keys[i]);
            PyList_SET_ITEM(found, start + i, keys[i]);
        }
    }
    return found;
failed:
    Py_DECREF(found);
    return NULL;
}

static PyMethodDef methods[] = {
    {"keys_at", (PyCFunction)(void (*)(void))keys_at, METH_FASTCALL, "See keys_at.py."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "respkv.values._keys_at",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__keys_at(void) { return PyModule_Create(&definition); }
