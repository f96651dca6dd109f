/*
 * Keeps beside a directory what of it would survive the loss of power: the bytes that were synced. Loaded into a process with
 * LD_PRELOAD; FAULTLINE_WATCH is the directory, FAULTLINE_SYNCED where the copies go. A file is copied when it is synced; what is
 * written through a descriptor that syncs every write is copied as it is written. Names are taken to survive at once: renaming,
 * linking and removing are done to the copies too. What a process writes to mapped memory counts once it is synced.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536
/* On the stack of threads that have little of it. */
#define PIECE 4096

static const char *watched;
static const char *synced;
static size_t watched_length;
/* Whether a descriptor syncs each write. */
static unsigned char dsync[FILES];

#define REAL(name) \
	static __typeof__(name) *real; \
	if (real == NULL) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start(void) {
	watched = getenv("FAULTLINE_WATCH");
	synced = getenv("FAULTLINE_SYNCED");
	if (watched == NULL || synced == NULL) watched = NULL;
	else watched_length = strlen(watched);
}

static int is_watched(const char *path) {
	return watched != NULL && strncmp(path, watched, watched_length) == 0 && path[watched_length] == '/';
}

/* Where the copy of a file is; false for a file that is not watched. */
static int copy_path(const char *path, char *copy) {
	if (!is_watched(path)) return 0;
	return snprintf(copy, PATH_MAX, "%s%s", synced, path + watched_length) < PATH_MAX;
}

static int path_of(int fd, char *path) {
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, PATH_MAX - 1);
	if (length <= 0) return 0;
	path[length] = 0;
	return is_watched(path);
}

/* The path as seen from the root, also of one that was given from a directory. */
static int path_at(int directory, const char *path, char *whole) {
	if (path == NULL) return 0;
	if (path[0] == '/') return snprintf(whole, PATH_MAX, "%s", path) < PATH_MAX;
	char base[PATH_MAX];
	if (directory == AT_FDCWD) {
		if (getcwd(base, sizeof base) == NULL) return 0;
	} else {
		char link[64];
		snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
		ssize_t length = readlink(link, base, sizeof base - 1);
		if (length <= 0) return 0;
		base[length] = 0;
	}
	return snprintf(whole, PATH_MAX, "%s/%s", base, path) < PATH_MAX;
}

static void make_parents(char *path) {
	for (char *at = path + 1; *at != 0; at++) {
		if (*at != '/') continue;
		*at = 0;
		mkdir(path, 0700);
		*at = '/';
	}
}

static int open_copy(const char *path, int flags) {
	char copy[PATH_MAX];
	if (!copy_path(path, copy)) return -1;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, copy, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
	if (fd >= 0 || errno != ENOENT) return fd;
	make_parents(copy);
	return (int)syscall(SYS_openat, AT_FDCWD, copy, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
}

/* Copies a whole file as it is now. */
static void keep(const char *path) {
	int saved = errno;
	struct stat about;
	int from = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (from >= 0 && fstat(from, &about) == 0 && S_ISREG(about.st_mode)) {
		int to = open_copy(path, 0);
		if (to >= 0) {
			char piece[PIECE];
			ssize_t length;
			off_t at = 0;
			while ((length = syscall(SYS_pread64, from, piece, sizeof piece, at)) > 0) {
				if (syscall(SYS_pwrite64, to, piece, length, at) != length) break;
				at += length;
			}
			(void)!ftruncate(to, at);
			syscall(SYS_close, to);
		}
	}
	if (from >= 0) syscall(SYS_close, from);
	errno = saved;
}

static void keep_descriptor(int fd) {
	char path[PATH_MAX];
	if (path_of(fd, path)) keep(path);
}

/* Copies just what was written, since what was written otherwise is not synced by it. */
static void keep_written(int fd, const void *bytes, size_t length, off_t at) {
	char path[PATH_MAX];
	if (!path_of(fd, path)) return;
	int saved = errno;
	int to = open_copy(path, 0);
	if (to >= 0) {
		(void)!syscall(SYS_pwrite64, to, bytes, length, at);
		syscall(SYS_close, to);
	}
	errno = saved;
}

static void opened(int fd, int flags) {
	if (fd >= 0 && fd < FILES) dsync[fd] = (flags & O_DSYNC) != 0;
}

int fsync(int fd) {
	REAL(fsync);
	int result = real(fd);
	if (result == 0) keep_descriptor(fd);
	return result;
}

int fdatasync(int fd) {
	REAL(fdatasync);
	int result = real(fd);
	if (result == 0) keep_descriptor(fd);
	return result;
}

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
	REAL(sync_file_range);
	/* Syncs no metadata and so promises nothing. */
	return real(fd, offset, length, flags);
}

/* Which file is mapped where is read off the kernel's own list. */
int msync(void *address, size_t length, int flags) {
	REAL(msync);
	int result = real(address, length, flags);
	if (result != 0 || !(flags & MS_SYNC) || watched == NULL) return result;
	FILE *maps = fopen("/proc/self/maps", "re");
	if (maps == NULL) return result;
	char line[PATH_MAX + 128];
	while (fgets(line, sizeof line, maps) != NULL) {
		unsigned long from, to;
		char path[PATH_MAX];
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %4095[^\n]", &from, &to, path) != 3) continue;
		if ((unsigned long)address >= from && (unsigned long)address < to && is_watched(path)) keep(path);
	}
	fclose(maps);
	return result;
}

#define OPENS(name, parameters, call) \
	int name parameters { \
		REAL(name); \
		mode_t mode = 0; \
		if (flags & (O_CREAT | O_TMPFILE)) { \
			va_list more; \
			va_start(more, flags); \
			mode = va_arg(more, mode_t); \
			va_end(more); \
		} \
		int fd = call; \
		opened(fd, flags); \
		return fd; \
	}

OPENS(open, (const char *path, int flags, ...), real(path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), real(path, flags, mode))
OPENS(openat, (int directory, const char *path, int flags, ...), real(directory, path, flags, mode))
OPENS(openat64, (int directory, const char *path, int flags, ...), real(directory, path, flags, mode))

static int syncs(int fd) {
	return fd >= 0 && fd < FILES && dsync[fd];
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
	REAL(pwrite);
	ssize_t written = real(fd, bytes, length, at);
	if (written > 0 && syncs(fd)) keep_written(fd, bytes, (size_t)written, at);
	return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
	REAL(pwrite64);
	ssize_t written = real(fd, bytes, length, at);
	if (written > 0 && syncs(fd)) keep_written(fd, bytes, (size_t)written, at);
	return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
	REAL(write);
	ssize_t written = real(fd, bytes, length);
	if (written > 0 && syncs(fd)) keep_written(fd, bytes, (size_t)written, lseek(fd, 0, SEEK_CUR) - written);
	return written;
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at) {
	REAL(pwritev);
	ssize_t written = real(fd, pieces, count, at);
	for (int i = 0; written > 0 && syncs(fd) && i < count; i++) {
		keep_written(fd, pieces[i].iov_base, pieces[i].iov_len, at);
		at += (off_t)pieces[i].iov_len;
	}
	return written;
}

static void renamed(int from_directory, const char *from, int to_directory, const char *to) {
	char source[PATH_MAX], target[PATH_MAX], old[PATH_MAX], new[PATH_MAX];
	int saved = errno;
	if (path_at(from_directory, from, source) && path_at(to_directory, to, target) && copy_path(target, new)) {
		make_parents(new);
		/* What was never synced has no copy, and takes the place of what had one. */
		if (!copy_path(source, old) || syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0) != 0)
			syscall(SYS_unlinkat, AT_FDCWD, new, 0);
	}
	errno = saved;
}

int rename(const char *from, const char *to) {
	REAL(rename);
	int result = real(from, to);
	if (result == 0) renamed(AT_FDCWD, from, AT_FDCWD, to);
	return result;
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
	REAL(renameat);
	int result = real(from_directory, from, to_directory, to);
	if (result == 0) renamed(from_directory, from, to_directory, to);
	return result;
}

int unlink(const char *path) {
	REAL(unlink);
	int result = real(path);
	char whole[PATH_MAX], copy[PATH_MAX];
	if (result == 0 && path_at(AT_FDCWD, path, whole) && copy_path(whole, copy)) syscall(SYS_unlinkat, AT_FDCWD, copy, 0);
	return result;
}

int unlinkat(int directory, const char *path, int flags) {
	REAL(unlinkat);
	int result = real(directory, path, flags);
	char whole[PATH_MAX], copy[PATH_MAX];
	if (result == 0 && path_at(directory, path, whole) && copy_path(whole, copy))
		syscall(SYS_unlinkat, AT_FDCWD, copy, flags);
	return result;
}
