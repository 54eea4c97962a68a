/* Loaded into the program before the C library: counts what is forced to the disk, one byte a time into the file
   DISK_SYNCED, and fails what is done to the store as the file DISK_FAULT says. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fault(const char *word) {
    char said[16] = {0};
    const char *path = getenv("DISK_FAULT");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY) : -1;
    if (file < 0) return 0;
    long length = syscall(SYS_read, file, said, sizeof said - 1);
    syscall(SYS_close, file);
    return length > 0 && strcmp(said, word) == 0;
}

static int of_store(int file) {
    char link[32], path[4096] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    return readlink(link, path, sizeof path - 1) > 0 && strstr(path, "countersign.db") != NULL;
}

/* The error that a write meets, or 0. */
static int write_fault(int file) {
    if (!of_store(file)) return 0;
    if (fault("write")) return EIO;
    if (fault("readonly")) return EROFS;
    if (fault("full")) return ENOSPC;
    return 0;
}

static int sync_with(long call, int file) {
    const char *path = getenv("DISK_SYNCED");
    if (of_store(file)) {
        if (fault("sync")) {
            errno = EIO;
            return -1;
        }
        int count = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND) : -1;
        int synced = (int)syscall(call, file);
        if (count >= 0) {
            syscall(SYS_write, count, ".", 1);
            syscall(SYS_close, count);
        }
        return synced;
    }
    return (int)syscall(call, file);
}

int fdatasync(int file) { return sync_with(SYS_fdatasync, file); }
int fsync(int file) { return sync_with(SYS_fsync, file); }

ssize_t write(int file, const void *bytes, size_t length) {
    int error = write_fault(file);
    if (error) {
        errno = error;
        return -1;
    }
    return syscall(SYS_write, file, bytes, length);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
    int error = write_fault(file);
    if (error) {
        errno = error;
        return -1;
    }
    return syscall(SYS_pwrite64, file, bytes, length, at);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    return pwrite64(file, bytes, length, at);
}
