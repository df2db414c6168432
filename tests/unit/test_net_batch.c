/* SPDX-License-Identifier: MIT */
/*
 * Netlink batches against a socket that a hostile container handed over: no wait, no belief.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netd/batch.h"
#include "netd/inside.h"
#include "netd/rt.h"

static int run_get(int fd, struct err *e)
{
	struct batch b = {0};

	batch_add(&b, rt_link_get("lo"), "lo");
	return batch_run(&b, fd, NULL, NULL, e);
}

static void on_link(void *arg, struct nlmsghdr *h)
{
	if (h->nlmsg_type == RTM_NEWLINK)
		*(int *)arg = ((struct ifinfomsg *)nlmsg_data(h))->ifi_index;
}

static void test_answer(void **state)
{
	struct batch b = {0};
	struct err e = {0};
	int fd = batch_socket(NETLINK_ROUTE, &e), ifindex = 0;

	(void)state;
	assert_true(fd >= 0);
	batch_add(&b, rt_link_get("lo"), "lo");
	assert_int_equal(batch_run(&b, fd, on_link, &ifindex, &e), 0);
	assert_int_equal(ifindex, 1);
	close(fd);
}

static void test_first_failure_is_told(void **state)
{
	struct batch b = {0};
	struct err e = {0};
	int fd = batch_socket(NETLINK_ROUTE, &e), ifindex = 0;

	(void)state;
	batch_add(&b, rt_link_get("lo"), "first");
	batch_add(&b, rt_link_get("no-such-link"), "second");
	batch_add(&b, rt_link_get("nor-this"), "third");
	batch_add(&b, rt_link_get("lo"), "fourth");
	assert_int_equal(batch_run(&b, fd, on_link, &ifindex, &e), -ENODEV);
	assert_int_equal(strncmp(e.text, "second: ", 8), 0);
	/* Emptied, and good for the next. */
	assert_int_equal(b.n, 0);
	assert_int_equal(run_get(fd, &e), 0);
	close(fd);
}

static void test_no_memory_is_told(void **state)
{
	struct batch b = {0};
	struct err e = {0};
	int fd = batch_socket(NETLINK_ROUTE, &e);

	(void)state;
	batch_add(&b, NULL, "nothing");
	assert_int_equal(batch_run(&b, fd, NULL, NULL, &e), -ENOMEM);
	close(fd);
}

/* The container keeps the socket, too. It leaves no room in the queue, so that the answer is
 * dropped: netd must neither wait for it, nor take the answers that lie there for its own. */
static void test_answers_withheld(void **state)
{
	struct err e = {0};
	int fd = batch_socket(NETLINK_ROUTE, &e), tiny = 1;

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	for (uint32_t i = 0; i < 50; i++) {
		struct nl_msg *m = rt_link_get("lo");

		nlmsg_hdr(m)->nlmsg_flags |= NLM_F_REQUEST;
		nlmsg_hdr(m)->nlmsg_seq = 1000 + i;
		assert_true(send(fd, nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len, 0) > 0);
		nlmsg_free(m);
	}
	assert_int_equal(run_get(fd, &e), -EPROTO);
	assert_non_null(strstr(e.text, "answer"));
	close(fd);
}

static void test_foreign_sockets(void **state)
{
	struct err e = {0};
	int sv[2], other = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC),
		   own = batch_socket(NETLINK_ROUTE, &e);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv), 0);
	assert_int_equal(inside_check(sv[0], -1, &e), -EINVAL);
	assert_int_equal(inside_check(other, -1, &e), -EINVAL);
	assert_int_equal(inside_check(-1, -1, &e), -EINVAL);
	assert_int_equal(inside_check(own, -1, &e), 0);
	close(own);
	close(other);
	close(sv[0]);
	close(sv[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_first_failure_is_told),
		cmocka_unit_test(test_no_memory_is_told),
		cmocka_unit_test(test_answers_withheld),
		cmocka_unit_test(test_foreign_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
