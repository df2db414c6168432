/* SPDX-License-Identifier: MIT */
/*
 * Bytes from a container's pipe to where the caller wants them; see pour.h. They are not looked at.
 */
#include "pour.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <unistd.h>

#include "side.h"

#define CHUNK (1U << 20)

/* Moves what is there; 0 at the end, -EINVAL where that is not possible. */
static ssize_t move(int from, int to)
{
	char buf[65536];
	ssize_t n = splice(from, NULL, to, NULL, CHUNK, 0);
	int r;

	if (n >= 0 || errno != EINVAL)
		return n < 0 ? -errno : n;
	/* A terminal, a file opened to append. */
	n = read(from, buf, sizeof(buf));
	r = n > 0 ? fd_write_all(to, buf, (size_t)n) : 0;
	return n < 0 ? -errno : r < 0 ? r : n;
}

static int copy(const struct pour *p, int verdict, int to, const char *what, struct err *e)
{
	int r;

	while ((r = side_wait(p->from, verdict, e)) == 0) {
		ssize_t n = move(p->from, to);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_errno(e, (int)n, "writing to %s", what) : 0;
	}
	return r == -ENODATA ? 0 : r;
}

/* A device, a FIFO: nothing that could be replaced. */
static int pour_into(const struct pour *p, int verdict, struct err *e)
{
	_cleanup_fd_ int fd = open(p->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? err_errno(e, errno, "%s", p->path) : copy(p, verdict, fd, p->path, e);
}

static int pour_file(const struct pour *p, int verdict, struct err *e)
{
	char temporary[PATH_MAX];
	_cleanup_fd_ int fd = -1;
	int r;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", p->path) >=
		sizeof(temporary))
		return err_errno(e, ENAMETOOLONG, "%.60s…", p->path);
	side_shield(true);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, "%s", p->path);
	r = copy(p, verdict, fd, p->path, e);
	if (r == 0)
		r = side_verdict(verdict);
	if (r == 0 && rename(temporary, p->path) < 0)
		r = err_errno(e, errno, "%s", p->path);
	if (r < 0)
		unlink(temporary);
	return r;
}

int pour_out(void *arg, int verdict, struct err *e)
{
	const struct pour *p = arg;
	struct stat st;
	int r = side_wait(p->from, verdict, e);

	if (r < 0)
		return r;
	if (!p->path)
		return copy(p, verdict, STDOUT_FILENO, "stdout", e);
	if (stat(p->path, &st) == 0 && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? err_errno(e, EISDIR, "%s", p->path)
					   : pour_into(p, verdict, e);
	return pour_file(p, verdict, e);
}
