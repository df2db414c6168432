/* SPDX-License-Identifier: MIT */
/*
 * Channels: requests, deadlines, queues, and peers that die or break the rules at bad moments.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "chan_impl.h"

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

/* The loop for a millisecond. */
static void turn(struct fixture *x)
{
	struct watch *w = loop_timer(x->loop, 1, stop, x->loop);

	loop_run(x->loop);
	watch_free(w);
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

static void an_empty_frame_is_not_the_end(void **state)
{
	struct fixture *x = *state;
	struct frame f;
	struct err e = {0};

	assert_int_equal(frame_send_raw(x->theirs, (const uint8_t *)"", 0, NULL, 0), 0);
	assert_int_equal(frame_recv(x->ours->fd, &f, &e), -EBADMSG);
	fd_close(&x->theirs);
	assert_int_equal(frame_recv(x->ours->fd, &f, &e), -ENODATA);
	chan_close(x->ours);
}

/* In place of the fixture's channel: one whose peer asks, and is never asked. */
static void serve(struct fixture *x, const struct handler *rows, unsigned int asked_max)
{
	struct chan_setup setup = {.self = SUPERVISOR,
		.peer = CTL,
		.handlers = rows,
		.arg = x,
		.on_close = on_close,
		.asked_max = asked_max};
	int pair[2];

	chan_close(x->ours);
	fd_close(&x->theirs);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	x->ours = chan_open(x->loop, pair[0], &setup);
	x->theirs = pair[1];
}

static void an_answer_to_nothing_is_refused(void **state)
{
	const struct done m = {0};
	struct fixture *x = *state;
	struct err e = {0};

	assert_int_equal(frame_send(x->theirs, MSG_done, 7, &m, &e), 0);
	turn(x);
	assert_int_equal(x->closed, 0); /* it may be late */
	serve(x, NULL, 0);
	assert_int_equal(frame_send(x->theirs, MSG_done, 7, &m, &e), 0);
	loop_run(x->loop);
	assert_int_equal(x->closed, 1);
}

static void on_info_kept(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct fixture *x = self;

	(void)c;
	(void)id;
	(void)msg;
	(void)f;
	x->signals++;
}

static void one_request_too_many_fails(void **state)
{
	static const struct handler rows[] = {{MSG_info, on_info_kept}, {0}};
	_cleanup_frame_ struct frame f = {0};
	const struct info m = {0};
	struct fixture *x = *state;
	struct failed answer;
	struct err e = {0};

	serve(x, rows, 3);
	for (uint32_t id = 1; id <= 4; id++)
		assert_int_equal(frame_send(x->theirs, MSG_info, id, &m, &e), 0);
	turn(x);
	assert_int_equal(x->signals, 3);
	assert_int_equal(frame_recv(x->theirs, &f, &e), 0);
	assert_int_equal(f.id, 4);
	assert_int_equal(frame_decode(&f, &answer, &e), 0);
	assert_int_equal(answer.code, EBUSY);
	chan_done(x->ours, 1); /* makes room for one */
	assert_int_equal(frame_send(x->theirs, MSG_info, 5, &m, &e), 0);
	turn(x);
	assert_int_equal(x->signals, 4);
	chan_close(x->ours);
}

static void on_info_answered(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct fixture *x = self;

	(void)msg;
	(void)f;
	x->signals++;
	chan_done(c, id);
}

static void who_does_not_read_is_not_heard(void **state)
{
	static const struct handler rows[] = {{MSG_info, on_info_answered}, {0}};
	const struct info m = {0};
	struct fixture *x = *state;
	unsigned int sent = 0, got = 0;
	struct err e = {0};
	struct frame f;

	serve(x, rows, 0);
	fd_set_nonblock(x->theirs, true);
	for (unsigned int quiet = 0; quiet < 50 && sent < 100000; turn(x)) {
		quiet++;
		for (; frame_send(x->theirs, MSG_info, sent, &m, &e) == 0; sent++)
			quiet = 0;
	}
	assert_true(sent < 10000);
	assert_true(chan_unread(x->ours) < 64);
	for (unsigned int quiet = 0; quiet < 50; turn(x)) {
		quiet++;
		for (; frame_recv(x->theirs, &f, &e) == 0; frame_free(&f)) {
			assert_int_equal(f.id, got++);
			quiet = 0;
		}
	}
	assert_int_equal(got, sent);
	chan_close(x->ours);
}

static void who_never_reads_is_dropped(void **state)
{
	struct fixture *x = *state;

	for (unsigned int i = 0; i < CHAN_QUEUE_MAX + 1000; i++)
		ask(x, 0);
	for (unsigned int i = 0; i < 1000 && !x->closed; i++)
		turn(x);
	assert_int_equal(x->closed, 1);
	assert_int_equal(x->replies, CHAN_QUEUE_MAX + 1000);
}

/* How many frames the kernel keeps for a peer is its own to say (net.unix.max_dgram_qlen: 10 where
 * nobody has set it): with none left, the channel has a turn. */
static void more_to_read(struct fixture *x)
{
	struct pollfd p = {.fd = x->theirs, .events = POLLIN};

	for (unsigned int i = 0; i < 1000 && poll(&p, 1, 0) == 0; i++)
		turn(x);
	assert_true(p.revents & POLLIN);
}

/* A peer that does not read: frames wait, with duplicates of their descriptors, and all arrive in
 * order. */
static void a_slow_reader_gets_all(void **state)
{
	struct fixture *x = *state;
	struct err e = {0};
	struct rlimit files; /* each that waits is one: 1,024 are few, and the usual default */
	unsigned int sent = 2000;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (unsigned int i = 0; i < sent; i++) {
		int fd = dup(STDIN_FILENO);

		assert_true(fd >= 0);
		MSG_DECLARE(shim_clean, m);
		m.writable = fd;
		chan_request(x->ours, MSG_shim_clean, &m, 0, on_reply, x);
		close(fd);
	}
	for (unsigned int i = 0; i < sent; i++) {
		struct frame f;

		more_to_read(x);
		assert_int_equal(frame_recv(x->theirs, &f, &e), 0);
		assert_int_equal(f.n_fds, 1);
		frame_free(&f);
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
		cmocka_unit_test_setup_teardown(an_empty_frame_is_not_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_to_nothing_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_request_too_many_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_does_not_read_is_not_heard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_never_reads_is_dropped, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
