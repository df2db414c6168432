/* SPDX-License-Identifier: MIT */
/*
 * ctl's end of the socket against an engine that answers well, badly, late or not at all, and
 * streams against a workload made of pipes.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/util.h"
#include "supervisor/ctl/client.h"
#include "supervisor/ctl/streams.h"

struct pair {
	struct client c;
	int engine;
	unsigned int events;
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	p->c.fd = fds[0];
	p->engine = fds[1];
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	client_close(&p->c);
	fd_close(&p->engine);
	free(p);
	return 0;
}

static void on_event(void *arg, enum msg_type type, const void *msg)
{
	const struct image_progress *m = msg;
	struct pair *p = arg;

	assert_int_equal(type, MSG_image_progress);
	assert_string_equal(m->state, "pulling");
	p->events++;
}

static void test_answers(void **state)
{
	const struct container_wait ask = {.ref = "x"};
	const struct container_waited other = {.exit_code = 1}, answer = {.exit_code = 7};
	const struct image_progress progress = {.layer = "sha256:0", .state = "pulling"};
	_cleanup_incoming_ struct incoming in = {0};
	struct pair *p = *state;
	struct err e;

	p->c.on_event = on_event;
	p->c.event_arg = p;
	assert_int_equal(frame_send(p->engine, MSG_image_progress, 1, &progress, &e), 0);
	assert_int_equal(frame_send(p->engine, MSG_container_waited, 77, &other, &e), 0);
	assert_int_equal(frame_send(p->engine, MSG_container_waited, 1, &answer, &e), 0);
	assert_int_equal(client_call(&p->c, MSG_container_wait, &ask, 5, &in, &e), 0);
	assert_int_equal(in.msg.waited.exit_code, 7);
	assert_int_equal(p->events, 1);
}

static void test_failure_keeps_its_words(void **state)
{
	const struct container_wait ask = {.ref = "x"};
	const struct err why = {ENOENT, "no such container: x"};
	_cleanup_incoming_ struct incoming in = {0};
	struct pair *p = *state;
	struct err e;

	assert_int_equal(frame_send_failed(p->engine, 1, &why), 0);
	assert_int_equal(client_call(&p->c, MSG_container_wait, &ask, 5, &in, &e), -ENOENT);
	assert_string_equal(e.text, why.text);
}

static int call_after(struct pair *p, const void *bytes, size_t n, struct err *e)
{
	const struct container_wait ask = {.ref = "x"};
	_cleanup_incoming_ struct incoming in = {0};

	assert_int_equal(send(p->engine, bytes, n, 0), n);
	return client_call(&p->c, MSG_container_wait, &ask, 5, &in, e);
}

static void test_rogue_bytes(void **state)
{
	static const char *const frames[] = {"\x93", "garbage", "\xdd\x04",
		"\x93\x01\x01\xdf\xff\xff\xff\xff",
		"\x93\xcc\xa9\x01\x81\xa9"
		"exit_code\xa1x",
		"\x93\xcc\xa9\x01\x80"};

	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		struct err e = {0};

		assert_int_equal(call_after(*state, frames[i], strlen(frames[i]), &e), -EBADMSG);
		assert_true(e.text[0]);
	}
}

/* The right words from the wrong mouth, or to the wrong ear. */
static void test_wrong_roles(void **state)
{
	const struct container_wait ask = {.ref = "x"}, theirs = {.ref = "y"};
	const struct cgroup_state state_of = {.pids = 1};
	struct pair *p = *state;
	struct incoming in = {0};
	struct err e;

	assert_int_equal(frame_send(p->engine, MSG_cgroup_state, 1, &state_of, &e), 0);
	assert_int_equal(client_call(&p->c, MSG_container_wait, &ask, 5, &in, &e), -EBADMSG);
	incoming_free(&in);
	assert_int_equal(frame_send(p->engine, MSG_container_wait, 2, &theirs, &e), 0);
	assert_int_equal(client_call(&p->c, MSG_container_wait, &ask, 5, &in, &e), -EBADMSG);
	incoming_free(&in);
	assert_int_equal(frame_send(p->engine, MSG_done, 3, &(struct done){0}, &e), 0);
	assert_int_equal(client_call(&p->c, MSG_container_wait, &ask, 5, &in, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "done"));
	incoming_free(&in);
}

static void test_silence_and_hangup(void **state)
{
	const struct container_wait ask = {.ref = "x"};
	struct pair *p = *state;
	struct incoming in = {0};
	struct err e;

	assert_int_equal(client_call(&p->c, MSG_container_wait, &ask, 1, &in, &e), -ETIMEDOUT);
	incoming_free(&in);
	fd_close(&p->engine);
	assert_int_equal(client_call(&p->c, MSG_container_wait, &ask, 5, &in, &e), -ECONNRESET);
	assert_string_equal(e.text, "the engine has hung up");
	incoming_free(&in);
}

static void test_no_engine(void **state)
{
	struct client c = {.fd = -1};
	struct err e;

	(void)state;
	assert_int_equal(client_open(&c, "/nonexistent/ctl.sock", &e), -ENOENT);
	assert_non_null(strstr(e.text, "start it with: supervisor"));
	assert_int_equal(c.fd, -1);
}

static void test_documents(void **state)
{
	const struct container_row row = {
		.id = "i", .name = "n", .created_at = 1, .status = "created"};
	_cleanup_arena_ struct arena a = {0};
	_cleanup_free_ uint8_t *buf = NULL;
	_cleanup_fd_ int fd = -1, open_one = memfd_create("x", 0);
	struct container_row back;
	struct err e;
	uint8_t *none;

	(void)state;
	fd = client_seal(&schema_container_row, &row, &e);
	assert_true(fd >= 0);
	assert_int_equal(client_document(&schema_container_row, fd, &a, &back, &buf, &e), 0);
	assert_string_equal(back.status, "created");
	assert_int_equal(write(open_one, "\x80", 1), 1);
	assert_int_equal(
		client_document(&schema_container_row, open_one, &a, &back, &none, &e), -EPERM);
	free(none);
}

/* ---- streams: a child is ctl, the test is engine and workload ---- */

struct stage {
	pid_t pid;
	int engine;		/* the child's engine socket */
	int stdin_w, stdout_r;	/* the child's own streams */
	int in_r, out_w, err_w; /* the workload's ends */
};

_noreturn_ static void ctl_process(struct client *c, struct streams *s)
{
	const struct workload w = {.ref = "x"};
	uint32_t code = 99;
	struct err e;

	if (streams_begin(s, &e) < 0)
		_exit(90);
	streams_sent(s);
	_exit(streams_run(s, c, &w, 1, &code, &e) < 0 ? 91 : (int)code);
}

static void stage_open(struct stage *st, const struct streams_setup *setup)
{
	struct client c = {.fd = -1};
	struct streams s;
	int sock[2], in[2], out[2];
	struct err e;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock), 0);
	assert_int_equal(pipe(in) | pipe(out), 0);
	assert_int_equal(streams_open(&s, setup, &e), 0);
	st->in_r = s.far_in >= 0 ? dup(s.far_in) : -1;
	st->out_w = dup(s.far_out);
	st->err_w = s.far_err >= 0 ? dup(s.far_err) : -1;
	fflush(stdout);
	st->pid = fork();
	if (st->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		close(in[0]), close(in[1]), close(out[0]), close(out[1]), close(sock[1]);
		fd_close(&st->in_r), fd_close(&st->out_w), fd_close(&st->err_w);
		c.fd = sock[0];
		ctl_process(&c, &s);
	}
	streams_free(&s);
	close(in[0]), close(out[1]), close(sock[0]);
	st->stdin_w = in[1];
	st->stdout_r = out[0];
	st->engine = sock[1];
}

static int stage_end(struct stage *st)
{
	int status;

	assert_int_equal(waitpid(st->pid, &status, 0), st->pid);
	fd_close(&st->engine), fd_close(&st->stdin_w), fd_close(&st->stdout_r);
	fd_close(&st->in_r), fd_close(&st->out_w), fd_close(&st->err_w);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void workload_ends(struct stage *st, uint32_t code)
{
	const struct container_waited m = {.exit_code = code};
	struct err e;

	assert_int_equal(frame_send(st->engine, MSG_container_waited, 1, &m, &e), 0);
}

/* What the workload has written before its end arrives whole, though the pipe's end stays open. */
static void test_output_then_end(void **state)
{
	struct stage st;
	char buf[8] = "";

	(void)state;
	stage_open(&st, &(struct streams_setup){.out = true, .err = true});
	assert_int_equal(fd_write_all(st.out_w, "hello", 5), 0);
	workload_ends(&st, 5);
	assert_int_equal(fd_read_full(st.stdout_r, buf, 5), 0);
	assert_string_equal(buf, "hello");
	assert_int_equal(stage_end(&st), 5);
}

/* A stdin that stays open must not delay the end. */
static void test_open_stdin(void **state)
{
	struct stage st;
	char buf[8] = "";

	(void)state;
	stage_open(&st, &(struct streams_setup){.in = true, .out = true, .err = true});
	assert_int_equal(fd_write_all(st.stdin_w, "abc", 3), 0);
	assert_int_equal(fd_read_full(st.in_r, buf, 3), 0);
	assert_string_equal(buf, "abc");
	fd_close(&st.out_w);
	fd_close(&st.err_w);
	workload_ends(&st, 0);
	assert_int_equal(stage_end(&st), 0);
}

static void test_stdin_ends(void **state)
{
	struct stage st;
	char buf[4];

	(void)state;
	stage_open(&st, &(struct streams_setup){.in = true, .out = true});
	fd_close(&st.stdin_w);
	assert_int_equal(read(st.in_r, buf, sizeof(buf)), 0);
	workload_ends(&st, 3);
	assert_int_equal(stage_end(&st), 3);
}

/* A workload that does not read its input, and goes away. */
static void test_stdin_refused(void **state)
{
	struct stage st;

	(void)state;
	stage_open(&st, &(struct streams_setup){.in = true, .out = true});
	fd_close(&st.in_r);
	assert_int_equal(fd_write_all(st.stdin_w, "abc", 3), 0);
	workload_ends(&st, 4);
	assert_int_equal(stage_end(&st), 4);
}

static void test_reader_gone(void **state)
{
	struct stage st;

	(void)state;
	stage_open(&st, &(struct streams_setup){.out = true});
	fd_close(&st.stdout_r);
	assert_int_equal(fd_write_all(st.out_w, "x", 1), 0);
	assert_int_equal(stage_end(&st), 128 + SIGPIPE);
}

static void test_signal_is_forwarded(void **state)
{
	struct container_kill m;
	struct frame f = {0};
	struct stage st;
	struct err e;

	(void)state;
	stage_open(&st, &(struct streams_setup){.out = true, .proxy = true});
	/* Only once something has come out is the mask surely set. */
	assert_int_equal(fd_write_all(st.out_w, "x", 1), 0);
	assert_int_equal(read(st.stdout_r, &(char){0}, 1), 1);
	kill(st.pid, SIGUSR1);
	assert_int_equal(frame_recv(st.engine, &f, &e), 0);
	assert_int_equal(f.type, MSG_container_kill);
	assert_int_equal(frame_decode(&f, &m, &e), 0);
	assert_int_equal(m.signal, SIGUSR1);
	frame_free(&f);
	workload_ends(&st, 128 + SIGUSR1);
	assert_int_equal(stage_end(&st), 128 + SIGUSR1);
}

static void test_detach_keys(void **state)
{
	struct stage st;
	char buf[4] = "";

	(void)state;
	stage_open(&st, &(struct streams_setup){.in = true, .out = true, .tty = true});
	assert_int_equal(fd_write_all(st.stdin_w, "hi\x10\x11", 4), 0);
	assert_int_equal(fd_read_full(st.in_r, buf, 2), 0);
	assert_string_equal(buf, "hi");
	assert_int_equal(stage_end(&st), 0);
}

static void test_engine_dies(void **state)
{
	struct stage st;

	(void)state;
	stage_open(&st, &(struct streams_setup){.out = true});
	fd_close(&st.engine);
	assert_int_equal(stage_end(&st), 91);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),
		TEST(test_failure_keeps_its_words),
		TEST(test_rogue_bytes),
		TEST(test_wrong_roles),
		TEST(test_silence_and_hangup),
		cmocka_unit_test(test_no_engine),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_output_then_end),
		cmocka_unit_test(test_open_stdin),
		cmocka_unit_test(test_stdin_ends),
		cmocka_unit_test(test_stdin_refused),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_signal_is_forwarded),
		cmocka_unit_test(test_detach_keys),
		cmocka_unit_test(test_engine_dies),
	};

	return cmocka_run_group_tests_name("ctl_client", tests, NULL, NULL);
}
