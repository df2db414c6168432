/* SPDX-License-Identifier: MIT */
/*
 * What top makes of ps's words, and of a process.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/ctl/flags.h"
#include "supervisor/ctl/top_columns.h"

/* Two hours old, 90 seconds of processor time: of 2005-06-07, at noon UTC. */
static const struct top_row process = {
	.cell = {"www", "33", "7", "1", "7", "7", "7", "pts/0", "S", "-5", "3", "4194304",
		"1048576", "1118138400000", "90000", "httpd", "httpd -f /etc/httpd.conf"},
	.now_ms = 1118145600000,
	.memory = 1U << 30,
};

/* The header and one row as they are, spaces between cells. */
static const char *lay(const char *words, struct err *e)
{
	static char text[1024];
	_cleanup_arena_ struct arena a = {0};
	_cleanup_table_ struct table t = {0};
	char *copy = arena_strdup(&a, words), *save = NULL;
	struct strv list = {0};
	struct top_layout l;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		assert_int_equal(strv_append(&a, &list, w), 0);
	if (top_layout(&list, &a, &l, e) < 0)
		return NULL;
	assert_int_equal(top_header(&l, &t), 0);
	assert_int_equal(top_add(&l, &process, &t), 0);
	text[0] = '\0';
	for (uint32_t i = 0; i < t.n * t.columns; i++) {
		strcat(text, i == 0 ? "" : i % t.columns == 0 ? "\n" : " ");
		strcat(text, t.cells[i]);
	}
	return text;
}

static void sets(void **state)
{
	struct err e;

	(void)state;
	assert_string_equal(lay("", &e), "UID PID PPID C STIME TTY TIME CMD\n"
					 "www 7 1 1 10:00 pts/0 00:01:30 httpd -f /etc/httpd.conf");
	assert_string_equal(lay("-e", &e), "PID TTY TIME CMD\n7 pts/0 00:01:30 httpd");
	assert_string_equal(lay("aux", &e),
		"USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\n"
		"www 7 1.2 0.0 4096 1024 pts/0 S<sl+ 10:00 1:30 httpd -f /etc/httpd.conf");
	assert_string_equal(lay("ax", &e), "PID TTY STAT TIME COMMAND\n"
					   "7 pts/0 S<sl+ 1:30 httpd -f /etc/httpd.conf");
	assert_non_null(strstr(lay("-ef", &e), "UID PID PPID C STIME TTY TIME CMD"));
	assert_non_null(strstr(lay("-e -f", &e), "UID PID PPID C STIME TTY TIME CMD"));
	assert_non_null(strstr(lay("-aux", &e), "USER PID %CPU"));
}

static void lists(void **state)
{
	struct err e;

	(void)state;
	assert_string_equal(lay("-eo pid,user,comm", &e), "PID USER COMMAND\n7 www httpd");
	assert_string_equal(lay("-opid -o uid=WHO,sid", &e), "PID WHO SID\n7 33 7");
	assert_string_equal(lay("o pid", &e), "PID\n7");
	assert_string_equal(lay("-o pid= -o uid=", &e), "7 33");
	assert_string_equal(lay("-o pid=,uid=", &e), "7 33");
	assert_string_equal(lay("-o pid= -o uid", &e), " UID\n7 33");
	assert_string_equal(lay("--no-headers -o pgid,sid,tpgid,c,ni,nlwp,s,etime,etimes", &e),
		"7 7 7 1 -5 3 S 02:00:00 7200");
}

static void refused(void **state)
{
	struct err e;

	(void)state;
	assert_null(lay("-o nonsense", &e));
	assert_non_null(strstr(e.text, "\"nonsense\" is no column; there are user uid pid"));
	assert_non_null(strstr(e.text, " comm args"));
	assert_null(lay("-o", &e));
	assert_null(lay("-o pid,,uid", &e));
	assert_null(lay("-", &e));
	assert_null(lay("-l", &e));
	assert_null(lay("aux -q", &e));
	assert_null(lay("--sort=pid", &e));
	assert_null(lay("fax", &e));
	assert_null(
		lay("-o pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid", &e));
	assert_int_equal(e.code, E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets),
		cmocka_unit_test(lists),
		cmocka_unit_test(refused),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
