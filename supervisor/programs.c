/* SPDX-License-Identifier: MIT */
/*
 * Opening and executing the helpers; see programs.h. Runs in the launcher, and in its children
 * until they have become what they shall be.
 */
#include "programs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "stage.h"

/* Beside ourselves in a build tree, ../libexec/bulkhead when installed. */
static int open_program(const char *name, struct err *e)
{
	static const char *const places[] = {"%s/%s", "%s/../libexec/bulkhead/%s"};
	char self[PATH_MAX], path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	int fd;

	if (n < 0)
		return err_errno(e, errno, "/proc/self/exe");
	self[n] = '\0';
	slash = strrchr(self, '/');
	*slash = '\0';
	for (unsigned int i = 0; i < ARRAY_LEN(places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		if (snprintf(path, sizeof(path), places[i], self, name) >= (int)sizeof(path))
			continue;
#pragma GCC diagnostic pop
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	return err_set(e, ENOENT,
		"the program %s is neither beside %s/supervisor nor in ../libexec/bulkhead", name,
		self);
}

/* Root's alone, or a container could run it as "#!/proc/self/exe" and then read it: execve resolves
 * that name while the process is still ours (CVE-2019-5736). */
static int seal_copy(int from, struct err *e)
{
	_cleanup_fd_ int fd = memfd_create("shim", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	off_t at = 0;

	if (fd < 0 || fstat(from, &st) < 0)
		return err_errno(e, errno, "shim: memfd");
	while (at < st.st_size)
		if (sendfile(fd, from, &at, (size_t)(st.st_size - at)) <= 0)
			return err_errno(e, errno, "shim: copying");
	if (fchmod(fd, 0500) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) <
			0)
		return err_errno(e, errno, "shim: sealing");
	return take_fd(&fd);
}

int programs_open(struct programs *ret, struct err *e)
{
	const struct {
		const char *name;
		int *fd;
	} rows[] = {{"supervisor", &ret->supervisor}, {"netd", &ret->netd},
		{"imaged", &ret->imaged}, {"cgroupd", &ret->cgroupd}, {"shim", &ret->shim}};
	_cleanup_fd_ int plain = -1;

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		*rows[i].fd = open_program(rows[i].name, e);
		if (*rows[i].fd < 0)
			return *rows[i].fd;
	}
	plain = ret->shim;
	ret->shim = seal_copy(plain, e);
	if (ret->shim < 0)
		return ret->shim;
	ret->stage = stage_make(e);
	return ret->stage < 0 ? ret->stage : 0;
}

struct command {
	const char *argv[OPTIONS_ARGV_MAX];
	unsigned int n;
	char numbers[5][16];
};

static void add(struct command *c, const char *flag, const char *value)
{
	c->argv[c->n++] = flag;
	if (value)
		c->argv[c->n++] = value;
}

static const char *number(struct command *c, unsigned int i, uint32_t v)
{
	snprintf(c->numbers[i], sizeof(c->numbers[i]), "%u", v);
	return c->numbers[i];
}

static void shim_args(struct command *c, const struct options *o, const struct launch_frame *what)
{
	add(c, "--uid", number(c, 0, o->uid_base + what->slot));
	add(c, "--uid-base", number(c, 1, o->uid_base + what->slot * UID_RANGE));
	add(c, "--listen", NULL);
	if (what->flags & LAUNCH_HOST_NET)
		add(c, "--host-net", NULL);
	if (what->flags & LAUNCH_NEW_PRIVS)
		add(c, "--new-privs", NULL);
}

static void fetch_args(struct command *c, const struct options *o)
{
	add(c, "--fetch", NULL);
	add(c, "--certs-dir", o->certs_dir);
	for (const char *const *p = o->insecure; *p; p++)
		add(c, "--insecure-registry", *p);
	for (const char *const *p = o->mirrors; *p; p++)
		add(c, "--mirror", *p);
}

int programs_exec(
	const struct programs *p, const struct options *o, const struct launch_frame *what)
{
	static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	static const char *const names[] = {
		"supervisor", "netd", "imaged", "imaged", "imaged", "cgroupd", "shim"};
	struct command c = {.n = 1};
	int fd = -1;

	for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
		if (what->role == 1U << i)
			c.argv[0] = names[i];
	switch (what->role) {
	case SUPERVISOR:
		fd = p->supervisor;
		options_serve_argv(o, c.argv, c.numbers);
		break;
	case NETD:
		fd = p->netd;
		break;
	case CGROUPD:
		fd = p->cgroupd;
		if (o->cgroup_parent)
			add(&c, "--parent", o->cgroup_parent);
		break;
	case IMAGED:
		fd = p->imaged;
		add(&c, "--state-dir", o->state_dir);
		break;
	case FETCH:
		fd = p->imaged;
		fetch_args(&c, o);
		break;
	case UNPACK:
		fd = p->imaged;
		add(&c, "--unpack", NULL);
		break;
	case SHIM:
		fd = p->shim;
		shim_args(&c, o, what);
		/* Never sees the host's files; a static program needs none. */
		if (setns(p->stage, CLONE_NEWNS) < 0)
			return -errno;
		break;
	default:
		return -EINVAL;
	}
	if (what->role != SUPERVISOR && what->role != SHIM)
		add(&c, "--name", o->name);
	if (what->role != SUPERVISOR)
		add(&c, "--log", o->log);
	execveat(fd, "", (char *const *)(uintptr_t)c.argv, (char *const *)(uintptr_t)env,
		AT_EMPTY_PATH);
	return -errno;
}
