/* SPDX-License-Identifier: MIT */
/*
 * Landlock; see sandbox.h. Runs in every daemon at the end of its start. Each kernel knows a part
 * of it: what it doesn't know is left out and told (landlock(7), "Compatibility"). The constants
 * are the kernel's own; those of the build machine's headers may be older.
 */
#include "sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"

struct ruleset {
	uint64_t files, net, scope;
};
struct rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

#define RULE_PATH_BENEATH 1
#define VERSION		  1 /* a flag of landlock_create_ruleset */

#define EXECUTE	    (1U << 0)
#define WRITE_FILE  (1U << 1)
#define READ_FILE   (1U << 2)
#define READ_DIR    (1U << 3)
#define REMOVE_DIR  (1U << 4)
#define REMOVE_FILE (1U << 5)
#define MAKE_CHAR   (1U << 6)
#define MAKE_DIR    (1U << 7)
#define MAKE_REG    (1U << 8)
#define MAKE_FIFO   (1U << 10) /* 9: sockets, 11: block devices */
#define MAKE_SYM    (1U << 12)
#define REFER	    (1U << 13)
#define TRUNCATE    (1U << 14)
#define IOCTL_DEV   (1U << 15)
#define OF_FILES    (WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV) /* the rest are directories' */
#define ABI_1_FILES (REFER - 1)

#define BIND_TCP    (1U << 0)
#define CONNECT_TCP (1U << 1)

#define ABSTRACT_SOCKETS (1U << 0)
#define SIGNALS		 (1U << 1)

/* What came with which version. */
static const struct {
	int abi;
	const char *name;
	struct ruleset adds;
} features[] = {
	{1, "files", {ABI_1_FILES, 0, 0}},
	{2, "moving between directories", {REFER, 0, 0}},
	{3, "truncation", {TRUNCATE, 0, 0}},
	{4, "TCP", {0, BIND_TCP | CONNECT_TCP, 0}},
	{5, "ioctls of devices", {IOCTL_DEV, 0, 0}},
	{6, "abstract sockets and signals", {0, 0, ABSTRACT_SOCKETS | SIGNALS}},
};

static const struct {
	unsigned int access;
	uint64_t rights;
} accesses[] = {
	{PRIV_READ, READ_FILE | READ_DIR},
	{PRIV_WRITE, WRITE_FILE | TRUNCATE},
	{PRIV_MAKE, MAKE_REG | MAKE_DIR | REMOVE_FILE | REMOVE_DIR | REFER},
	{PRIV_RMDIR, REMOVE_DIR},
	{PRIV_DEVICE, IOCTL_DEV},
	{PRIV_LINK, MAKE_SYM | MAKE_FIFO},
};

static uint64_t rights_of(unsigned int access)
{
	uint64_t rights = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(accesses); i++)
		if (access & accesses[i].access)
			rights |= accesses[i].rights;
	return rights;
}

static void choose(
	const struct priv_profile *p, int abi, struct ruleset *ret, char missing[SANDBOX_MISSING])
{
	size_t n = 0;

	*missing = '\0';
	*ret = (struct ruleset){0};
	for (unsigned int i = 0; i < ARRAY_LEN(features); i++) {
		if (features[i].abi > abi) {
			n += (size_t)snprintf(missing + n, SANDBOX_MISSING - n, "%s%s",
				n ? ", " : "", features[i].name);
			continue;
		}
		ret->files |= features[i].adds.files;
		ret->net |= features[i].adds.net;
		ret->scope |= features[i].adds.scope;
	}
	if (p->may & PRIV_MOUNT)
		ret->files = 0;
	ret->net &= ~(uint64_t)((p->may & PRIV_TCP_BIND ? BIND_TCP : 0) |
				(p->may & PRIV_TCP_CONNECT ? CONNECT_TCP : 0));
	ret->scope &= ~(uint64_t)(p->may & PRIV_SIGNAL ? SIGNALS : 0);
}

static int add_rule(int ruleset, int fd, uint64_t rights)
{
	struct rule rule = {.fd = fd};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	rule.allowed = S_ISDIR(st.st_mode) ? rights : rights & OF_FILES;
	if (rule.allowed == 0)
		return 0;
	return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno
											: 0;
}

static int add_places(
	int ruleset, const char *name, const struct sandbox_place *places, uint64_t rights)
{
	int r = 0;

	for (; places && places->name && r == 0; places++)
		if (places->fd >= 0 && strcmp(places->name, name) == 0)
			r = add_rule(ruleset, places->fd, rights);
	return r;
}

static int add_path(int ruleset, const char *path, uint64_t rights)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? 0 : add_rule(ruleset, fd, rights); /* what isn't there needs no right */
}

static int add_rows(int ruleset, const struct priv_path *p, const struct sandbox_place *places,
	uint64_t known, struct err *e)
{
	for (; p && p->path; p++) {
		uint64_t rights = rights_of(p->access) & known;
		int r = *p->path == ':' ? add_places(ruleset, p->path + 1, places, rights)
					: add_path(ruleset, p->path, rights);

		if (r < 0)
			return err_errno(e, r, "Landlock: %s", p->path);
	}
	return 0;
}

/* Where a user copies to may be just that. */
static bool is_root_given(const struct sandbox_place *places)
{
	struct stat root, st;

	if (stat("/", &root) < 0)
		return false;
	for (; places && places->name; places++)
		if (places->fd >= 0 && fstat(places->fd, &st) == 0 && st.st_dev == root.st_dev &&
			st.st_ino == root.st_ino)
			return true;
	return false;
}

/* What must fail by now: the root directory is no profile's, and binding few ones'. */
static int prove(const struct ruleset *rules, const struct sandbox_place *places, struct err *e)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	_cleanup_fd_ int dir = -1, sock = -1;

	if (rules->files && !is_root_given(places)) {
		dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0 || errno != EACCES)
			return err_set(e, EPERM, "Landlock: the root directory can be listed");
	}
	if (rules->net & BIND_TCP) {
		sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (sock >= 0 &&
			(bind(sock, (struct sockaddr *)&any, sizeof(any)) == 0 || errno != EACCES))
			return err_set(e, EPERM, "Landlock: a TCP port can be bound");
	}
	return 0;
}

static int restrict_self(const struct priv_profile *p, const struct sandbox_place *places,
	const struct ruleset *rules, struct err *e)
{
	_cleanup_fd_ int ruleset =
		(int)syscall(SYS_landlock_create_ruleset, rules, sizeof(*rules), 0);
	int r;

	if (ruleset < 0)
		return err_errno(e, errno, "Landlock");
	r = rules->files ? add_rows(ruleset, p->paths, places, rules->files, e) : 0;
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_errno(e, errno, "Landlock");
	return 0;
}

static int version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION);
}

static int bound(const struct priv_profile *p, const struct sandbox_place *places, int abi,
	struct ruleset *ret, char missing[SANDBOX_MISSING], struct err *e)
{
	int r;

	choose(p, abi, ret, missing);
	if (!ret->files && !ret->net && !ret->scope)
		return 0;
	r = restrict_self(p, places, ret, e);
	return r < 0 ? err_prefix(e, "%s", p->program) : 0;
}

int sandbox_landlock(const struct priv_profile *p, const struct sandbox_place *places,
	char missing[SANDBOX_MISSING], bool *ret_files, struct err *e)
{
	struct ruleset rules;
	int abi = version(), r;

	*ret_files = false;
	snprintf(missing, SANDBOX_MISSING, "everything");
	if (SANDBOX_OFF || abi < 0)
		return 0;
	r = bound(p, places, abi, &rules, missing, e);
	*ret_files = r == 0 && rules.files;
	return r;
}

int sandbox_paths(
	const struct priv_profile *p, const struct sandbox_place *places, bool debug, struct err *e)
{
	char missing[SANDBOX_MISSING];
	struct ruleset rules;
	int abi = version(), r;

	if (SANDBOX_OFF)
		return 0; /* sandbox_syscalls says so */
	if (debug) {
		log_debug("a debug run opens what it is told to: no Landlock");
		return 0;
	}
	if (abi < 0) {
		log_warn(
			"this kernel has no Landlock (%s): files are guarded by their owners alone",
			strerror(errno));
		return 0;
	}
	r = bound(p, places, abi, &rules, missing, e);
	if (*missing)
		log_info("this kernel's Landlock (version %d) can't bound: %s", abi, missing);
	if (r == 0)
		r = prove(&rules, places, e);
	if (r < 0)
		return r;
	log_debug("Landlock version %d bounds files %lx, TCP %lx, scope %lx, proved", abi,
		rules.files, rules.net, rules.scope);
	return 0;
}
