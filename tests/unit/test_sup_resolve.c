/* SPDX-License-Identifier: MIT */
/*
 * From options and image config to spec: docker's rules, row by row.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#include <cmocka.h>

#include "supervisor/resolve.h"

#define V(...)                                                                                     \
	(struct strv)                                                                              \
	{                                                                                          \
		(const char *[]){__VA_ARGS__},                                                     \
			sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                     \
	}

static void join(const struct strv *v, char *out, size_t n)
{
	out[0] = '\0';
	for (uint32_t i = 0; i < v->n; i++)
		snprintf(out + strlen(out), n - strlen(out), "%s%s", i ? "|" : "", v->v[i]);
}

static void commands(void **state)
{
	const struct image_config both = {.entrypoint = V("entry", "-e"), .cmd = V("cmd", "-c")};
	const struct image_config only_cmd = {.cmd = V("sh")};
	const struct {
		struct create o;
		const struct image_config *img;
		const char *want; /* NULL: refused */
	} rows[] = {
		{{0}, &both, "entry|-e|cmd|-c"},
		{{.argv = V("x")}, &both, "entry|-e|x"},
		{{.entrypoint = V("new"), .entrypoint_set = true}, &both, "new"},
		{{.entrypoint = V("new"), .entrypoint_set = true, .argv = V("y")}, &both, "new|y"},
		{{.entrypoint_set = true, .argv = V("y")}, &both, "y"},
		{{.entrypoint_set = true}, &both, NULL},
		{{0}, &only_cmd, "sh"},
		{{0}, NULL, NULL},
		{{.argv = V("a", "b")}, NULL, "a|b"},
		{{.argv = V("")}, NULL, NULL},
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct err e = {0};
		struct strv got;
		char text[128];
		int r = resolve_argv(&rows[i].o, rows[i].img, &a, &got, &e);

		assert_int_equal(r, rows[i].want ? 0 : -EINVAL);
		if (!rows[i].want)
			continue;
		join(&got, text, sizeof(text));
		assert_string_equal(text, rows[i].want);
	}
}

static void environment(void **state)
{
	const struct image_config img = {.env = V("PATH=/img", "A=1", "B=2", "broken")};
	const struct create o = {.env = V("B=3", "C=4", "C=5"), .tty = true};
	const struct create plain = {0};
	_cleanup_arena_ struct arena a = {0};
	struct err e = {0};
	struct strv got;
	char text[512];

	(void)state;
	assert_int_equal(resolve_env(&o, &img, "box", &a, &got, &e), 0);
	join(&got, text, sizeof(text));
	assert_string_equal(text, "PATH=/img|HOSTNAME=box|TERM=xterm|A=1|B=3|C=5");
	assert_int_equal(resolve_env(&plain, NULL, "box", &a, &got, &e), 0);
	join(&got, text, sizeof(text));
	assert_string_equal(text,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|HOSTNAME=box");
}

static void capabilities(void **state)
{
	const uint64_t eleven = 1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FSETID |
				1ULL << CAP_FOWNER | 1ULL << CAP_SETGID | 1ULL << CAP_SETUID |
				1ULL << CAP_SETFCAP | 1ULL << CAP_SETPCAP |
				1ULL << CAP_NET_BIND_SERVICE | 1ULL << CAP_SYS_CHROOT |
				1ULL << CAP_KILL;
	const struct {
		struct create o;
		uint64_t want;
	} rows[] = {
		{{0}, eleven},
		{{.cap_add = V("NET_RAW")}, eleven | 1ULL << CAP_NET_RAW},
		{{.cap_add = V("cap_net_raw")}, eleven | 1ULL << CAP_NET_RAW},
		{{.cap_drop = V("CHOWN")}, eleven & ~(1ULL << CAP_CHOWN)},
		{{.cap_drop = V("all")}, 0},
		{{.cap_drop = V("ALL"), .cap_add = V("KILL")}, 1ULL << CAP_KILL},
		{{.cap_add = V("ALL"), .cap_drop = V("SYS_ADMIN")},
			CAPS_ALL & ~(1ULL << CAP_SYS_ADMIN)},
		{{.privileged = true}, CAPS_ALL},
	};
	const struct create bad = {.cap_add = V("FLY")};
	struct err e = {0};
	uint64_t got;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(caps_resolve(&rows[i].o, &got, &e), 0);
		assert_int_equal(got, rows[i].want);
	}
	assert_int_equal(caps_resolve(&bad, &got, &e), -EINVAL);
	assert_string_equal(e.text, "unknown capability \"FLY\"");
}

static void hosts(void **state)
{
	const struct endpoint ep = {.ip4 = "172.20.0.2", .ip6 = "fd00::2"};
	const struct create o = {.add_hosts = V("db:10.0.0.9", "six:fe80::1", "me:host-gateway"),
		.domainname = "lan"};
	const struct create bad = {.add_hosts = V("nothing")};
	_cleanup_arena_ struct arena a = {0};
	struct err e = {0};
	const char *text;

	(void)state;
	assert_int_equal(resolve_hosts(&o, "web", &ep, "172.20.0.1", &a, &text, &e), 0);
	assert_non_null(strstr(text, "127.0.0.1\tlocalhost\n"));
	assert_non_null(strstr(text, "\n10.0.0.9\tdb\n"));
	assert_non_null(strstr(text, "\nfe80::1\tsix\n"));
	assert_non_null(strstr(text, "\n172.20.0.1\tme\n"));
	assert_non_null(strstr(text, "\n172.20.0.2\tweb.lan web\n"));
	assert_non_null(strstr(text, "\nfd00::2\tweb.lan web\n"));
	assert_int_equal(resolve_hosts(&bad, "web", NULL, NULL, &a, &text, &e), -EINVAL);
}

static void resolv_conf(void **state)
{
	const char *host =
		"# made by hand\nnameserver 127.0.0.53\nnameserver 10.1.1.1\nsearch corp.example\noptions edns0\n";
	const struct create plain = {0};
	const struct create dns = {
		.dns = V("9.9.9.9"), .dns_search = V("a", "b"), .dns_opt = V("ndots:2")};
	const struct create none = {.dns_search = V(".")};
	_cleanup_arena_ struct arena a = {0};
	struct err e = {0};
	const char *text;

	(void)state;
	assert_int_equal(resolve_resolv_conf(&plain, host, false, &a, &text, &e), 0);
	assert_string_equal(text, "nameserver 10.1.1.1\nsearch corp.example\noptions edns0\n");
	assert_int_equal(resolve_resolv_conf(&plain, host, true, &a, &text, &e), 0);
	assert_non_null(strstr(text, "nameserver 127.0.0.53\n"));
	assert_int_equal(resolve_resolv_conf(&dns, host, false, &a, &text, &e), 0);
	assert_string_equal(text, "nameserver 9.9.9.9\nsearch a b\noptions ndots:2\n");
	assert_int_equal(resolve_resolv_conf(&none, host, false, &a, &text, &e), 0);
	assert_string_equal(text, "nameserver 10.1.1.1\noptions edns0\n");
	assert_int_equal(resolve_resolv_conf(&plain, "nameserver", false, &a, &text, &e), 0);
	assert_string_equal(text, "");
}

static void directories(void **state)
{
	const struct image_config img = {.workdir = "/srv", .cmd = V("x")};
	const struct image_config relative = {.workdir = "tmp/x", .cmd = V("x")};
	const struct image_config empty = {.workdir = "", .cmd = V("x")};
	const struct create plain = {0}, own = {.workdir = "/own"}, bad = {.workdir = "own"};
	const struct {
		const struct create *o;
		const struct image_config *img;
		const char *want; /* NULL: refused */
	} rows[] = {{&plain, &img, "/srv"}, {&own, &img, "/own"}, {&plain, &relative, "/tmp/x"},
		{&plain, &empty, "/"}, {&bad, &img, NULL}};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct err e = {0};
		struct spec got;
		int r = resolve_spec(rows[i].o, rows[i].img, "0123456789ab", &a, &got, &e);

		assert_int_equal(r, rows[i].want ? 0 : -EINVAL);
		if (rows[i].want)
			assert_string_equal(got.cwd, rows[i].want);
	}
}

/* Whoever may come to SYS_ADMIN later counts, too: exec --privileged where no filter stops it. */
static void locks(void **state)
{
	const struct {
		struct create o;
		bool want;
	} rows[] = {
		{{0}, false},
		{{.cap_add = V("SYS_PTRACE", "NET_ADMIN")}, false},
		{{.cap_add = V("SYS_ADMIN")}, true},
		{{.cap_add = V("all")}, true},
		{{.cap_add = V("all"), .cap_drop = V("cap_sys_admin")}, false},
		{{.privileged = true}, true},
		{{.privileged = true, .cap_drop = V("all")}, true},
		{{.seccomp = "unconfined"}, true},
		{{.seccomp = "own.json"}, true},
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct create o = rows[i].o;
		struct err e = {0};
		struct spec got;

		o.argv = V("x");
		assert_int_equal(resolve_spec(&o, NULL, "0123456789ab", &a, &got, &e), 0);
		assert_int_equal(got.lock_mounts, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),
		cmocka_unit_test(environment),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(hosts),
		cmocka_unit_test(resolv_conf),
		cmocka_unit_test(directories),
		cmocka_unit_test(locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
