/* SPDX-License-Identifier: MIT */
/*
 * Scratch memory behind the image; see scratch.h. A file that is cut off under a mapping kills
 * whoever touches it (SIGBUS, mmap(2)): users are done before the image's length is set. Runs in
 * imaged --unpack.
 */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

/* At a time; a fraction of what an ordinary layer needs in names. */
#define STEP (1u << 20)

static uint8_t *map(struct scratch *s, size_t from, size_t n, int flags)
{
	if (s->fd < 0)
		flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	else
		flags |= MAP_SHARED;
	return mmap(s->base ? s->base + from : NULL, n, PROT_READ | PROT_WRITE, flags, s->fd,
		s->fd < 0 ? 0 : (off_t)(s->at + from));
}

int scratch_open(struct scratch *s, int fd, uint64_t at, size_t max, struct err *e)
{
	uint8_t *p;

	*s = (struct scratch){.fd = fd, .at = at, .max = (max + STEP - 1) & ~(size_t)(STEP - 1)};
	p = map(s, 0, s->max, 0);
	if (p == MAP_FAILED)
		return err_errno(e, errno, "mapping memory");
	s->base = p;
	return 0;
}

/* What is ready already stays where it is. */
static int fall_back(struct scratch *s, struct err *e)
{
	s->fd = -1;
	if (map(s, s->ready, s->max - s->ready, MAP_FIXED) == MAP_FAILED)
		return err_errno(e, errno, "mapping memory");
	s->ready = s->max;
	return 0;
}

/* Blocks are taken now, for a full disk must be an error here and not a signal later. */
int scratch_grow(struct scratch *s, size_t need, struct err *e)
{
	size_t more;

	if (need > s->max)
		return err_set(e, ENOMEM, "needs more than %zu MiB of memory", s->max >> 20);
	if (need <= s->ready || s->fd < 0)
		return 0;
	more = (need - s->ready + STEP - 1) & ~(size_t)(STEP - 1);
	while (fallocate(s->fd, 0, (off_t)(s->at + s->ready), (off_t)more) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == ENOSPC || errno == EDQUOT)
			return err_set(e, errno, "no space left on device");
		return fall_back(s, e);
	}
	s->ready += more;
	return 0;
}

void scratch_close(struct scratch *s)
{
	if (s->base)
		munmap(s->base, s->max);
	*s = (struct scratch){.fd = -1};
}
