/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of the name tree and the EROFS writer, read back by an independent reader.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "imaged/erofs_write.h"

static _noreturn_ void reader_failed(const char *text)
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

static void image_begin(struct image *m)
{
	*m = (struct image){0};
	m->fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(m->fd >= 0);
	assert_int_equal(erofs_tree_new(m->fd, 1u << 20, 256u << 20, &m->tree, NULL), 0);
	assert_int_equal(erofs_writer_open(m->fd, &m->writer, NULL), 0);
}

static void image_end(struct image *m)
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

static void image_free(struct image *m)
{
	if (m->map)
		munmap(m->map, m->r.size);
	erofs_writer_close(&m->writer);
	erofs_tree_free(&m->tree);
	close(m->fd);
}

static struct erofs_place place(struct image *m, const char *path)
{
	struct erofs_place at;

	assert_int_equal(erofs_tree_place(m->tree, path, &at, NULL), 0);
	return at;
}

static struct erofs_node *put_file(
	struct image *m, const char *path, const void *data, size_t n, struct erofs_xattrs xattrs)
{
	struct erofs_node *node = erofs_node_new(m->tree, EROFS_REG, NULL);

	assert_non_null(node);
	assert_int_equal(erofs_data_append(m->writer, data, n, NULL), 0);
	assert_int_equal(erofs_inode_put(m->writer, &file_attr, xattrs, 0, node, NULL), 0);
	assert_int_equal(erofs_tree_put(m->tree, place(m, path), node, NULL, NULL), 0);
	return node;
}

static void put_link(struct image *m, const char *path, const char *target)
{
	static const struct erofs_attr attr = {.mode = S_IFLNK | 0777};
	struct erofs_node *node = erofs_node_new(m->tree, EROFS_LNK, target);

	assert_non_null(node);
	assert_int_equal(erofs_data_append(m->writer, target, strlen(target), NULL), 0);
	assert_int_equal(erofs_inode_put(m->writer, &attr, no_xattrs, 0, node, NULL), 0);
	assert_int_equal(erofs_tree_put(m->tree, place(m, path), node, NULL, NULL), 0);
}

static void put_dir(struct image *m, const char *path)
{
	assert_int_equal(
		erofs_tree_put_dir(m->tree, place(m, path), &dir_attr, no_xattrs, NULL), 0);
}

static struct reader_inode get(struct image *m, const char *path)
{
	struct reader_inode i;

	if (!reader_find(&m->r, m->root, path, &i))
		fail_msg("%s is missing", path);
	return i;
}

static bool has(struct image *m, const char *path)
{
	struct reader_inode i;

	return reader_find(&m->r, m->root, path, &i);
}

static void assert_content(struct image *m, const char *path, const void *data, size_t n)
{
	struct reader_inode i = get(m, path);
	char *content = reader_content(&m->r, &i);

	assert_int_equal(i.size, n);
	assert_memory_equal(content, data, n);
	free(content);
}

static void test_path_clean(_unused_ void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{"a", "a"},
		{"/a", "a"},
		{"./a/./b//c/", "a/b/c"},
		{"a/../b", "b"},
		{"a/b/../../c", "c"},
		{".", ""},
		{"", ""},
		{"///", ""},
		{"a/..", ""},
		{"..", NULL},
		{"../a", NULL},
		{"a/../../b", NULL},
		{"/..", NULL},
		{"a...", "a..."},
		{"..a/b", "..a/b"},
		{".../x", ".../x"},
	};
	char out[EROFS_PATH_MAX], name[EROFS_NAME_MAX + 2];
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int r = erofs_path_clean(cases[i].in, out, &e);

		assert_int_equal(r, cases[i].out ? 0 : -EINVAL);
		if (cases[i].out)
			assert_string_equal(out, cases[i].out);
	}
	memset(name, 'n', sizeof(name));
	name[EROFS_NAME_MAX] = '\0';
	assert_int_equal(erofs_path_clean(name, out, &e), 0);
	name[EROFS_NAME_MAX] = 'n';
	name[EROFS_NAME_MAX + 1] = '\0';
	assert_int_equal(erofs_path_clean(name, out, &e), -ENAMETOOLONG);
}

static void test_path_length(_unused_ void **state)
{
	char path[EROFS_PATH_MAX + 8], out[EROFS_PATH_MAX];

	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 2 ? '/' : 'a';
	path[EROFS_PATH_MAX - 1] = '\0';
	assert_int_equal(erofs_path_clean(path, out, NULL), 0);
	assert_int_equal(strlen(out), EROFS_PATH_MAX - 1);
	path[EROFS_PATH_MAX - 1] = '/';
	path[EROFS_PATH_MAX + 1] = '\0';
	assert_int_equal(erofs_path_clean(path, out, NULL), -ENAMETOOLONG);
}

static void test_symlinks_stay_inside(_unused_ void **state)
{
	struct image m;

	image_begin(&m);
	put_dir(&m, "etc");
	put_dir(&m, "deep");
	put_link(&m, "abs", "/etc");
	put_link(&m, "deep/up", "../../../../etc");
	put_link(&m, "chain", "deep/up");
	put_link(&m, "dangling", "/made/here");
	put_file(&m, "abs/one", "1", 1, no_xattrs);
	put_file(&m, "deep/up/two", "2", 1, no_xattrs);
	put_file(&m, "chain/three", "3", 1, no_xattrs);
	put_file(&m, "dangling/four", "4", 1, no_xattrs);
	put_link(&m, "loop", "loop");
	assert_int_equal(
		erofs_tree_place(m.tree, "loop/x", &(struct erofs_place){0}, NULL), -ELOOP);
	assert_int_equal(
		erofs_tree_place(m.tree, "etc/one/x", &(struct erofs_place){0}, NULL), -ENOTDIR);
	image_end(&m);
	assert_content(&m, "etc/one", "1", 1);
	assert_content(&m, "etc/two", "2", 1);
	assert_content(&m, "etc/three", "3", 1);
	assert_content(&m, "made/here/four", "4", 1);
	assert_int_equal(get(&m, "made").mode, S_IFDIR | 0755);
	assert_true(S_ISLNK(get(&m, "abs").mode));
	image_free(&m);
}

static void test_replace_and_merge(_unused_ void **state)
{
	struct image m;

	image_begin(&m);
	put_file(&m, "d/below/file", "x", 1, no_xattrs);
	put_file(&m, "d", "now a file", 10, no_xattrs);
	put_file(&m, "keep/file", "x", 1, no_xattrs);
	put_dir(&m, "keep");
	put_file(&m, "f", "old", 3, no_xattrs);
	put_file(&m, "f", "new", 3, no_xattrs);
	put_file(&m, "g", "old", 3, no_xattrs);
	put_dir(&m, "g");
	assert_int_equal(erofs_tree_put(m.tree, place(&m, ""),
				 erofs_node_new(m.tree, EROFS_REG, NULL), NULL, NULL),
		-EINVAL);
	put_dir(&m, "");
	image_end(&m);
	assert_content(&m, "d", "now a file", 10);
	assert_content(&m, "keep/file", "x", 1);
	assert_int_equal(get(&m, "keep").mode, S_IFDIR | 0750);
	assert_int_equal(get(&m, "keep").uid, 7);
	assert_int_equal(get(&m, "").gid, 8);
	assert_content(&m, "f", "new", 3);
	assert_true(S_ISDIR(get(&m, "g").mode));
	image_free(&m);
}

static bool is_opaque(struct image *m, const char *path)
{
	struct reader_inode i = get(m, path);
	size_t size = 0;
	const uint8_t *v = reader_xattr(&m->r, &i, EROFS_XATTR_USER, "overlay.opaque", &size);

	return v && size == 1 && *v == 'y';
}

static void test_whiteouts(_unused_ void **state)
{
	struct image m;

	image_begin(&m);
	assert_int_equal(erofs_tree_whiteout(m.tree, place(&m, "gone"), NULL), 0);
	assert_int_equal(erofs_tree_whiteout(m.tree, place(&m, "a/gone"), NULL), 0);
	assert_int_equal(erofs_tree_whiteout(m.tree, place(&m, "early"), NULL), 0);
	put_file(&m, "early", "stays", 5, no_xattrs);
	put_file(&m, "late", "stays", 5, no_xattrs);
	assert_int_equal(erofs_tree_whiteout(m.tree, place(&m, "late"), NULL), 0);
	assert_int_equal(erofs_tree_whiteout(m.tree, place(&m, "dir"), NULL), 0);
	put_file(&m, "dir/inner", "x", 1, no_xattrs);
	put_dir(&m, "dir2");
	assert_int_equal(erofs_tree_whiteout(m.tree, place(&m, "dir2"), NULL), 0);
	image_end(&m);
	assert_int_equal(get(&m, "gone").mode, S_IFCHR);
	assert_int_equal(get(&m, "gone").rdev, 0);
	assert_int_equal(get(&m, "a/gone").mode, S_IFCHR);
	assert_content(&m, "early", "stays", 5);
	assert_content(&m, "late", "stays", 5);
	assert_true(is_opaque(&m, "dir"));
	assert_true(is_opaque(&m, "dir2"));
	assert_false(is_opaque(&m, "a"));
	image_free(&m);
}

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

static void test_hard_links(_unused_ void **state)
{
	struct erofs_node *node;
	struct image m;

	image_begin(&m);
	node = put_file(&m, "a", "shared", 6, no_xattrs);
	assert_int_equal(erofs_tree_put(m.tree, place(&m, "sub/b"), node, NULL, NULL), 0);
	assert_int_equal(erofs_tree_put(m.tree, place(&m, "c"), node, NULL, NULL), 0);
	assert_int_equal(erofs_tree_put(m.tree, place(&m, "dropped/d"), node, NULL, NULL), 0);
	put_file(&m, "dropped", "", 0, no_xattrs);
	image_end(&m);
	assert_int_equal(get(&m, "a").nlink, 3);
	assert_int_equal(get(&m, "sub/b").nid, get(&m, "a").nid);
	assert_int_equal(get(&m, "c").nid, get(&m, "a").nid);
	image_free(&m);
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

static void test_bounds(_unused_ void **state)
{
	struct erofs_tree *t = NULL;
	struct erofs_place at;
	char path[EROFS_PATH_MAX];
	struct err e;
	int r = 0;

	assert_int_equal(erofs_tree_new(-1, 2, 1u << 20, &t, &e), 0);
	assert_int_equal(erofs_tree_place(t, "a/b/c", &at, &e), 0);
	assert_int_equal(erofs_tree_place(t, "a/d/c", &at, &e), -E2BIG);
	assert_string_equal(e.text, "more than 2 entries");
	erofs_tree_free(&t);
	assert_int_equal(erofs_tree_new(-1, 1u << 20, 1u << 20, &t, &e), 0);
	for (int i = 0; i < 100000 && !r; i++) {
		snprintf(path, sizeof(path), "dir%d/x", i);
		r = erofs_tree_place(t, path, &at, &e);
	}
	assert_int_equal(r, -ENOMEM);
	erofs_tree_free(&t);
}

/* By way of symbolic links a tree could grow deeper than any path is long. */
static void test_depth(_unused_ void **state)
{
	enum { STEPS = 1500 };
	char down[2 * STEPS + 8], path[2 * STEPS + 16];
	struct erofs_place at;
	struct image m;
	struct err e;

	image_begin(&m);
	for (size_t i = 0; i < 2 * STEPS; i++)
		down[i] = i % 2 ? '/' : 'd';
	strcpy(down + 2 * STEPS, "x");
	assert_int_equal(erofs_tree_place(m.tree, down, &at, &e), 0);
	put_link(&m, "l", down);
	snprintf(path, sizeof(path), "l/%s", down);
	assert_int_equal(erofs_tree_place(m.tree, path, &at, &e), -ENAMETOOLONG);
	assert_string_equal(e.text, "directories too deep");
	image_free(&m);
}

static void test_full_disk(_unused_ void **state)
{
	char dir[] = "/tmp/erofs-full-XXXXXX";
	uint8_t data[65536];
	struct image m;
	struct err e;
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0)
		skip();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("none", dir, "tmpfs", 0, "size=1m"), 0);
	image_begin(&m);
	erofs_writer_close(&m.writer);
	close(m.fd);
	m.fd = open(dir, O_TMPFILE | O_RDWR, 0600);
	assert_true(m.fd >= 0);
	assert_int_equal(erofs_writer_open(m.fd, &m.writer, &e), 0);
	memset(data, 'x', sizeof(data));
	for (int i = 0; i < 64 && !r; i++)
		r = erofs_data_append(m.writer, data, sizeof(data), &e);
	assert_int_equal(r, -ENOSPC);
	assert_string_equal(e.text, "no space left on device");
	image_free(&m);
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_clean),
		cmocka_unit_test(test_path_length),
		cmocka_unit_test(test_symlinks_stay_inside),
		cmocka_unit_test(test_replace_and_merge),
		cmocka_unit_test(test_whiteouts),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_xattrs),
		cmocka_unit_test(test_xattr_rules),
		cmocka_unit_test(test_hard_links),
		cmocka_unit_test(test_large_directory),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
