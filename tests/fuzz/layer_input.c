/* SPDX-License-Identifier: MIT */
/*
 * See layer_input.h. The choices are bounds, small or as they are, so that those are reached too,
 * and whether what follows is compressed on its way in.
 */
#include "layer_input.h"

#include <errno.h>
#include <isa-l.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "base/fd.h"

enum {
	SMALL_SIZE = 1,
	SMALL_ENTRIES = 2,
	SMALL_PATHS = 4,
	SMALL_NAMES = 8,
	SMALL_RATIO = 16,
	AS_GZIP = 32,
	AS_ZSTD = 64,
};

static size_t compress_gzip(const uint8_t *p, size_t n, uint8_t *out, size_t room)
{
	struct isal_zstream z;

	isal_deflate_stateless_init(&z);
	z.gzip_flag = IGZIP_GZIP;
	z.end_of_stream = 1;
	z.next_in = (uint8_t *)(uintptr_t)p;
	z.avail_in = (uint32_t)n;
	z.next_out = out;
	z.avail_out = (uint32_t)room;
	return isal_deflate_stateless(&z) == COMP_OK ? z.total_out : 0;
}

static int write_layer(int fd, uint8_t choices, const uint8_t *p, size_t n)
{
	_cleanup_free_ uint8_t *out = NULL;
	size_t room = ZSTD_compressBound(n) + 4096, done = 0;

	if (!(choices & (AS_GZIP | AS_ZSTD)))
		return fd_write_all(fd, p, n);
	out = malloc(room);
	if (!out)
		return -ENOMEM;
	if (choices & AS_GZIP)
		done = compress_gzip(p, n, out, room);
	else
		done = ZSTD_compress(out, room, p, n, 1);
	return ZSTD_isError(done) ? -EIO : fd_write_all(fd, out, done);
}

bool layer_input_is_plain(const uint8_t *data, size_t size)
{
	return size > 263 && memcmp(data + 1 + 257, "ustar", 5) == 0;
}

int layer_input_unpack(
	const uint8_t *data, size_t size, int out, struct layer_result *ret, struct err *e)
{
	_cleanup_fd_ int in = memfd_create("layer", MFD_CLOEXEC);
	struct layer_limits limits = layer_limits_default;
	uint8_t choices = data[0];

	limits.max_unpacked = choices & SMALL_SIZE ? 1 << 16 : 4 << 20;
	limits.max_entries = choices & SMALL_ENTRIES ? 8 : 1 << 16;
	limits.max_path = choices & SMALL_PATHS ? 64 : 4096;
	limits.max_names = choices & SMALL_NAMES ? 1 << 17 : 16 << 20;
	limits.ratio_free = choices & SMALL_RATIO ? 4096 : 1 << 20;
	if (in < 0 || write_layer(in, choices, data + 1, size - 1) < 0 ||
		lseek(in, 0, SEEK_SET) < 0)
		return err_errno(e, errno, "a memory file");
	return layer_unpack(in, out, &limits, ret, e);
}
