/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the disk, off the event loop; see settle.h.
 */
#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../proto/base/fd.h"
#include "../proto/base/thread.h"

struct settling {
	int file, dir;
	char mark[128];
};

int settle_mark(int dir, const char *mark, const char *boot_id, struct err *e)
{
	int r = fd_replace_file_at(dir, mark, boot_id, strlen(boot_id), 0600);

	return r < 0 ? err_errno(e, r, "marking it as unsettled") : 0;
}

bool settle_is_ours(int dir, const char *mark, const char *boot_id)
{
	_cleanup_free_ char *text = NULL;

	return fd_read_file_at(dir, mark, BOOT_ID_MAX, &text, NULL) == 0 &&
	       strcmp(text, boot_id) == 0;
}

static void settling_free(struct settling *s)
{
	fd_close(&s->file);
	fd_close(&s->dir);
	free(s);
}

static void *settle(void *arg)
{
	struct settling *s = arg;

	if (fdatasync(s->file) == 0)
		unlinkat(s->dir, s->mark, 0);
	settling_free(s);
	return NULL;
}

void settle_begin(int file, int dir, const char *mark)
{
	struct settling *s = calloc(1, sizeof(*s));

	if (!s) {
		fd_close(&file);
		return;
	}
	s->file = file;
	s->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	memcpy(s->mark, mark, MIN(strlen(mark), sizeof(s->mark) - 1));
	if (s->dir < 0 || thread_start(NULL, settle, s) < 0)
		settling_free(s);
}
