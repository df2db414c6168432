/* SPDX-License-Identifier: MIT */
/*
 * Pulls and others: who shares a layer with another pull, workers that die in the middle, and the
 * image of directories that layers leave out.
 */
#include "pull_world.h"

static void hold_blobs(struct world *w, unsigned int n)
{
	w->hold = true;
	w->stop_held = n;
	loop_run(w->loop);
	assert_int_equal(w->n_held, n);
}

static void who_shares_a_layer_hears_of_it(void **state)
{
	struct world *w = *state;
	char text[TEXT_MAX];

	ask(w, "x:a", NULL);
	hold_blobs(w, 2);
	ask(w, "x:b", NULL);
	/* Its own layer waits for an unpack worker, that of both is under way. */
	send_blob(w, w->held[0].id, w->held[0].out, digest('1', text));
	w->held[0] = w->held[1];
	w->n_held = 1;
	hold_blobs(w, 2);
	assert_int_equal(w->progress, 1);
	send_blob(w, w->held[0].id, w->held[0].out, digest('2', text));
	send_blob(w, w->held[1].id, w->held[1].out, digest('3', text));
	wait_answers(w, 2);
	assert_true(w->answers[0].pulled && w->answers[1].pulled);
	assert_int_equal(w->n_blobs, 3);
	assert_int_equal(w->progress, 4);
}

static void who_goes_takes_nobody_along(void **state)
{
	struct world *w = *state;
	char text[TEXT_MAX];
	uint32_t first;

	first = ask(w, "x:a", NULL);
	ask(w, "x:a", NULL);
	hold_blobs(w, 2);
	cancel(w, first);
	cancel(w, 77);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text, "nobody waits for it any more");
	assert_int_equal(w->closes, 0);
	send_blob(w, w->held[0].id, w->held[0].out, digest('1', text));
	send_blob(w, w->held[1].id, w->held[1].out, digest('2', text));
	w->n_held = 0;
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
}

static void nobody_waits_for_nothing(void **state)
{
	struct world *w = *state;
	uint32_t id = ask(w, "x:a", NULL);

	hold_blobs(w, 2);
	cancel(w, id);
	wait_answers(w, 1);
	assert_false(w->answers[0].pulled);
	/* Asked for again, it comes, by a session of its own. */
	w->hold = false;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
	assert_int_equal(w->n_known, 2);
	assert_int_equal(w->requests, 2);
	assert_int_equal(w->closes, 2);
	assert_int_equal(count_files(w, "layers"), 2);
	assert_int_equal(count_files(w, "tmp"), 0);
}

static void dead_unpack_worker_fails_its_layer(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	hold_blobs(w, 2);
	for (unsigned int i = 0; i < UNPACKERS; i++) {
		chan_close(w->unpack[i]);
		w->unpack[i] = NULL;
	}
	wait_answers(w, 1);
	assert_non_null(strstr(w->answers[0].text, ": the unpack worker has ended unexpectedly"));
	assert_kept(w, 2);
	assert_int_equal(w->closes, 1);
}

static void dead_fetch_worker_fails_the_pull(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	hold_blobs(w, 2);
	close(w->held[0].out);
	close(w->held[1].out);
	w->n_held = 0;
	chan_close(w->fetch);
	w->fetch = NULL;
	wait_answers(w, 1);
	assert_false(w->answers[0].pulled);
	assert_kept(w, 2);
	add_fetch(w);
	w->hold = false;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
}

static void workers_are_asked_for(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	w->stop_wants = 1;
	loop_run(w->loop);
	add_fetch(w);
	w->stop_wants = 3;
	loop_run(w->loop);
	add_unpack(w, 0);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->wants[0], 1);
	assert_int_equal(w->wants[1], 2);
}

static void ignore_layer(void *arg, const char *digest_text)
{
	(void)arg;
	(void)digest_text;
}

static void layer_removed_meanwhile_comes_again(void **state)
{
	struct world *w = *state;
	char id[TEXT_MAX];
	struct err e;

	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	ask(w, "x:b", NULL);
	hold_blobs(w, 1); /* layer 3; 2 is here */
	assert_int_equal(store_delete(w->store, digest('a', id), ignore_layer, NULL, &e), 0);
	w->hold = false;
	send_blob(w, w->held[0].id, w->held[0].out, digest('3', id));
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
	assert_int_equal(w->n_blobs, 4);
	assert_int_equal(count_files(w, "layers"), 2);
}

static void directories_left_out_are_made_up(void **state)
{
	struct world *w = *state;
	const struct image *image;
	char id[TEXT_MAX];

	strcpy(w->implied, "2");
	w->dirs = 1;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_dirs, 1);
	assert_string_equal(w->stack, "12");
	image = store_by_id(w->store, digest('a', id));
	assert_true(image->dirs);
	assert_int_equal(image->layers.v[1].implied, 2);
	assert_int_equal(count_files(w, "dirs"), 1);
	assert_int_equal(count_files(w, "tmp"), 0);
	/* Decided once; and a lowest layer has nothing below it. */
	ask(w, "y:a", NULL);
	ask(w, "x:b", NULL);
	wait_answers(w, 2);
	assert_true(w->answers[1].pulled && w->answers[2].pulled);
	assert_int_equal(w->n_dirs, 1);
	assert_int_equal(count_files(w, "dirs"), 1);
	assert_int_equal(store_by_id(w->store, id)->refs.n, 2);
	assert_true(store_by_id(w->store, id)->dirs);
}

/* Found when its first image was pulled. */
static void layer_that_was_here_is_known(void **state)
{
	struct world *w = *state;
	char id[TEXT_MAX];

	strcpy(w->layers[0], "2");
	strcpy(w->layers[1], "12");
	strcpy(w->implied, "2");
	w->dirs = 1;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_int_equal(w->n_dirs, 0);
	ask(w, "x:b", NULL);
	wait_answers(w, 1);
	assert_int_equal(w->n_dirs, 1);
	assert_true(store_by_id(w->store, digest('b', id))->dirs);
}

static void directories_of_no_use_are_dropped(void **state)
{
	struct world *w = *state;
	char id[TEXT_MAX];

	strcpy(w->implied, "2");
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_dirs, 1);
	assert_false(store_by_id(w->store, digest('a', id))->dirs);
	assert_int_equal(count_files(w, "dirs") + count_files(w, "tmp"), 0);
}

static void directories_that_fail_fail_the_pull(void **state)
{
	struct world *w = *state;

	strcpy(w->implied, "2");
	w->dirs = 1;
	w->dirs_fail = true;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text,
		"directories of image sha256:aaaaaaaaaaaa: no space left on device");
	assert_nothing_left(w);
	w->dirs_fail = false;
	w->dirs_die = true;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[1].text,
		"directories of image sha256:aaaaaaaaaaaa: the unpack worker has ended "
		"unexpectedly");
	assert_kept(w, 2);
	w->dirs_die = false;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[2].pulled);
	assert_int_equal(count_files(w, "dirs"), 1);
}

static void directories_go_when_the_record_fails(void **state)
{
	struct world *w = *state;
	char path[TEXT_MAX + 8], id[TEXT_MAX];

	strcpy(w->implied, "2");
	w->dirs = 1;
	snprintf(path, sizeof(path), "records/.%s.tmp", digest('a', id) + 7);
	assert_int_equal(mkdirat(w->dir, path, 0700), 0);
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_int_equal(w->n_dirs, 1);
	assert_non_null(strstr(w->answers[0].text, "writing its record"));
	assert_int_equal(unlinkat(w->dir, path, AT_REMOVEDIR), 0);
	assert_nothing_left(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PULL_TEST(who_shares_a_layer_hears_of_it),
		PULL_TEST(who_goes_takes_nobody_along),
		PULL_TEST(nobody_waits_for_nothing),
		PULL_TEST(dead_unpack_worker_fails_its_layer),
		PULL_TEST(dead_fetch_worker_fails_the_pull),
		cmocka_unit_test_setup_teardown(workers_are_asked_for, setup, teardown),
		PULL_TEST(layer_removed_meanwhile_comes_again),
		PULL_TEST(directories_left_out_are_made_up),
		PULL_TEST(layer_that_was_here_is_known),
		PULL_TEST(directories_of_no_use_are_dropped),
		PULL_TEST(directories_that_fail_fail_the_pull),
		PULL_TEST(directories_go_when_the_record_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
