/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: any bytes as a layer. They must be refused with a sentence or give an image
 * that the reader finds sound. The first byte chooses small bounds, so that those are reached too.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "imaged/layer.h"

static _noreturn_ void reader_failed(const char *text)
{
	fprintf(stderr, "unsound image: %s\n", text);
	abort();
}
#define READER_FAIL(text) reader_failed(text)
#include "../unit/erofs_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_image(int fd, uint64_t size)
{
	struct reader r;
	uint64_t root;
	uint8_t *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		abort();
	r = reader_open(map, size, &root);
	reader_walk(&r, root, NULL, NULL);
	munmap(map, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_fd_ int in = memfd_create("layer", MFD_CLOEXEC);
	_cleanup_fd_ int out = memfd_create("image", MFD_CLOEXEC);
	struct layer_limits limits = layer_limits_default;
	struct layer_result result;
	struct err e = {0};

	if (size == 0 || in < 0 || out < 0)
		return 0;
	limits.max_unpacked = data[0] & 1 ? 1 << 16 : 4 << 20;
	limits.max_entries = data[0] & 2 ? 8 : 1 << 16;
	limits.max_path = data[0] & 4 ? 64 : 4096;
	limits.max_names = data[0] & 8 ? 1 << 17 : 16 << 20;
	limits.ratio_free = data[0] & 16 ? 4096 : 1 << 20;
	if (fd_write_all(in, data + 1, size - 1) < 0 || lseek(in, 0, SEEK_SET) < 0)
		abort();
	if (layer_unpack(in, out, &limits, &result, &e) == 0)
		check_image(out, result.image_bytes);
	else if (e.code <= 0 || !e.text[0])
		abort();
	return 0;
}
