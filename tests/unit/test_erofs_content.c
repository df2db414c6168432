/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of the EROFS writer: what files, directories and inodes hold.
 */
#include <sys/sysmacros.h>

#include "erofs_image.h"

static void test_sizes(_unused_ void **state)
{
	static const size_t sizes[] = {0, 1, 31, 32, 33, 2000, 4031, 4032, 4033, 4095, 4096, 4097,
		8191, 8192, 65535, 65536, 65537, 1048575, 1048576, 1048577, 3000000};
	uint8_t *data = malloc(3000000);
	char path[32];
	struct image m;

	assert_non_null(data);
	for (size_t i = 0; i < 3000000; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	image_begin(&m);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		snprintf(path, sizeof(path), "f%zu", sizes[i]);
		put_file(&m, path, data, sizes[i], no_xattrs);
	}
	image_end(&m);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		snprintf(path, sizeof(path), "f%zu", sizes[i]);
		assert_content(&m, path, data, sizes[i]);
	}
	image_free(&m);
	free(data);
}

static void fill_xattrs(struct erofs_xattr_buf *b, size_t size)
{
	uint8_t value[60000];

	memset(value, 'v', sizeof(value));
	erofs_xattr_reset(b);
	assert_int_equal(erofs_xattr_add(b, "user.big", value, size, NULL), 0);
	assert_int_equal(erofs_xattr_add(b, "security.capability", "cap", 3, NULL), 0);
}

static void test_xattrs(_unused_ void **state)
{
	static const size_t sizes[] = {0, 1, 100, 3900, 3980, 4000, 4032, 5000, 60000};
	struct erofs_xattr_buf *b = malloc(sizeof(*b));
	struct reader_inode i;
	char path[32];
	struct image m;
	size_t size = 0;

	assert_non_null(b);
	image_begin(&m);
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		fill_xattrs(b, sizes[k]);
		snprintf(path, sizeof(path), "f%zu", sizes[k]);
		put_file(&m, path, "content", 7, erofs_xattr_view(b));
		snprintf(path, sizeof(path), "d%zu", sizes[k]);
		assert_int_equal(erofs_tree_put_dir(m.tree, place(&m, path), &dir_attr,
					 erofs_xattr_view(b), NULL),
			0);
	}
	image_end(&m);
	for (size_t k = 0; k < 2 * ARRAY_LEN(sizes); k++) {
		snprintf(path, sizeof(path), "%c%zu", k % 2 ? 'd' : 'f', sizes[k / 2]);
		i = get(&m, path);
		assert_non_null(reader_xattr(&m.r, &i, EROFS_XATTR_USER, "big", &size));
		assert_int_equal(size, sizes[k / 2]);
		assert_memory_equal(
			reader_xattr(&m.r, &i, EROFS_XATTR_SECURITY, "capability", &size), "cap",
			3);
		if (k % 2 == 0)
			assert_content(&m, path, "content", 7);
	}
	image_free(&m);
	free(b);
}

static void test_xattr_rules(_unused_ void **state)
{
	struct erofs_xattr_buf *b = malloc(sizeof(*b));
	uint8_t big[40000] = {0};
	char name[300] = "user.";

	assert_non_null(b);
	erofs_xattr_reset(b);
	assert_int_equal(erofs_xattr_add(b, "user.overlay.opaque", "y", 1, NULL), 0);
	assert_int_equal(erofs_xattr_add(b, "trusted.overlay.redirect", "/", 1, NULL), 0);
	assert_int_equal(erofs_xattr_add(b, "btrfs.compression", "x", 1, NULL), 0);
	assert_int_equal(erofs_xattr_add(b, "user.", "x", 1, NULL), 0);
	assert_int_equal(b->count, 0);
	assert_int_equal(b->size, 0);
	assert_int_equal(erofs_xattr_add(b, "user.a", "1", 1, NULL), 0);
	assert_int_equal(erofs_xattr_add(b, "user.a", "2", 1, NULL), 0);
	assert_int_equal(erofs_xattr_add(b, "trusted.a", "3", 1, NULL), 0);
	assert_int_equal(erofs_xattr_add(b, "system.posix_acl_access", big, 28, NULL), 0);
	assert_int_equal(b->count, 3);
	assert_int_equal(erofs_xattr_add(b, "user.b", big, sizeof(big), NULL), 0);
	assert_int_equal(erofs_xattr_add(b, "user.c", big, sizeof(big), NULL), -E2BIG);
	memset(name + 5, 'n', 256);
	assert_int_equal(erofs_xattr_add(b, name, "x", 1, NULL), -E2BIG);
	free(b);
}

static void test_large_directory(_unused_ void **state)
{
	enum { MANY = 100000 };
	struct erofs_node *node;
	char path[64];
	struct image m;

	image_begin(&m);
	put_file(&m, "!first", "", 0, no_xattrs);
	put_file(&m, ".-between", "", 0, no_xattrs);
	node = put_file(&m, "big/0", "", 0, no_xattrs);
	for (unsigned int i = 1; i < MANY; i++) {
		snprintf(path, sizeof(path), "big/%x", i * 2654435761u);
		assert_int_equal(erofs_tree_put(m.tree, place(&m, path), node, NULL, NULL), 0);
	}
	image_end(&m);
	assert_int_equal(get(&m, "big/0").nlink, MANY);
	snprintf(path, sizeof(path), "big/%x", 77777 * 2654435761u);
	assert_true(has(&m, path));
	assert_false(has(&m, "big/nothing"));
	image_free(&m);
}

static void test_long_names(_unused_ void **state)
{
	char path[EROFS_NAME_MAX + 1] = {0};
	struct image m;

	image_begin(&m);
	for (size_t i = 1; i <= EROFS_NAME_MAX; i++) {
		path[i - 1] = 'z';
		put_file(&m, path, path, i, no_xattrs);
	}
	image_end(&m);
	assert_content(&m, path, path, EROFS_NAME_MAX);
	path[100] = '\0';
	assert_content(&m, path, path, 100);
	image_free(&m);
}

static void test_holes(_unused_ void **state)
{
	struct erofs_node *node;
	struct reader_inode i;
	struct image m;
	char *content;

	image_begin(&m);
	node = erofs_node_new(m.tree, EROFS_REG, NULL);
	assert_int_equal(erofs_data_append(m.writer, "begin", 5, NULL), 0);
	assert_int_equal(erofs_data_skip(m.writer, 64u << 20, NULL), 0);
	assert_int_equal(erofs_data_append(m.writer, "end", 3, NULL), 0);
	assert_int_equal(erofs_inode_put(m.writer, &file_attr, no_xattrs, 0, node, NULL), 0);
	assert_int_equal(erofs_tree_put(m.tree, place(&m, "sparse"), node, NULL, NULL), 0);
	image_end(&m);
	assert_true(m.disk < (1 << 20));
	i = get(&m, "sparse");
	assert_int_equal(i.size, 5 + (64u << 20) + 3);
	content = reader_content(&m.r, &i);
	assert_memory_equal(content, "begin\0\0", 7);
	assert_memory_equal(content + i.size - 5, "\0\0end", 5);
	free(content);
	image_free(&m);
}

static void test_attributes(_unused_ void **state)
{
	static const struct erofs_attr attr = {.mode = S_IFBLK | 07777,
		.uid = 4000000000u,
		.gid = 3000000000u,
		.mtime = -5,
		.mtime_nsec = 999999999};
	struct erofs_node *node;
	struct reader_inode i;
	struct image m;

	image_begin(&m);
	node = erofs_node_new(m.tree, EROFS_BLK, NULL);
	assert_int_equal(
		erofs_inode_put(m.writer, &attr, no_xattrs, makedev(0xabc, 0xdef12), node, NULL),
		0);
	assert_int_equal(erofs_tree_put(m.tree, place(&m, "dev"), node, NULL, NULL), 0);
	image_end(&m);
	i = get(&m, "dev");
	assert_int_equal(i.mode, S_IFBLK | 07777);
	assert_int_equal(i.uid, 4000000000u);
	assert_int_equal(i.gid, 3000000000u);
	assert_true(i.mtime == -5);
	assert_int_equal(i.nsec, 999999999);
	assert_int_equal(i.rdev, 0x12 | 0xabc << 8 | 0xdef00u << 12);
	image_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_xattrs),
		cmocka_unit_test(test_xattr_rules),
		cmocka_unit_test(test_large_directory),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
