/* SPDX-License-Identifier: MIT */
/*
 * Channels: requests, deadlines, queues, and peers that die or break the rules at bad moments.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "chan.h"

struct fixture {
	struct loop *loop;
	struct chan *ours; /* the supervisor's end */
	int theirs;	   /* raw: the shim's end */
	unsigned int closed, replies, signals;
	int code; /* of the last failure */
	bool again;
};

static void stop(void *arg)
{
	loop_stop(arg, 0);
}

static void on_reply(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct shim_signal m = {.signal = 1};
	struct fixture *x = arg;

	(void)msg;
	(void)f;
	x->replies++;
	x->code = e ? e->code : 0;
	if (x->again) {
		x->again = false;
		chan_request(x->ours, MSG_shim_signal, &m, 0, on_reply, x);
		return;
	}
	loop_stop(x->loop, 0);
}

static void on_exited(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct fixture *x = self;

	(void)id;
	(void)msg;
	(void)f;
	x->signals++;
	chan_close(c);
	loop_stop(x->loop, 0);
}

static void on_close(void *self, struct chan *c)
{
	struct fixture *x = self;

	(void)c;
	x->closed++;
	loop_stop(x->loop, 0);
}

static const struct handler handlers[] = {{MSG_shim_exited, on_exited}, {0}};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct chan_setup setup = {.self = SUPERVISOR,
		.peer = SHIM,
		.handlers = handlers,
		.arg = x,
		.on_close = on_close};
	int pair[2];

	log_open("test", LOG_ERROR);
	socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
	x->loop = loop_new();
	x->ours = chan_open(x->loop, pair[0], &setup);
	x->theirs = pair[1];
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	fd_close(&x->theirs);
	loop_free(x->loop);
	free(x);
	return 0;
}

static void ask(struct fixture *x, unsigned int ms)
{
	const struct shim_signal m = {.signal = 9};

	chan_request(x->ours, MSG_shim_signal, &m, ms, on_reply, x);
}

static void an_answer_arrives(void **state)
{
	_cleanup_frame_ struct frame f = {0};
	const struct done m = {0};
	struct fixture *x = *state;
	struct err e = {0};

	ask(x, 1000);
	assert_int_equal(frame_recv(x->theirs, &f, &e), 0);
	assert_int_equal(f.type, MSG_shim_signal);
	assert_int_equal(frame_send(x->theirs, MSG_done, f.id, &m, &e), 0);
	loop_run(x->loop);
	assert_int_equal(x->replies, 1);
	assert_int_equal(x->code, 0);
	chan_close(x->ours);
}

static void a_deadline_passes(void **state)
{
	struct fixture *x = *state;

	ask(x, 20);
	loop_run(x->loop);
	assert_int_equal(x->replies, 1);
	assert_int_equal(x->code, ETIMEDOUT);
	chan_close(x->ours);
}

static void a_dead_peer_fails_what_waits(void **state)
{
	struct fixture *x = *state;

	ask(x, 0);
	fd_close(&x->theirs);
	loop_run(x->loop);
	assert_int_equal(x->replies, 1);
	assert_int_equal(x->code, ECONNRESET);
	assert_int_equal(x->closed, 1);
}

/* The callback of a failed request asks again on the dead channel: that fails too, and no timer
 * outlives it. */
static void asking_again_while_it_dies(void **state)
{
	struct fixture *x = *state;

	x->again = true;
	ask(x, 0);
	chan_close(x->ours);
	assert_int_equal(x->replies, 2);
	assert_int_equal(x->code, ECONNRESET);
}

static void closing_inside_a_handler(void **state)
{
	const struct shim_exited m = {.exit_code = 3, .finished_at = 1};
	struct fixture *x = *state;
	struct err e = {0};

	assert_int_equal(frame_send(x->theirs, MSG_shim_exited, 0, &m, &e), 0);
	assert_int_equal(frame_send(x->theirs, MSG_shim_exited, 0, &m, &e), 0);
	loop_run(x->loop);
	assert_int_equal(x->signals, 1);
	assert_int_equal(x->closed, 0);
}

static void a_rogue_is_dropped(void **state)
{
	const struct version m = {0};
	struct fixture *x = *state;
	struct err e = {0};

	log_open("test", LOG_ERROR);
	assert_int_equal(frame_send(x->theirs, MSG_version, 1, &m, &e), 0);
	loop_run(x->loop);
	assert_int_equal(x->closed, 1);
}

/* A peer that does not read: frames wait, with duplicates of their descriptors, and all arrive in
 * order. */
static void a_slow_reader_gets_all(void **state)
{
	struct fixture *x = *state;
	struct err e = {0};
	unsigned int sent = 2000;

	for (unsigned int i = 0; i < sent; i++) {
		int fd = dup(STDIN_FILENO);

		MSG_DECLARE(shim_clean, m);
		m.writable = fd;
		chan_request(x->ours, MSG_shim_clean, &m, 0, on_reply, x);
		close(fd);
	}
	for (unsigned int i = 0; i < sent; i++) {
		struct frame f;
		int r = frame_recv(x->theirs, &f, &e);

		assert_int_equal(r, 0);
		assert_int_equal(f.n_fds, 1);
		frame_free(&f);
		if (i % 50 == 0) {
			struct watch *w = loop_timer(x->loop, 1, stop, x->loop);

			loop_run(x->loop);
			watch_free(w);
		}
	}
	chan_close(x->ours);
	assert_int_equal(x->replies, sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_arrives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deadline_passes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dead_peer_fails_what_waits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(asking_again_while_it_dies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(closing_inside_a_handler, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_rogue_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_slow_reader_gets_all, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
