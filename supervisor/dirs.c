/* SPDX-License-Identifier: MIT */
/*
 * Directories, locks and the socket; see dirs.h. Runs in the launcher as root, on paths from its
 * own command line only.
 */
#include "dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/keep.h"
#include "base/num.h"
#include "launch.h"
#include "successor.h"

/* systemd's range for containers is 0x80000…0x6fffffff (systemd.io/UIDS-GIDS); its upper part is
 * ours. */
#define BLOCK_FIRST UINT32_C(0x20000000)
#define BLOCK_COUNT 10
#define BLOCK_LOCKS "/run/bulkhead-uids"
#define NO_GROUP    ((gid_t)-1)
#define KNOWN_MS    50
#define KNOWN_TRIES 10

static int make_dir(const char *path, mode_t mode, struct err *e)
{
	struct stat st;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_errno(e, errno, "%s", path);
	if (lstat(path, &st) < 0)
		return err_errno(e, errno, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != 0)
		return err_set(e, ENOTDIR, "%s: not a directory of root", path);
	return chmod(path, mode) < 0 ? err_errno(e, errno, "%s", path) : 0;
}

static int open_file(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? err_errno(e, errno, "%s", path) : fd;
}

/* A lock of the process, fcntl_locking(2), that ends with it: one of the descriptor would be held
 * on by a child that has not come to its exec yet. Nobody here opens the file again: closing it
 * would end the lock. */
static int lock_file(const char *path, struct err *e)
{
	_cleanup_fd_ int fd = open_file(path, e);
	const struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat st;

	if (fd < 0)
		return fd;
	/* Whoever had it may have removed it as the last thing it did. */
	if (fcntl(fd, F_SETLK, &all) < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0)
		return -EWOULDBLOCK;
	return take_fd(&fd);
}

static int lock_block(uint32_t base, struct err *e)
{
	char path[64];

	snprintf(path, sizeof(path), BLOCK_LOCKS "/%08x", base);
	return lock_file(path, e);
}

static int recorded_block(int state, uint32_t *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = fd_read_file_at(state, "uid-base", 32, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	r = num_parse_u32(text, UID_BLOCK, UINT32_MAX - UID_BLOCK, ret);
	return r == 0 && *ret % UID_BLOCK ? -EBADMSG : r;
}

/* Without it the containers' files are nobody's, so it is on the disk before there are any. */
static int record_block(int state, uint32_t base)
{
	_cleanup_fd_ int file = -1;
	char text[32];
	int r;

	snprintf(text, sizeof(text), "%u\n", base);
	r = fd_replace_file_at(state, "uid-base", text, strlen(text), 0600);
	if (r < 0)
		return r;
	file = openat(state, "uid-base", O_RDONLY | O_CLOEXEC);
	return file < 0 ? -errno : keep_sync(state, file);
}

/* Somebody who looks for a free block holds each lock for a moment. */
static int lock_known(const struct options *o, uint32_t base, struct err *e)
{
	const struct timespec pause = {.tv_nsec = KNOWN_MS * 1000000L};
	int fd = -EWOULDBLOCK;

	for (int i = 0; i < KNOWN_TRIES && fd == -EWOULDBLOCK; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		fd = lock_block(base, e);
	}
	if (fd == -EWOULDBLOCK)
		return err_set(e, EBUSY,
			"the uids of %s, from %u, are in use: another engine runs on it",
			o->state_dir, base);
	return fd;
}

/* How well a block is claimed, whose lock nobody has. */
enum claim {
	CLAIM_NONE,
	CLAIM_VOID, /* the state directory is gone, unless its disk is; or it says another block */
	CLAIM_GOOD,
	CLAIM_COUNT,
};

static enum claim judge_claim(int claim, uint32_t base)
{
	char path[PATH_MAX];
	ssize_t n = pread(claim, path, sizeof(path) - 1, 0);
	_cleanup_fd_ int state = -1;
	uint32_t recorded;

	if (n == 0)
		return CLAIM_NONE;
	path[MAX(n, 0)] = '\0';
	state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return state >= 0 && recorded_block(state, &recorded) == 0 && recorded == base ? CLAIM_GOOD
										       : CLAIM_VOID;
}

/* An engine that has died, or was stopped, comes back to its block, and its containers may run on
 * meanwhile: what it has claimed is taken only when nothing else is left. */
static int lock_free(uint32_t base, enum claim worst, struct err *e)
{
	_cleanup_fd_ int fd = lock_block(base, e);

	if (fd < 0)
		return fd;
	if (judge_claim(fd, base) > worst || successor_signal(base, UID_BLOCK, 0, NULL, NULL) > 0)
		return -EWOULDBLOCK;
	return take_fd(&fd);
}

static int lock_any(uint32_t *ret_base, struct err *e)
{
	int fd = -EWOULDBLOCK;

	for (uint32_t i = 0; i < CLAIM_COUNT * BLOCK_COUNT && fd == -EWOULDBLOCK; i++) {
		*ret_base = BLOCK_FIRST + i % BLOCK_COUNT * UID_BLOCK;
		fd = lock_free(*ret_base, (enum claim)(i / BLOCK_COUNT), e);
	}
	if (fd == -EWOULDBLOCK)
		return err_set(e, EBUSY, "all blocks of uids are in use by other engines");
	return fd;
}

/* Files on disk belong to the block, so the one that was used before is used again. */
static int choose_block(struct options *o, int state, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	uint32_t known = 0;
	bool recorded;
	int r;

	r = recorded_block(state, &known);
	recorded = r == 0;
	if (r < 0 && r != -ENOENT)
		return err_set(e, EINVAL,
			"%s/uid-base is damaged: write the first uid of its containers into it, or remove it if there are none",
			o->state_dir);
	if (known && o->uid_base && known != o->uid_base)
		return err_set(e, EINVAL, "--uid-base %u: the containers in %s live at %u",
			o->uid_base, o->state_dir, known);
	if (!known)
		known = o->uid_base;
	fd = known ? lock_known(o, known, e) : lock_any(&o->uid_base, e);
	if (fd < 0)
		return fd;
	if (known)
		o->uid_base = known;
	if (ftruncate(fd, 0) < 0 || pwrite(fd, o->state_dir, strlen(o->state_dir), 0) < 0)
		return err_errno(e, errno, BLOCK_LOCKS);
	r = recorded ? 0 : record_block(state, o->uid_base);
	return r < 0 ? err_errno(e, r, "%s/uid-base", o->state_dir) : take_fd(&fd);
}

static int bind_socket(const struct sockaddr_un *sa, struct err *e)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_errno(e, errno, "socket");
	unlink(sa->sun_path);
	if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 || chmod(sa->sun_path, 0600) < 0)
		return err_errno(e, errno, "%s", sa->sun_path);
	return take_fd(&fd);
}

/* Who may use one that was handed in is its unit's to say, unless we are told. */
static int listen_socket(const struct options *o, const struct dirs *d, struct err *e)
{
	const struct group *gr =
		d->group == NO_GROUP && d->handed < 0 ? getgrnam("bulkhead") : NULL;
	gid_t group = gr ? gr->gr_gid : d->group;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = -1;

	if ((size_t)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/ctl.sock", o->run_dir) >=
		sizeof(sa.sun_path))
		return err_set(e, ENAMETOOLONG, "--run-dir %s: too long for a socket", o->run_dir);
	fd = d->handed >= 0 ? fcntl(d->handed, F_DUPFD_CLOEXEC, 0) : bind_socket(&sa, e);
	if (fd < 0)
		return fd;
	if ((group != NO_GROUP &&
		    (chown(sa.sun_path, 0, group) < 0 || chmod(sa.sun_path, 0660) < 0)) ||
		listen(fd, 128) < 0)
		return err_errno(e, errno, "%s", sa.sun_path);
	return take_fd(&fd);
}

/* STATE/containers belongs to the supervisor process; STATE itself to root, and so to imaged. */
static int open_state(const struct options *o, struct dirs *d, struct err *e)
{
	int r = make_dir(o->state_dir, 0700, e);

	if (r < 0)
		return r;
	d->images = open(o->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->images < 0)
		return err_errno(e, errno, "%s", o->state_dir);
	if (mkdirat(d->images, "containers", 0700) < 0 && errno != EEXIST)
		return err_errno(e, errno, "%s/containers", o->state_dir);
	d->state = openat(d->images, "containers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->state < 0 || fchown(d->state, o->uid, o->gid) < 0)
		return err_errno(e, errno, "%s/containers", o->state_dir);
	return 0;
}

static int open_shims(const struct options *o, struct dirs *d, struct err *e)
{
	char path[PATH_MAX];
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/shims", o->run_dir) >= sizeof(path))
		return err_set(e, ENAMETOOLONG, "--run-dir: too long");
	r = make_dir(path, 0700, e);
	if (r < 0)
		return r;
	d->shims = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return d->shims < 0 ? err_errno(e, errno, "%s", path) : 0;
}

static int open_network(const struct options *o, struct dirs *d, struct err *e)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/network", o->run_dir) >= sizeof(path))
		return err_set(e, ENAMETOOLONG, "--run-dir: too long");
	d->network = open_file(path, e);
	return d->network < 0 ? d->network : 0;
}

static int open_all(struct options *o, struct dirs *d, struct err *e)
{
	char path[PATH_MAX];
	int r = make_dir(o->run_dir, 0711, e);

	if (r < 0)
		return r;
	if ((size_t)snprintf(path, sizeof(path), "%s/lock", o->run_dir) >= sizeof(path))
		return err_set(e, ENAMETOOLONG, "--run-dir: too long");
	d->lock = lock_file(path, e);
	if (d->lock == -EWOULDBLOCK)
		return err_set(e, EBUSY, "an engine runs in %s already", o->run_dir);
	if (d->lock < 0)
		return d->lock;
	r = open_shims(o, d, e);
	if (r == 0)
		r = open_network(o, d, e);
	if (r == 0)
		r = open_state(o, d, e);
	if (r == 0)
		r = make_dir(BLOCK_LOCKS, 0700, e);
	if (r < 0)
		return r;
	d->block = choose_block(o, d->images, e);
	if (d->block < 0)
		return d->block;
	d->listen = listen_socket(o, d, e);
	return d->listen < 0 ? d->listen : 0;
}

int dirs_open(struct options *o, struct dirs *ret, struct err *e)
{
	int r;

	ret->lock = ret->block = ret->listen = ret->state = ret->images = ret->shims = -1;
	ret->network = -1;
	r = open_all(o, ret, e);
	if (r < 0)
		dirs_close(o, ret);
	return r;
}

static void remove_made(const struct options *o, const struct dirs *d)
{
	static const char *const files[] = {"lock", "network", "ctl.sock"};
	const unsigned int n = ARRAY_LEN(files) - (d->handed >= 0);
	char path[PATH_MAX];

	/* Without the lock these belong to another engine. */
	for (unsigned int i = 0; i < n && d->lock >= 0; i++)
		if (snprintf(path, sizeof(path), "%s/%s", o->run_dir, files[i]) < (int)sizeof(path))
			unlink(path);
	if (d->lock >= 0 &&
		snprintf(path, sizeof(path), "%s/shims", o->run_dir) < (int)sizeof(path))
		rmdir(path);
	if (d->lock >= 0)
		rmdir(o->run_dir);
}

void dirs_close(const struct options *o, struct dirs *d)
{
	if (!d->left)
		remove_made(o, d);
	fd_close(&d->listen);
	fd_close(&d->state);
	fd_close(&d->images);
	fd_close(&d->shims);
	fd_close(&d->network);
	fd_close(&d->block);
	fd_close(&d->lock);
}
