/* Between the process and the C library: fails, interrupts or kills at the n-th operation below one directory.
 *
 * Loaded by LD_PRELOAD, driven by the functions named fault_..., which Python calls through ctypes. Operations are
 * counted only below the directory that fault_watch names, and only while armed. Whatever is not one of ours goes
 * through untouched. Linux only: the names are those of glibc and musl.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MANY 65536

/* Kinds of operations; a fault names the kinds that it can befall. */
enum {
    MAKE = 1,     /* a file or directory is made, or a name given */
    OPEN = 2,     /* something is opened, or a descriptor copied */
    WRITE = 4,    /* bytes or blocks are written */
    REMOVE = 8,   /* something is unlinked or cut */
    READ = 16,    /* bytes are read */
    SYNC = 32,    /* fsync and its like */
    LOCK = 64,    /* a lock is taken or given back */
    LOOK = 128,   /* stat and listing */
    MAP = 256,    /* a file is mapped */
};

enum { KILL = 1, FAIL = 2, TEAR = 3, INTERRUPT = 4, COUNT = 5 };

static char root[PATH_MAX];
static size_t root_length;
static unsigned char tracked[MANY];
static char boot_path[PATH_MAX];
static long count, fault_at;
static int kinds, action, fault_errno, lasting, fired;
static int trace_fd = -1, log_fd = -1;
static long long clock_offset_ns;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name, result, ...) \
    static result (*real)(__VA_ARGS__); \
    if (real == NULL) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int below(const char *path) {
    return root_length && path != NULL && strncmp(path, root, root_length) == 0
        && (path[root_length] == '/' || path[root_length] == '\0');
}

static int mine(int fd) { return fd >= 0 && fd < MANY && tracked[fd]; }

static void trace(const char *operation, const char *path) {
    char line[PATH_MAX + 100];
    if (trace_fd < 0) return;
    const char *shown = path != NULL && below(path) ? path + root_length : path;
    int length = snprintf(line, sizeof line, "%ld %s %s\n", count, operation, shown ? shown : "");
    syscall(SYS_write, trace_fd, line, (size_t)length);
}

static const char *name_of(int fd, char *room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlink, link, room, PATH_MAX - 1);
    room[length < 0 ? 0 : length] = '\0';
    return room;
}

/* Count an operation; return 0 to go on, -1 to fail (errno is set), 1 to do half of it and then die, 2 to do half. */
static int step(int kind, const char *operation, const char *path, int fd) {
    char room[PATH_MAX];
    if (!action || !(kinds & kind)) return 0;
    long now = __sync_add_and_fetch(&count, 1);
    if (trace_fd >= 0 && action == COUNT) trace(operation, path ? path : name_of(fd, room));
    if (action == COUNT || now < fault_at || (now > fault_at && !lasting)) return 0;
    if (!fired) trace(operation, path ? path : name_of(fd, room));
    fired = 1;
    switch (action) {
    case KILL:
        syscall(SYS_kill, getpid(), SIGKILL);
        pause();
        return 0;
    case TEAR:
        if (kind == WRITE) return fault_errno ? 2 : 1;
        if (fault_errno) return 0;
        syscall(SYS_kill, getpid(), SIGKILL);
        pause();
        return 0;
    case INTERRUPT:
        if (now == fault_at) syscall(SYS_kill, getpid(), SIGINT);
        return 0;
    default:
        errno = fault_errno;
        return -1;
    }
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    pause();
}

/* -- what tests call */

EXPORT void fault_watch(const char *path) {
    snprintf(root, sizeof root, "%s", path);
    root_length = strlen(root);
    memset(tracked, 0, sizeof tracked);
}

EXPORT void fault_arm(int what, int which, long at, int error, int from_then_on) {
    action = 0;
    kinds = which; fault_at = at; fault_errno = error; lasting = from_then_on;
    count = 0; fired = 0;
    __sync_synchronize();
    action = what;
}

EXPORT long fault_disarm(void) { action = 0; return count; }
EXPORT int fault_fired(void) { return fired; }
EXPORT void fault_trace(int fd) { trace_fd = fd; }
EXPORT void fault_log(int fd) { log_fd = fd; }
EXPORT void fault_clock(double offset_s) { clock_offset_ns = (long long)(offset_s * 1e9); }
EXPORT void fault_boot(const char *path) { snprintf(boot_path, sizeof boot_path, "%s", path); }

/* -- a record of all that changes, from which a power cut is played: kind, two numbers, two texts or bytes */

static void record(char kind, long a, long b, const void *first, size_t nfirst, const void *second, size_t nsecond) {
    if (log_fd < 0) return;
    struct { long kind, a, b, nfirst, nsecond; } head = {kind, a, b, (long)nfirst, (long)nsecond};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)first, nfirst}, {(void *)second, nsecond}};
    int saved = errno;
    pthread_mutex_lock(&log_lock);
    syscall(SYS_writev, log_fd, parts, 3);
    pthread_mutex_unlock(&log_lock);
    errno = saved;
}

EXPORT void fault_mark(long number) { record('!', number, 0, NULL, 0, NULL, 0); }

static void opened(int fd, const char *path, int is_mine, int flags, int existed) {
    if (fd < 0 || fd >= MANY) return;
    tracked[fd] = (unsigned char)is_mine;
    if (is_mine) record('O', fd, (existed ? 0 : 1) | (flags & O_TRUNC ? 2 : 0), path, strlen(path), NULL, 0);
}

/* -- opening and closing */

static int do_open(int (*real)(int, const char *, int, ...), int folder, const char *path, int flags, mode_t mode) {
    if (boot_path[0] && path != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) path = boot_path;
    int is_mine = below(path), existed = 1;
    if (is_mine) {
        int makes = flags & O_CREAT ? MAKE : 0;
        if (step(OPEN | makes | (flags & O_TRUNC ? REMOVE : 0), "open", path, -1) < 0) return -1;
        if (makes && log_fd >= 0) {
            int saved = errno;
            existed = syscall(SYS_access, path, F_OK) == 0;
            errno = saved;
        }
    }
    int fd = real(folder, path, flags, mode);
    opened(fd, path, is_mine, flags, existed);
    return fd;
}

#define TAKE_MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); \
    }

EXPORT int open(const char *path, int flags, ...) {
    TAKE_MODE(flags)
    REAL("openat", int, int, const char *, int, ...);
    return do_open(real, AT_FDCWD, path, flags, mode);
}
EXPORT int open64(const char *path, int flags, ...) {
    TAKE_MODE(flags)
    REAL("openat", int, int, const char *, int, ...);
    return do_open(real, AT_FDCWD, path, flags, mode);
}
EXPORT int openat(int folder, const char *path, int flags, ...) {
    TAKE_MODE(flags)
    REAL("openat", int, int, const char *, int, ...);
    return do_open(real, folder, path, flags, mode);
}
EXPORT int openat64(int folder, const char *path, int flags, ...) {
    TAKE_MODE(flags)
    REAL("openat", int, int, const char *, int, ...);
    return do_open(real, folder, path, flags, mode);
}
EXPORT int creat(const char *path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

EXPORT int close(int fd) {
    REAL("close", int, int);
    if (mine(fd)) {
        record('K', fd, 0, NULL, 0, NULL, 0);
        tracked[fd] = 0;
    }
    return real(fd);
}

static int copied(int old, int fd) {
    if (fd >= 0 && fd < MANY) {
        tracked[fd] = (unsigned char)mine(old);
        if (tracked[fd]) record('D', old, fd, NULL, 0, NULL, 0);
    }
    return fd;
}

EXPORT int dup(int fd) {
    REAL("dup", int, int);
    if (mine(fd) && step(OPEN, "dup", NULL, fd) < 0) return -1;
    return copied(fd, real(fd));
}

static int do_fcntl(int (*real)(int, int, ...), int fd, int command, void *argument) {
    if (mine(fd)) {
        if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {
            if (step(OPEN, "dup", NULL, fd) < 0) return -1;
            return copied(fd, real(fd, command, argument));
        }
        if ((command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW)
            && ((struct flock *)argument)->l_type != F_UNLCK && step(LOCK, "fcntl lock", NULL, fd) < 0) return -1;
    }
    return real(fd, command, argument);
}

EXPORT int fcntl(int fd, int command, ...) {
    va_list rest; va_start(rest, command); void *argument = va_arg(rest, void *); va_end(rest);
    REAL("fcntl", int, int, int, ...);
    return do_fcntl(real, fd, command, argument);
}
EXPORT int fcntl64(int fd, int command, ...) {
    va_list rest; va_start(rest, command); void *argument = va_arg(rest, void *); va_end(rest);
    REAL("fcntl", int, int, int, ...);
    return do_fcntl(real, fd, command, argument);
}

EXPORT int flock(int fd, int operation) {
    REAL("flock", int, int, int);
    if (mine(fd) && !(operation & LOCK_UN) && step(LOCK, "flock", NULL, fd) < 0) return -1;
    return real(fd, operation);
}

/* -- writing */

static void wrote(int fd, const void *data, ssize_t done, off_t at) {
    if (done <= 0 || log_fd < 0) return;
    if (at < 0) at = lseek(fd, 0, SEEK_CUR) - done;
    record('W', fd, at, data, (size_t)done, NULL, 0);
}

static size_t torn(size_t length) { return length > 1 ? length / 2 : length; }

EXPORT ssize_t write(int fd, const void *data, size_t length) {
    REAL("write", ssize_t, int, const void *, size_t);
    if (!mine(fd)) return real(fd, data, length);
    int half = step(WRITE, "write", NULL, fd);
    if (half < 0) return -1;
    ssize_t done = real(fd, data, half ? torn(length) : length);
    if (half == 1) die();
    wrote(fd, data, done, -1);
    return done;
}

static ssize_t do_pwrite(int fd, const void *data, size_t length, off_t at) {
    REAL("pwrite64", ssize_t, int, const void *, size_t, off_t);
    if (!mine(fd)) return real(fd, data, length, at);
    int half = step(WRITE, "pwrite", NULL, fd);
    if (half < 0) return -1;
    ssize_t done = real(fd, data, half ? torn(length) : length, at);
    if (half == 1) die();
    wrote(fd, data, done, at);
    return done;
}
EXPORT ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return do_pwrite(fd, data, length, at); }
EXPORT ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) { return do_pwrite(fd, data, length, at); }

EXPORT ssize_t writev(int fd, const struct iovec *parts, int number) {
    REAL("writev", ssize_t, int, const struct iovec *, int);
    if (!mine(fd)) return real(fd, parts, number);
    int half = step(WRITE, "writev", NULL, fd);
    if (half < 0) return -1;
    struct iovec first = {parts[0].iov_base, torn(parts[0].iov_len)};
    if (half && number > 1) first.iov_len = parts[0].iov_len;
    ssize_t done = half ? real(fd, &first, 1) : real(fd, parts, number);
    if (half == 1) die();
    if (log_fd >= 0 && done > 0) {
        off_t at = lseek(fd, 0, SEEK_CUR) - done;
        ssize_t left = done;
        for (int i = 0; i < number && left > 0; i++) {
            ssize_t some = left < (ssize_t)parts[i].iov_len ? left : (ssize_t)parts[i].iov_len;
            record('W', fd, at, parts[i].iov_base, (size_t)some, NULL, 0);
            at += some;
            left -= some;
        }
    }
    return done;
}

static int do_truncate(int fd, off_t size) {
    REAL("ftruncate64", int, int, off_t);
    if (mine(fd) && step(REMOVE, "ftruncate", NULL, fd) < 0) return -1;
    int result = real(fd, size);
    if (result == 0 && mine(fd)) record('T', fd, size, NULL, 0, NULL, 0);
    return result;
}
EXPORT int ftruncate(int fd, off_t size) { return do_truncate(fd, size); }
EXPORT int ftruncate64(int fd, off_t size) { return do_truncate(fd, size); }

static int do_allocate(int fd, off_t at, off_t length) {
    REAL("posix_fallocate64", int, int, off_t, off_t);
    if (mine(fd) && step(WRITE, "fallocate", NULL, fd) < 0) return errno;
    int result = real(fd, at, length);
    if (result == 0 && mine(fd)) record('A', fd, at + length, NULL, 0, NULL, 0);
    return result;
}
EXPORT int posix_fallocate(int fd, off_t at, off_t length) { return do_allocate(fd, at, length); }
EXPORT int posix_fallocate64(int fd, off_t at, off_t length) { return do_allocate(fd, at, length); }

static int do_sync(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (mine(fd) && step(SYNC, name, NULL, fd) < 0) return -1;
    int result = real(fd);
    if (result == 0 && mine(fd)) record('S', fd, 0, NULL, 0, NULL, 0);
    return result;
}
EXPORT int fsync(int fd) { return do_sync("fsync", fd); }
EXPORT int fdatasync(int fd) { return do_sync("fdatasync", fd); }

/* -- reading */

EXPORT ssize_t read(int fd, void *data, size_t length) {
    REAL("read", ssize_t, int, void *, size_t);
    if (mine(fd) && step(READ, "read", NULL, fd) < 0) return -1;
    return real(fd, data, length);
}
static ssize_t do_pread(int fd, void *data, size_t length, off_t at) {
    REAL("pread64", ssize_t, int, void *, size_t, off_t);
    if (mine(fd) && step(READ, "pread", NULL, fd) < 0) return -1;
    return real(fd, data, length, at);
}
EXPORT ssize_t pread(int fd, void *data, size_t length, off_t at) { return do_pread(fd, data, length, at); }
EXPORT ssize_t pread64(int fd, void *data, size_t length, off_t at) { return do_pread(fd, data, length, at); }
EXPORT ssize_t readv(int fd, const struct iovec *parts, int number) {
    REAL("readv", ssize_t, int, const struct iovec *, int);
    if (mine(fd) && step(READ, "readv", NULL, fd) < 0) return -1;
    return real(fd, parts, number);
}

static void *do_map(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    REAL("mmap64", void *, void *, size_t, int, int, int, off_t);
    if (mine(fd) && step(MAP, "mmap", NULL, fd) < 0) return MAP_FAILED;
    return real(at, length, protection, flags, fd, offset);
}
EXPORT void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return do_map(at, length, protection, flags, fd, offset);
}
EXPORT void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return do_map(at, length, protection, flags, fd, offset);
}

#define LOOK_AT(name, type) \
    EXPORT int name(const char *path, type *found) { \
        REAL(#name, int, const char *, type *); \
        if (below(path) && step(LOOK, #name, path, -1) < 0) return -1; \
        return real(path, found); \
    }
LOOK_AT(stat, struct stat)
LOOK_AT(stat64, struct stat64)
LOOK_AT(lstat, struct stat)
LOOK_AT(lstat64, struct stat64)

#define LOOK_AT_FD(name, type) \
    EXPORT int name(int fd, type *found) { \
        REAL(#name, int, int, type *); \
        if (mine(fd) && step(LOOK, #name, NULL, fd) < 0) return -1; \
        return real(fd, found); \
    }
LOOK_AT_FD(fstat, struct stat)
LOOK_AT_FD(fstat64, struct stat64)

EXPORT DIR *opendir(const char *path) {
    REAL("opendir", DIR *, const char *);
    if (below(path) && step(LOOK | OPEN, "opendir", path, -1) < 0) return NULL;
    return real(path);
}

/* -- names */

EXPORT int mkdir(const char *path, mode_t mode) {
    REAL("mkdir", int, const char *, mode_t);
    int is_mine = below(path);
    if (is_mine && step(MAKE, "mkdir", path, -1) < 0) return -1;
    int result = real(path, mode);
    if (result == 0 && is_mine) record('M', 0, 0, path, strlen(path), NULL, 0);
    return result;
}

static int do_rename(const char *from, const char *to) {
    REAL("rename", int, const char *, const char *);
    int is_mine = below(from) || below(to);
    if (is_mine && step(MAKE | REMOVE, "rename", to, -1) < 0) return -1;
    int result = real(from, to);
    if (result == 0 && is_mine) record('R', 0, 0, from, strlen(from), to, strlen(to));
    return result;
}
EXPORT int rename(const char *from, const char *to) { return do_rename(from, to); }
EXPORT int renameat(int a, const char *from, int b, const char *to) {
    REAL("renameat", int, int, const char *, int, const char *);
    return a == AT_FDCWD && b == AT_FDCWD ? do_rename(from, to) : real(a, from, b, to);
}

EXPORT int link(const char *from, const char *to) {
    REAL("link", int, const char *, const char *);
    int is_mine = below(to);
    if (is_mine && step(MAKE, "link", to, -1) < 0) return -1;
    int result = real(from, to);
    if (result == 0 && is_mine) record('L', 0, 0, from, strlen(from), to, strlen(to));
    return result;
}

static int removed(int result, const char *path, int is_mine) {
    if (result == 0 && is_mine) record('U', 0, 0, path, strlen(path), NULL, 0);
    return result;
}
EXPORT int unlink(const char *path) {
    REAL("unlink", int, const char *);
    int is_mine = below(path);
    if (is_mine && step(REMOVE, "unlink", path, -1) < 0) return -1;
    return removed(real(path), path, is_mine);
}
EXPORT int unlinkat(int folder, const char *path, int flags) {
    REAL("unlinkat", int, int, const char *, int);
    int is_mine = folder == AT_FDCWD && below(path);
    if (is_mine && step(REMOVE, "unlinkat", path, -1) < 0) return -1;
    return removed(real(folder, path, flags), path, is_mine);
}
EXPORT int rmdir(const char *path) {
    REAL("rmdir", int, const char *);
    int is_mine = below(path);
    if (is_mine && step(REMOVE, "rmdir", path, -1) < 0) return -1;
    return removed(real(path), path, is_mine);
}

/* -- the wall clock */

static void shift(long long *seconds, long long *nanoseconds) {
    long long total = *seconds * 1000000000LL + *nanoseconds + clock_offset_ns;
    *seconds = total / 1000000000LL;
    *nanoseconds = total % 1000000000LL;
}

EXPORT int clock_gettime(clockid_t which, struct timespec *now) {
    REAL("clock_gettime", int, clockid_t, struct timespec *);
    int result = real(which, now);
    if (result == 0 && clock_offset_ns && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        long long s = now->tv_sec, ns = now->tv_nsec;
        shift(&s, &ns);
        now->tv_sec = (time_t)s;
        now->tv_nsec = (long)ns;
    }
    return result;
}

EXPORT int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL("gettimeofday", int, struct timeval *, void *);
    int result = real(now, zone);
    if (result == 0 && clock_offset_ns) {
        long long s = now->tv_sec, ns = now->tv_usec * 1000LL;
        shift(&s, &ns);
        now->tv_sec = (time_t)s;
        now->tv_usec = (suseconds_t)(ns / 1000);
    }
    return result;
}

EXPORT time_t time(time_t *now) {
    REAL("time", time_t, time_t *);
    time_t found = real(NULL) + (time_t)(clock_offset_ns / 1000000000LL);
    if (now != NULL) *now = found;
    return found;
}
