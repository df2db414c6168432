/* SPDX-License-Identifier: MIT */
/*
 * A layer unpacked into memory, for cmocka tests.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "imaged/layer.h"
#include "tar_builder.h"

static inline _noreturn_ void reader_failed(const char *text)
{
	fail_msg("%s", text);
	abort();
}
#define READER_FAIL(text) reader_failed(text)
#include "erofs_reader.h"

struct unpacked {
	struct layer_result result;
	struct err e;
	uint8_t *map;
	uint64_t disk;
	struct reader r;
	uint64_t root;
};

static inline int memory_file(const void *p, size_t n)
{
	int fd = memfd_create("layer", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, p, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static inline int unpack_fd(struct unpacked *u, int in, const struct layer_limits *limits)
{
	_cleanup_fd_ int out = memfd_create("image", MFD_CLOEXEC);
	struct stat st;
	int r;

	*u = (struct unpacked){0};
	assert_true(out >= 0);
	r = layer_unpack(in, out, limits, &u->result, &u->e);
	if (r) {
		assert_int_equal(r, -u->e.code);
		assert_true(strlen(u->e.text) > 0);
		return r;
	}
	assert_int_equal(fstat(out, &st), 0);
	u->disk = (uint64_t)st.st_blocks * 512;
	assert_int_equal(st.st_size, u->result.image_bytes);
	u->map = mmap(NULL, u->result.image_bytes, PROT_READ, MAP_SHARED, out, 0);
	assert_ptr_not_equal(u->map, MAP_FAILED);
	u->r = reader_open(u->map, u->result.image_bytes, &u->root);
	if (u->result.image_bytes < 256u << 20)
		reader_walk(&u->r, u->root, NULL, NULL);
	return 0;
}

static inline int unpack_limited(
	struct unpacked *u, const void *p, size_t n, const struct layer_limits *limits)
{
	_cleanup_fd_ int in = memory_file(p, n);
	int r = unpack_fd(u, in, limits);

	if (r == 0)
		assert_int_equal(lseek(in, 0, SEEK_CUR), n);
	return r;
}

static inline int unpack(struct unpacked *u, const void *p, size_t n)
{
	return unpack_limited(u, p, n, &layer_limits_default);
}

static inline void assert_refused(const void *p, size_t n, int code, const char *text)
{
	struct unpacked u;

	assert_int_equal(unpack(&u, p, n), -code);
	assert_string_equal(u.e.text, text);
}

static inline void unpacked_free(struct unpacked *u)
{
	if (u->map)
		munmap(u->map, u->r.size);
	u->map = NULL;
}

static inline struct reader_inode get(struct unpacked *u, const char *path)
{
	struct reader_inode i;

	if (!reader_find(&u->r, u->root, path, &i))
		fail_msg("%s is missing", path);
	return i;
}
