/* What arrives at a socket, and what is sent by one, each by one system call and little more.
 *
 * A request takes one call of each; a socket's own methods take four times the instructions of these. See docs/adr/0028.
 *
 * Rule 1: descriptors are non-blocking: nothing in here waits. So the interpreter lock is kept for what is short; for
 *   what is long, which the kernel copies meanwhile, it is given up.
 * Rule 2: what they answer, and which exception they raise, is as of os.read and os.write, which take their place where
 *   this file is not built. These two refuse a descriptor that is no socket.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>

/* What is received at once on the stack, and how much may be sent with the lock held. */
#define SHORT 16384

#ifdef MSG_NOSIGNAL
#define FLAGS MSG_NOSIGNAL
#else
#define FLAGS 0
#endif

/* Whether a call that ended by `result` and errno is to be made again; if not, and it failed, an exception is set. */
static int is_interrupted(ssize_t result)
{
    if (result >= 0) {
        return 0;
    }
    if (errno == EINTR) {
        return PyErr_CheckSignals() == 0;
    }
    PyErr_SetFromErrno(PyExc_OSError);
    return 0;
}

/* The descriptor in `number`; -1 with an exception set if it is none. */
static int descriptor_of(PyObject *number)
{
    long fd = PyLong_AsLong(number);

    if (fd == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (fd < 0 || fd > INT_MAX) {
        errno = EBADF;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return (int)fd;
}

static PyObject *receive_long(int fd, Py_ssize_t size)
{
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    ssize_t got;

    if (data == NULL) {
        return NULL;
    }
    do {
        Py_BEGIN_ALLOW_THREADS
        got = recv(fd, PyBytes_AS_STRING(data), (size_t)size, 0);
        Py_END_ALLOW_THREADS
    } while (is_interrupted(got));
    if (got < 0) {
        Py_DECREF(data);
        return NULL;
    }
    if (got < size) {
        _PyBytes_Resize(&data, got);
    }
    return data;
}

static PyObject *receive(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char buffer[SHORT];
    Py_ssize_t size;
    ssize_t got;
    int fd;

    (void)module;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "receive takes a descriptor and a size");
        return NULL;
    }
    fd = descriptor_of(args[0]);
    if (fd < 0) {
        return NULL;
    }
    size = PyLong_AsSsize_t(args[1]);
    if (size < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "a negative size");
        }
        return NULL;
    }
    if (size > SHORT) {
        return receive_long(fd, size);
    }
    do {
        got = recv(fd, buffer, (size_t)size, 0);
    } while (is_interrupted(got));
    return got < 0 ? NULL : PyBytes_FromStringAndSize(buffer, got);
}

static ssize_t send_from(int fd, const char *data, Py_ssize_t size)
{
    ssize_t sent;

    do {
        if (size <= SHORT) {
            sent = send(fd, data, (size_t)size, FLAGS);
        } else {
            Py_BEGIN_ALLOW_THREADS
            sent = send(fd, data, (size_t)size, FLAGS);
            Py_END_ALLOW_THREADS
        }
    } while (is_interrupted(sent));
    return sent;
}

static PyObject *send_data(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer view;
    ssize_t sent;
    int fd;

    (void)module;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "send takes a descriptor and bytes");
        return NULL;
    }
    fd = descriptor_of(args[0]);
    if (fd < 0) {
        return NULL;
    }
    if (PyBytes_CheckExact(args[1])) {
        sent = send_from(fd, PyBytes_AS_STRING(args[1]), PyBytes_GET_SIZE(args[1]));
    } else {
        if (PyObject_GetBuffer(args[1], &view, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        sent = send_from(fd, view.buf, view.len);
        PyBuffer_Release(&view);
    }
    return sent < 0 ? NULL : PyLong_FromSsize_t(sent);
}

static PyMethodDef methods[] = {
    {"receive", (PyCFunction)(void (*)(void))receive, METH_FASTCALL,
     "receive(fd, size, /): up to so many bytes that have arrived; none at the end."},
    {"send", (PyCFunction)(void (*)(void))send_data, METH_FASTCALL,
     "send(fd, data, /): how many bytes of data were taken."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_sockets", "recv and send of a non-blocking descriptor.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__sockets(void)
{
    return PyModule_Create(&module);
}
