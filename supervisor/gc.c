/* SPDX-License-Identifier: MIT */
/*
 * Making room on the disk; see gc.h. The supervisor knows what is needed, imaged what is there.
 */
#include "gc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "engine.h"

#define MARK_MAX   32
#define COLLECT_MS 60000

static int parse_mark(const char *text, size_t n, uint64_t *ret, bool *ret_percent)
{
	char one[MARK_MAX];

	if (n == 0 || n >= sizeof(one))
		return -EINVAL;
	memcpy(one, text, n);
	one[n] = '\0';
	*ret_percent = one[n - 1] == '%';
	if (!*ret_percent)
		return num_parse_size(one, ret);
	one[n - 1] = '\0';
	return num_parse_u64(one, 1, 100, ret);
}

int gc_parse(const char *text, struct gc_marks *ret, struct err *e)
{
	size_t n = text ? strcspn(text, ",") : 0;
	bool low_percent;

	*ret = (struct gc_marks){0};
	if (!text)
		return 0;
	if (text[n] != ',' || parse_mark(text, n, &ret->high, &ret->percent) < 0 ||
		parse_mark(text + n + 1, strlen(text + n + 1), &ret->low, &low_percent) < 0 ||
		low_percent != ret->percent)
		return err_set(e, EINVAL,
			"\"%.64s\" is no two marks of one kind, such as 85%%,75%% or 20g,15g",
			text);
	return ret->low < ret->high
		       ? 0
		       : err_set(e, EINVAL, "\"%.64s\": the second mark is not below the first",
				 text);
}

static void on_collected(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct image_collected *m = msg;
	char size[16];

	(void)arg;
	(void)f;
	if (e)
		log_warn("making room on the disk: %s", e->text);
	else if (m->images > 0)
		log_info("%u images removed, %s", m->images, num_format_size(m->freed, size));
}

void gc_collect(struct engine *g)
{
	_cleanup_arena_ struct arena a = {0};
	struct image_collect m = {.high = g->gc.high, .low = g->gc.low, .percent = g->gc.percent};

	if (g->gc.high == 0 || !helper_chan(g, H_IMAGED) || images_in_use(g, &a, &m.in_use) < 0)
		return;
	helper_request(g, H_IMAGED, MSG_image_collect, &m, COLLECT_MS, on_collected, g);
}
