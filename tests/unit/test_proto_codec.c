/* SPDX-License-Identifier: MIT */
/*
 * The codec: what is sent arrives, and what isn't a message is refused without harm.
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
#include "base/num.h"
#include "frame.h"
#include "text.h"

static int pair[2];

static int make_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
	(void)state;
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	return 0;
}

/* Sends raw bytes behind a header for `type` and tells how decoding ends. */
static int decode_raw(enum msg_type type, const void *body, size_t n, struct err *e)
{
	uint8_t whole[512] = {0x93, 0xce, 0, 0, 0, (uint8_t)type, 0x07};
	_cleanup_frame_ struct frame f = {0};
	_cleanup_free_ void *obj = malloc(msg_row(type)->schema->size);

	memcpy(whole + 7, body, n);
	assert_int_equal(frame_send_raw(pair[0], whole, n + 7, NULL, 0), 0);
	assert_int_equal(frame_recv(pair[1], &f, e), 0);
	return frame_decode(&f, obj, e);
}

static void round_trip(void **state)
{
	struct port ports[2] = {{.host_port = 8080, .container_port = 80, .proto = "tcp"},
		{.host_ip = "::1", .container_port = 53, .proto = "udp"}};
	_cleanup_frame_ struct frame f = {0};
	struct err e = {0};
	struct net_attach got;

	(void)state;
	MSG_DECLARE(net_attach, m);
	m.container = "web";
	m.network = "bridge";
	m.netns = STDIN_FILENO;
	m.ports.v = ports;
	m.ports.n = 2;
	assert_int_equal(frame_send(pair[0], MSG_net_attach, 42, &m, &e), 0);
	assert_int_equal(frame_recv(pair[1], &f, &e), 0);
	assert_int_equal(f.id, 42);
	assert_int_equal(frame_check(&f, SUPERVISOR, NETD, &e), 0);
	assert_int_equal(frame_decode(&f, &got, &e), 0);
	assert_string_equal(got.container, "web");
	assert_string_equal(got.network, "bridge");
	assert_null(got.ip4);
	assert_int_equal(got.rtnl, -1);
	assert_true(got.netns > 2);
	assert_int_equal(got.ports.n, 2);
	assert_int_equal(got.ports.v[0].host_port, 8080);
	assert_string_equal(got.ports.v[1].host_ip, "::1");
	assert_string_equal(got.ports.v[1].proto, "udp");
}

static void wrong_role_is_refused(void **state)
{
	struct frame f = {.type = MSG_net_attach};
	struct err e = {0};

	(void)state;
	assert_int_equal(frame_check(&f, CTL, NETD, &e), -EBADMSG);
	assert_string_equal(e.text, "net_attach: ctl may not say this to netd");
}

static const struct {
	enum msg_type type;
	const char *body;
	size_t n;
	const char *why;
} refused[] = {
#define RAW(s) s, sizeof(s) - 1
	{MSG_done, RAW("\xc0"), "done: not a map"},
	{MSG_done, RAW("\x80\x00"), "done: bytes behind the end"},
	{MSG_done, RAW("\x81\xa1x\x01"), "done: unknown key"},
	{MSG_done, RAW("\xdf\xff\xff\xff\xff"), "done: a key is not a string"},
	{MSG_net_detach, RAW("\x80"), "net_detach.container: missing"},
	{MSG_net_detach,
		RAW("\x81\xa9"
		    "container\x01"),
		"net_detach.container: not a string"},
	{MSG_net_detach,
		RAW("\x81\xa9"
		    "container\xa3"
		    "a\0b"),
		"net_detach.container: holds a NUL byte"},
	{MSG_net_detach,
		RAW("\x82\xa9"
		    "container\xa1"
		    "a\xa9"
		    "container\xa1"
		    "b"),
		"net_detach.container: given twice"},
	{MSG_net_detach,
		RAW("\x81\xa9"
		    "container\xdb\xff\xff\xff\xff"),
		"net_detach.container: not a string"},
	{MSG_info_is, RAW("\x81\xa4rows\xdd\x04\x00\x00\x00"), "info_is.rows: too many elements"},
	{MSG_shim_signal, RAW("\x81\xa6signal\x41"), "shim_signal.signal: out of range"},
	{MSG_shim_signal, RAW("\x81\xa6signal\xff"), "shim_signal.signal: not a natural number"},
	{MSG_shim_clean, RAW("\x81\xa8writable\x00"),
		"shim_clean.writable: names a descriptor that did not come"},
#undef RAW
};

static void hostile_frames(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(refused); i++) {
		struct err e = {0};

		assert_int_equal(
			decode_raw(refused[i].type, refused[i].body, refused[i].n, &e), -EBADMSG);
		assert_string_equal(e.text, refused[i].why);
	}
}

static void stray_descriptor(void **state)
{
	const uint8_t done[] = {0x93, 0x02, 0x01, 0x80};
	_cleanup_frame_ struct frame f = {0};
	struct err e = {0};
	struct done m;
	int fd = STDIN_FILENO;

	(void)state;
	assert_int_equal(frame_send_raw(pair[0], done, sizeof(done), &fd, 1), 0);
	assert_int_equal(frame_recv(pair[1], &f, &e), 0);
	assert_int_equal(f.n_fds, 1);
	assert_int_equal(frame_decode(&f, &m, &e), -EBADMSG);
	assert_string_equal(e.text, "done: a descriptor that no field names");
}

static void too_long(void **state)
{
	static char big[FRAME_MAX + 10];
	struct net_detach m = {.container = big};
	_cleanup_frame_ struct frame f = {0};
	struct err e = {0};

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	assert_int_equal(frame_send(pair[0], MSG_net_detach, 1, &m, &e), -EINVAL);
	assert_string_equal(e.text, "net_detach.container: too long");
	assert_int_equal(frame_send_raw(pair[0], (uint8_t *)big, sizeof(big), NULL, 0), 0);
	assert_int_equal(frame_recv(pair[1], &f, &e), -EBADMSG);
}

static void text_form(void **state)
{
	_cleanup_frame_ struct frame f = {0};
	_cleanup_free_ char *line = NULL;
	struct err e = {0};
	struct container_listed m;

	(void)state;
	assert_int_equal(
		text_parse("container_listed rows.0.id=a rows.0.name=\"x y\" rows.0.created_at=1 "
			   "rows.0.status=running rows.0.labels=k=v rows.0.labels=l=w more=true",
			7, &f, &e),
		0);
	assert_int_equal(frame_decode(&f, &m, &e), 0);
	assert_int_equal(m.rows.n, 1);
	assert_int_equal(m.rows.v[0].labels.n, 2);
	assert_int_equal(text_print(MSG_container_listed, &m, &line), 0);
	assert_string_equal(line,
		"container_listed rows.0.id=a rows.0.name=\"x y\" rows.0.created_at=1 "
		"rows.0.status=running rows.0.labels=k=v rows.0.labels=l=w more=true");
}

static void text_document(void **state)
{
	_cleanup_frame_ struct frame f = {0};
	_cleanup_arena_ struct arena a = {0};
	_cleanup_free_ uint8_t *buf = NULL;
	struct shim_exec m;
	struct exec_spec spec;
	struct err e = {0};
	size_t n;

	(void)state;
	assert_int_equal(
		text_parse("shim_exec exec=1 spec=@{exec_spec argv=sh argv=\"a } b\" cwd=/}", 1, &f,
			&e),
		0);
	assert_int_equal(frame_decode(&f, &m, &e), 0);
	assert_int_equal(fd_memfd_read(m.spec, 65536, &buf, &n), 0);
	assert_int_equal(codec_decode(&schema_exec_spec, buf, n, NULL, 0, &a, &spec, &e), 0);
	assert_int_equal(spec.argv.n, 2);
	assert_string_equal(spec.argv.v[1], "a } b");
	assert_string_equal(spec.cwd, "/");
}

/* What opens a document opens it at the start of a value alone. */
static void text_braces_inside(void **state)
{
	_cleanup_frame_ struct frame f = {0};
	_cleanup_free_ char *again = NULL;
	struct info_is m;
	struct err e = {0};

	(void)state;
	assert_int_equal(text_parse("info_is rows=i@{x}y rows=\"@{\" rows=z", 1, &f, &e), 0);
	assert_int_equal(frame_decode(&f, &m, &e), 0);
	assert_int_equal(m.rows.n, 3);
	assert_string_equal(m.rows.v[0], "i@{x}y");
	assert_int_equal(text_print(MSG_info_is, &m, &again), 0);
	assert_string_equal(again, "info_is rows=i@{x}y rows=\"@{\" rows=z");
}

static void text_errors(void **state)
{
	static const char *const lines[] = {"nonsense", "done x=1", "net_detach container",
		"net_detach", "shim_signal signal=65", "net_detach container=\"a",
		"net_attach netns=/dev/null container=x network=y", "container_listed rows.1.id=a"};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(lines); i++) {
		struct err e = {0};
		struct frame f;

		assert_int_not_equal(text_parse(lines[i], 1, &f, &e), 0);
		assert_true(e.text[0] != '\0');
	}
}

static void every_number_is_known(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		const struct msg_row *r = msg_row(i);

		if (!r)
			continue;
		assert_int_equal(msg_number(r->schema->name), i);
		assert_true(r->kind == REQUEST ? msg_row(r->reply) != NULL : r->reply == MSG_none);
	}
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		int code;
		uint64_t value;
	} sizes[] = {{"0", 0, 0}, {"64m", 0, 64 << 20}, {"1.5g", 0, 3ULL << 29}, {"1KiB", 0, 1024},
		{"", -EINVAL, 0}, {"-1", -EINVAL, 0}, {"1x", -EINVAL, 0}, {"1.", -EINVAL, 0},
		{"8000000t", 0, 8000000ULL << 40}, {"9999999t", -ERANGE, 0},
		{"9223372036854775807", 0, INT64_MAX}, {"9223372036854775808", -ERANGE, 0},
		{"20000000000000000b", 0, 20000000000000000U}, {"1.2345m", -EDOM, 0}};
	uint64_t v;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(sizes); i++) {
		assert_int_equal(num_parse_size(sizes[i].text, &v), sizes[i].code);
		if (sizes[i].code == 0)
			assert_int_equal(v, sizes[i].value);
	}
	assert_int_equal(num_parse_millionths("0.05", &v), 0);
	assert_int_equal(v, 50000);
	assert_int_equal(num_parse_millionths("2.5", &v), 0);
	assert_int_equal(v, 2500000);
	assert_int_equal(num_parse_millionths("0.0000001", &v), -EDOM);
	assert_int_equal(num_parse_u64("007", 0, 10, &v), -EINVAL);
	assert_int_equal(num_parse_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trip, make_pair, close_pair),
		cmocka_unit_test(wrong_role_is_refused),
		cmocka_unit_test_setup_teardown(hostile_frames, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(stray_descriptor, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(too_long, make_pair, close_pair),
		cmocka_unit_test(text_form),
		cmocka_unit_test(text_document),
		cmocka_unit_test(text_braces_inside),
		cmocka_unit_test(text_errors),
		cmocka_unit_test(every_number_is_known),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
