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
#include "../proto/base/keep.h"
#include "../proto/base/log.h"
#include "../proto/base/thread.h"

struct settling {
	int file, dir;
	bool is_record;
	char name[128]; /* of the mark, or of the record */
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
	int r;

	if (s->is_record) {
		r = keep_settle(s->dir, s->name, s->file);
		if (r < 0)
			log_warn("record %.12s may not reach the disk: %s", s->name,
				strerrordesc_np(-r));
	} else if (fdatasync(s->file) == 0) {
		unlinkat(s->dir, s->name, 0);
	}
	settling_free(s);
	return NULL;
}

static void begin(int file, int dir, const char *name, bool is_record)
{
	struct settling *s = calloc(1, sizeof(*s));

	if (!s) {
		fd_close(&file);
		return;
	}
	s->file = file;
	s->is_record = is_record;
	s->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	memcpy(s->name, name, MIN(strlen(name), sizeof(s->name) - 1));
	if (s->dir < 0 || thread_start(NULL, settle, s) < 0)
		settling_free(s);
}

void settle_begin(int file, int dir, const char *mark)
{
	begin(file, dir, mark, false);
}

void settle_record(int file, int dir, const char *name)
{
	begin(file, dir, name, true);
}
