/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of layer_unpack(): tar streams made here, read back from the image by an independent
 * reader.
 */
#include <isa-l/igzip_lib.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/wait.h>
#include <zstd.h>

#include "unpacked.h"

static void assert_refused(const void *p, size_t n, int code, const char *text)
{
	struct unpacked u;

	assert_int_equal(unpack(&u, p, n), -code);
	assert_string_equal(u.e.text, text);
}

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

static void assert_sha256(const char *diff_id, const void *p, size_t n)
{
	char text[72] = "sha256:";
	uint8_t md[32];

	assert_int_equal(EVP_Digest(p, n, md, NULL, EVP_sha256(), NULL), 1);
	for (size_t i = 0; i < sizeof(md); i++)
		snprintf(text + 7 + 2 * i, 3, "%02x", md[i]);
	assert_string_equal(diff_id, text);
}

static struct tar gzip(const void *p, size_t n)
{
	struct isal_zstream *z = calloc(1, sizeof(*z));
	struct tar out = {0};

	assert_non_null(z);
	isal_deflate_stateless_init(z);
	z->gzip_flag = IGZIP_GZIP;
	z->end_of_stream = 1;
	z->next_in = (uint8_t *)(uintptr_t)p;
	z->avail_in = (uint32_t)n;
	z->next_out = tar_grow(&out, n + n / 8 + 1024);
	z->avail_out = (uint32_t)out.n;
	assert_int_equal(isal_deflate_stateless(z), COMP_OK);
	out.n = z->total_out;
	free(z);
	return out;
}

static struct tar zstd(const void *p, size_t n)
{
	struct tar out = {0};
	size_t r;

	tar_grow(&out, ZSTD_compressBound(n));
	r = ZSTD_compress(out.p, out.n, p, n, 3);
	assert_false(ZSTD_isError(r));
	out.n = r;
	return out;
}

static void append(struct tar *t, const void *p, size_t n)
{
	memcpy(tar_grow(t, n), p, n);
}

static void sample(struct tar *t)
{
	char text[5000];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i * i % 23);
	text[sizeof(text) - 1] = '\0';
	*t = (struct tar){0};
	tar_dir(t, "./");
	tar_dir(t, "./usr/");
	tar_file(t, "./usr/text", text);
	tar_file(t, "./small", "small");
	tar_end(t);
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

static void record(struct tar *r, const char *key, const char *value)
{
	tar_record(r, key, value, strlen(value));
}

static void test_pax(_unused_ void **state)
{
	static const char cap[] = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	struct tar t = {0}, r = {0};
	struct reader_inode i;
	struct unpacked u;
	size_t size = 0;

	record(&r, "mtime", "1700000000.123456789");
	record(&r, "uid", "4294967294");
	record(&r, "gid", "70000");
	tar_record(&r, "SCHILY.xattr.security.capability", cap, 20);
	record(&r, "SCHILY.xattr.user.note", "hello");
	record(&r, "SCHILY.xattr.user.overlay.opaque", "y");
	record(&r, "SCHILY.xattr.trusted.overlay.redirect", "/etc");
	tar_pax(&t, &r);
	tar_file(&t, "f", "x");
	record(&r, "SCHILY.xattr.user.overlay.opaque", "y");
	record(&r, "SCHILY.xattr.user.dir", "d");
	record(&r, "mtime", "-1.25");
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
		record(&r, "path", path);
		record(&r, "linkpath", names[i]);
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
	record(&r, "path", pax);
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

static void assert_same_content(const void *p, size_t n, const struct tar *plain, const char *name)
{
	struct unpacked u, v;

	if (unpack(&u, p, n))
		fail_msg("%s: %s", name, u.e.text);
	assert_int_equal(unpack(&v, plain->p, plain->n), 0);
	assert_sha256(u.result.diff_id, plain->p, plain->n);
	assert_int_equal(u.result.in_bytes, n);
	assert_int_equal(u.result.out_bytes, plain->n);
	assert_int_equal(u.r.size, v.r.size);
	assert_memory_equal(u.map, v.map, u.r.size);
	unpacked_free(&u);
	unpacked_free(&v);
}

static void test_compressions(_unused_ void **state)
{
	static const uint8_t skippable[] = {0x53, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 'm', 'e', 't', 'a'};
	struct tar t, a, b, both = {0};
	static const size_t cuts[] = {1, 100, 512, 513, 4096};

	sample(&t);
	a = gzip(t.p, t.n);
	assert_same_content(a.p, a.n, &t, "gzip");
	append(&a, "\0\0\0\0\0\0\0", 7);
	assert_same_content(a.p, a.n, &t, "gzip and zeros");
	tar_free(&a);
	a = zstd(t.p, t.n);
	assert_same_content(a.p, a.n, &t, "zstd");
	append(&both, skippable, sizeof(skippable));
	append(&both, a.p, a.n);
	append(&both, skippable, sizeof(skippable));
	assert_same_content(both.p, both.n, &t, "zstd and skippable frames");
	tar_free(&both);
	tar_free(&a);
	for (size_t i = 0; i < 2 * ARRAY_LEN(cuts); i++) {
		size_t cut = cuts[i / 2];

		a = i % 2 ? gzip(t.p, cut) : zstd(t.p, cut);
		b = i % 2 ? gzip(t.p + cut, t.n - cut) : zstd(t.p + cut, t.n - cut);
		append(&both, a.p, a.n);
		append(&both, b.p, b.n);
		assert_same_content(both.p, both.n, &t, i % 2 ? "two members" : "two frames");
		tar_free(&a);
		tar_free(&b);
		tar_free(&both);
	}
	tar_free(&t);
}

/* Writes in pieces of `step` bytes from a child; true if it could write all. */
static int feed(const struct tar *t, size_t step, pid_t *ret_pid)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	*ret_pid = fork();
	assert_true(*ret_pid >= 0);
	if (*ret_pid == 0) {
		close(p[0]);
		signal(SIGPIPE, SIG_IGN);
		for (size_t at = 0; at < t->n; at += step) {
			if (fd_write_all(p[1], t->p + at, MIN(step, t->n - at)) < 0)
				_exit(1);
		}
		_exit(0);
	}
	close(p[1]);
	return p[0];
}

static void assert_fed(const struct tar *in, size_t step, const struct tar *plain)
{
	struct unpacked u;
	int status, fd;
	pid_t pid;

	fd = feed(in, step, &pid);
	assert_int_equal(unpack_fd(&u, fd, &layer_limits_default), 0);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_sha256(u.result.diff_id, plain->p, plain->n);
	unpacked_free(&u);
}

static void test_slow_pipe(_unused_ void **state)
{
	struct tar t, a, both = {0};

	sample(&t);
	for (int i = 0; i < 3; i++) {
		size_t cut = t.n / 3;

		a = gzip(t.p, cut);
		append(&both, a.p, a.n);
		tar_free(&a);
		a = gzip(t.p + cut, t.n - cut);
		append(&both, a.p, a.n);
		tar_free(&a);
		assert_fed(&both, (size_t)(1 + 6 * i), &t);
		tar_free(&both);
	}
	a = zstd(t.p, t.n);
	assert_fed(&a, 1, &t);
	assert_fed(&t, 1, &t);
	tar_free(&a);
	tar_free(&t);
}

/* Padding after the archive belongs to the digest, and the sender must get rid of it. */
static void test_reads_to_the_end(_unused_ void **state)
{
	struct tar t, z;

	sample(&t);
	tar_grow(&t, 3 << 20);
	append(&t, "not zeros", 9);
	assert_fed(&t, t.n, &t);
	z = gzip(t.p, t.n);
	assert_fed(&z, z.n, &t);
	tar_free(&z);
	tar_free(&t);
}

static void test_damage(_unused_ void **state)
{
	struct tar t, z, g;
	struct unpacked u;

	sample(&t);
	z = zstd(t.p, t.n);
	g = gzip(t.p, t.n);
	for (size_t n = 4; n < g.n; n += 1 + g.n / 50)
		assert_refused(g.p, n, EBADMSG, "truncated gzip stream");
	assert_refused(g.p, g.n - 1, EBADMSG, "truncated gzip stream");
	for (size_t n = 4; n < z.n; n += 1 + z.n / 50)
		assert_refused(z.p, n, EBADMSG, "truncated zstd stream");
	assert_refused(t.p, 1024 + 512 + 700, EBADMSG, "truncated tar");
	assert_refused(t.p, 700, EBADMSG, "truncated tar");
	assert_refused("BZh91AY&SY", 10, EBADMSG, "not a gzip, zstd or tar stream");
	assert_refused("\xfd"
		       "7zXZ\0",
		6, EBADMSG, "not a gzip, zstd or tar stream");
	assert_refused("x", 1, EBADMSG, "not a gzip, zstd or tar stream");
	g.p[g.n - 5] ^= 1;
	assert_refused(g.p, g.n, EBADMSG, "damaged gzip stream: checksum mismatch");
	g.p[g.n - 5] ^= 1;
	append(&g, "trash", 5);
	assert_refused(g.p, g.n, EBADMSG, "garbage after its gzip stream");
	append(&z, "trash", 5);
	assert_int_equal(unpack(&u, z.p, z.n), -EBADMSG);
	t.p[512 + 100] ^= 1;
	assert_int_equal(unpack(&u, t.p, t.n), -EBADMSG);
	tar_free(&t);
	tar_free(&z);
	tar_free(&g);
}

static void test_empty(_unused_ void **state)
{
	struct tar t = {0}, z;
	struct unpacked u;

	tar_end(&t);
	z = gzip(t.p, t.n);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	assert_int_equal(u.result.inodes, 1);
	assert_int_equal(get(&u, "").mode, S_IFDIR | 0755);
	unpacked_free(&u);
	assert_int_equal(unpack(&u, z.p, z.n), 0);
	assert_string_equal(u.result.diff_id,
		"sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
	unpacked_free(&u);
	tar_free(&t);
	tar_free(&z);
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

	record(&r, "GNU.sparse.size", realsize);
	record(&r, "GNU.sparse.numblocks", "1");
	record(&r, "GNU.sparse.map", map);
	record(&r, "GNU.sparse.name", "sparse");
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

/* A map that libarchive would hold in memory: 12 MiB of it in an entry of a few kB. */
static void test_sparse_map_bomb(_unused_ void **state)
{
	enum { BLOCKS = 3 << 20 };
	struct tar t = {0}, r = {0}, map = {0}, z;
	char head[32];
	uint8_t *p;

	snprintf(head, sizeof(head), "%d\n", BLOCKS);
	append(&map, head, strlen(head));
	p = tar_grow(&map, BLOCKS * 4);
	for (size_t i = 0; i < BLOCKS; i++)
		memcpy(p + 4 * i, "0\n0\n", 4);
	record(&r, "GNU.sparse.major", "1");
	record(&r, "GNU.sparse.minor", "0");
	record(&r, "GNU.sparse.name", "sparse");
	record(&r, "GNU.sparse.realsize", "0");
	tar_pax(&t, &r);
	tar_add(&t, (struct tar_head){.type = '0', .name = "x", .data = map.p, .size = map.n});
	tar_end(&t);
	z = gzip(t.p, t.n);
	assert_refused(z.p, z.n, E2BIG, "header of an entry too large");
	tar_free(&map);
	tar_free(&t);
	tar_free(&z);
}

static void test_bounds(_unused_ void **state)
{
	struct layer_limits few = layer_limits_default, small = few, tight = few, dense = few;
	struct tar t = {0}, z;
	struct unpacked u;
	char *text = calloc(1, 8 << 20);

	assert_non_null(text);
	few.max_entries = 3;
	small.max_unpacked = 4096;
	dense.ratio_free = 1 << 20;
	dense.max_ratio = 16;
	tight.max_path = 20;
	sample(&t);
	assert_int_equal(unpack_limited(&u, t.p, t.n, &few), -E2BIG);
	assert_string_equal(u.e.text, "more than 3 entries");
	assert_int_equal(unpack_limited(&u, t.p, t.n, &small), -E2BIG);
	tar_free(&t);
	tar_file(&t, "a/path/of/20/bytes..", "");
	tar_end(&t);
	assert_int_equal(unpack_limited(&u, t.p, t.n, &tight), -ENAMETOOLONG);
	tar_free(&t);
	memset(text, 'x', (8 << 20) - 1);
	tar_file(&t, "dense", text);
	tar_end(&t);
	z = gzip(t.p, t.n);
	assert_int_equal(unpack_limited(&u, z.p, z.n, &dense), -E2BIG);
	assert_string_equal(u.e.text, "unpacks to more than 16 times its size");
	tar_free(&z);
	tar_free(&t);
	memset(text, 0, 8 << 20);
	tar_add(&t, (struct tar_head){.type = '0', .name = "zeros", .data = text, .size = 8 << 20});
	tar_end(&t);
	z = gzip(t.p, t.n);
	assert_int_equal(unpack_limited(&u, z.p, z.n, &dense), -E2BIG);
	tar_free(&z);
	assert_int_equal(unpack_limited(&u, t.p, t.n, &dense), 0);
	unpacked_free(&u);
	tar_free(&t);
	free(text);
}

/* Many empty entries cost memory, not disk: the bound on names must stop them. */
static void test_name_bomb(_unused_ void **state)
{
	struct layer_limits limits = layer_limits_default;
	struct tar t = {0};
	struct unpacked u;
	char name[32];

	limits.max_names = 1 << 20;
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		tar_file(&t, name, "");
	}
	tar_end(&t);
	assert_int_equal(unpack_limited(&u, t.p, t.n, &limits), -ENOMEM);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	unpacked_free(&u);
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
		cmocka_unit_test(test_compressions),
		cmocka_unit_test(test_slow_pipe),
		cmocka_unit_test(test_reads_to_the_end),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_refused_values),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_sparse_map_bomb),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_name_bomb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
