/* SPDX-License-Identifier: MIT */
/*
 * What paths mean, in a root that holds links of every kind, and docker's table of what goes where.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "tree.h"

static char top[] = "/tmp/test-find-XXXXXX";
static int root = -1;

static int set_up(void **state)
{
	char command[512];

	(void)state;
	assert_non_null(mkdtemp(top));
	snprintf(command, sizeof(command),
		"cd %s && mkdir root && echo out >file && cd root && mkdir -p a/b && echo in >file && echo x >a/f && "
		"ln -s /a/b abs && ln -s a/b rel && ln -s ../../../file up && ln -s /file top && ln -s loop loop && "
		"ln -s nothing gone && ln -s /proc/self/root magic && ln -s a/f tofile && ln -s abs two && mkfifo fifo",
		top);
	if (system(command) != 0)
		return -1;
	snprintf(command, sizeof(command), "%s/root", top);
	root = open(command, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", top);
	close(root);
	return system(command);
}

/* What fd is, below the root. */
static void where(int fd, char out[PATH_MAX])
{
	char path[32], prefix[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = fd < 0 ? 0 : readlink(path, out, PATH_MAX - 1);
	out[MAX(n, (ssize_t)0)] = '\0';
	snprintf(prefix, sizeof(prefix), "%s/root", top);
	if (strncmp(out, prefix, strlen(prefix)) == 0)
		memmove(out, out + strlen(prefix), strlen(out + strlen(prefix)) + 1);
}

static const struct {
	const char *path;
	bool follow;
	int code;
	enum tree_kind kind;
	const char *dir, *parent, *name; /* of descriptors, below the root */
	bool wants_dir;
} finds[] = {
	{"/", true, 0, TREE_DIR, "", "", "", true},
	{"a", false, 0, TREE_DIR, "/a", "", "a", false},
	{"/a/", false, 0, TREE_DIR, "/a", "", "a", true},
	{"/a/.", false, 0, TREE_DIR, "/a", "", "a", true},
	{"//a///b//", false, 0, TREE_DIR, "/a/b", "/a", "b", true},
	{"/a/f", false, 0, TREE_FILE, "", "/a", "f", false},
	{"/a/f/", false, ENOTDIR, 0, "", "", "", false},
	{"/a/f/.", false, ENOTDIR, 0, "", "", "", false},
	{"/a/f/g", false, ENOTDIR, 0, "", "", "", false},
	{"/abs", false, 0, TREE_LINK, "", "", "abs", false},
	{"/abs", true, 0, TREE_DIR, "/a/b", "/a", "b", false},
	{"/abs/", false, 0, TREE_DIR, "/a/b", "/a", "b", true},
	{"/two", true, 0, TREE_DIR, "/a/b", "/a", "b", false},
	{"/rel", true, 0, TREE_DIR, "/a/b", "/a", "b", false},
	{"/abs/../f", false, 0, TREE_FILE, "", "/a", "f", false},
	{"/tofile", true, 0, TREE_FILE, "", "/a", "f", false},
	{"/up", true, 0, TREE_FILE, "", "", "file", false},
	{"/top", true, 0, TREE_FILE, "", "", "file", false},
	{"/../../file", false, 0, TREE_FILE, "", "", "file", false},
	{"/..", false, 0, TREE_DIR, "", "", "", false},
	{"/loop", true, ELOOP, 0, "", "", "", false},
	{"/loop/x", false, ELOOP, 0, "", "", "", false},
	{"/loop", false, 0, TREE_LINK, "", "", "loop", false},
	{"/gone", true, 0, TREE_NOTHING, "", "", "nothing", false},
	{"/gone/x", true, 0, TREE_NOTHING, "", "", "x", false},
	{"/new", true, 0, TREE_NOTHING, "", "", "new", false},
	{"/new/", true, 0, TREE_NOTHING, "", "", "new", true},
	{"/new/x", true, 0, TREE_NOTHING, "", "", "x", false},
	{"/fifo", true, 0, TREE_OTHER, "", "", "fifo", false},
	/* There is no /proc in that root, and a magic link would be refused. */
	{"/magic/etc", true, 0, TREE_NOTHING, "", "", "etc", false},
};

static void test_find(void **state)
{
	char is[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(finds); i++) {
		_cleanup_place_ struct tree_place p;
		struct err e = {0};
		int r = tree_find(root, finds[i].path, finds[i].follow, &p, &e);

		if (r != -finds[i].code)
			fail_msg("%s: %s", finds[i].path, r ? e.text : "was found");
		if (r < 0)
			continue;
		if (p.kind != finds[i].kind || p.wants_dir != finds[i].wants_dir ||
			strcmp(p.name, finds[i].name) != 0)
			fail_msg("%s: kind %d, name %s", finds[i].path, (int)p.kind, p.name);
		where(p.dir, is);
		assert_string_equal(is, finds[i].dir);
		where(p.parent, is);
		assert_string_equal(is, finds[i].parent);
	}
}

/* The missing parent is told apart from the missing file. */
static void test_missing_parent(void **state)
{
	_cleanup_place_ struct tree_place there, not_there;
	struct tree_target t;
	struct err e = {0};

	(void)state;
	assert_int_equal(tree_find(root, "/new", true, &there, &e), 0);
	assert_true(there.parent >= 0);
	assert_int_equal(tree_find(root, "/new/x", true, &not_there, &e), 0);
	assert_int_equal(not_there.parent, -1);
	assert_int_equal(tree_target(&there, "/new", "f", &t, &e), 0);
	assert_int_equal(tree_target(&not_there, "/new/x", "f", &t, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/new/x"));
}

static void test_base_name(void **state)
{
	static const struct {
		const char *path, *base;
	} cases[] = {{"/", ""}, {"/.", ""}, {".", ""}, {"/a/.", ""}, {"/a/./.", ""}, {"/a", "a"},
		{"/a/", "a"}, {"/a//", "a"}, {"a/b", "b"}, {"/a/./", "a"}, {"/a/..", ""},
		{"a", "a"}};
	char base[NAME_MAX + 1], name[300];
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(tree_base_name(cases[i].path, base, &e), 0);
		if (strcmp(base, cases[i].base) != 0)
			fail_msg("%s: \"%s\"", cases[i].path, base);
	}
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(tree_base_name(name, base, &e), -ENAMETOOLONG);
}

/* "What becomes of SRC at DST": docker's documentation of cp, line by line. */
static const struct {
	const char *dst, *base;
	int code;
	const char *dir, *name;
	enum tree_kind of;
	bool replaces;
} targets[] = {
	{"/new", "f", 0, "", "new", TREE_NOTHING, false},
	{"/new/", "f", 0, "", "new", TREE_DIR, false},
	{"/a/f", "g", 0, "/a", "f", TREE_FILE, true},
	{"/tofile", "g", 0, "/a", "f", TREE_FILE, true},
	{"/a", "new", 0, "/a", "new", TREE_NOTHING, false},
	{"/a", "f", 0, "/a", "f", TREE_FILE, true},
	{"/a", "b", 0, "/a/b", "", TREE_DIR, false},
	{"/a/", "b", 0, "/a/b", "", TREE_DIR, false},
	{"/a", "", 0, "/a", "", TREE_DIR, false},
	{"/new", "", 0, "", "new", TREE_NOTHING, false},
	{"/", "a", 0, "/a", "", TREE_DIR, false},
	{"/", "abs", 0, "", "abs", TREE_FILE, true},
	{"/fifo", "f", EINVAL, "", "", 0, false},
};

static void test_target(void **state)
{
	char is[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		_cleanup_place_ struct tree_place p;
		_cleanup_target_ struct tree_target t = {.owned_dir = -1};
		struct err e = {0};
		int r = tree_find(root, targets[i].dst, true, &p, &e);

		if (r == 0)
			r = tree_target(&p, targets[i].dst, targets[i].base, &t, &e);
		if (r != -targets[i].code)
			fail_msg("%s to %s: %s", targets[i].base, targets[i].dst, e.text);
		if (r < 0)
			continue;
		where(t.dir, is);
		if (strcmp(is, targets[i].dir) != 0 || strcmp(t.name, targets[i].name) != 0 ||
			t.of != targets[i].of || t.replaces != targets[i].replaces)
			fail_msg("%s to %s: \"%s\" in \"%s\", %d", targets[i].base, targets[i].dst,
				t.name, is, (int)t.of);
		assert_true(t.of == TREE_NOTHING || t.complaint);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_missing_parent),
		cmocka_unit_test(test_base_name),
		cmocka_unit_test(test_target),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
