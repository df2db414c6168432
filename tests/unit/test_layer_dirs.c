/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of layer_dirs(): stacks of layers made here, and the image of directories that is to
 * lie on them.
 */
#include "imaged/layer_dirs.h"
#include "unpacked.h"

#define STACK 4

struct stacked {
	int fds[STACK];
	uint32_t implied[STACK];
	size_t n;
	struct unpacked dirs;
	uint32_t count;
};

static void add_layer(struct stacked *s, struct tar *t)
{
	struct layer_result result;
	struct err e;
	int in, out = memfd_create("image", MFD_CLOEXEC);

	assert_true(out >= 0 && s->n < STACK);
	tar_end(t);
	in = memory_file(t->p, t->n);
	assert_int_equal(layer_unpack(in, out, &layer_limits_default, &result, &e), 0);
	close(in);
	s->implied[s->n] = result.implied;
	s->fds[s->n++] = out;
	tar_free(t);
}

static void finish(struct stacked *s)
{
	int out = memfd_create("dirs", MFD_CLOEXEC);
	struct stat st;

	assert_true(out >= 0);
	if (layer_dirs(s->fds, s->n, out, &s->count, &s->dirs.e) < 0)
		fail_msg("%s", s->dirs.e.text);
	assert_int_equal(fstat(out, &st), 0);
	s->dirs.map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, out, 0);
	assert_ptr_not_equal(s->dirs.map, MAP_FAILED);
	s->dirs.r = reader_open(s->dirs.map, (uint64_t)st.st_size, &s->dirs.root);
	reader_walk(&s->dirs.r, s->dirs.root, NULL, NULL);
	close(out);
}

static void stacked_free(struct stacked *s)
{
	unpacked_free(&s->dirs);
	for (size_t i = 0; i < s->n; i++)
		close(s->fds[i]);
	*s = (struct stacked){0};
}

static void add_dir(struct tar *t, const char *name, unsigned int mode, unsigned int uid)
{
	tar_add(t,
		(struct tar_head){
			.type = '5', .name = name, .mode = mode, .uid = uid, .mtime = 1000 + uid});
}

static bool has(struct stacked *s, const char *path)
{
	struct reader_inode i;

	return reader_find(&s->dirs.r, s->dirs.root, path, &i);
}

static void test_repeats_what_is_below(_unused_ void **state)
{
	struct stacked s = {0};
	struct reader_inode i;
	struct tar t = {0}, x = {0};
	size_t size = 0;

	add_dir(&t, "tmp", 01777, 1);
	tar_record(&x, "SCHILY.xattr.user.k", "v", 1);
	tar_pax(&t, &x);
	add_dir(&t, "tmp/a", 0700, 2);
	add_dir(&t, "other", 0711, 3);
	add_layer(&s, &t);
	tar_file(&t, "tmp/a/f", "x");
	add_layer(&s, &t);
	assert_int_equal(s.implied[0], 0);
	assert_int_equal(s.implied[1], 2);
	finish(&s);
	assert_int_equal(s.count, 2);
	i = get(&s.dirs, "tmp");
	assert_int_equal(i.mode, S_IFDIR | 01777);
	assert_int_equal(i.uid, 1);
	assert_int_equal(i.mtime, 1001);
	i = get(&s.dirs, "tmp/a");
	assert_int_equal(i.mode, S_IFDIR | 0700);
	assert_memory_equal(reader_xattr(&s.dirs.r, &i, EROFS_XATTR_USER, "k", &size), "v", 1);
	assert_null(reader_xattr(&s.dirs.r, &i, EROFS_XATTR_USER, "overlay.implied", &size));
	assert_false(has(&s, "other"));
	assert_false(has(&s, "tmp/a/f"));
	stacked_free(&s);
}

/* The highest description counts, and a description above an implication needs no repeating. */
static void test_topmost_wins(_unused_ void **state)
{
	struct stacked s = {0};
	struct tar t = {0};

	add_dir(&t, "d", 0700, 1);
	add_dir(&t, "e", 0700, 1);
	add_layer(&s, &t);
	add_dir(&t, "d", 0750, 2);
	tar_file(&t, "e/f", "");
	add_layer(&s, &t);
	tar_file(&t, "d/f", "");
	add_dir(&t, "e", 0755, 3);
	add_layer(&s, &t);
	finish(&s);
	assert_int_equal(s.count, 1);
	assert_int_equal(get(&s.dirs, "d").uid, 2);
	assert_false(has(&s, "e"));
	stacked_free(&s);
}

/* What a layer in between hides must not come back, neither as metadata nor as a directory. */
static void test_hidden(_unused_ void **state)
{
	struct stacked s = {0};
	struct tar t = {0};

	add_dir(&t, "white", 0700, 1);
	add_dir(&t, "p", 0755, 1);
	add_dir(&t, "p/opaque", 0700, 1);
	add_dir(&t, "gone", 0700, 1);
	add_dir(&t, "file", 0700, 1);
	add_layer(&s, &t);
	tar_file(&t, ".wh.white", "");
	tar_file(&t, "p/.wh..wh..opq", "");
	tar_file(&t, "gone/f", "");
	tar_file(&t, "file", "");
	add_layer(&s, &t);
	tar_file(&t, "white/f", "");
	tar_file(&t, "p/opaque/f", "");
	tar_file(&t, ".wh.gone", "");
	tar_file(&t, "file/f", "");
	add_layer(&s, &t);
	finish(&s);
	assert_false(has(&s, "white"));
	assert_false(has(&s, "p/opaque"));
	assert_false(has(&s, "gone"));
	assert_false(has(&s, "file"));
	stacked_free(&s);
}

static void test_nothing_to_do(_unused_ void **state)
{
	struct stacked s = {0};
	struct tar t = {0};

	tar_file(&t, "implied/f", "");
	add_layer(&s, &t);
	add_dir(&t, "new", 0700, 1);
	tar_file(&t, "implied/too/g", "");
	add_layer(&s, &t);
	finish(&s);
	assert_int_equal(s.count, 0);
	stacked_free(&s);
}

/* Whatever a disk made of the images, there is an answer and no fault. */
static void test_damaged_images(_unused_ void **state)
{
	struct stacked s = {0};
	struct tar t = {0};
	unsigned int seed = 1;
	uint8_t *bytes, byte;
	struct stat st;
	struct err e;
	int out = memfd_create("dirs", MFD_CLOEXEC);

	for (int i = 0; i < 2; i++) {
		add_dir(&t, "d", 0700, 1);
		add_dir(&t, "d/e", 0700, 1);
		tar_file(&t, "d/f/g", "");
		add_layer(&s, &t);
	}
	assert_int_equal(fstat(s.fds[1], &st), 0);
	bytes = malloc((size_t)st.st_size);
	assert_int_equal(pread(s.fds[1], bytes, (size_t)st.st_size, 0), st.st_size);
	for (int i = 0; i < 2000; i++) {
		off_t at = (off_t)((unsigned int)rand_r(&seed) % (unsigned int)st.st_size);

		if (!bytes[at] && rand_r(&seed) % 64)
			continue;
		byte = (uint8_t)rand_r(&seed);
		assert_int_equal(pwrite(s.fds[1], &byte, 1, at), 1);
		if (layer_dirs(s.fds, s.n, out, &s.count, &e) < 0)
			assert_true(e.text[0]);
		assert_int_equal(pwrite(s.fds[1], bytes + at, 1, at), 1);
	}
	free(bytes);
	close(out);
	stacked_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repeats_what_is_below),
		cmocka_unit_test(test_topmost_wins),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_damaged_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
