/* Preloaded into a process: pthread_create fails, as where the system has no room for a thread, once FW_THREADS calls of
 * it have succeeded; the process itself may set a new number with `allow_threads`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int left = -1; /* negative: any number */

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("FW_THREADS");
    if (number) {
        left = atoi(number);
    }
}

void allow_threads(int number)
{
    left = number;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *), void *given)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
    if (left == 0) {
        return EAGAIN;
    }
    if (left > 0) {
        left--;
    }
    return real(thread, attributes, work, given);
}
