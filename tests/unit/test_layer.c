/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of layer_unpack(): entries of tar streams made here, read back from the image by an
 * independent reader.
 */
#include "unpacked.h"

static bool has(struct unpacked *u, const char *path)
{
	struct reader_inode i;

	return reader_find(&u->r, u->root, path, &i);
}

static void assert_text(struct unpacked *u, const char *path, const char *text)
{
	struct reader_inode i = get(u, path);
	char *content = reader_content(&u->r, &i);

	assert_string_equal(content, text);
	assert_int_equal(i.size, strlen(text));
	free(content);
}

static void test_kinds(_unused_ void **state)
{
	struct tar t = {0};
	struct unpacked u;
	struct reader_inode i;

	tar_add(&t, (struct tar_head){.type = '0',
			    .name = "bin/su",
			    .mode = 04755,
			    .uid = 1,
			    .gid = 2,
			    .mtime = 1234567890,
			    .data = "elf",
			    .size = 3});
	tar_add(&t, (struct tar_head){.type = '5', .name = "tmp/", .mode = 01777, .mtime = 77});
	tar_link(&t, '2', "bin/sh", "../busybox");
	tar_add(&t, (struct tar_head){
			    .type = '3', .name = "dev/null", .mode = 0666, .major = 1, .minor = 3});
	tar_add(&t, (struct tar_head){.type = '4', .name = "dev/sda", .mode = 0660, .major = 8});
	tar_add(&t, (struct tar_head){.type = '6', .name = "pipe", .mode = 0600});
	tar_link(&t, '1', "bin/su2", "bin/su");
	tar_link(&t, '1', "bin/ash", "./bin/sh");
	tar_end(&t);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	i = get(&u, "bin/su");
	assert_int_equal(i.mode, S_IFREG | 04755);
	assert_int_equal(i.uid, 1);
	assert_int_equal(i.gid, 2);
	assert_int_equal(i.mtime, 1234567890);
	assert_int_equal(i.nlink, 2);
	assert_int_equal(get(&u, "bin/su2").nid, i.nid);
	assert_int_equal(get(&u, "tmp").mode, S_IFDIR | 01777);
	assert_int_equal(get(&u, "tmp").mtime, 77);
	assert_int_equal(get(&u, "bin").mode, S_IFDIR | 0755);
	assert_int_equal(get(&u, "bin").mtime, 0);
	assert_text(&u, "bin/sh", "../busybox");
	assert_int_equal(get(&u, "bin/ash").nid, get(&u, "bin/sh").nid);
	assert_int_equal(get(&u, "dev/null").rdev, 1 << 8 | 3);
	assert_int_equal(get(&u, "dev/sda").mode, S_IFBLK | 0660);
	assert_int_equal(get(&u, "pipe").mode, S_IFIFO | 0600);
	assert_int_equal(u.result.inodes, 9);
	unpacked_free(&u);
	tar_free(&t);
}

static void test_pax(_unused_ void **state)
{
	static const char cap[] = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	struct tar t = {0}, r = {0};
	struct reader_inode i;
	struct unpacked u;
	size_t size = 0;

	tar_text_record(&r, "mtime", "1700000000.123456789");
	tar_text_record(&r, "uid", "4294967294");
	tar_text_record(&r, "gid", "70000");
	tar_record(&r, "SCHILY.xattr.security.capability", cap, 20);
	tar_text_record(&r, "SCHILY.xattr.user.note", "hello");
	tar_text_record(&r, "SCHILY.xattr.user.overlay.opaque", "y");
	tar_text_record(&r, "SCHILY.xattr.trusted.overlay.redirect", "/etc");
	tar_pax(&t, &r);
	tar_file(&t, "f", "x");
	tar_text_record(&r, "SCHILY.xattr.user.overlay.opaque", "y");
	tar_text_record(&r, "SCHILY.xattr.user.dir", "d");
	tar_text_record(&r, "mtime", "-1.25");
	tar_pax(&t, &r);
	tar_dir(&t, "d");
	tar_end(&t);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	i = get(&u, "f");
	assert_true(i.mtime == 1700000000 && i.nsec == 123456789);
	assert_int_equal(i.uid, 4294967294u);
	assert_int_equal(i.gid, 70000);
	assert_memory_equal(
		reader_xattr(&u.r, &i, EROFS_XATTR_SECURITY, "capability", &size), cap, 20);
	assert_int_equal(size, 20);
	assert_memory_equal(reader_xattr(&u.r, &i, EROFS_XATTR_USER, "note", &size), "hello", 5);
	assert_null(reader_xattr(&u.r, &i, EROFS_XATTR_USER, "overlay.opaque", &size));
	assert_null(reader_xattr(&u.r, &i, EROFS_XATTR_TRUSTED, "overlay.redirect", &size));
	i = get(&u, "d");
	assert_true(i.mtime == -2 && i.nsec == 750000000);
	assert_null(reader_xattr(&u.r, &i, EROFS_XATTR_USER, "overlay.opaque", &size));
	assert_memory_equal(reader_xattr(&u.r, &i, EROFS_XATTR_USER, "dir", &size), "d", 1);
	unpacked_free(&u);
	tar_free(&t);
}

/* Names are bytes: not converted, not normalized, whatever the header calls them. */
static void test_names_are_bytes(_unused_ void **state)
{
	static const char *const names[] = {"gr\xc3\xbc\xc3\x9f"
					    "e",
		"u\xcc\x88", "\xff\xfe", "a\nb"};
	struct tar t = {0}, r = {0};
	struct unpacked u;
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "pax/%s", names[i]);
		tar_text_record(&r, "path", path);
		tar_text_record(&r, "linkpath", names[i]);
		tar_pax(&t, &r);
		tar_link(&t, '2', "x", "x");
		snprintf(path, sizeof(path), "plain/%s", names[i]);
		tar_file(&t, path, "x");
	}
	tar_end(&t);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "pax/%s", names[i]);
		assert_text(&u, path, names[i]);
		snprintf(path, sizeof(path), "plain/%s", names[i]);
		assert_text(&u, path, "x");
	}
	unpacked_free(&u);
	tar_free(&t);
}

static void test_long_names(_unused_ void **state)
{
	struct tar t = {0}, r = {0};
	char path[3001], pax[3005];
	struct unpacked u;

	memset(path, 'p', sizeof(path));
	for (size_t i = 200; i < sizeof(path); i += 200)
		path[i] = '/';
	path[sizeof(path) - 1] = '\0';
	tar_add(&t,
		(struct tar_head){
			.type = 'K', .name = "././@LongLink", .data = path, .size = sizeof(path)});
	tar_add(&t,
		(struct tar_head){
			.type = 'L', .name = "././@LongLink", .data = path, .size = sizeof(path)});
	tar_link(&t, '2', path, path);
	snprintf(pax, sizeof(pax), "%s2", path);
	tar_text_record(&r, "path", pax);
	tar_pax(&t, &r);
	tar_file(&t, "short", "pax");
	tar_end(&t);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	assert_text(&u, path, path);
	assert_text(&u, pax, "pax");
	unpacked_free(&u);
	tar_free(&t);
}

static void test_links_before_targets(_unused_ void **state)
{
	struct tar t = {0};
	struct unpacked u;

	tar_link(&t, '1', "early", "etc/target");
	tar_link(&t, '1', "overtaken", "etc/target");
	tar_file(&t, "overtaken", "own");
	tar_file(&t, "etc/target", "t");
	tar_end(&t);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	assert_text(&u, "early", "t");
	assert_text(&u, "overtaken", "own");
	assert_int_equal(get(&u, "early").nid, get(&u, "etc/target").nid);
	unpacked_free(&u);
	tar_free(&t);
	tar_link(&t, '1', "lost", "no/where");
	tar_end(&t);
	assert_refused(t.p, t.n, ENOENT, "no/where: hard link to a file that is not in this layer");
	tar_free(&t);
	tar_dir(&t, "d");
	tar_link(&t, '1', "l", "d");
	tar_end(&t);
	assert_refused(t.p, t.n, EPERM, "l: hard link to a directory");
	tar_free(&t);
}

static void test_marks(_unused_ void **state)
{
	struct tar t = {0};
	struct reader_inode i;
	struct unpacked u;
	size_t size = 0;

	tar_file(&t, "a/.wh.gone", "");
	tar_file(&t, "b/.wh..wh..opq", "");
	tar_file(&t, "b/kept", "x");
	tar_file(&t, ".wh..wh.plnk/1.2", "aufs");
	tar_file(&t, ".wh..wh.aufs", "aufs");
	tar_end(&t);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	assert_false(u.result.root_opaque);
	i = get(&u, "a/gone");
	assert_true(i.mode == S_IFCHR && i.rdev == 0);
	i = get(&u, "b");
	assert_memory_equal(
		reader_xattr(&u.r, &i, EROFS_XATTR_USER, "overlay.opaque", &size), "y", 1);
	assert_true(has(&u, "b/kept"));
	assert_false(has(&u, "b/.wh..wh..opq"));
	assert_false(has(&u, ".wh..wh.plnk"));
	assert_false(has(&u, ".wh..wh.aufs"));
	unpacked_free(&u);
	tar_free(&t);
	tar_file(&t, ".wh..wh..opq", "");
	tar_end(&t);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	assert_true(u.result.root_opaque);
	unpacked_free(&u);
	tar_free(&t);
}

static void test_refused_values(_unused_ void **state)
{
	static const struct {
		struct tar_head head;
		const char *text;
	} cases[] = {
		{{.type = '0', .name = "f", .uid = 0xffffffffu}, "f: owner out of range"},
		{{.type = '3', .name = "f", .major = 4096}, "f: device number out of range"},
		{{.type = '3', .name = "f", .minor = 1 << 20}, "f: device number out of range"},
		{{.type = '2', .name = "f", .link = ""}, "f: symbolic link without a target"},
		{{.type = '0', .name = ".wh.a/b"}, ".wh.a/b: entry below a whiteout"},
		{{.type = '0', .name = "./"}, NULL},
		{{.type = '2', .name = "/", .link = "x"},
			"/: the root of an image must be a directory"},
		{{.type = '0', .name = "a\tb/../..", .link = "x"},
			"a?b/../..: path leads out of the image"},
		{{.type = '1', .name = "f", .link = "../x"},
			"f: hard link: path leads out of the image"},
	};
	struct unpacked u;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tar t = {0};
		int r;

		tar_add(&t, cases[i].head);
		tar_end(&t);
		r = unpack(&u, t.p, t.n);
		if (cases[i].text)
			assert_string_equal(u.e.text, cases[i].text);
		assert_int_equal(r != 0, cases[i].text != NULL);
		unpacked_free(&u);
		tar_free(&t);
	}
}

/* pax sparse 0.1: a map in the header, content without the holes. */
static void sparse(struct tar *t, const char *map, const char *realsize, const char *data)
{
	struct tar r = {0};

	tar_text_record(&r, "GNU.sparse.size", realsize);
	tar_text_record(&r, "GNU.sparse.numblocks", "1");
	tar_text_record(&r, "GNU.sparse.map", map);
	tar_text_record(&r, "GNU.sparse.name", "sparse");
	tar_pax(t, &r);
	tar_file(t, "GNUSparseFile.0/sparse", data);
	tar_end(t);
}

static void test_sparse(_unused_ void **state)
{
	struct reader_inode i;
	struct tar t = {0};
	struct unpacked u;

	sparse(&t, "9663676416,5", "9663684608", "later");
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	i = get(&u, "sparse");
	assert_true(i.size == 9663684608);
	assert_memory_equal(reader_at(&u.r, i.data_at + 9663676416, 6), "later\0", 6);
	assert_true(u.disk < 1 << 20);
	unpacked_free(&u);
	tar_free(&t);
	sparse(&t, "1099511627776,5", "1099511627781", "later");
	assert_refused(t.p, t.n, E2BIG, "unpacks to more than 65536 MiB");
	tar_free(&t);
	sparse(&t, "100,5", "50", "later");
	assert_int_equal(unpack(&u, t.p, t.n), -EBADMSG);
	tar_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_pax),
		cmocka_unit_test(test_names_are_bytes),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_links_before_targets),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_refused_values),
		cmocka_unit_test(test_sparse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
