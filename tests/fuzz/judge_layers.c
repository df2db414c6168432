/* SPDX-License-Identifier: MIT */
/*
 * What others say of the images that inputs of the layer fuzzer become: fsck.erofs, and the kernel,
 * which mounts each and shows the same names, attributes and contents as our own reader.
 *
 *	judge_layers DIRECTORY INPUT…
 *
 * DIRECTORY holds one image at a time. Prints how many images there were; exits 1 at the first one
 * that is unsound, and 77 with a reason where none can be mounted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "imaged/erofs_mount.h"
#include "layer_input.h"

#define INPUT_MAX  (16U << 20)
#define XATTRS_MAX 65536

static const char *input; /* that is being judged */

_noreturn_ static void unsound(const char *path, const char *text)
{
	fprintf(stderr, "%s: %s%s%s\n", input, path, *path ? ": " : "", text);
	exit(1);
}
#define READER_FAIL(text) unsound("", text)
#include "../unit/erofs_reader.h"

struct judge {
	const struct reader *r;
	int mnt;
	uint64_t names;
	char closed[PATH_MAX]; /* a directory that the kernel lets nobody into; "": none */
};

/* ---- one inode, as both see it ---- */

static void judge_stat(const char *path, const struct stat *st, const struct reader_inode *i)
{
	uint32_t dev = i->rdev;

	if (st->st_mode != i->mode || st->st_uid != i->uid || st->st_gid != i->gid)
		unsound(path, "another mode or owner is mounted");
	if (st->st_mtim.tv_sec != i->mtime || st->st_mtim.tv_nsec != i->nsec)
		unsound(path, "another time is mounted");
	if ((S_ISREG(i->mode) || S_ISLNK(i->mode)) && (uint64_t)st->st_size != i->size)
		unsound(path, "another size is mounted");
	if (st->st_nlink != i->nlink)
		unsound(path, "another number of links is mounted");
	/* new_decode_dev() of the kernel */
	if ((S_ISCHR(i->mode) || S_ISBLK(i->mode)) &&
		st->st_rdev != makedev((dev & 0xfff00) >> 8, (dev & 0xff) | (dev >> 12 & 0xfff00)))
		unsound(path, "another device is mounted");
}

static void judge_content(int mnt, const char *path, const struct reader_inode *i, const char *want)
{
	_cleanup_fd_ int fd = openat(mnt, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char *have = malloc(i->size + 1);

	if (fd < 0 || !have || (i->size && fd_read_full(fd, have, i->size) < 0))
		unsound(path, "can't be read where it is mounted");
	if (memcmp(have, want, i->size) != 0 || read(fd, have, 1) != 0)
		unsound(path, "another content is mounted");
	free(have);
}

static void judge_target(int mnt, const char *path, const char *want)
{
	char have[4096 + 1];
	ssize_t n = readlinkat(mnt, path, have, sizeof(have) - 1);

	if (n < 0)
		unsound(path, "the link can't be read where it is mounted");
	have[n] = '\0';
	if (strcmp(have, want) != 0)
		unsound(path, "another target is mounted");
}

static const struct {
	const char *name;
	uint8_t number;
} prefixes[] = {{"user.", EROFS_XATTR_USER}, {"trusted.", EROFS_XATTR_TRUSTED},
	{"security.", EROFS_XATTR_SECURITY}};

/* The kernel reads capabilities and ACLs as such, and refuses those that are none. */
static bool is_opaque(const char *name)
{
	return strcmp(name, "security.capability") != 0;
}

static bool judge_xattr(const struct judge *j, const char *path, const struct reader_inode *i,
	const char *proc, const char *name)
{
	static char have[XATTRS_MAX];
	ssize_t n = getxattr(proc, name, have, sizeof(have));
	const uint8_t *want = NULL;
	size_t size = 0;

	if (strncmp(name, "system.", 7) == 0)
		return false;
	for (unsigned int k = 0; k < ARRAY_LEN(prefixes); k++)
		if (strncmp(name, prefixes[k].name, strlen(prefixes[k].name)) == 0)
			want = reader_xattr(j->r, i, prefixes[k].number,
				name + strlen(prefixes[k].name), &size);
	if (!want || (is_opaque(name) && (n != (ssize_t)size || memcmp(want, have, size) != 0)))
		unsound(path, "another extended attribute is mounted");
	return true;
}

/* Those that are not ACLs, which a kernel without these doesn't list. */
static unsigned int count_xattrs(const struct reader *r, const struct reader_inode *i)
{
	uint64_t at = i->at + sizeof(struct erofs_inode), end = at + i->xattr_bytes;
	unsigned int n = 0;

	for (at += sizeof(struct erofs_xattr_header); i->xattr_bytes && at < end;) {
		struct erofs_xattr_entry x;

		memcpy(&x, reader_at(r, at, sizeof(x)), sizeof(x));
		at += (sizeof(x) + x.name_len + le16toh(x.value_size) + 3) & ~3ULL;
		n += x.prefix != EROFS_XATTR_ACL_ACCESS && x.prefix != EROFS_XATTR_ACL_DEFAULT;
	}
	return n;
}

static void judge_xattrs(const struct judge *j, const char *path, const struct reader_inode *i)
{
	_cleanup_fd_ int fd = openat(j->mnt, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	static char list[XATTRS_MAX];
	unsigned int n = 0;
	char proc[32];
	ssize_t len;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	len = listxattr(proc, list, sizeof(list));
	if (fd < 0 || len < 0)
		unsound(path, "its extended attributes can't be listed");
	for (const char *name = list; name < list + len; name += strlen(name) + 1)
		n += judge_xattr(j, path, i, proc, name);
	if (n != count_xattrs(j->r, i))
		unsound(path, "not all extended attributes are mounted");
}

/* posix_acl_from_xattr() in fs/posix_acl.c: of no sense, or of another version. */
static bool is_of_acl(int code)
{
	return code == EINVAL || code == EOPNOTSUPP;
}

/* An ACL that is none: generic_permission() in fs/namei.c passes the failure to read it on, so that
 * not even root gets at the file, or at what is in the directory. */
static bool is_closed(const struct judge *j, const char *path, const struct reader_inode *i)
{
	size_t size;

	return (reader_xattr(j->r, i, EROFS_XATTR_ACL_ACCESS, "", &size) ||
		       reader_xattr(j->r, i, EROFS_XATTR_ACL_DEFAULT, "", &size)) &&
	       faccessat(j->mnt, path, R_OK, AT_SYMLINK_NOFOLLOW) < 0 && is_of_acl(errno);
}

static bool lies_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return n > 0 && strncmp(path, dir, n) == 0 && path[n] == '/';
}

static void on_visit(const struct reader_visit *v, void *ctx)
{
	struct judge *j = ctx;
	char *content;
	struct stat st;

	if (lies_below(v->path, j->closed))
		return;
	j->names++;
	if (fstatat(j->mnt, v->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		unsound(v->path, "is not there where it is mounted");
	judge_stat(v->path, &st, v->inode);
	if (is_closed(j, v->path, v->inode)) {
		if (S_ISDIR(v->inode->mode))
			snprintf(j->closed, sizeof(j->closed), "%s", v->path);
		return;
	}
	judge_xattrs(j, v->path, v->inode);
	if (!S_ISREG(v->inode->mode) && !S_ISLNK(v->inode->mode))
		return;
	content = reader_content(j->r, v->inode);
	if (S_ISREG(v->inode->mode))
		judge_content(j->mnt, v->path, v->inode, content);
	else
		judge_target(j->mnt, v->path, content);
	free(content);
}

/* ---- one image ---- */

static uint64_t count_names(int dir)
{
	bool closed = dir < 0 && is_of_acl(errno); /* see is_closed() */
	DIR *d = closed ? NULL : fdopendir(dir);
	struct dirent *de;
	uint64_t n = 0;

	if (closed)
		return 0;
	if (!d)
		unsound("", "a directory can't be read where it is mounted");
	while ((de = readdir(d))) {
		int sub;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		n++;
		if (de->d_type != DT_DIR)
			continue;
		sub = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		n += count_names(sub);
	}
	closedir(d);
	return n;
}

static void judge_mount(const char *path, const struct reader *r, uint64_t root)
{
	struct err e = {0};
	struct judge j = {.r = r, .mnt = erofs_mount_file(path, &e)};
	struct reader_inode i = reader_inode(r, root);
	struct stat st;

	if (j.mnt < 0)
		unsound("", e.text);
	if (fstat(j.mnt, &st) < 0)
		unsound("", "its root can't be looked at");
	judge_stat("", &st, &i);
	if (!is_closed(&j, ".", &i)) {
		judge_xattrs(&j, ".", &i);
		reader_walk(r, root, on_visit, &j);
	}
	if (count_names(openat(j.mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != j.names)
		unsound("", "other names are mounted");
	close(j.mnt);
}

static void judge_fsck(const char *path)
{
	char program[] = "fsck.erofs", *const argv[] = {program, (char *)(uintptr_t)path, NULL};
	posix_spawn_file_actions_t quiet;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ) != 0 ||
		waitpid(pid, &status, 0) != pid)
		unsound("", "fsck.erofs can't be run");
	posix_spawn_file_actions_destroy(&quiet);
	if (status != 0)
		unsound("", "fsck.erofs finds fault with it");
}

/* 1 when it became an image. */
static unsigned int judge_input(const char *name, const char *image)
{
	_cleanup_fd_ int in = open(name, O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int out = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	_cleanup_free_ char *data = NULL;
	struct layer_result result;
	struct err e = {0};
	struct reader r;
	uint64_t root;
	uint8_t *map;
	size_t n;

	input = name;
	if (in < 0 || out < 0 || fd_read_file(in, INPUT_MAX, &data, &n) < 0)
		unsound("", strerror(errno));
	if (n == 0 || layer_input_unpack((const uint8_t *)data, n, out, &result, &e) < 0)
		return 0;
	map = mmap(NULL, result.image_bytes, PROT_READ, MAP_SHARED, out, 0);
	if (map == MAP_FAILED)
		unsound("", strerror(errno));
	r = reader_open(map, result.image_bytes, &root);
	judge_fsck(image);
	judge_mount(image, &r, root);
	munmap(map, result.image_bytes);
	return 1;
}

/* The kernel must have erofs, and we the right to mount. */
static void try_mount(void)
{
	_cleanup_fd_ int fs = fsopen("erofs", FSOPEN_CLOEXEC);

	if (fs >= 0)
		return;
	printf("%s\n", errno == EPERM ? "only root may mount" : "this kernel has no erofs");
	exit(77);
}

int main(int argc, char **argv)
{
	char dir[PATH_MAX], image[PATH_MAX + 16];
	unsigned int n = 0;

	if (argc < 2 || !realpath(argv[1], dir)) {
		fprintf(stderr, "usage: judge_layers DIRECTORY INPUT...\n");
		return 2;
	}
	try_mount();
	snprintf(image, sizeof(image), "%s/image", dir);
	for (int i = 2; i < argc; i++)
		n += judge_input(argv[i], image);
	unlink(image);
	printf("%u images of %d inputs\n", n, argc - 2);
	return n == 0;
}
