/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: any bytes as a layer. They must be refused with a sentence or give an image
 * that the reader finds sound. judge_layers asks fsck.erofs and the kernel about the same inputs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "layer_input.h"
#include "tar_mutator.h"

static _noreturn_ void reader_failed(const char *text)
{
	fprintf(stderr, "unsound image: %s\n", text);
	abort();
}
#define READER_FAIL(text) reader_failed(text)
#include "../unit/erofs_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

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
	_cleanup_fd_ int out = memfd_create("image", MFD_CLOEXEC);
	struct layer_result result;
	struct err e = {0};

	if (size == 0 || out < 0)
		return 0;
	if (layer_input_unpack(data, size, out, &result, &e) == 0)
		check_image(out, result.image_bytes);
	else if (e.code <= 0 || !e.text[0])
		abort();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	if (!layer_input_is_plain(data, size) || seed % 16 == 0)
		return LLVMFuzzerMutate(data, size, max);
	if (seed % 16 == 1)
		data[0] = (uint8_t)(seed >> 4);
	return 1 + tar_mutate(data + 1, size - 1, max - 1, seed >> 4);
}
