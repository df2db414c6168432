/* SPDX-License-Identifier: MIT */
/*
 * Pulls: what one asks for, whom it believes, and what it leaves behind when a worker fails or
 * lies.
 */
#include "pull_world.h"

static void pulls_once_and_knows_it(void **state)
{
	struct world *w = *state;
	char id[TEXT_MAX];

	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_true(w->answers[0].fetched);
	assert_string_equal(w->answers[0].id, digest('a', id));
	assert_string_equal(w->answers[0].text, "docker.io/library/x:a");
	assert_int_equal(w->n_blobs, 2);
	assert_int_equal(w->progress, 2);
	assert_int_equal(count_files(w, "layers"), 2);
	assert_int_equal(count_files(w, "records"), 1);
	assert_int_equal(count_files(w, "tmp"), 0);
	ask(w, "x:a", "always");
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
	assert_false(w->answers[1].fetched);
	assert_int_equal(w->requests, 2);
	assert_int_equal(w->n_blobs, 2);
	ask(w, "x:a", "missing");
	ask(w, "x:a", "never");
	wait_answers(w, 2);
	assert_true(w->answers[2].pulled && w->answers[3].pulled);
	assert_int_equal(w->requests, 2);
}

static void policies_are_kept(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", "never");
	ask(w, "x:a", "maybe");
	ask(w, "X:a", "always");
	wait_answers(w, 3);
	assert_string_equal(w->answers[0].text, "image \"x:a\" is not here, and pulling is off");
	assert_string_equal(
		w->answers[1].text, "pull policy \"maybe\" is not always, missing or never");
	assert_false(w->answers[2].pulled);
	assert_int_equal(w->requests, 0);
}

static void equal_pulls_are_one(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	ask(w, "x:a", NULL);
	ask(w, "docker.io/library/x:a", "missing");
	wait_answers(w, 3);
	assert_true(w->answers[0].pulled && w->answers[1].pulled && w->answers[2].pulled);
	assert_int_equal(w->requests, 1);
	assert_int_equal(w->n_blobs, 2);
}

static void shared_layer_comes_once(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	ask(w, "x:b", NULL);
	wait_answers(w, 2);
	assert_true(w->answers[0].pulled && w->answers[1].pulled);
	assert_int_equal(w->n_blobs, 3);
	assert_int_equal(count_files(w, "layers"), 3);
}

static void same_layer_twice_in_an_image(void **state)
{
	struct world *w = *state;

	strcpy(w->layers[0], "121");
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_blobs, 2);
}

static void wrong_content_is_refused(void **state)
{
	struct world *w = *state;

	w->wrong_diff = '2';
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text,
		"layer sha256:222222222222: content does not match its diff id");
	assert_nothing_left(w);
}

static void registry_that_breaks_off_is_named(void **state)
{
	struct world *w = *state;

	w->fail_blob = '2';
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(
		w->answers[0].text, "layer sha256:222222222222: the registry broke off");
	assert_nothing_left(w);
	assert_int_equal(w->closes, 1);
	w->fail_blob = 0;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
}

static void spoilt_layer_comes_once_more(void **state)
{
	struct world *w = *state;

	w->spoilt = '2';
	w->spoilt_times = 1;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_blobs, 3);
	assert_int_equal(count_files(w, "layers"), 2);
	assert_int_equal(count_files(w, "tmp"), 0);
}

static void spoilt_layer_comes_once_more_only(void **state)
{
	struct world *w = *state;

	w->spoilt = '2';
	w->spoilt_times = 9;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text, "layer sha256:222222222222: digest mismatch");
	assert_int_equal(w->n_blobs, 3);
	assert_nothing_left(w);
}

static void what_came_stays_when_it_may_go_on(void **state)
{
	static const int codes[] = {ECONNABORTED, ECONNREFUSED, ETIMEDOUT, EBUSY, ECONNRESET};
	struct world *w = *state;

	w->fail_blob = '2';
	for (unsigned int i = 0; i < ARRAY_LEN(codes); i++) {
		w->fail_code = codes[i];
		ask(w, "x:a", NULL);
		wait_answers(w, 1);
		assert_false(w->answers[i].pulled);
		assert_int_equal(count_files(w, "layers") + count_files(w, "tmp"), 0);
		assert_int_equal(count_files(w, "partial"), 2);
		assert_int_equal(w->n_known, 2 * i);
	}
	w->fail_blob = 0;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[ARRAY_LEN(codes)].pulled);
	assert_int_equal(w->n_known, 2 * ARRAY_LEN(codes));
	assert_int_equal(count_files(w, "partial"), 0);
}

static void what_came_goes_when_it_is_wrong(void **state)
{
	static const int codes[] = {EPROTO, ENOENT, EACCES, E2BIG};
	struct world *w = *state;

	w->fail_blob = '2';
	for (unsigned int i = 0; i < ARRAY_LEN(codes); i++) {
		w->fail_code = codes[i];
		ask(w, "x:a", NULL);
		wait_answers(w, 1);
		assert_nothing_left(w);
	}
	assert_int_equal(w->n_known, 0);
}

static void what_came_of_a_spoilt_layer_is_not_gone_on_with(void **state)
{
	struct world *w = *state;

	w->spoilt = '2';
	w->spoilt_times = 1;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_known, 0);
}

static void full_disk_is_rid_of_what_is_kept(void **state)
{
	struct world *w = *state;

	w->full_disk = '1';
	w->fits_bare = true;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_bare, 1);
	assert_int_equal(w->n_blobs, 3);
	assert_int_equal(count_files(w, "partial"), 0);
}

static void full_disk_is_named(void **state)
{
	struct world *w = *state;

	w->full_disk = '1';
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(
		w->answers[0].text, "layer sha256:111111111111: no space left on device");
	assert_nothing_left(w);
}

static void worker_that_lies_about_digests(void **state)
{
	struct world *w = *state;

	w->bad_digest = true;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text, "the fetch worker gives no valid layer digest");
	assert_int_equal(w->n_blobs, 0);
}

static void unknown_image_is_the_fetchers_sentence(void **state)
{
	struct world *w = *state;

	strcpy(w->layers[0], "");
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text, "image \"a\" not found");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PULL_TEST(pulls_once_and_knows_it),
		PULL_TEST(policies_are_kept),
		PULL_TEST(equal_pulls_are_one),
		PULL_TEST(shared_layer_comes_once),
		PULL_TEST(same_layer_twice_in_an_image),
		PULL_TEST(wrong_content_is_refused),
		PULL_TEST(registry_that_breaks_off_is_named),
		PULL_TEST(spoilt_layer_comes_once_more),
		PULL_TEST(spoilt_layer_comes_once_more_only),
		PULL_TEST(what_came_stays_when_it_may_go_on),
		PULL_TEST(what_came_goes_when_it_is_wrong),
		PULL_TEST(what_came_of_a_spoilt_layer_is_not_gone_on_with),
		PULL_TEST(full_disk_is_rid_of_what_is_kept),
		PULL_TEST(full_disk_is_named),
		PULL_TEST(worker_that_lies_about_digests),
		PULL_TEST(unknown_image_is_the_fetchers_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
