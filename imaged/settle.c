/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the disk, off the event loop; see settle.h.
 */
#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../proto/base/fd.h"

#define THREAD_STACK (256U << 10)

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

static int start_thread(struct settling *s)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t, &attr, settle, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return r;
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
	if (s->dir < 0 || start_thread(s) != 0)
		settling_free(s);
}
