/* SPDX-License-Identifier: MIT */
/*
 * The mounter's workers: each is used once, then its channel is closed and whoever started it is
 * told its name; one more than can be busy is kept ready; and a debug run, which has no more, keeps
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imaged/workers.h"
#include "proto/base/fd.h"

#define BUSY_MAX 2
#define OVER_MAX 16

struct world {
	struct loop *loop;
	struct workers *workers;
	unsigned int wants[2], n_over, lost;
	uint32_t over[OVER_MAX];
	int theirs[OVER_MAX];
	unsigned int n_theirs;
};

static void on_want(void *arg, const char *kind)
{
	struct world *w = arg;

	w->wants[strcmp(kind, "unpack") == 0]++;
}

static void on_over(void *arg, const char *kind, uint32_t name)
{
	struct world *w = arg;

	assert_string_equal(kind, name < 100 ? "unpack" : "fetch");
	w->over[w->n_over++] = name;
}

static void on_lost(void *arg, struct worker *gone)
{
	struct world *w = arg;

	(void)gone;
	w->lost++;
}

static void on_nothing(void *arg)
{
	(void)arg;
}

static void on_missing(void *arg, enum worker_kind kind)
{
	(void)arg;
	(void)kind;
}

static void open_world(struct world *w, bool keep)
{
	*w = (struct world){.loop = loop_new()};
	w->workers = workers_new(&(struct workers_setup){
		.loop = w->loop,
		.keep = keep,
		.idle_ms = 50,
		.unpack_max = BUSY_MAX,
		.arg = w,
		.want = on_want,
		.over = on_over,
		.changed = on_nothing,
		.lost = on_lost,
		.missing = on_missing,
	});
	assert_non_null(w->workers);
}

static void close_world(struct world *w)
{
	workers_free(w->workers);
	loop_free(w->loop);
	while (w->n_theirs > 0)
		close(w->theirs[--w->n_theirs]);
}

static void add(struct world *w, const char *kind, uint32_t name)
{
	struct err e;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(workers_add(w->workers, kind, name, pair[0], &e), 0);
	w->theirs[w->n_theirs++] = pair[1];
}

static bool hung_up(const struct world *w, unsigned int i)
{
	char byte;

	return recv(w->theirs[i], &byte, 1, MSG_DONTWAIT) == 0;
}

static void on_stop(void *arg)
{
	loop_stop(arg, 0);
}

static void run_for(struct world *w, unsigned int ms)
{
	struct watch *end = loop_timer(w->loop, ms, on_stop, w->loop);

	loop_run(w->loop);
	watch_free(end);
}

static void used_once(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, false);
	add(&w, "unpack", 7);
	worker_put(workers_get(w.workers, WORKER_UNPACK));
	assert_true(hung_up(&w, 0));
	assert_int_equal(w.n_over, 1);
	assert_int_equal(w.over[0], 7);
	assert_null(workers_get(w.workers, WORKER_UNPACK));
	assert_int_equal(w.wants[1], 1);
	add(&w, "fetch", 107);
	worker_put(workers_get(w.workers, WORKER_FETCH));
	assert_int_equal(w.over[1], 107);
	assert_int_equal(w.lost, 2);
	close_world(&w);
}

/* Two pulls never have one fetch worker. */
static void shared_by_nobody(void **state)
{
	struct worker *one;
	struct world w;

	(void)state;
	open_world(&w, false);
	add(&w, "fetch", 101);
	one = workers_get(w.workers, WORKER_FETCH);
	assert_non_null(one);
	assert_null(workers_get(w.workers, WORKER_FETCH));
	assert_int_equal(w.wants[0], 1);
	worker_put(one);
	close_world(&w);
}

/* As many as may be are at work: one more is made ready, and not used. */
static void one_is_ready(void **state)
{
	struct worker *busy[BUSY_MAX];
	struct world w;

	(void)state;
	open_world(&w, false);
	for (uint32_t i = 0; i < BUSY_MAX; i++) {
		add(&w, "unpack", i + 1);
		busy[i] = workers_get(w.workers, WORKER_UNPACK);
	}
	for (unsigned int i = 0; i < 5; i++)
		assert_null(workers_get(w.workers, WORKER_UNPACK));
	assert_int_equal(w.wants[1], 1);
	add(&w, "unpack", 9);
	assert_null(workers_get(w.workers, WORKER_UNPACK));
	assert_int_equal(w.wants[1], 1);
	worker_put(busy[0]);
	assert_non_null(workers_get(w.workers, WORKER_UNPACK));
	close_world(&w);
}

/* Those that wait for a registry don't keep others from having one, and are not without end. */
static void slow_ones_are_not_busy(void **state)
{
	struct worker *got;
	unsigned int n = 0;
	struct world w;

	(void)state;
	open_world(&w, false);
	for (;;) {
		unsigned int wants = w.wants[1];

		got = workers_get(w.workers, WORKER_UNPACK);
		if (!got && w.wants[1] == wants)
			break;
		if (!got) {
			add(&w, "unpack", ++n);
			continue;
		}
		worker_set_slow(got, true);
		assert_true(n < 20);
	}
	assert_int_equal(n, 12);
	close_world(&w);
}

static void idle_ones_go(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, false);
	add(&w, "unpack", 3);
	run_for(&w, 500);
	assert_true(hung_up(&w, 0));
	assert_int_equal(w.over[0], 3);
	close_world(&w);
}

/* It hangs up, and may live on: that it is over is told all the same, once. */
static void one_that_hangs_up_is_over(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, false);
	add(&w, "unpack", 4);
	assert_non_null(workers_get(w.workers, WORKER_UNPACK));
	close(w.theirs[--w.n_theirs]);
	run_for(&w, 100);
	assert_int_equal(w.n_over, 1);
	assert_int_equal(w.over[0], 4);
	assert_int_equal(w.lost, 1);
	close_world(&w);
}

static void put_back(void *arg, void *msg, struct frame *f, const struct err *e)
{
	(void)msg;
	(void)f;
	assert_non_null(e);
	worker_put(*(struct worker **)arg);
}

/* The answer that doesn't come puts it back: from inside its end, whichever that is. */
static void put_back_while_it_ends(void **state)
{
	const struct unpack_layer q = {.in = 0, .out = 0};
	struct worker *one, *two, *three;
	struct world w;

	(void)state;
	open_world(&w, false);
	add(&w, "unpack", 1);
	one = workers_get(w.workers, WORKER_UNPACK);
	chan_request(worker_chan(one), MSG_unpack_layer, &q, 0, put_back, &one);
	worker_kill(one);
	assert_int_equal(w.n_over, 1);
	add(&w, "unpack", 2);
	two = workers_get(w.workers, WORKER_UNPACK);
	chan_request(worker_chan(two), MSG_unpack_layer, &q, 0, put_back, &two);
	close(w.theirs[--w.n_theirs]);
	run_for(&w, 100);
	assert_int_equal(w.n_over, 2);
	add(&w, "unpack", 3);
	three = workers_get(w.workers, WORKER_UNPACK);
	chan_request(worker_chan(three), MSG_unpack_layer, &q, 0, put_back, &three);
	close_world(&w);
}

static void debug_run_keeps_them(void **state)
{
	struct worker *one, *two;
	struct world w;

	(void)state;
	open_world(&w, true);
	add(&w, "fetch", 0);
	add(&w, "unpack", 0);
	one = workers_get(w.workers, WORKER_FETCH);
	two = workers_get(w.workers, WORKER_FETCH);
	assert_non_null(one);
	assert_ptr_equal(one, two);
	worker_put(one);
	worker_put(two);
	one = workers_get(w.workers, WORKER_UNPACK);
	worker_put(one);
	run_for(&w, 200);
	assert_ptr_equal(workers_get(w.workers, WORKER_UNPACK), one);
	assert_int_equal(w.n_over, 0);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(used_once),
		cmocka_unit_test(shared_by_nobody),
		cmocka_unit_test(one_is_ready),
		cmocka_unit_test(slow_ones_are_not_busy),
		cmocka_unit_test(idle_ones_go),
		cmocka_unit_test(one_that_hangs_up_is_over),
		cmocka_unit_test(put_back_while_it_ends),
		cmocka_unit_test(debug_run_keeps_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
