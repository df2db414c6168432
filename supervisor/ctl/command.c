/* SPDX-License-Identifier: MIT */
/*
 * What every command does alike: reaching the engine, and complaining; see command.h.
 */
#include "command.h"

#include <stdio.h>
#include <string.h>

#include "base/priv.h"
#include "table.h"

int ctl_connect(struct ctl *c, struct err *e)
{
	int r = client_open(&c->engine, c->socket, e);

	if (r < 0) {
		c->unreachable = true;
		return r;
	}
	return priv_drop_all(e);
}

int ctl_exit_code(const struct err *e, int other)
{
	return e->code == ERR_NO_COMMAND || e->code == ERR_NOT_EXECUTABLE ? e->code - 4096 : other;
}

/* Whether the sentence names it as a word of its own. */
static bool tells(const char *text, const char *object)
{
	static const char around[] = " \"':,;";
	size_t n = strlen(object);

	for (const char *p = text; n > 0 && (p = strstr(p, object)); p++)
		if ((p == text || strchr(around, p[-1])) && strchr(around, p[n]))
			return true;
	return false;
}

void ctl_complain(const struct ctl *c, const struct err *e)
{
	const char *object = c->object && !tells(e->text, c->object) ? c->object : NULL;
	char text[4 * ERR_TEXT_MAX + 1];

	table_visible(e->text, text, sizeof(text));
	fflush(stdout);
	fprintf(stderr, "ctl: %s%s%s: %s\n", c->command, object ? " " : "", object ? object : "",
		text);
}

void ctl_warn(const struct ctl *c, const char *warning)
{
	char text[4 * ERR_TEXT_MAX + 1];

	table_visible(warning, text, sizeof(text));
	fprintf(stderr, "ctl: %s: warning: %s\n", c->command, text);
}

int ctl_for_each(struct ctl *c, const struct strv *operands, void *options,
	int (*fn)(struct ctl *c, void *options, const char *ref, struct err *e))
{
	int code = 0;

	for (uint32_t i = 0; i < operands->n; i++) {
		struct err e = {0};

		if (fn(c, options, operands->v[i], &e) == 0)
			continue;
		ctl_complain(c, &e);
		code = EXIT_OBJECT;
	}
	return code;
}

#define IN_FLIGHT 16

static int take_answer(struct ctl *c, const struct each *each, const char *ref, struct incoming *in)
{
	struct err why = {0};
	int r = in->frame.type == MSG_failed ? client_failure(&in->msg.failed, &why) : 0;

	if (each->answer)
		r = each->answer(each->arg, ref, r);
	else if (r == 0)
		puts(ref);
	if (r != 0)
		ctl_complain(c, &why);
	return r < 0 ? EXIT_OBJECT : 0;
}

int ctl_request_each(struct ctl *c, const struct strv *refs, const struct each *each, struct err *e)
{
	uint32_t first = c->engine.last_id + 1, sent = 0, answered = 0, id;
	int r, code = 0;

	while (answered < refs->n) {
		_cleanup_incoming_ struct incoming in = {0};

		if (sent < refs->n && sent - answered < IN_FLIGHT) {
			r = client_send(&c->engine, each->type,
				each->fill(each->arg, refs->v[sent]), &id, e);
			if (r < 0)
				return r;
			sent++;
			continue;
		}
		r = client_receive(&c->engine, &in, e);
		if (r < 0)
			return r;
		if (msg_row(in.frame.type)->kind != REPLY || in.frame.id - first >= sent)
			continue;
		code |= take_answer(c, each, refs->v[in.frame.id - first], &in);
		answered++;
	}
	return code;
}
