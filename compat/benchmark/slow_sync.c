/* Preloaded into a server: syncing a file takes at least SLOW_SYNC_US microseconds. The waiting thread sleeps, as it
   would while a disk is busy, so that other threads have the core. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static void wait_until(struct timespec deadline)
{
    const char *text = getenv("SLOW_SYNC_US");
    long nanoseconds = text ? atol(text) * 1000 : 0;

    deadline.tv_sec += (deadline.tv_nsec + nanoseconds) / 1000000000;
    deadline.tv_nsec = (deadline.tv_nsec + nanoseconds) % 1000000000;
    prctl(PR_SET_TIMERSLACK, 1); /* else the kernel may wake the thread 50 us late */
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR)
        ;
}

static int sync_slowly(const char *name, int fd)
{
    int (*really)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct timespec began;
    int result, error;

    clock_gettime(CLOCK_MONOTONIC, &began);
    result = really(fd);
    error = errno;
    wait_until(began);
    errno = error;
    return result;
}

int fsync(int fd) { return sync_slowly("fsync", fd); }
int fdatasync(int fd) { return sync_slowly("fdatasync", fd); }
