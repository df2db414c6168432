/* SPDX-License-Identifier: MIT */
/*
 * The image config, strictly typed: from JSON to struct image. Labels and everything else in it are
 * data that select nothing on the host. How many strings there may be, and how long, is
 * proto/documents.def's to say: encoding the reply checks it.
 */
#include "manifest.h"

#include <errno.h>
#include <string.h>

#include "json.h"

/* Where the strings go, and the first failure. */
struct reader {
	struct arena *arena;
	struct err *e;
};

static int no_memory(struct reader *rd)
{
	return err_set(rd->e, E2BIG, "the image config holds more than fits in memory");
}

static int keep(struct reader *rd, const char *text, const char **ret)
{
	*ret = text ? arena_strdup(rd->arena, text) : NULL;
	return text && !*ret ? no_memory(rd) : 0;
}

static int read_string(struct reader *rd, const json_t *obj, const char *key, const char **ret)
{
	const char *text;
	int r = json_get_string(obj, key, &text, rd->e);

	return r < 0 ? r : keep(rd, text && *text ? text : NULL, ret);
}

static int strv_alloc(struct reader *rd, size_t n, struct strv *ret)
{
	ret->n = 0;
	ret->v = arena_alloc(rd->arena, n * sizeof(*ret->v));
	return ret->v || n == 0 ? 0 : no_memory(rd);
}

/* ["a", "b"] */
static int read_strings(struct reader *rd, const json_t *obj, const char *key, struct strv *ret)
{
	const json_t *list;
	int r = json_get_array(obj, key, &list, rd->e);

	if (r == 0)
		r = strv_alloc(rd, json_array_size(list), ret);
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text)
			return err_set(
				rd->e, EBADMSG, "\"%s\" holds something that is not a string", key);
		r = keep(rd, text, &ret->v[ret->n++]);
	}
	return r;
}

/* {"a": {}, "b": {}}, a set in Go's spelling */
static int read_keys(struct reader *rd, const json_t *obj, const char *key, struct strv *ret)
{
	const json_t *set, *value;
	const char *name;
	int r = json_get_object(obj, key, &set, rd->e);

	if (r == 0)
		r = strv_alloc(rd, json_object_size(set), ret);
	if (r < 0)
		return r;
	json_object_foreach((json_t *)(uintptr_t)set, name, value)
	{
		if (!json_is_object(value) && !json_is_null(value))
			return err_set(rd->e, EBADMSG, "\"%s\" is not a set of names", key);
		r = keep(rd, name, &ret->v[ret->n++]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* {"key": "value"} as "key=value" */
static int read_pairs(struct reader *rd, const json_t *obj, const char *key, struct strv *ret)
{
	const json_t *map, *value;
	const char *name;
	int r = json_get_object(obj, key, &map, rd->e);

	if (r == 0)
		r = strv_alloc(rd, json_object_size(map), ret);
	if (r < 0)
		return r;
	json_object_foreach((json_t *)(uintptr_t)map, name, value)
	{
		size_t n = strlen(name);
		char *pair;

		if (!json_is_string(value))
			return err_set(
				rd->e, EBADMSG, "\"%s\" holds something that is not a string", key);
		pair = arena_alloc(rd->arena, n + 1 + json_string_length(value) + 1);
		if (!pair)
			return no_memory(rd);
		memcpy(pair, name, n);
		pair[n] = '=';
		strcpy(pair + n + 1, json_string_value(value));
		ret->v[ret->n++] = pair;
	}
	return 0;
}

static int check_env(const struct strv *env, struct err *e)
{
	for (uint32_t i = 0; i < env->n; i++) {
		const char *eq = strchr(env->v[i], '=');

		if (!eq || eq == env->v[i])
			return err_set(
				e, EBADMSG, "\"Env\" holds something that is not NAME=value");
	}
	return 0;
}

/* docker's: OCI knows no checks, and keeps what it does not know. */
static int read_health(struct reader *rd, const json_t *c, struct health **ret)
{
	const json_t *h;
	struct health *to;
	uint64_t retries;

	if (json_get_object(c, "Healthcheck", &h, rd->e) < 0)
		return -EBADMSG;
	if (!h)
		return 0;
	*ret = to = arena_alloc(rd->arena, sizeof(*to));
	if (!to)
		return no_memory(rd);
	if (read_strings(rd, h, "Test", &to->test) < 0 ||
		json_get_u64(h, "Interval", &to->interval, rd->e) < 0 ||
		json_get_u64(h, "Timeout", &to->timeout, rd->e) < 0 ||
		json_get_u64(h, "StartPeriod", &to->start_period, rd->e) < 0 ||
		json_get_u64(h, "StartInterval", &to->start_interval, rd->e) < 0 ||
		json_get_u64(h, "Retries", &retries, rd->e) < 0)
		return -EBADMSG;
	if (retries > INT32_MAX)
		return err_set(rd->e, EBADMSG, "\"Retries\" is too large");
	to->retries = (uint32_t)retries;
	return 0;
}

static int read_settings(struct reader *rd, const json_t *c, struct image_config *ret)
{
	if (read_strings(rd, c, "Entrypoint", &ret->entrypoint) < 0 ||
		read_strings(rd, c, "Cmd", &ret->cmd) < 0 ||
		read_strings(rd, c, "Env", &ret->env) < 0 ||
		read_string(rd, c, "User", &ret->user) < 0 ||
		read_string(rd, c, "WorkingDir", &ret->workdir) < 0 ||
		read_string(rd, c, "StopSignal", &ret->stop_signal) < 0 ||
		read_keys(rd, c, "Volumes", &ret->volumes) < 0 ||
		read_keys(rd, c, "ExposedPorts", &ret->exposed) < 0 ||
		read_pairs(rd, c, "Labels", &ret->labels) < 0 ||
		read_health(rd, c, &ret->health) < 0)
		return -EBADMSG;
	return check_env(&ret->env, rd->e);
}

/* One diff id a layer, in the same order. */
static int read_layers(
	struct reader *rd, const json_t *root, const struct manifest *m, struct image *ret)
{
	const json_t *rootfs, *ids;
	struct layer *layers;
	int r = json_get_object(root, "rootfs", &rootfs, rd->e);

	if (r == 0)
		r = json_get_array(rootfs, "diff_ids", &ids, rd->e);
	if (r < 0)
		return r;
	if (json_array_size(ids) != m->n_layers)
		return err_set(rd->e, EBADMSG, "%zu diff_ids for %u layers", json_array_size(ids),
			m->n_layers);
	layers = arena_alloc(rd->arena, m->n_layers * sizeof(*layers));
	if (!layers)
		return no_memory(rd);
	for (uint32_t i = 0; r == 0 && i < m->n_layers; i++) {
		const char *id = json_string_value(json_array_get(ids, i));

		if (!digest_valid(id))
			return err_set(rd->e, EBADMSG,
				"diff_id %u is not sha256: and 64 hex digits", i + 1);
		layers[i].size = m->layers[i].size;
		if (keep(rd, id, &layers[i].diff_id) < 0 ||
			keep(rd, m->layers[i].digest, &layers[i].digest) < 0)
			return -E2BIG;
		r = keep(rd, m->layers[i].media_type, &layers[i].media_type);
	}
	ret->layers.v = layers;
	ret->layers.n = m->n_layers;
	return r;
}

static int check_platform(const json_t *root, const struct platform *want, struct err *e)
{
	char have[PLATFORM_TEXT_MAX], wanted[PLATFORM_TEXT_MAX];
	const char *os, *arch, *variant;
	struct platform p;

	if (json_get_string(root, "os", &os, e) < 0 ||
		json_get_string(root, "architecture", &arch, e) < 0 ||
		json_get_string(root, "variant", &variant, e) < 0)
		return -EBADMSG;
	if (platform_set(&p, os, arch, variant) < 0)
		return err_set(e, EBADMSG, "it doesn't say what platform it is for");
	if (!platform_score(want, &p))
		return err_set(e, ENOEXEC, "the image is for %s, not for %s",
			platform_text(&p, have), platform_text(want, wanted));
	return 0;
}

static int read_config(struct reader *rd, const json_t *root, struct image_config *ret)
{
	const json_t *settings;

	if (json_get_object(root, "config", &settings, rd->e) < 0 ||
		read_string(rd, root, "architecture", &ret->architecture) < 0 ||
		read_string(rd, root, "os", &ret->os) < 0 ||
		read_string(rd, root, "created", &ret->created) < 0)
		return -EBADMSG;
	return settings ? read_settings(rd, settings, ret) : 0;
}

int manifest_read_config(const char *buf, size_t n, const struct manifest *m,
	const struct platform *want, struct arena *a, struct image *ret, struct err *e)
{
	_cleanup_json_ json_t *root = json_read("the image config", buf, n, e);
	struct reader rd = {a, e};
	struct image_config *config;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!root)
		return -EBADMSG;
	config = arena_alloc(a, sizeof(*config));
	if (!config)
		return no_memory(&rd);
	r = check_platform(root, want, e);
	if (r == 0)
		r = read_config(&rd, root, config);
	if (r == 0)
		r = read_layers(&rd, root, m, ret);
	if (r == 0)
		r = keep(&rd, m->next.digest, &ret->id);
	if (r < 0)
		return r == -ENOEXEC ? r : err_prefix(e, "the image config");
	ret->config = config;
	return 0;
}
