/* Preloaded into a command: at its n-th call of one kind on files below a folder, the process ends as by a power cut, or
 * this call and all of its kind after it fail as on a full disk. FW_FOLDER names that folder, FW_KILL or FW_FAIL the kind
 * and n as "rename 3"; FW_COUNT names a file that calls are counted in. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int calls[4];
static const char *const names[4] = { "rename", "fsync", "write", "unlink" };

static int below(const char *path)
{
    const char *folder = getenv("FW_FOLDER");
    char whole[PATH_MAX * 2], here[PATH_MAX];
    if (!folder || !path) {
        return 0;
    }
    if (path[0] != '/') {
        if (!getcwd(here, sizeof here)) {
            return 0;
        }
        snprintf(whole, sizeof whole, "%s/%s", here, path);
        path = whole;
    }
    return strncmp(path, folder, strlen(folder)) == 0;
}

static int open_below(int file)
{
    char name[64], path[PATH_MAX];
    ssize_t length;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    length = readlink(name, path, sizeof path - 1);
    if (length <= 0) {
        return 0;
    }
    path[length] = 0;
    return below(path);
}

/* The number of the call in a variable such as "rename 3", if it is of this kind; else 0. */
static int wanted(const char *variable, int kind)
{
    const char *text = getenv(variable);
    char name[16];
    int number;
    return text && sscanf(text, "%15s %d", name, &number) == 2 && !strcmp(name, names[kind]) ? number : 0;
}

/* Counts a call; whether it is to fail. */
static int count(int kind)
{
    const char *log = getenv("FW_COUNT");
    int fails = wanted("FW_FAIL", kind);
    calls[kind]++;
    if (log) {
        FILE *file = fopen(log, "a");
        if (file) {
            fprintf(file, "%s\n", names[kind]);
            fclose(file);
        }
    }
    if (wanted("FW_KILL", kind) == calls[kind]) {
        kill(getpid(), SIGKILL);
    }
    errno = ENOSPC;
    return fails && calls[kind] >= fails;
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    if (below(to) && count(0)) {
        return -1;
    }
    return real(from, to);
}

int renameat2(int folder, const char *from, int other, const char *to, unsigned int how)
{
    int (*real)(int, const char *, int, const char *, unsigned int);
    *(void **)&real = dlsym(RTLD_NEXT, "renameat2");
    if (below(to) && count(0)) {
        return -1;
    }
    return real(folder, from, other, to, how);
}

int fsync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (open_below(file) && count(1)) {
        return -1;
    }
    return real(file);
}

ssize_t write(int file, const void *bytes, size_t length)
{
    ssize_t (*real)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (file > 2 && open_below(file)) {
        if (count(2)) {
            return -1;
        }
        if (getenv("FW_KILL") && length > 1) { /* half of it is on the disk */
            ssize_t half = real(file, bytes, length / 2);
            return half;
        }
    }
    return real(file, bytes, length);
}

int unlink(const char *path)
{
    int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    if (below(path) && count(3)) {
        return -1;
    }
    return real(path);
}
