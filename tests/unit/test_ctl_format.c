/* SPDX-License-Identifier: MIT */
/*
 * --format templates, tables, and the words for times and ports.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "supervisor/ctl/format.h"
#include "supervisor/ctl/ports.h"
#include "supervisor/ctl/reference.h"
#include "supervisor/ctl/suggest.h"
#include "supervisor/ctl/table.h"
#include "supervisor/ctl/words.h"

static json_t *sample(void)
{
	return json_pack("{s:s, s:{s:i, s:b, s:{s:s, s:s}}, s:[s,s], s:[{s:s},{s:s}], s:[], s:n}",
		"Name", "web\x1b[31m", "State", "Pid", 42, "Running", 1, "Labels", "a", "1", "b.c",
		"2", "List", "x", "y", "Mounts", "Source", "/s", "Source", "/t", "Empty", "None");
}

static void expect(const char *template, const char *want)
{
	json_t *j = sample();
	char text[512] = "";
	struct err e = {0};
	FILE *f = fmemopen(text, sizeof(text), "w");

	if (format_print(template, j, true, f, &e) < 0)
		fail_msg("%s: %s", template, e.text);
	fclose(f);
	assert_string_equal(text, want);
	assert_int_equal(check_format(template, &e), 0);
	json_decref(j);
}

static void refuse(const char *template, bool by_syntax)
{
	json_t *j = sample();
	struct err e = {0};
	char text[512] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_int_equal(format_print(template, j, true, f, &e), -EINVAL);
	assert_int_equal(check_format(template, &e), by_syntax ? -EINVAL : 0);
	assert_true(e.text[0]);
	fclose(f);
	assert_string_equal(text, "");
	json_decref(j);
}

static void test_templates(void **state)
{
	(void)state;
	expect("plain", "plain");
	expect("{{.State.Pid}}\\t{{ .State.Running }}\\n", "42\ttrue\n");
	expect("{{.Name}}", "web\\x1b[31m");
	expect("{{json .Name}}", "\"web\\u001B[31m\"");
	expect("{{json .State.Labels}}", "{\"a\":\"1\",\"b.c\":\"2\"}");
	expect("{{.List}} {{.State.Labels}} {{.None}}", "[x y] map[a:1 b.c:2] <no value>");
	expect("{{index .State.Labels \"b.c\"}}{{index .List 1}}", "2y");
	expect("{{.State.Labels.missing}}", "<no value>");
	expect("{{\"a\\tb\"}}{{`c`}}", "a\tbc");
	expect("{{len .List}}", "2");
	expect("{{range .Mounts}}<{{.Source}}>{{end}}.", "</s></t>.");
	expect("{{range .Empty}}x{{else}}none{{end}}", "none");
	expect("{{range .State.Labels}}{{.}};{{end}}", "1;2;");
	expect("{{if .State.Running}}up{{else}}down{{end}}", "up");
	expect("{{if .None}}a{{else}}b{{end}}", "b");
	expect("{{range .Mounts}}{{if .Source}}{{.Source}}{{end}}{{end}}", "/s/t");
	expect("a } {b", "a } {b");
}

/* docker's events: its fields are written small in JSON, its templates have Go's names. */
static void test_go_names(void **state)
{
	json_t *j = json_pack("{s:s, s:i, s:{s:{s:s}}, s:s}", "id", "x", "timeNano", 5, "Actor",
		"Attributes", "name", "web", "Action", "die");
	static const struct {
		const char *template, *want;
	} rows[] = {{"{{.ID}} {{.TimeNano}} {{.id}}", "x 5 x"},
		{"{{json .}}",
			"{\"id\":\"x\",\"timeNano\":5,\"Actor\":{\"Attributes\":{\"name\":\"web\"}},\"Action\":\"die\"}"},
		{"{{.Actor.Attributes.exitCode}}", "<no value>"},
		{"{{.Actor.Attributes.Name}}", "<no value>"}, {"{{.action}}", NULL},
		{"{{.ACTION}}", NULL}, {"{{.Time}}", NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512] = "";
		struct err e = {0};
		FILE *f = fmemopen(text, sizeof(text), "w");

		assert_int_equal(format_print(rows[i].template, j, false, f, &e),
			rows[i].want ? 0 : -EINVAL);
		fclose(f);
		assert_string_equal(text, rows[i].want ? rows[i].want : "");
	}
	json_decref(j);
}

static void test_refused(void **state)
{
	(void)state;
	refuse("{{.Nmae}}", false);
	refuse("before {{.Nmae}}", false);
	refuse("{{.State.Nope.X}}", false);
	refuse("{{", true);
	refuse("{{.Name", true);
	refuse("{{.Name}", true);
	refuse("{{println .Name}}", true);
	refuse("{{.Name | json}}", true);
	refuse("{{end}}", true);
	refuse("{{range .List}}", true);
	refuse("{{if .Name}}{{else}}{{else}}{{end}}", true);
	refuse("{{\"abc}}", true);
	refuse("{{json}}", true);
	refuse("{{if .Name}}{{if .Name}}{{if .Name}}{{if .Name}}{{if .Name}}{{if .Name}}{{if .Name}}{{if .Name}}{{if .Name}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}",
		true);
}

static void test_broken_text(void **state)
{
	json_t *j = json_text("a\xff"
			      "b");

	(void)state;
	assert_string_equal(json_string_value(j), "a\xef\xbf\xbd"
						  "b");
	json_decref(j);
}

static void test_visible(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(
		table_visible("a\x1b[2J\n\x7f", out, sizeof(out)), "a\\x1b[2J\\x0a\\x7f");
	assert_string_equal(table_visible("grün…", out, sizeof(out)), "grün…");
	assert_string_equal(table_visible("\xc2\x9b"
					  "31m",
				    out, sizeof(out)),
		"\\xc2\\x9b31m");
	assert_string_equal(table_visible("\xe2\x80\xae"
					  "x",
				    out, sizeof(out)),
		"\\xe2\\x80\\xaex");
	assert_string_equal(table_visible("\xc0\xaf\xff\xe2\x80", out, sizeof(out)),
		"\\xc0\\xaf\\xff\\xe2\\x80");
	assert_true(strlen(table_visible("012345678901234567890123456789012345", out,
			    sizeof(out))) < sizeof(out));
	assert_int_equal(table_width("grün…"), 5);
}

static void test_durations(void **state)
{
	static const struct {
		uint64_t s;
		const char *words;
	} rows[] = {{0, "Less than a second"}, {1, "1 second"}, {59, "59 seconds"},
		{60, "About a minute"}, {119, "About a minute"}, {120, "2 minutes"},
		{3599, "59 minutes"}, {3600, "About an hour"}, {5400, "2 hours"},
		{86400, "24 hours"}, {172800, "2 days"}, {1209600, "2 weeks"},
		{5184000, "2 months"}, {94608000, "3 years"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[32];

		table_duration(rows[i].s * 1000000000U, buf);
		assert_string_equal(buf, rows[i].words);
	}
}

static void test_times(void **state)
{
	char out[64];

	(void)state;
	words_time(0, out);
	assert_string_equal(out, "0001-01-01T00:00:00Z");
	words_time(1795374000120000000U, out);
	assert_string_equal(out, "2026-11-22T19:00:00.12Z");
	words_time(1795374000000000000U, out);
	assert_string_equal(out, "2026-11-22T19:00:00Z");
}

static void test_ports(void **state)
{
	struct port v[] = {
		{.host_ip = "127.0.0.1", .host_port = 8001, .container_port = 81, .proto = "tcp"},
		{.container_port = 443, .proto = "tcp"},
		{.host_ip = "127.0.0.1", .host_port = 8000, .container_port = 80, .proto = "tcp"},
		{.host_ip = "::1", .host_port = 9, .container_port = 9, .proto = "udp"}};
	char *text = ports_words(&(struct port_list){v, 4});

	(void)state;
	assert_string_equal(text, "443/tcp, 127.0.0.1:8000-8001->80-81/tcp, [::1]:9->9/udp");
	free(text);
	text = ports_lines(&(struct port_list){v, 4}, NULL);
	assert_string_equal(
		text, "9/udp -> [::1]:9\n80/tcp -> 127.0.0.1:8000\n81/tcp -> 127.0.0.1:8001\n");
	free(text);
	text = ports_lines(
		&(struct port_list){v, 4}, &(struct port){.container_port = 81, .proto = "tcp"});
	assert_string_equal(text, "127.0.0.1:8001\n");
	free(text);
	text = ports_lines(
		&(struct port_list){v, 4}, &(struct port){.container_port = 9, .proto = "tcp"});
	assert_string_equal(text, "");
	free(text);
	text = ports_words(&(struct port_list){0});
	assert_string_equal(text, "");
	free(text);
}

static void test_references(void **state)
{
	static const char *const rows[][4] = {{"docker.io/library/busybox:latest", "busybox",
						      "latest", "docker.io/library/busybox"},
		{"127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b", "1", "127.0.0.1:5000/a/b"},
		{"127.0.0.1:5000/a", "127.0.0.1:5000/a", "<none>", "127.0.0.1:5000/a"},
		{"docker.io/me/x@sha256:00", "me/x", "<none>", "docker.io/me/x"},
		{"docker.io/me/x:t@sha256:00", "me/x", "t", "docker.io/me/x"}};
	struct reference r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reference_split(rows[i][0], true, &r);
		assert_string_equal(r.name, rows[i][1]);
		assert_string_equal(r.tag, rows[i][2]);
		reference_split(rows[i][0], false, &r);
		assert_string_equal(r.name, rows[i][3]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_go_names),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_broken_text),
		cmocka_unit_test(test_visible),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests_name("ctl_format", tests, NULL, NULL);
}
