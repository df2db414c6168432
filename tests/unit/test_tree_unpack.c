/* SPDX-License-Identifier: MIT */
/*
 * Streams that nobody vouches for, unpacked beside a directory that must stay as it is; what is cut
 * off anywhere is noticed; and what goes in comes out again.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "tar_builder.h"
#include "tree.h"

struct place {
	char path[64];
	int base, dest; /* dest is below base, beside outside/ */
};

static void run(const char *fmt, ...) _printf_(1, 2);
static void run(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	umask(022);
	snprintf(p->path, sizeof(p->path), "/tmp/test-tree-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	run("cd %s && mkdir dest outside outside/dir && echo secret >outside/file && ln -s ../outside dest/mine && "
	    "touch -d @1000000000 outside/file outside/dir outside && cp -a outside before",
		p->path);
	p->base = open(p->path, O_PATH | O_DIRECTORY);
	p->dest = openat(p->base, "dest", O_PATH | O_DIRECTORY);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	run("rm -rf %s", p->path);
	close(p->base);
	close(p->dest);
	free(p);
	return 0;
}

static int stream(const struct tar *t, size_t n)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);

	assert_int_equal(fd_write_all(fd, t->p, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static const struct tree_target anything = {.dir = -1, .owned_dir = -1};
static const struct tree_unpack_options lowly = {.lowly = true}, strange = {.any = true};

static int unpack(struct place *p, const struct tar *t, const char *top,
	const struct tree_unpack_options *o, struct tree_unpacked *u, struct err *e)
{
	_cleanup_fd_ int in = stream(t, t->n);

	*e = (struct err){0};
	return tree_unpack(in, p->dest, top, &anything, o, u, e);
}

static void outside_is_as_before(const struct place *p)
{
	run("cd %s && $OLDPWD/tests/integration/treecmp before outside", p->path);
}

/* ---- what is refused ---- */

#define FILE_OF(n)                                                                                 \
	{                                                                                          \
		.type = '0', .name = (n), .data = "bad", .size = 3                                 \
	}
#define DIR_OF(n)                                                                                  \
	{                                                                                          \
		.type = '5', .name = (n), .mode = 0755                                             \
	}
#define LINK_OF(n, l)                                                                              \
	{                                                                                          \
		.type = '2', .name = (n), .link = (l), .mode = 0777                                \
	}
#define HARD_OF(n, l)                                                                              \
	{                                                                                          \
		.type = '1', .name = (n), .link = (l)                                              \
	}

static const struct {
	const char *what;
	struct tar_head entries[5];
	const char *words; /* of the sentence; NULL: it goes well */
	bool strange_too;  /* a stranger's tar is refused alike */
} refused[] = {
	{"..", {DIR_OF("t"), FILE_OF("t/../../outside/file")}, "a name with \"..\"", true},
	{".. as the top", {DIR_OF("../outside")}, "a name with \"..\"", true},
	{".. at the end", {DIR_OF("t"), DIR_OF("t/..")}, "a name with \"..\"", true},
	{"an absolute name", {FILE_OF("/tmp/x")}, "an absolute name", true},
	{"two tops", {DIR_OF("t"), FILE_OF("u")}, "is not below \"t\"", false},
	{"a top that is the other's beginning", {DIR_OF("t"), FILE_OF("tt")}, "is not below",
		false},
	{"through a link out", {DIR_OF("t"), LINK_OF("t/l", "../../outside"), FILE_OF("t/l/file")},
		"a link or a file is where a directory", true},
	{"through an absolute link", {DIR_OF("t"), LINK_OF("t/l", "/tmp"), FILE_OF("t/l/bad")},
		"a link or a file is where a directory", true},
	{"through a link inside", {DIR_OF("t"), LINK_OF("t/l", "."), FILE_OF("t/l/bad")},
		"a link or a file is where a directory", true},
	{"a directory on a link", {DIR_OF("t"), LINK_OF("t/l", "../../outside"), DIR_OF("t/l")},
		"a directory can't take the place of a file", true},
	{"a top that is a link", {LINK_OF("t", "../outside"), FILE_OF("t/file")},
		"a link or a file is where a directory", true},
	{"a hard link out", {DIR_OF("t"), HARD_OF("t/h", "t/../../outside/file")},
		"a name with \"..\"", true},
	{"a hard link to an absolute name", {DIR_OF("t"), HARD_OF("t/h", "/etc/passwd")},
		"an absolute name", true},
	{"a hard link through a link",
		{DIR_OF("t"), LINK_OF("t/l", "../../outside"), HARD_OF("t/h", "t/l/file")},
		"a link or a file is where a directory", true},
	{"a hard link to a directory", {DIR_OF("t"), DIR_OF("t/d"), HARD_OF("t/h", "t/d")},
		"a second name of t/d", true},
	{"a hard link to nothing", {DIR_OF("t"), HARD_OF("t/h", "t/x")}, "a second name of t/x",
		true},
	{"a file on a directory", {DIR_OF("t"), DIR_OF("t/d"), FILE_OF("t/d")},
		"a file can't take the place of a directory", true},
	{"below a file", {DIR_OF("t"), FILE_OF("t/f"), FILE_OF("t/f/g")},
		"a link or a file is where a directory", true},
	{"a file without a name", {DIR_OF("t"), FILE_OF("t/.")}, NULL, false},
	{"an unknown kind", {DIR_OF("t"), {.type = 'Z', .name = "t/z"}}, "of an unknown kind",
		true},
	{"nothing", {{0}}, "nothing came", false},
};

static void add_all(struct tar *t, const struct tar_head *v)
{
	for (int i = 0; i < 5 && v[i].name; i++)
		tar_add(t, v[i]);
	tar_end(t);
}

static void test_refused(void **state)
{
	struct place *p = *state;
	struct tree_unpacked u;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		for (int any = 0; any < 2; any++) {
			struct tar t = {0};
			int r;

			add_all(&t, refused[i].entries);
			run("rm -rf %s/dest/?", p->path);
			r = unpack(p, &t, any ? "" : "x", any ? &strange : &lowly, &u, &e);
			if (any && !refused[i].strange_too)
				; /* whatever */
			else if (refused[i].words && r == 0)
				fail_msg("%s: was accepted", refused[i].what);
			else if (refused[i].words && !strstr(e.text, refused[i].words))
				fail_msg("%s: %s", refused[i].what, e.text);
			tar_free(&t);
			outside_is_as_before(p);
		}
	}
}

/* A link that was there before is no way either. */
static void test_links_of_the_destination(void **state)
{
	struct place *p = *state;
	struct tree_unpacked u;
	struct tar t = {0};
	struct err e;

	tar_dir(&t, "t");
	tar_file(&t, "t/mine/file", "bad");
	tar_end(&t);
	assert_true(unpack(p, &t, "", &lowly, &u, &e) < 0);
	tar_free(&t);
	/* A file of that name takes the link's place. */
	tar_dir(&t, "t");
	tar_file(&t, "t/mine", "good");
	tar_end(&t);
	assert_int_equal(unpack(p, &t, "", &lowly, &u, &e), 0);
	tar_free(&t);
	run("test \"$(cat %s/dest/mine)\" = good && ! test -L %s/dest/mine", p->path, p->path);
	outside_is_as_before(p);
}

/* ---- what comes out of a container onto a host ---- */

static void test_lowly(void **state)
{
	struct tar t = {0}, records = {0};
	char path[96], names[64] = "";
	struct place *p = *state;
	struct tree_unpacked u;
	struct stat st;
	struct err e;

	tar_add(&t, (struct tar_head){.type = '5', .name = "t", .mode = 03755});
	tar_record(&records, "SCHILY.xattr.user.a", "b", 1);
	tar_record(&records, "SCHILY.xattr.trusted.a", "b", 1);
	tar_record(&records, "SCHILY.xattr.security.capability",
		"\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	tar_pax(&t, &records);
	tar_add(&t, (struct tar_head){
			    .type = '0', .name = "t/suid", .mode = 06755, .uid = 4, .gid = 5});
	tar_add(&t, (struct tar_head){.type = '3', .name = "t/null", .major = 1, .minor = 3});
	tar_add(&t, (struct tar_head){.type = '4', .name = "t/disk", .major = 8});
	tar_add(&t, (struct tar_head){.type = '6', .name = "t/fifo", .mode = 0640});
	tar_end(&t);
	assert_int_equal(unpack(p, &t, "x", &lowly, &u, &e), 0);
	assert_int_equal(u.skipped, 2);
	assert_int_equal(fstatat(p->dest, "x/suid", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(fstatat(p->dest, "x", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 01755);
	assert_int_equal(fstatat(p->dest, "x/fifo", &st, 0), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_true(fstatat(p->dest, "x/null", &st, AT_SYMLINK_NOFOLLOW) < 0);
	snprintf(path, sizeof(path), "%s/dest/x/suid", p->path);
	assert_int_equal(listxattr(path, names, sizeof(names)), sizeof("user.a"));
	assert_string_equal(names, "user.a");
	tar_free(&t);
}

/* ---- what is cut off ---- */

static void test_cut_anywhere(void **state)
{
	static const char zeros[2048];
	struct tree_unpacked u;
	struct place *p = *state;
	struct tar t = {0};
	struct err e = {0};

	tar_dir(&t, "t");
	tar_file(&t, "t/a", "content");
	tar_add(&t, (struct tar_head){
			    .type = '0', .name = "t/zeros", .data = zeros, .size = sizeof(zeros)});
	tar_file(&t, "t/b", "content");
	tar_end(&t);
	for (size_t n = 0; n < t.n; n += 256) {
		_cleanup_fd_ int in = stream(&t, n);
		_cleanup_stage_ struct tree_stage stage = TREE_STAGE_NONE;

		assert_int_equal(tree_stage_open(p->dest, &stage, &e), 0);
		if (tree_unpack(in, stage.dir, TREE_STAGE_TOP, &anything, &lowly, &u, &e) == 0)
			fail_msg("%zu of %zu bytes were taken for the whole", n, t.n);
	}
	/* Nothing is left of all these tries. */
	run("test \"$(ls -A %s/dest)\" = mine", p->path);
	tar_free(&t);
}

static void test_damaged(void **state)
{
	static const char *const bad[] = {"9999 path=x\n", "12 path=a\n", "0 \n", "path=a\n",
		"10 path=a", "11 size=-1\n", "33 size=99999999999999999999999\n", "9 uid=-1\n",
		"19 uid=4294967295\n", "16 mtime=1.2.3\n", "12 mtime=x\n", "9 path=\n",
		"27 GNU.sparse.realsize=x9\n"};
	struct place *p = *state;
	struct tree_unpacked u;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct tar t = {0};

		tar_dir(&t, "t");
		tar_add(&t,
			(struct tar_head){
				.type = 'x', .name = "x", .data = bad[i], .size = strlen(bad[i])});
		tar_file(&t, "t/f", "x");
		tar_end(&t);
		if (unpack(p, &t, "x", &lowly, &u, &e) == 0)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_non_null(strstr(e.text, "damaged archive"));
		tar_free(&t);
		run("rm -rf %s/dest/x", p->path);
	}
}

/* A sparse file of GNU's format 1.0: the map must be in order, within the file, and match. */
static void test_sparse_maps(void **state)
{
	static const struct {
		const char *map, *realsize;
		size_t data;
		bool good;
	} cases[] = {{"1\n0\n3\n", "10", 3, true}, {"2\n0\n1\n5\n2\n", "10", 3, true},
		{"0\n", "10", 0, true}, {"1\n10\n0\n", "10", 0, true},
		{"1\n0\n4\n", "10", 3, false}, {"1\n8\n3\n", "10", 3, false},
		{"2\n5\n2\n0\n1\n", "10", 3, false}, {"2\n0\n2\n1\n1\n", "10", 3, false},
		{"1\n0\n", "10", 3, false}, {"x\n", "10", 0, false}, {"99999999\n", "10", 0, false},
		{"1\n9223372036854775807\n1\n", "10", 1, false}, {"1\n0\n3\n", "2", 3, false}};
	struct place *p = *state;
	struct tree_unpacked u;
	struct stat st;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tar t = {0}, records = {0};
		char data[1024] = "";
		int r;

		memcpy(data, cases[i].map, strlen(cases[i].map));
		memcpy(data + 512, "abc", 3);
		tar_record(&records, "GNU.sparse.major", "1", 1);
		tar_record(&records, "GNU.sparse.minor", "0", 1);
		tar_record(&records, "GNU.sparse.name", "t", 1);
		tar_record(&records, "GNU.sparse.realsize", cases[i].realsize,
			strlen(cases[i].realsize));
		tar_pax(&t, &records);
		tar_add(&t, (struct tar_head){.type = '0',
				    .name = "z",
				    .data = data,
				    .size = 512 + cases[i].data});
		tar_end(&t);
		r = unpack(p, &t, "x", &lowly, &u, &e);
		if ((r == 0) != cases[i].good)
			fail_msg("map \"%s\": %s", cases[i].map, r ? e.text : "was accepted");
		if (r == 0)
			assert_int_equal(fstatat(p->dest, "x", &st, 0), 0);
		if (r == 0)
			assert_int_equal(st.st_size, 10);
		tar_free(&t);
		run("rm -f %s/dest/x", p->path);
	}
}

/* ---- there and back ---- */

static void set_attr(
	const struct place *p, const char *file, const char *name, const char *value, size_t n)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/from/%s", p->path, file);
	assert_int_equal(setxattr(path, name, value, n, 0), 0);
}

static void make_tree(const struct place *p)
{
	run("cd %s && mkdir -p from/d/e 'from/sp ace' && cd from && echo x >d/f && ln d/f d/e/g && ln -s /nowhere d/l && "
	    "mkfifo -m 600 pipe && truncate -s 70M sparse && printf mid | dd of=sparse bs=1 seek=30M conv=notrunc status=none && "
	    "truncate -s 3M hole && touch -d @-1.25 old && touch -d @99999999999.5 late && chmod 4711 d/f && chmod 1500 d/e && "
	    "touch \"$(printf '\\377\\n')\" \"$(head -c 240 /dev/zero | tr '\\0' n)\" && ln -s \"$(head -c 3000 /dev/zero | tr '\\0' l)\" long && "
	    "mkdir -p $(yes deep | head -n 300 | tr '\\n' /) && touch -d @1234567890.123456789 d/e d 'sp ace' .",
		p->path);
	set_attr(p, "old", "user.empty", "", 0);
	set_attr(p, "old", "user.bytes", "\0\377\n=", 4);
	set_attr(p, "d", "user.d", "v", 1);
	if (geteuid() == 0)
		run("cd %s/from && chown 12345:4000000000 old && chown -h 7:8 d/l", p->path);
}

static void there_and_back(struct place *p, bool keep)
{
	const struct tree_unpack_options o = {.keep_owner = keep, .own_by_root = !keep};
	static const struct tree_pack_options all = {.devices = true};
	_cleanup_fd_ int fd = memfd_create("stream", MFD_CLOEXEC);
	_cleanup_pack_ struct tree_pack *pack = NULL;
	_cleanup_place_ struct tree_place from;
	struct tree_unpacked u;
	struct err e = {0};

	assert_int_equal(tree_find(p->base, "/from", false, &from, &e), 0);
	assert_int_equal(tree_pack_open(fd, &all, &pack, &e), 0);
	if (tree_pack_add(pack, &from, "top", &e) < 0 || tree_pack_end(pack, &e) < 0)
		fail_msg("%s", e.text);
	/* What is not there takes no room. */
	assert_true(lseek(fd, 0, SEEK_END) < 1 << 20);
	lseek(fd, 0, SEEK_SET);
	if (tree_unpack(fd, p->dest, "to", &anything, &o, &u, &e) < 0)
		fail_msg("%s", e.text);
}

static void test_there_and_back(void **state)
{
	struct place *p = *state;

	make_tree(p);
	there_and_back(p, true);
	run("cd %s && $OLDPWD/tests/integration/treecmp from dest/to && test $(du -s dest/to | cut -f1) -lt 4096",
		p->path);
}

static void test_given_to_root(void **state)
{
	struct place *p = *state;

	if (geteuid() != 0)
		skip();
	make_tree(p);
	run("chown -hR 5:6 %s/from", p->path);
	there_and_back(p, false);
	run("test -z \"$(find %s/dest/to ! -uid 0 -o ! -gid 0)\"", p->path);
}

/* Beyond 4 GiB, where a hole is at the beginning and at the end. */
static void test_large(void **state)
{
	struct place *p = *state;

	run("cd %s && mkdir from && truncate -s 5G from/f && printf mid | dd of=from/f bs=1 seek=4500M conv=notrunc status=none",
		p->path);
	there_and_back(p, true);
	run("cd %s/dest/to && test \"$(stat -c %%s f)\" = $((5 << 30)) && test $(du -s f | cut -f1) -lt 1024 && "
	    "test \"$(dd if=f bs=1M skip=4500 count=1 status=none | tr -d '\\0')\" = mid",
		p->path);
}

/* And GNU tar sees the same. */
static void test_others_read_it(void **state)
{
	static const struct tree_pack_options all = {.devices = true};
	_cleanup_pack_ struct tree_pack *pack = NULL;
	_cleanup_place_ struct tree_place from;
	struct place *p = *state;
	struct err e = {0};
	char path[96];
	int fd;

	make_tree(p);
	snprintf(path, sizeof(path), "%s/tar", p->path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(tree_find(p->base, "from", false, &from, &e), 0);
	assert_int_equal(tree_pack_open(fd, &all, &pack, &e), 0);
	assert_int_equal(tree_pack_add(pack, &from, "", &e), 0);
	assert_int_equal(tree_pack_end(pack, &e), 0);
	close(fd);
	run("cd %s && mkdir gnu && tar -C gnu --xattrs --xattrs-include='*' --numeric-owner -xpf tar 2>/dev/null && "
	    "$OLDPWD/tests/integration/treecmp from gnu",
		p->path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_links_of_the_destination, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lowly, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cut_anywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sparse_maps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_there_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_given_to_root, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_others_read_it, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
