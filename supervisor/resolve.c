/* SPDX-License-Identifier: MIT */
/*
 * Options and image config to spec; see resolve.h.
 */
#include "resolve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define ENV_MAX	     8192

static int no_memory(struct err *e)
{
	return err_set(e, ENOMEM, "out of memory");
}

int resolve_argv(const struct create *o, const struct image_config *img, struct arena *a,
	struct strv *ret, struct err *e)
{
	const struct strv none = {0};
	const struct strv *entry = o->entrypoint_set ? &o->entrypoint
				   : img	     ? &img->entrypoint
						     : &none;
	const struct strv *cmd = o->argv.n > 0 || o->entrypoint_set || !img ? &o->argv : &img->cmd;

	ret->n = entry->n + cmd->n;
	if (ret->n == 0)
		return err_set(e, EINVAL, "no command given, and the image has none");
	ret->v = arena_alloc(a, ret->n * sizeof(*ret->v));
	if (!ret->v)
		return no_memory(e);
	for (uint32_t i = 0; i < ret->n; i++)
		ret->v[i] = i < entry->n ? entry->v[i] : cmd->v[i - entry->n];
	if (ret->v[0][0] == '\0')
		return err_set(e, EINVAL, "the command is an empty word");
	return 0;
}

/* A later variable replaces an earlier one of its name and keeps that one's place. */
static void env_put(struct strv *env, const char *var)
{
	size_t n = strcspn(var, "=");

	for (uint32_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], var, n + 1) != 0)
			continue;
		env->v[i] = var;
		return;
	}
	if (env->n < ENV_MAX)
		env->v[env->n++] = var;
}

int resolve_env(const struct create *o, const struct image_config *img, const char *hostname,
	struct arena *a, struct strv *ret, struct err *e)
{
	size_t n = strlen(hostname) + sizeof("HOSTNAME=");
	char *host = arena_alloc(a, n);

	ret->n = 0;
	ret->v = arena_alloc(a, (4 + o->env.n + (img ? img->env.n : 0)) * sizeof(*ret->v));
	if (!ret->v || !host)
		return no_memory(e);
	snprintf(host, n, "HOSTNAME=%s", hostname);
	env_put(ret, DEFAULT_PATH);
	env_put(ret, host);
	if (o->tty)
		env_put(ret, "TERM=xterm");
	for (uint32_t i = 0; img && i < img->env.n; i++)
		if (strchr(img->env.v[i], '='))
			env_put(ret, img->env.v[i]);
	for (uint32_t i = 0; i < o->env.n; i++)
		if (strchr(o->env.v[i], '='))
			env_put(ret, o->env.v[i]);
	return 0;
}

static int resolve_hostname(
	const struct create *o, const char *id, struct arena *a, const char **ret, struct err *e)
{
	char *p = arena_alloc(a, 13);

	if (!p)
		return no_memory(e);
	snprintf(p, 13, "%.12s", id);
	*ret = o->hostname ? o->hostname : p;
	return 0;
}

/* docker: an image's relative directory counts from the root. */
static int resolve_cwd(const struct create *o, const struct image_config *img, struct arena *a,
	const char **ret, struct err *e)
{
	size_t n;
	char *p;

	if (o->workdir && *o->workdir != '/')
		return err_set(e, EINVAL,
			"the working directory \"%.128s\" is not an absolute path", o->workdir);
	*ret = o->workdir ? o->workdir : img && img->workdir ? img->workdir : "/";
	if (**ret == '/')
		return 0;
	n = strlen(*ret) + 2;
	p = arena_alloc(a, n);
	if (!p)
		return no_memory(e);
	snprintf(p, n, "/%s", *ret);
	*ret = p;
	return 0;
}

int resolve_spec(const struct create *o, const struct image_config *img, const char *id,
	struct arena *a, struct spec *ret, struct err *e)
{
	int r;

	*ret = (struct spec){.id = id,
		.user = o->user ? o->user
			: img	? img->user
				: NULL,
		.group_add = o->group_add,
		.domainname = o->domainname,
		.tty = o->tty,
		.stdin_open = o->stdin_open,
		.init = o->init,
		.readonly = o->readonly,
		.host_network = o->network && strcmp(o->network, "host") == 0,
		.volatile_root = o->autoremove,
		.new_privs = o->new_privs,
		.unmask = o->privileged,
		.shm_size = o->shm_size,
		.umask = o->umask_set ? o->umask : 022,
		.oom_score_adj = o->oom_score_adj,
		.sysctls = o->sysctls};
	ret->mounts.v = o->mounts.v;
	ret->mounts.n = o->mounts.n;
	ret->rlimits.v = o->rlimits.v;
	ret->rlimits.n = o->rlimits.n;
	r = resolve_cwd(o, img, a, &ret->cwd, e);
	if (r == 0)
		r = resolve_hostname(o, id, a, &ret->hostname, e);
	if (r == 0)
		r = resolve_argv(o, img, a, &ret->argv, e);
	if (r == 0)
		r = resolve_env(o, img, ret->hostname, a, &ret->env, e);
	if (r == 0)
		r = caps_resolve(o, &ret->caps, e);
	ret->lock_mounts = o->privileged || o->seccomp || ret->caps & 1ULL << CAP_SYS_ADMIN;
	return r;
}
