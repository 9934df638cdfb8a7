/* Preloaded into a command: ends the process, as a power cut would, before its n-th call of one kind on files below a
 * folder. FW_FOLDER names that folder, FW_KILL the kind and n as "rename 3"; FW_COUNT a file that calls are counted in. */
#define _GNU_SOURCE
#include <dlfcn.h>
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

static void count(int kind)
{
    const char *wanted = getenv("FW_KILL"), *log = getenv("FW_COUNT");
    char name[16];
    int number;
    calls[kind]++;
    if (log) {
        FILE *file = fopen(log, "a");
        if (file) {
            fprintf(file, "%s\n", names[kind]);
            fclose(file);
        }
    }
    if (wanted && sscanf(wanted, "%15s %d", name, &number) == 2 && !strcmp(name, names[kind]) && number == calls[kind]) {
        kill(getpid(), SIGKILL);
    }
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    if (below(to)) {
        count(0);
    }
    return real(from, to);
}

int fsync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (open_below(file)) {
        count(1);
    }
    return real(file);
}

ssize_t write(int file, const void *bytes, size_t length)
{
    ssize_t (*real)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (file > 2 && open_below(file)) {
        count(2);
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
    if (below(path)) {
        count(3);
    }
    return real(path);
}
