/* SPDX-License-Identifier: MIT */
/*
 * An image written into memory and read back by an independent reader, for cmocka tests.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "imaged/erofs_write.h"

static inline _noreturn_ void reader_failed(const char *text)
{
	fail_msg("%s", text);
	abort();
}
#define READER_FAIL(text) reader_failed(text)
#include "erofs_reader.h"

static const uint8_t uuid[16] = "an image of test";
static const struct erofs_attr file_attr = {.mode = S_IFREG | 0644};
static const struct erofs_attr dir_attr = {.mode = S_IFDIR | 0750, .uid = 7, .gid = 8};
static const struct erofs_xattrs no_xattrs;

struct image {
	struct erofs_tree *tree;
	struct erofs_writer *writer;
	int fd;
	uint8_t *map;
	struct reader r;
	uint64_t root;
	uint64_t disk; /* bytes allocated before anybody read it */
};

static inline void image_begin(struct image *m)
{
	*m = (struct image){0};
	m->fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(m->fd >= 0);
	assert_int_equal(erofs_tree_new(m->fd, 1u << 20, 256u << 20, &m->tree, NULL), 0);
	assert_int_equal(erofs_writer_open(m->fd, &m->writer, NULL), 0);
}

static inline void image_end(struct image *m)
{
	struct erofs_stats stats;
	struct stat st;

	assert_int_equal(erofs_image_finish(m->writer, m->tree, uuid, &stats, NULL), 0);
	assert_int_equal(fstat(m->fd, &st), 0);
	assert_int_equal(st.st_size, stats.bytes);
	m->disk = (uint64_t)st.st_blocks * 512;
	m->map = mmap(NULL, stats.bytes, PROT_READ, MAP_SHARED, m->fd, 0);
	assert_ptr_not_equal(m->map, MAP_FAILED);
	m->r = reader_open(m->map, stats.bytes, &m->root);
	reader_walk(&m->r, m->root, NULL, NULL);
}

static inline void image_free(struct image *m)
{
	if (m->map)
		munmap(m->map, m->r.size);
	erofs_writer_close(&m->writer);
	erofs_tree_free(&m->tree);
	close(m->fd);
}

static inline struct erofs_place place(struct image *m, const char *path)
{
	struct erofs_place at;

	assert_int_equal(erofs_tree_place(m->tree, path, &at, NULL), 0);
	return at;
}

static inline struct erofs_node *put_file(
	struct image *m, const char *path, const void *data, size_t n, struct erofs_xattrs xattrs)
{
	struct erofs_node *node = erofs_node_new(m->tree, EROFS_REG, NULL);

	assert_non_null(node);
	assert_int_equal(erofs_data_append(m->writer, data, n, NULL), 0);
	assert_int_equal(erofs_inode_put(m->writer, &file_attr, xattrs, 0, node, NULL), 0);
	assert_int_equal(erofs_tree_put(m->tree, place(m, path), node, NULL, NULL), 0);
	return node;
}

static inline void put_link(struct image *m, const char *path, const char *target)
{
	static const struct erofs_attr attr = {.mode = S_IFLNK | 0777};
	struct erofs_node *node = erofs_node_new(m->tree, EROFS_LNK, target);

	assert_non_null(node);
	assert_int_equal(erofs_data_append(m->writer, target, strlen(target), NULL), 0);
	assert_int_equal(erofs_inode_put(m->writer, &attr, no_xattrs, 0, node, NULL), 0);
	assert_int_equal(erofs_tree_put(m->tree, place(m, path), node, NULL, NULL), 0);
}

static inline void put_dir(struct image *m, const char *path)
{
	assert_int_equal(
		erofs_tree_put_dir(m->tree, place(m, path), &dir_attr, no_xattrs, NULL), 0);
}

static inline struct reader_inode get(struct image *m, const char *path)
{
	struct reader_inode i;

	if (!reader_find(&m->r, m->root, path, &i))
		fail_msg("%s is missing", path);
	return i;
}

static inline bool has(struct image *m, const char *path)
{
	struct reader_inode i;

	return reader_find(&m->r, m->root, path, &i);
}

static inline void assert_content(struct image *m, const char *path, const void *data, size_t n)
{
	struct reader_inode i = get(m, path);
	char *content = reader_content(&m->r, &i);

	assert_int_equal(i.size, n);
	assert_memory_equal(content, data, n);
	free(content);
}
