/* SPDX-License-Identifier: MIT */
/*
 * From the flags of run and create to what the engine gets; see run_options.h. Runs as the caller,
 * before the engine is contacted: files and bind sources are opened with the caller's rights alone.
 */
#include "run_options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/util.h"
#include "caps.h"
#include "devices.h"
#include "mounts.h"
#include "seccomp.h"

#define LINES_FILE_MAX (1U << 20)
#define RULES_MAX      64	     /* FIELD(create, device_rules) */
#define WORDS_MAX      4096	     /* FIELD(create, argv) and FIELD(create, env) */
#define BYTES_MAX      (1920U << 10) /* of both: execve(2) takes 2 MiB, pointers included */

void run_plan_free(struct run_plan *p)
{
	for (uint32_t i = 0; i < p->n_sources; i++)
		fd_close(&p->sources[i]);
	p->n_sources = 0;
	fd_close(&p->rootfs);
	fd_close(&p->filter);
}

static bool is_network(const struct run_options *o, const char *name)
{
	return o->network && strcmp(o->network, name) == 0;
}

static int check_together(const struct run_options *o, struct err *e)
{
	bool no_bridge = is_network(o, "none") || is_network(o, "host");

	if (o->detach && o->attach.n > 0)
		return err_set(e, EINVAL, "-d and -a exclude each other");
	if (o->rm && o->restart && strcmp(o->restart, "no") != 0)
		return err_set(e, EINVAL, "--restart and --rm exclude each other");
	if (o->rm && o->health_action && strcmp(o->health_action, "restart") == 0)
		return err_set(
			e, EINVAL, "--health-on-failure restart and --rm exclude each other");
	if (no_bridge && (o->publish.n > 0 || o->publish_all))
		return err_set(e, EINVAL, "ports can't be published with --network %s", o->network);
	if (no_bridge && (o->ip || o->ip6 || o->mac))
		return err_set(
			e, EINVAL, "addresses can't be chosen with --network %s", o->network);
	if (o->rootfs && o->isolated_layers)
		return err_set(e, EINVAL,
			"--isolated-layers is for images: what --rootfs names has no layers");
	if (is_network(o, "host"))
		for (uint32_t i = 0; i < o->sysctl.n; i++)
			if (strncmp(o->sysctl.v[i], "net.", 4) == 0)
				return err_set(e, EINVAL,
					"--sysctl %.64s belongs to the host with --network host",
					o->sysctl.v[i]);
	return 0;
}

static int read_lines(
	const char *path, bool is_env, struct arena *a, struct strv *list, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	size_t n;
	char *kept;
	int r;

	if (fd < 0)
		return err_errno(e, errno, "%.128s", path);
	r = fd_read_file(fd, LINES_FILE_MAX, &text, &n);
	if (r == -EFBIG)
		return err_set(e, EFBIG, "%.128s has more than %u bytes, which is the most", path,
			LINES_FILE_MAX);
	if (r < 0)
		return err_errno(e, r, "%.128s", path);
	if (strlen(text) != n)
		return err_set(e, EINVAL, "%.128s is no text", path);
	kept = arena_strdup(a, text);
	if (!kept)
		return err_set(e, ENOMEM, "%.128s is too large", path);
	r = parse_env_lines(kept, is_env, a, list, e);
	return r < 0 ? err_prefix(e, "%.128s", path) : 0;
}

int plan_env(const struct strv *files, const struct strv *given, struct arena *a, struct strv *ret,
	struct err *e)
{
	for (uint32_t i = 0; i < files->n; i++) {
		int r = read_lines(files->v[i], true, a, ret, e);

		if (r < 0)
			return err_prefix(e, "--env-file");
	}
	for (uint32_t i = 0; i < given->n; i++)
		if (parse_env(given->v[i], a, ret, e) < 0)
			return -ENOMEM;
	return 0;
}

static int check_words(const char *what, const struct strv *v, size_t *total, struct err *e)
{
	if (v->n > WORDS_MAX)
		return err_set(
			e, E2BIG, "%u %s are too many: %d are the most", v->n, what, WORDS_MAX);
	for (uint32_t i = 0; i < v->n; i++) {
		size_t n = strlen(v->v[i]);

		*total += n + 1;
		if (n >= ITEM_MAX)
			return err_set(e, E2BIG,
				"one of the %s, \"%.24s…\", has %zu bytes: %d are the most", what,
				v->v[i], n, ITEM_MAX - 1);
	}
	return 0;
}

int plan_check_words(const struct strv *argv, const struct strv *env, struct err *e)
{
	size_t total = 0;
	int r = check_words("words of the command", argv, &total, e);

	if (r == 0)
		r = check_words("variables", env, &total, e);
	if (r == 0 && total > BYTES_MAX)
		r = err_set(e, E2BIG,
			"the command and its variables have %zu bytes together: %u are the most",
			total, BYTES_MAX);
	return r;
}

static int plan_labels(
	const struct run_options *o, struct arena *a, struct create *c, struct err *e)
{
	for (uint32_t i = 0; i < o->label_file.n; i++) {
		int r = read_lines(o->label_file.v[i], false, a, &c->labels, e);

		if (r < 0)
			return err_prefix(e, "--label-file");
	}
	for (uint32_t i = 0; i < o->label.n; i++)
		if (strv_append(a, &c->labels, o->label.v[i]) < 0)
			return err_set(e, ENOMEM, "too many labels");
	return 0;
}

/* Opens what the caller can open, and names it as the kernel does. */
static int open_source(struct mount *m, struct arena *a, struct err *e)
{
	char link[32], path[PATH_MAX];
	_cleanup_fd_ int fd = open(m->source, O_PATH | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return err_errno(e, errno, "bind source %.160s", m->source);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n > 0) {
		path[n] = '\0';
		m->source = arena_strdup(a, path);
	}
	return take_fd(&fd);
}

static int plan_mounts(
	const struct run_options *o, struct arena *a, struct run_plan *p, struct err *e)
{
	const struct {
		const struct strv *words;
		const char *flag;
		int (*parse)(const char *, struct arena *, struct mount_list *, struct err *);
	} kinds[] = {{&o->volume, "--volume", parse_volume}, {&o->mount, "--mount", parse_mount},
		{&o->tmpfs, "--tmpfs", parse_tmpfs}, {&o->device, "--device", parse_device}};
	struct mount_list list = {0};

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		for (uint32_t i = 0; i < kinds[k].words->n; i++)
			if (kinds[k].parse(kinds[k].words->v[i], a, &list, e) < 0)
				return err_prefix(e, "%s", kinds[k].flag);
	for (uint32_t i = 0; i < list.n; i++) {
		struct mount *m = &list.v[i];
		int fd;

		if (!mount_has_source(m))
			continue;
		fd = mount_is(m, "device") ? device_open(m, e) : open_source(m, a, e);
		if (fd < 0)
			return -EINVAL;
		p->sources[p->n_sources++] = fd;
	}
	p->create.mounts.v = list.v;
	p->create.mounts.n = list.n;
	return 0;
}

static int plan_device_rules(
	const struct run_options *o, struct arena *a, struct create *c, struct err *e)
{
	for (uint32_t i = 0; i < o->device_rule.n; i++) {
		struct device_rule *rule =
			i < RULES_MAX ? list_append(a, &c->device_rules, sizeof(*rule)) : NULL;

		if (!rule)
			return err_set(
				e, E2BIG, "--device-cgroup-rule: %d are the most", RULES_MAX);
		if (parse_device_rule(o->device_rule.v[i], rule, e) < 0)
			return -EINVAL;
	}
	return 0;
}

static int plan_rootfs(const struct run_options *o, struct run_plan *p, struct err *e)
{
	if (!o->rootfs)
		return 0;
	p->rootfs = open(o->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->rootfs < 0)
		return err_errno(e, errno, "--rootfs %.160s", o->rootfs);
	p->create.rootfs = o->rootfs;
	return 0;
}

static int plan_network(
	const struct run_options *o, struct arena *a, struct create *c, struct err *e)
{
	struct port_list ports = {0};

	for (uint32_t i = 0; i < o->publish.n; i++)
		if (parse_publish(o->publish.v[i], a, &ports, e) < 0)
			return err_prefix(e, "--publish");
	c->ports.v = ports.v;
	c->ports.n = ports.n;
	c->publish_all = o->publish_all;
	c->network = o->network;
	c->dns = o->dns;
	c->dns_search = o->dns_search;
	c->dns_opt = o->dns_opt;
	c->add_hosts = o->add_host;
	c->ip4 = o->ip;
	c->ip6 = o->ip6;
	c->mac = o->mac;
	return 0;
}

/* Of one name the last word counts. */
static int add_ulimits(const struct strv *words, struct arena *a, struct create *c, struct err *e)
{
	for (uint32_t i = 0; i < words->n; i++) {
		struct ulimit one, *u = NULL;

		if (parse_ulimit(words->v[i], a, &one, e) < 0)
			return -EINVAL;
		for (uint32_t k = 0; k < c->rlimits.n && !u; k++)
			if (strcmp(c->rlimits.v[k].name, one.name) == 0)
				u = &c->rlimits.v[k];
		u = u ? u : list_append(a, &c->rlimits, sizeof(*u));
		if (!u)
			return err_set(e, ENOMEM, "out of memory");
		*u = one;
	}
	return 0;
}

static int plan_limits(
	const struct run_options *o, struct arena *a, struct run_plan *p, struct err *e)
{
	struct limit_words words = o->limits;
	struct create *c = &p->create;
	bool any;

	words.host_cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	if (parse_limits(&words, a, &p->limits, &any, e) < 0)
		return -EINVAL;
	c->limits = any ? &p->limits : NULL;
	if (add_ulimits(&o->ulimit, a, c, e) < 0)
		return -EINVAL;
	if (o->shm_size)
		(void)num_parse_size(o->shm_size, &c->shm_size);
	if (o->umask)
		(void)parse_octal(o->umask, 0777, &c->umask);
	c->umask_set = o->umask != NULL;
	if (o->oom_score_adj)
		(void)parse_i64(o->oom_score_adj, -1000, 1000, &c->oom_score_adj);
	if (o->stop_signal)
		(void)parse_signal(o->stop_signal, &c->stop_signal, NULL);
	if (o->stop_timeout)
		(void)parse_i64(o->stop_timeout, -1, 86400, &c->stop_timeout);
	c->stop_timeout_set = o->stop_timeout != NULL;
	return 0;
}

static int plan_seccomp(const char *file, struct run_plan *p, struct err *e)
{
	uint64_t caps;
	int r;

	p->create.seccomp = file;
	fd_close(&p->filter);
	if (strcmp(file, "unconfined") == 0)
		return 0;
	r = caps_resolve(&p->create, &caps, e);
	if (r == 0)
		p->filter = r = seccomp_file(file, caps, e);
	return r < 0 ? err_prefix(e, "--security-opt seccomp") : 0;
}

/* The last of a kind holds. */
static int plan_security(const struct run_options *o, struct run_plan *p, struct err *e)
{
	struct create *c = &p->create;
	int r = 0;

	c->cap_add = o->cap_add;
	c->cap_drop = o->cap_drop;
	c->privileged = o->privileged;
	c->isolated_layers = o->isolated_layers;
	c->sysctls = o->sysctl;
	if (o->cgroup_parent && *o->cgroup_parent)
		c->cgroup_parent = o->cgroup_parent;
	for (uint32_t i = 0; i < o->security_opt.n && r == 0; i++) {
		const char *s = o->security_opt.v[i];

		if (strncmp(s, SECCOMP_OPTION, strlen(SECCOMP_OPTION)) == 0)
			r = plan_seccomp(s + strlen(SECCOMP_OPTION) + 1, p, e);
		else
			c->new_privs = strstr(s, "false") != NULL;
	}
	return r;
}

static void plan_restart(const struct run_options *o, struct create *c)
{
	struct restart_words w;

	if (!o->restart || parse_restart(o->restart, &w, NULL) < 0)
		return;
	c->restart = w.name;
	c->restart_max = w.max;
}

static int plan_health(
	const struct run_options *o, struct arena *a, struct run_plan *p, struct err *e)
{
	bool any;
	int r = parse_health(&o->health, a, &p->health, &any, e);

	p->create.health = any ? &p->health : NULL;
	p->create.health_action = o->health_action;
	return r;
}

static void plan_process(const struct run_options *o, struct create *c)
{
	c->name = o->name;
	c->user = o->user;
	c->group_add = o->group_add;
	c->workdir = o->workdir;
	c->hostname = o->hostname;
	c->domainname = o->domainname;
	c->tty = o->tty;
	c->stdin_open = o->interactive;
	c->detach = o->detach;
	c->autoremove = o->rm;
	c->init = o->init;
	c->readonly = o->readonly;
}

static int plan_command(const struct run_options *o, const struct strv *operands, struct arena *a,
	struct run_plan *p, struct err *e)
{
	struct create *c = &p->create;
	struct strv rest = *operands;

	if (!o->rootfs) {
		if (rest.n == 0)
			return err_set(e, EINVAL, "needs an image");
		if (!*rest.v[0])
			return err_set(e, EINVAL, "the image's name is empty");
		p->image = c->image = rest.v[0];
		rest.v++;
		rest.n--;
	}
	c->argv = rest;
	c->entrypoint_set = o->entrypoint != NULL;
	if (o->entrypoint && *o->entrypoint && strv_append(a, &c->entrypoint, o->entrypoint) < 0)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

int run_plan(const struct run_options *o, const struct strv *operands, struct arena *a,
	struct run_plan *ret, struct err *e)
{
	int r;

	*ret = (struct run_plan){.rootfs = -1, .filter = -1};
	plan_process(o, &ret->create);
	plan_restart(o, &ret->create);
	r = check_together(o, e);
	if (r == 0)
		r = plan_security(o, ret, e);
	if (r == 0)
		r = plan_command(o, operands, a, ret, e);
	if (r == 0)
		r = plan_env(&o->env_file, &o->env, a, &ret->create.env, e);
	if (r == 0)
		r = plan_check_words(&ret->create.argv, &ret->create.env, e);
	if (r == 0)
		r = plan_labels(o, a, &ret->create, e);
	if (r == 0)
		r = plan_network(o, a, &ret->create, e);
	if (r == 0)
		r = plan_limits(o, a, ret, e);
	if (r == 0)
		r = plan_health(o, a, ret, e);
	if (r == 0)
		r = plan_mounts(o, a, ret, e);
	if (r == 0)
		r = plan_device_rules(o, a, &ret->create, e);
	if (r == 0)
		r = plan_rootfs(o, ret, e);
	return r;
}
