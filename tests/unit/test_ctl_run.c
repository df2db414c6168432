/* SPDX-License-Identifier: MIT */
/*
 * From the flags of run to the document that the engine gets, and from the engine's record to
 * docker's JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "supervisor/ctl/render.h"
#include "supervisor/ctl/run_options.h"

struct result {
	struct run_plan plan;
	struct arena arena;
	struct err e;
	int r;
};

static void result_free(struct result *x)
{
	run_plan_free(&x->plan);
	arena_free(&x->arena);
}

static void plan(struct result *x, const char *const *argv)
{
	struct flags_input in = {run_flags, 0, (char **)(uintptr_t)argv, true};
	struct run_options o = {0};
	struct strv operands;

	while (argv[in.argc])
		in.argc++;
	memset(x, 0, sizeof(*x));
	x->plan.rootfs = -1;
	x->r = flags_parse(&in, &x->arena, &o, &operands, &x->e);
	if (x->r == 0)
		x->r = run_plan(&o, &operands, &x->arena, &x->plan, &x->e);
}
#define PLAN(x, ...) plan(x, (const char *const[]){__VA_ARGS__, NULL})

static void test_defaults(void **state)
{
	struct result x;
	const struct create *c = &x.plan.create;

	(void)state;
	PLAN(&x, "busybox", "echo", "-d", "--rm");
	assert_int_equal(x.r, 0);
	assert_string_equal(c->image, "busybox");
	assert_int_equal(c->argv.n, 3);
	assert_string_equal(c->argv.v[1], "-d");
	assert_false(c->detach || c->autoremove || c->tty || c->entrypoint_set || c->umask_set);
	assert_false(c->isolated_layers);
	assert_null(c->limits);
	assert_int_equal(c->env.n, 0);
	result_free(&x);
}

static void test_everything(void **state)
{
	struct result x;
	const struct create *c = &x.plan.create;

	(void)state;
	setenv("PLAN_TEST", "v", 1);
	PLAN(&x, "-itd", "--name", "web", "--entrypoint", "", "-w", "/w", "-u", "1:2", "-e",
		"PLAN_TEST", "-e", "A=1", "-h", "host", "--stop-signal", "INT", "--stop-timeout",
		"-1", "--umask", "077", "-m", "64m", "--cpus", "0.5", "-v", "/etc/../etc:/e:ro",
		"--tmpfs", "/t:size=1m", "-p", "80:80", "--cap-add", "ALL", "--security-opt",
		"no-new-privileges=false", "--oom-score-adj", "-5", "--ulimit", "nofile=5",
		"--ulimit", "core=1", "--ulimit", "nofile=10", "--shm-size", "1m", "--network",
		"bridge", "-l", "a=b", "--isolated-layers", "--restart", "on-failure:3", "img");
	if (x.r < 0)
		fail_msg("%s", x.e.text);
	assert_true(c->tty && c->stdin_open && c->detach && c->entrypoint_set && c->new_privs);
	assert_true(c->isolated_layers);
	assert_int_equal(c->entrypoint.n, 0);
	assert_string_equal(c->env.v[0], "PLAN_TEST=v");
	assert_string_equal(c->hostname, "host");
	assert_int_equal(c->stop_signal, 2);
	assert_true(c->stop_timeout == -1 && c->stop_timeout_set);
	assert_true(c->umask == 077 && c->umask_set);
	assert_int_equal(c->limits->memory, 64 << 20);
	assert_int_equal(c->limits->cpu_quota, 50000);
	assert_true(c->limits->cpus);
	assert_int_equal(c->mounts.n, 2);
	assert_string_equal(c->mounts.v[0].source, "/etc");
	assert_int_equal(x.plan.n_sources, 1);
	assert_true(fcntl(x.plan.sources[0], F_GETFL) & O_PATH);
	assert_int_equal(c->ports.n, 1);
	assert_int_equal(c->rlimits.n, 2);
	assert_int_equal(c->rlimits.v[0].hard, 10);
	assert_int_equal(c->shm_size, 1 << 20);
	assert_string_equal(c->restart, "on-failure");
	assert_int_equal(c->restart_max, 3);
	assert_int_equal(c->oom_score_adj, -5);
	result_free(&x);
}

static void refuse(int code, const char *words, const char *const *argv)
{
	struct result x;

	plan(&x, argv);
	assert_int_equal(x.r, -code);
	if (!strstr(x.e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", x.e.text, words);
	result_free(&x);
}
#define REFUSE(code, words, ...) refuse(code, words, (const char *const[]){__VA_ARGS__, NULL})

static void test_refused(void **state)
{
	(void)state;
	REFUSE(EINVAL, "needs an image", "-d");
	REFUSE(EINVAL, "name is empty", "");
	REFUSE(EINVAL, "-d and -a", "-d", "-a", "stdout", "x");
	REFUSE(EINVAL, "with --network host", "--network", "host", "-p", "80:80", "x");
	REFUSE(EINVAL, "with --network none", "--network", "none", "--ip", "10.0.0.9", "x");
	REFUSE(EINVAL, "--sysctl", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "x");
	REFUSE(EINVAL, "same place", "-v", "/etc:/a", "--tmpfs", "/a/", "x");
	REFUSE(EINVAL, "no such file", "-v", "/nonexistent/x:/a", "x");
	REFUSE(ENOENT, "--rootfs", "--rootfs", "/nonexistent/x", "true");
	REFUSE(EINVAL, "has no layers", "--isolated-layers", "--rootfs", "/tmp", "true");
	REFUSE(ENOENT, "--env-file: /nonexistent", "--env-file", "/nonexistent/x", "x");
	REFUSE(EINVAL, "published twice", "-p", "80:80", "-p", "80:81", "x");
	REFUSE(EINVAL, "none of seccomp=FILE", "--security-opt", "apparmor=x", "x");
	REFUSE(EINVAL, "none of seccomp=FILE", "--security-opt", "seccomp=", "x");
	REFUSE(ENOENT, "/none: no such file", "--security-opt", "seccomp=/none", "x");
	REFUSE(EINVAL, "not supported yet", "--userns=host", "x");
	REFUSE(EINVAL, "--restart and --rm", "--rm", "--restart", "always", "x");
}

static void test_rootfs(void **state)
{
	struct result x;

	(void)state;
	PLAN(&x, "--rootfs", "/tmp", "true", "x");
	assert_int_equal(x.r, 0);
	assert_null(x.plan.image);
	assert_true(x.plan.rootfs >= 0);
	assert_string_equal(x.plan.create.argv.v[0], "true");
	result_free(&x);
}

static json_t *at(json_t *j, const char *path)
{
	char copy[128], *save = NULL;

	strcpy(copy, path);
	for (char *w = strtok_r(copy, ".", &save); w; w = strtok_r(NULL, ".", &save))
		j = json_object_get(j, w);
	if (!j)
		fail_msg("there is no %s", path);
	return j;
}

static void test_container_json(void **state)
{
	const char *argv[] = {"sh", "-c", "x"}, *env[] = {"A=\xff"}, *labels[] = {"k=v=w", "only"};
	const char *image_labels[] = {"k=old", "m=1"};
	struct port port = {
		.host_ip = "127.0.0.1", .host_port = 81, .container_port = 80, .proto = "tcp"};
	struct create create = {.image = "busybox", .labels = {labels, 2}, .entrypoint_set = true};
	struct image_config config = {.labels = {image_labels, 2}};
	struct spec spec = {.argv = {argv, 3}, .env = {env, 1}, .hostname = "h"};
	struct endpoint ep = {.ip4 = "10.0.0.2", .prefix4 = 16, .ports = {&port, 1}};
	struct limits limits = {.cpu_quota = 5000, .cpu_period = 100000, .memory = 1 << 20};
	const struct container c = {.id = "0123456789abcdef",
		.name = "web",
		.status = "running",
		.pid = 7,
		.create = &create,
		.config = &config,
		.spec = &spec,
		.endpoint = &ep,
		.in_force = &limits};
	json_t *j = render_container(&c);

	(void)state;
	assert_string_equal(json_string_value(at(j, "Name")), "/web");
	assert_string_equal(json_string_value(at(j, "Path")), "sh");
	assert_int_equal(json_array_size(at(j, "Args")), 2);
	assert_int_equal(json_integer_value(at(j, "State.Pid")), 7);
	assert_int_equal(json_integer_value(at(j, "HostConfig.NanoCpus")), 50000000);
	assert_string_equal(json_string_value(at(j, "Config.Labels.k")), "v=w");
	assert_string_equal(json_string_value(at(j, "Config.Labels.m")), "1");
	assert_string_equal(json_string_value(at(j, "Config.Labels.only")), "");
	assert_string_equal(
		json_string_value(json_array_get(at(j, "Config.Env"), 0)), "A=\xef\xbf\xbd");
	assert_string_equal(
		json_string_value(at(j, "NetworkSettings.Networks.bridge.IPAddress")), "10.0.0.2");
	assert_true(json_is_array(at(j, "NetworkSettings.Ports.80/tcp")));
	json_decref(j);
}

static void test_sparse_records(void **state)
{
	const struct container c = {.id = "x", .name = "y", .status = "created"};
	const struct image im = {.id = "sha256:0"};
	json_t *j = render_container(&c), *k = render_image(&im);

	(void)state;
	assert_string_equal(json_string_value(at(j, "State.StartedAt")), "0001-01-01T00:00:00Z");
	assert_true(json_is_array(at(j, "Args")));
	assert_string_equal(json_string_value(at(j, "Config.Hostname")), "x");
	assert_string_equal(json_string_value(at(k, "Id")), "sha256:0");
	json_decref(j);
	json_decref(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_rootfs),
		cmocka_unit_test(test_container_json),
		cmocka_unit_test(test_sparse_records),
	};

	return cmocka_run_group_tests_name("ctl_run", tests, NULL, NULL);
}
