/* SPDX-License-Identifier: MIT */
/*
 * A container as docker's inspect shows it; see render.h.
 */
#include "render.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "container.h"
#include "format.h"
#include "mounts.h"
#include "parse.h"
#include "words.h"

static const struct image_config no_config;
static const struct create no_create;

static const struct create *create_of(const struct container *c)
{
	return c->create ? c->create : &no_create;
}

static const struct image_config *config_of(const struct container *c)
{
	return c->config ? c->config : &no_config;
}

static void put_time(json_t *j, const char *key, uint64_t ns)
{
	char text[64];

	words_time(ns, text);
	render_text(j, key, text);
}

static int64_t count(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static json_t *render_state(const struct container *c)
{
	bool up = container_is_up(c->status);
	json_t *j = json_object();

	render_text(j, "Status", c->status);
	render_bool(j, "Running", up);
	render_bool(j, "Paused", strcmp(c->status, "paused") == 0);
	render_bool(j, "Restarting", strcmp(c->status, "restarting") == 0);
	render_bool(j, "OOMKilled", c->oom_killed);
	render_bool(j, "Dead", false);
	render_number(j, "Pid", c->pid);
	render_number(j, "ExitCode", c->exit_code);
	render_text(j, "Error", c->error);
	render_number(j, "MemoryPeak", count(c->memory_peak));
	render_number(j, "PidsLimitHits", count(c->pids_hits));
	json_object_set_new(j, "DevicesAllowed", render_strings(&c->devices));
	put_time(j, "StartedAt", c->started_at);
	put_time(j, "FinishedAt", c->finished_at);
	if (c->health_state)
		json_object_set_new(j, "Health", render_health_state(c->health_state));
	return j;
}

static const char *propagation_of(const struct mount *m)
{
	return m->options && strstr(m->options, "slave") ? "rslave" : "rprivate";
}

static json_t *render_mounts(const struct create *o)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < o->mounts.n; i++) {
		const struct mount *m = &o->mounts.v[i];
		bool bind = mount_is(m, "bind");
		json_t *j;

		if (mount_is(m, "device"))
			continue;
		j = json_object();
		render_text(j, "Type", m->kind);
		render_text(j, "Source", bind ? m->source : "");
		render_text(j, "Destination", m->target);
		render_text(j, "Mode", bind ? (m->readonly ? "ro" : "") : m->options);
		render_bool(j, "RW", !m->readonly);
		render_text(j, "Propagation", bind ? propagation_of(m) : "");
		json_array_append_new(list, j);
	}
	return list;
}

/* The user's words count before the image's. */
static json_t *render_entrypoint(const struct container *c)
{
	const struct create *o = create_of(c);

	return render_strings(o->entrypoint_set ? &o->entrypoint : &config_of(c)->entrypoint);
}

static json_t *render_cmd(const struct container *c)
{
	const struct create *o = create_of(c);

	return render_strings(o->argv.n > 0 || o->entrypoint_set ? &o->argv : &config_of(c)->cmd);
}

static json_t *render_env(const struct container *c)
{
	json_t *j;

	if (c->spec)
		return render_strings(&c->spec->env);
	j = render_strings(&config_of(c)->env);
	if (!json_is_array(j))
		j = json_array();
	for (uint32_t i = 0; i < create_of(c)->env.n; i++)
		json_array_append_new(j, json_text(create_of(c)->env.v[i]));
	return j;
}

static const char *stop_signal_of(const struct container *c, char buf[40])
{
	uint32_t n = create_of(c)->stop_signal;
	const char *name = n ? signal_name(n) : NULL;

	if (!n)
		return config_of(c)->stop_signal ? config_of(c)->stop_signal : "SIGTERM";
	if (name)
		snprintf(buf, 40, "SIG%s", name);
	else
		snprintf(buf, 40, "%u", n);
	return buf;
}

static const char *first_of(const char *a, const char *b)
{
	return a ? a : b;
}

static json_t *render_config(const struct container *c)
{
	const struct image_config *im = config_of(c);
	const struct create *o = create_of(c);
	char stop[40], host[13];
	json_t *j = json_object();

	snprintf(host, sizeof(host), "%.12s", c->id);
	render_text(j, "Hostname", first_of(c->spec ? c->spec->hostname : o->hostname, host));
	render_text(j, "Domainname", o->domainname);
	render_text(j, "User", first_of(o->user, im->user));
	render_bool(j, "AttachStdin", o->stdin_open && !o->detach);
	render_bool(j, "AttachStdout", !o->detach);
	render_bool(j, "AttachStderr", !o->detach);
	json_object_set_new(j, "ExposedPorts", render_keys(&im->exposed));
	render_bool(j, "Tty", o->tty);
	render_bool(j, "OpenStdin", o->stdin_open);
	render_bool(j, "StdinOnce", o->stdin_open && !o->detach);
	json_object_set_new(j, "Env", render_env(c));
	json_object_set_new(j, "Cmd", render_cmd(c));
	render_text(j, "Image", first_of(o->image, o->rootfs));
	json_object_set_new(j, "Volumes", render_keys(&im->volumes));
	render_text(j, "WorkingDir", first_of(o->workdir, im->workdir));
	json_object_set_new(j, "Entrypoint", render_entrypoint(c));
	json_object_set_new(j, "Labels", render_pairs(&im->labels, &o->labels));
	render_text(j, "StopSignal", stop_signal_of(c, stop));
	if (c->health)
		json_object_set_new(j, "Healthcheck", render_health(c->health));
	if (o->stop_timeout_set)
		render_number(j, "StopTimeout", o->stop_timeout);
	return j;
}

static void put_command(json_t *j, const struct container *c)
{
	const struct strv *argv = c->spec ? &c->spec->argv : &create_of(c)->argv;
	const struct strv rest = {argv->n ? argv->v + 1 : NULL, argv->n ? argv->n - 1 : 0};
	json_t *args = render_strings(&rest);

	render_text(j, "Path", argv->n ? argv->v[0] : "");
	json_object_set_new(j, "Args", json_is_null(args) ? json_array() : args);
}

json_t *render_container(const struct container *c)
{
	char name[160];
	json_t *j = json_object();

	snprintf(name, sizeof(name), "/%s", c->name);
	render_text(j, "Id", c->id);
	put_time(j, "Created", c->created_at);
	put_command(j, c);
	json_object_set_new(j, "State", render_state(c));
	render_text(j, "Image", c->image_id);
	render_text(j, "LogPath", c->log_path);
	render_text(j, "Name", name);
	render_number(j, "RestartCount", c->restart_count);
	render_text(j, "Driver", "overlay");
	render_text(j, "Platform", "linux");
	render_number(j, "UidBase", c->uid_base);
	render_number(j, "Owner", c->owner);
	json_object_set_new(j, "HostConfig", render_host_config(c));
	json_object_set_new(j, "Mounts", render_mounts(create_of(c)));
	json_object_set_new(j, "Config", render_config(c));
	json_object_set_new(j, "NetworkSettings", render_network(c));
	return j;
}
