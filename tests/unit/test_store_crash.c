/* SPDX-License-Identifier: MIT */
/*
 * The store after a crash: what is swept, kept, settled or found damaged.
 */
#include "store_place.h"

#define HEX_9 "9999999999999999999999999999999999999999999999999999999999999999"

static int truncateat(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDWR | O_CLOEXEC), r = ftruncate(fd, 4096);

	close(fd);
	return r;
}

static void start_sweeps_what_a_crash_left(void **state)
{
	struct place *p = *state;

	add_image(p, 'a', "12", REF_X);
	add_image(p, 'b', "234", REF_Y);
	add_layer(p, '9', '9');
	write_file(p, "tmp/0123-4", "half a layer");
	write_file(p, "records/." HEX_9 ".tmp", "half a record");
	write_file(p, "records/" HEX_9, "\xff\xff");
	write_file(p, "records/somebody's", "\xff\xff");
	write_file(p, "layers/somebody's.erofs", "\xff\xff");
	assert_int_equal(unlinkat(p->dir,
				 "layers/33333333333333333333333333333333"
				 "33333333333333333333333333333333.erofs",
				 0),
		0);
	reopen(p);
	assert_non_null(store_by_ref(p->store, REF_X));
	assert_null(store_by_ref(p->store, REF_Y)); /* one of its layers is gone */
	assert_false(file_exists(p, "records", 'b'));
	assert_false(file_exists(p, "layers", '9'));
	assert_false(file_exists(p, "layers", '4'));
	assert_true(file_exists(p, "layers", '2'));
	assert_int_not_equal(faccessat(p->dir, "tmp/0123-4", F_OK, 0), 0);
	assert_int_not_equal(faccessat(p->dir, "records/." HEX_9 ".tmp", F_OK, 0), 0);
	assert_int_not_equal(faccessat(p->dir, "records/" HEX_9, F_OK, 0), 0);
	assert_int_equal(faccessat(p->dir, "records/somebody's", F_OK, 0), 0);
	assert_int_equal(faccessat(p->dir, "layers/somebody's.erofs", F_OK, 0), 0);
}

/* One byte of the file, wherever it lies, is another. */
static void flip(struct place *p, const char *path, off_t at)
{
	int fd = openat(p->dir, path, O_RDWR | O_CLOEXEC);
	char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 0x10;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void damaged_image_is_forgotten_and_others_stay(void **state)
{
	struct place *p = *state;
	char path[256], id[TEXT_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "records/%s", digest('a', id) + 7);
	add_image(p, 'b', "23", REF_Y);
	for (off_t at = 0, n = 1; at < n; at++) {
		add_image(p, 'a', "12", REF_X);
		assert_int_equal(fstatat(p->dir, path, &st, 0), 0);
		n = st.st_size;
		flip(p, path, at);
		reopen(p);
		assert_null(store_by_ref(p->store, REF_X));
		assert_non_null(store_by_ref(p->store, REF_Y));
		assert_false(file_exists(p, "records", 'a'));
		assert_false(file_exists(p, "layers", '1'));
		assert_true(file_exists(p, "layers", '2'));
	}
}

static void what_happens_to_files_of_a_running_store_is_seen(void **state)
{
	struct place *p = *state;
	char path[256], d[TEXT_MAX];
	struct err e = {0};

	add_image(p, 'a', "12", REF_X);
	add_image(p, 'b', "3", REF_Y);
	assert_null(store_damaged(p->store, NULL, &e));
	snprintf(path, sizeof(path), "layers/%s.erofs", digest('2', d) + 7);
	for (int how = 0; how < 3; how++) {
		if (how == 0)
			assert_int_equal(unlinkat(p->dir, path, 0), 0);
		else if (how == 1)
			assert_int_equal(truncateat(p->dir, path), 0);
		else
			flip(p, path, 1024);
		assert_ptr_equal(store_damaged(p->store, NULL, &e), store_by_ref(p->store, REF_X));
		assert_null(store_damaged(p->store, store_by_ref(p->store, REF_Y), &e));
		assert_non_null(strstr(e.text, "layer sha256:222"));
		images_check(p->store);
		assert_null(store_by_ref(p->store, REF_X));
		assert_non_null(store_by_ref(p->store, REF_Y));
		assert_false(file_exists(p, "layers", '1'));
		add_image(p, 'a', "12", REF_X);
	}
}

static int keep_some(struct place *p, const char *name, unsigned int age)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - (time_t)age}};
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "partial/%.64s", name);
	fd = openat(p->dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "some", 4), 4);
	assert_int_equal(futimens(fd, times), 0);
	return close(fd);
}

static bool is_kept(struct place *p, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "partial/%.64s", name);
	return faccessat(p->dir, path, F_OK, 0) == 0;
}

static void what_came_of_a_blob_outlives_a_boot(void **state)
{
	struct place *p = *state;
	char d[TEXT_MAX], x[TEXT_MAX], got[8] = "";
	struct err e;
	int fd = store_partial_open(p->store, digest('1', d), 9);

	assert_int_equal(write(fd, "some", 4), 4);
	close(fd);
	store_free(p->store);
	assert_int_equal(store_open(p->dir, "the next boot", &p->store, &e), 0);
	fd = store_partial_open(p->store, d, 9);
	assert_int_equal(read(fd, got, sizeof(got)), 4);
	assert_string_equal(got, "some");
	close(fd);
	/* More than there can be is nothing. */
	fd = store_partial_open(p->store, d, 3);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	/* Nor is a link followed, or another kind of file written to. */
	store_partial_drop(p->store, d);
	snprintf(x, sizeof(x), "partial/%.64s", d + 7);
	assert_int_equal(symlinkat("../victim", p->dir, x), 0);
	fd = store_partial_open(p->store, d, 9);
	assert_true(fd >= 0);
	assert_int_not_equal(faccessat(p->dir, "victim", F_OK, 0), 0);
	close(fd);
}

static void what_came_of_blobs_is_bounded(void **state)
{
	struct place *p = *state;
	char names[140][TEXT_MAX], d[TEXT_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < 140; i++) {
		snprintf(names[i], TEXT_MAX, "%064x", i);
		keep_some(p, names[i], 1000 + i);
	}
	keep_some(p, "not a digest", 0);
	keep_some(p, digest('7', d) + 7, 7 * 24 * 3600 + 60);
	keep_some(p, digest('8', d) + 7, 7 * 24 * 3600 - 60);
	reopen(p);
	assert_false(is_kept(p, "not a digest"));
	assert_false(is_kept(p, digest('7', d) + 7));
	/* 128 stay, the newest. */
	for (unsigned int i = 0; i < 140; i++)
		n += is_kept(p, names[i]);
	assert_int_equal(n, 128);
	assert_true(is_kept(p, names[127]));
	assert_false(is_kept(p, digest('8', d) + 7));
}

static void what_came_of_a_layer_that_is_here_goes(void **state)
{
	struct place *p = *state;
	struct err e;
	char d[TEXT_MAX];
	bool is_new;

	keep_some(p, digest('1', d) + 7, 0);
	add_layer(p, '1', '1');
	assert_int_equal(put_image(p, 'a', "1", "docker.io/library/x:a", &is_new, &e), 0);
	assert_true(is_kept(p, d + 7));
	reopen(p);
	assert_false(is_kept(p, d + 7));
}

static void layers_settle_and_those_that_did_not_are_dropped(void **state)
{
	struct place *p = *state;
	char mark[256], d[TEXT_MAX];

	add_image(p, 'a', "12", REF_X);
	add_image(p, 'b', "23", REF_Y);
	assert_settles(p);
	/* Killed while 1 was on its way to the disk: it is there, and settles now. */
	snprintf(mark, sizeof(mark), "unsettled/%s-0", digest('1', d) + 7);
	write_file(p, mark, "this boot");
	reopen(p);
	assert_non_null(store_by_ref(p->store, REF_X));
	assert_settles(p);
	/* The power failed while 3 was: whatever has its name goes. */
	snprintf(mark, sizeof(mark), "unsettled/%s-7", digest('3', d) + 7);
	write_file(p, mark, "an earlier boot");
	reopen(p);
	assert_non_null(store_by_ref(p->store, REF_X));
	assert_null(store_by_ref(p->store, REF_Y));
	assert_false(file_exists(p, "layers", '3'));
	assert_int_equal(count_marks(p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(start_sweeps_what_a_crash_left),
		STORE_TEST(damaged_image_is_forgotten_and_others_stay),
		STORE_TEST(what_happens_to_files_of_a_running_store_is_seen),
		STORE_TEST(what_came_of_a_blob_outlives_a_boot),
		STORE_TEST(what_came_of_blobs_is_bounded),
		STORE_TEST(what_came_of_a_layer_that_is_here_goes),
		STORE_TEST(layers_settle_and_those_that_did_not_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
