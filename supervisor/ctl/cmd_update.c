/* SPDX-License-Identifier: MIT */
/*
 * update: other limits for containers, of those that run at once.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "limit_flags.h"

struct update_options {
	struct limit_words limits;
	const char *restart;
};

static const struct flag update_flags[] = {
	LIMIT_FLAGS(update_options),
	{"restart", 0, FLAG_STRING, offsetof(struct update_options, restart), check_restart,
		"POLICY", "no, on-failure[:N], always or unless-stopped"},
	{.kind = FLAG_END},
};

/* A word that comes to nothing, 0 or -1, takes away what was said before. */
static int add_lifted(const struct limit_words *w, const struct limits *l, struct arena *a,
	struct strv *ret, struct err *e)
{
	static const struct {
		size_t word, field; /* the field has 8 bytes */
		const char *name;
	} rows[] = {
#define LIFTS(word, field)                                                                         \
	{offsetof(struct limit_words, word), offsetof(struct limits, field), #field}
		LIFTS(memory, memory),
		LIFTS(memory_swap, memory_swap),
		LIFTS(memory_reservation, memory_reservation),
		LIFTS(cpus, cpu_quota),
		LIFTS(cpus, cpu_period),
		LIFTS(cpu_quota, cpu_quota),
		LIFTS(cpu_period, cpu_period),
		LIFTS(cpu_shares, cpu_shares),
		LIFTS(blkio_weight, blkio_weight),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *word;
		uint64_t v;

		memcpy(&word, (const char *)w + rows[i].word, sizeof(word));
		memcpy(&v, (const char *)l + rows[i].field, sizeof(v));
		if (word && v == 0 && strv_append(a, ret, rows[i].name) < 0)
			return err_set(e, ENOMEM, "out of memory");
	}
	return 0;
}

static const void *fill(void *arg, const char *ref)
{
	struct container_update *m = arg;

	m->ref = ref;
	return m;
}

static int cmd_update(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	struct update_options *o = options;
	struct container_update m = {0};
	const struct each each = {MSG_container_update, fill, NULL, &m};
	struct restart_words restart;
	struct limits limits;
	bool any;
	int r;

	o->limits.host_cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	o->limits.update = true;
	r = parse_limits(&o->limits, &c->arena, &limits, &any, e);
	if (r == 0)
		r = add_lifted(&o->limits, &limits, &c->arena, &m.lifted, e);
	if (r == 0 && o->restart)
		r = parse_restart(o->restart, &restart, e);
	if (r < 0)
		return r;
	any = any || m.lifted.n > 0;
	if (!any && !o->restart)
		return err_set(e, EINVAL, "nothing to update; see ctl update --help");
	m.limits = any ? &limits : NULL;
	m.restart = o->restart ? restart.name : NULL;
	m.restart_max = o->restart ? restart.max : 0;
	r = ctl_connect(c, e);
	return r < 0 ? r : ctl_request_each(c, operands, &each, e);
}

const struct command command_update = {"update", "CONTAINER…", "Change limits of containers",
	update_flags, sizeof(struct update_options), 1, UINT32_MAX, false, EXIT_OBJECT, cmd_update};
