/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of the name tree: what lies where, and what is refused.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "erofs_image.h"

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
		cmocka_unit_test(test_hard_links),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
