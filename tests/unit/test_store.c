/* SPDX-License-Identifier: MIT */
/*
 * The image store in a temporary directory: what is found by which name, what survives a restart,
 * and what may be removed, or goes to make room.
 */
#include "store_place.h"

static void finds_by_every_name(void **state)
{
	struct place *p = *state;
	char id[TEXT_MAX], ref[REFERENCE_TEXT_MAX];
	const struct image *image;
	struct err e;

	add_image(p, 'a', "12", REF_X);
	digest('a', id);
	assert_string_equal(found(p, "x"), id);
	assert_string_equal(found(p, "x:latest"), id);
	assert_string_equal(found(p, REF_X), id);
	assert_string_equal(found(p, id), id);
	assert_string_equal(found(p, "aaa"), id);
	assert_string_equal(found(p, "sha256:a"), id);
	assert_null(found(p, "x:other"));
	assert_null(found(p, "aab"));
	assert_int_equal(find_error(p, "nix", &e), -ENOENT);
	assert_string_equal(e.text, "no such image: nix");
	assert_int_equal(find_error(p, "sha256:xyz", &e), -EINVAL);
	assert_int_equal(find_error(p, "UPPER/Case", &e), -EINVAL);
	assert_int_equal(store_find(p->store, "x", &image, ref, &e), 0);
	assert_string_equal(ref, REF_X);
	assert_int_equal(store_find(p->store, "aaaa", &image, ref, &e), 0);
	assert_string_equal(ref, "");
	/* Two blocks of 4 KiB a layer. */
	assert_int_equal(image->size, 16384);
}

static void name_beats_id_and_prefix_must_be_unique(void **state)
{
	struct place *p = *state;
	char a[TEXT_MAX];
	bool is_new;
	struct err e;
	struct image near = {.pulled_at = 1};
	char id[TEXT_MAX], d[TEXT_MAX];
	struct layer l = {.digest = digest('1', d), .diff_id = d};

	add_image(p, 'a', "1", "docker.io/library/bbb:latest");
	add_image(p, 'b', "1", REF_X);
	assert_string_equal(found(p, "bbb"), digest('a', a));
	digest('b', id);
	id[TEXT_MAX - 1] = '\0';
	id[strlen(id) - 1] = '0';
	near.id = id;
	near.layers.v = &l;
	near.layers.n = 1;
	assert_int_equal(store_put(p->store, &near, REF_Y, &is_new, &e), 0);
	assert_int_equal(find_error(p, "bbbb", &e), -EINVAL);
	assert_string_equal(e.text, "image id bbbb is ambiguous: give more digits");
	assert_string_equal(found(p, id), id);
}

static void survives_a_restart(void **state)
{
	struct place *p = *state;
	const struct image *image;
	char id[TEXT_MAX];
	struct stat st;

	add_image(p, 'a', "12", REF_X);
	reopen(p);
	image = store_by_ref(p->store, REF_X);
	assert_non_null(image);
	assert_string_equal(image->id, digest('a', id));
	assert_int_equal(image->layers.n, 2);
	assert_int_equal(image->pulled_at, 7);
	assert_string_equal(image->config->os, "linux");
	assert_int_equal(fstatat(p->dir, "layers", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void reference_moves_to_the_newer_image(void **state)
{
	struct place *p = *state;
	char id[TEXT_MAX];

	add_image(p, 'a', "1", REF_X);
	add_image(p, 'b', "2", REF_X);
	assert_string_equal(found(p, "x"), digest('b', id));
	assert_int_equal(store_by_id(p->store, digest('a', id))->refs.n, 0);
	reopen(p);
	assert_string_equal(found(p, "x"), digest('b', id));
	assert_non_null(store_by_id(p->store, digest('a', id)));
}

static void putting_again_changes_nothing(void **state)
{
	struct place *p = *state;
	bool is_new = true;
	char id[TEXT_MAX];
	struct err e;

	add_image(p, 'a', "1", REF_X);
	assert_int_equal(put_image(p, 'a', "1", REF_X, &is_new, &e), 0);
	assert_false(is_new);
	assert_int_equal(put_image(p, 'a', "1", REF_Y, &is_new, &e), 0);
	assert_true(is_new);
	assert_int_equal(store_by_id(p->store, digest('a', id))->refs.n, 2);
}

static void lies_about_content_are_refused(void **state)
{
	struct place *p = *state;
	char d[TEXT_MAX], x[TEXT_MAX];
	struct layer l = {.digest = digest('1', d), .diff_id = digest('2', x)};
	bool is_new;
	struct err e;

	add_image(p, 'a', "1", REF_X);
	add_layer(p, '3', '3');
	assert_int_equal(store_has_layer(p->store, &l, &e), -EBADMSG);
	assert_string_equal(e.text, "content does not match its diff id");
	assert_int_equal(put_image(p, 'a', "3", REF_Y, &is_new, &e), -EBADMSG);
	assert_null(store_by_ref(p->store, REF_Y));
	assert_int_equal(put_image(p, 'b', "4", REF_Y, &is_new, &e), -ENOENT);
	assert_null(store_by_ref(p->store, REF_Y));
}

static int remove_image(struct place *p, const char *text, bool force, const char *in_use,
	struct image_removed *ret, struct arena *a, struct err *e)
{
	struct image_remove m = {.ref = text, .force = force, .in_use = {&in_use, in_use ? 1 : 0}};

	*ret = (struct image_removed){0};
	return images_remove(p->store, &m, a, ret, e);
}

static void removing_keeps_what_others_need(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct place *p = *state;
	struct image_removed gone;
	char d[TEXT_MAX];
	struct err e;

	add_image(p, 'a', "12", REF_X);
	add_image(p, 'b', "23", REF_Y);
	assert_int_equal(remove_image(p, "x", false, NULL, &gone, &a, &e), 0);
	assert_int_equal(gone.untagged.n, 1);
	assert_string_equal(gone.untagged.v[0], REF_X);
	assert_int_equal(gone.deleted.n, 2);
	assert_string_equal(gone.deleted.v[0], digest('a', d));
	assert_string_equal(gone.deleted.v[1], digest('1', d));
	assert_false(file_exists(p, "layers", '1'));
	assert_true(file_exists(p, "layers", '2'));
	assert_false(file_exists(p, "records", 'a'));
	assert_non_null(store_by_ref(p->store, REF_Y));
	assert_int_equal(remove_image(p, "x", false, NULL, &gone, &a, &e), -ENOENT);
	assert_int_equal(remove_image(p, "bbbb", false, NULL, &gone, &a, &e), 0);
	assert_int_equal(gone.deleted.n, 3);
	assert_null(store_after(p->store, NULL));
}

/* A directory image of 4 KiB for the image. */
static void add_dirs(struct place *p, char id)
{
	char name[STORE_TMP_NAME], i[TEXT_MAX];
	struct err e;
	int fd = store_layer_begin(p->store, digest(id, i), name, &e);

	assert_true(fd >= 0);
	assert_int_equal(image_file_plain(fd, "dirs"), 0);
	close(fd);
	assert_int_equal(store_dirs_commit(p->store, name, IMAGE_FILE_BYTES, i, &e), 0);
}

/* One layer, and a directory image if `dirs`. */
static int put_with_dirs(struct place *p, char id, bool dirs, const char *ref, struct err *e)
{
	char i[TEXT_MAX], d[TEXT_MAX];
	struct layer l = {.digest = digest('1', d), .diff_id = d, .size = 1};
	struct image image = {.id = digest(id, i), .layers = {&l, 1}, .dirs = dirs};
	bool is_new;

	return store_put(p->store, &image, ref, &is_new, e);
}

static void directory_image_lives_with_its_record(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct place *p = *state;
	struct image_removed gone;
	char id[TEXT_MAX];
	struct err e;

	add_layer(p, '1', '1');
	assert_int_equal(put_with_dirs(p, 'a', true, REF_X, &e), -ENOENT);
	add_dirs(p, 'a');
	assert_int_equal(put_with_dirs(p, 'a', true, REF_X, &e), 0);
	assert_int_equal(store_by_ref(p->store, REF_X)->size, 2 * IMAGE_FILE_BYTES);
	/* The first record decides. */
	assert_int_equal(put_with_dirs(p, 'a', false, REF_Y, &e), 0);
	store_dirs_release(p->store, digest('a', id));
	reopen(p);
	assert_true(store_by_ref(p->store, REF_Y)->dirs);
	assert_true(file_exists(p, "dirs", 'a'));
	assert_int_equal(remove_image(p, id, true, NULL, &gone, &a, &e), 0);
	assert_false(file_exists(p, "dirs", 'a'));
}

static void directory_image_without_record_goes_and_the_other_way_round(void **state)
{
	struct place *p = *state;
	char path[256], id[TEXT_MAX];
	struct err e;

	add_layer(p, '1', '1');
	add_dirs(p, 'a');
	assert_int_equal(put_with_dirs(p, 'a', true, REF_X, &e), 0);
	add_dirs(p, 'b');
	store_dirs_release(p->store, digest('b', id));
	assert_false(file_exists(p, "dirs", 'b'));
	assert_int_equal(put_with_dirs(p, 'c', false, REF_Y, &e), 0);
	add_dirs(p, 'c');
	add_dirs(p, 'd');
	assert_settles(p);
	reopen(p);
	assert_false(file_exists(p, "dirs", 'c'));
	assert_false(file_exists(p, "dirs", 'd'));
	assert_non_null(store_by_ref(p->store, REF_X));
	/* It had not reached the disk when the power failed. */
	snprintf(path, sizeof(path), "unsettled/%s.dirs-3", digest('a', id) + 7);
	write_file(p, path, "an earlier boot");
	reopen(p);
	assert_false(file_exists(p, "dirs", 'a'));
	assert_null(store_by_ref(p->store, REF_X));
	assert_non_null(store_by_ref(p->store, REF_Y));
	assert_true(file_exists(p, "layers", '1'));
	assert_int_equal(count_marks(p), 0);
}

static void what_unpacking_found_survives(void **state)
{
	struct place *p = *state;
	char name[STORE_TMP_NAME], d[TEXT_MAX];
	struct layer l = {.digest = digest('1', d), .diff_id = d, .implied = 3, .opaque = true};
	struct layer asked = {.digest = d, .diff_id = d};
	struct err e;
	int fd = store_layer_begin(p->store, d, name, &e);

	assert_true(fd >= 0);
	assert_int_equal(image_file_plain(fd, "layer"), 0);
	close(fd);
	assert_int_equal(store_layer_commit(p->store, name, IMAGE_FILE_BYTES, &l, &e), 0);
	assert_int_equal(put_with_dirs(p, 'a', false, REF_X, &e), 0);
	reopen(p);
	store_know_layer(p->store, &asked);
	assert_true(asked.opaque);
	assert_int_equal(asked.implied, 3);
	asked.digest = digest('2', d);
	store_know_layer(p->store, &asked);
	assert_false(asked.opaque || asked.implied);
}

static void removing_respects_use_and_references(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct place *p = *state;
	struct image_removed gone;
	char id[TEXT_MAX];
	bool is_new;
	struct err e;

	add_image(p, 'a', "1", REF_X);
	digest('a', id);
	assert_int_equal(remove_image(p, "x", true, id, &gone, &a, &e), -EBUSY);
	assert_string_equal(e.text, "image x is in use by a container; remove it first");
	assert_int_equal(put_image(p, 'a', "1", REF_Y, &is_new, &e), 0);
	assert_int_equal(remove_image(p, id, false, NULL, &gone, &a, &e), -EBUSY);
	assert_int_equal(remove_image(p, REF_Y, false, id, &gone, &a, &e), 0);
	assert_int_equal(gone.untagged.n, 1);
	assert_int_equal(gone.deleted.n, 0);
	assert_non_null(found(p, "x"));
	assert_int_equal(put_image(p, 'a', "1", REF_Y, &is_new, &e), 0);
	assert_int_equal(remove_image(p, id, true, NULL, &gone, &a, &e), 0);
	assert_int_equal(gone.untagged.n, 2);
	assert_null(found(p, "x"));
}

static void lists_in_pages(void **state)
{
	struct place *p = *state;
	struct image page[IMAGES_PER_LIST];
	struct image_listed listed;
	char ref[64], after[TEXT_MAX] = "";
	unsigned int n = 0, pages = 0;

	for (unsigned int i = 0; i < 40; i++) {
		char id[TEXT_MAX], d[TEXT_MAX];
		struct layer l = {.digest = digest('1', d), .diff_id = d};
		struct image image = {.id = digest('0', id), .layers = {&l, 1}};
		struct err e;
		bool is_new;

		if (i == 0)
			add_layer(p, '1', '1');
		snprintf(id + 7, 65, "%02x%062d", i * 5, 0);
		snprintf(ref, sizeof(ref), "docker.io/library/x:%u", i);
		assert_int_equal(store_put(p->store, &image, ref, &is_new, &e), 0);
	}
	do {
		images_list(p->store, after, page, &listed);
		assert_in_range(listed.images.n, 1, IMAGES_PER_LIST);
		assert_true(strcmp(listed.images.v[0].id, after) > 0);
		strcpy(after, listed.images.v[listed.images.n - 1].id);
		n += listed.images.n;
		pages++;
	} while (listed.more);
	assert_int_equal(n, 40);
	assert_int_equal(pages, 3);
}

static int collect(struct place *p, uint64_t high, uint64_t low, const char *in_use, uint32_t *ret)
{
	struct workers_setup none = {.loop = loop_new()};
	struct image_collect m = {.high = high, .low = low};
	struct pulls *pulls = pulls_new(p->store, &none);
	struct image_collected done;
	struct err e;
	int r;

	m.in_use = (struct strv){&in_use, in_use ? 1 : 0};
	assert_non_null(pulls);
	r = usage_collect(p->store, pulls, &m, &done, &e);
	*ret = done.images;
	pulls_free(pulls);
	loop_free(none.loop);
	return r;
}

static void room_is_made_by_what_was_used_longest_ago(void **state)
{
	struct place *p = *state;
	char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX];
	struct image_usage_is u;
	const char *in_use;
	struct strv needed = {&in_use, 1};
	uint64_t now = time_now_ns(), minutes = 60 * UINT64_C(1000000000);
	uint32_t n;
	struct err e;

	add_image(p, 'a', "12", REF_X);
	add_image(p, 'b', "23", REF_Y);
	add_image(p, 'c', "4", "docker.io/library/z:1");
	store_touch(p->store, digest('a', a), now - 9 * minutes);
	store_touch(p->store, digest('b', b), now - 20 * minutes);
	store_touch(p->store, digest('c', c), now - 10 * minutes);
	/* Also the next start knows it, to the hour. */
	reopen(p);
	store_touch(p->store, a, now - 9 * minutes);
	store_touch(p->store, b, now - 20 * minutes);
	store_touch(p->store, c, now - 10 * minutes);
	in_use = a;
	assert_settles(p);				   /* marks take room too, */
	for (int i = 0; i < 6000 && count_old(p) > 0; i++) /* and what records were */
		usleep(10000);
	assert_int_equal(usage_tell(p->store, &needed, &u, &e), 0);
	assert_int_equal(u.images, 3);
	assert_int_equal(u.active, 1);
	assert_true(u.bytes > 4 * IMAGE_FILE_BYTES);
	assert_in_range(u.reclaimable, 2 * IMAGE_FILE_BYTES, 2 * IMAGE_FILE_BYTES + 3 * 8192);
	/* Below the mark nothing happens. */
	assert_int_equal(collect(p, u.bytes, 1, NULL, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(collect(p, u.bytes - 1, u.bytes - 2, NULL, &n), 0);
	assert_int_equal(n, 1);
	assert_null(store_by_id(p->store, b));
	assert_true(file_exists(p, "layers", '2')); /* which the other has */
	/* What is in use stays, however low the mark; so does what was used just now. */
	assert_int_equal(collect(p, 2, 1, a, &n), 0);
	assert_int_equal(n, 1);
	assert_null(store_by_id(p->store, c));
	store_touch(p->store, a, now);
	assert_int_equal(collect(p, 2, 1, NULL, &n), 0);
	assert_int_equal(n, 0);
	assert_non_null(store_by_id(p->store, a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(finds_by_every_name),
		STORE_TEST(name_beats_id_and_prefix_must_be_unique),
		STORE_TEST(survives_a_restart),
		STORE_TEST(reference_moves_to_the_newer_image),
		STORE_TEST(putting_again_changes_nothing),
		STORE_TEST(lies_about_content_are_refused),
		STORE_TEST(removing_keeps_what_others_need),
		STORE_TEST(directory_image_lives_with_its_record),
		STORE_TEST(directory_image_without_record_goes_and_the_other_way_round),
		STORE_TEST(what_unpacking_found_survives),
		STORE_TEST(removing_respects_use_and_references),
		STORE_TEST(lists_in_pages),
		STORE_TEST(room_is_made_by_what_was_used_longest_ago),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
