/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a container's log, split over two files, with --tail and --timestamps as the first
 * byte says.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/ctl/logs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/fuzz_ctl_logs.XXXXXX";
static int dir = -1;

static void clean_up(void)
{
	unlinkat(dir, "log", 0);
	unlinkat(dir, "log.1", 0);
	rmdir(path);
}

static void open_once(void)
{
	if (dir >= 0)
		return;
	if (!mkdtemp(path) || !freopen("/dev/null", "w", stdout))
		abort();
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atexit(clean_up);
}

static void fill(const char *name, const uint8_t *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_all(fd, data, size) < 0)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct logs_setup setup = {.tail = UINT64_MAX};
	struct logs *l;
	struct err e;

	if (size < 2)
		return 0;
	open_once();
	setup.timestamps = data[0] & 1;
	if (data[0] & 2)
		setup.tail = data[0] >> 4;
	fill("log.1", data + 1, data[1] < size - 1 ? data[1] : size - 1);
	fill("log", data + 1, size - 1);
	l = logs_open(dir, &setup);
	if (!l || logs_print(l, &e) < 0)
		abort();
	logs_finish(l);
	logs_free(l);
	return 0;
}
