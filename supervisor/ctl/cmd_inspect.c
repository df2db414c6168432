/* SPDX-License-Identifier: MIT */
/*
 * inspect: all that is known of containers and images, as JSON or by a template.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "container.h"
#include "format.h"
#include "render.h"

struct inspect_options {
	const char *format, *type;
};

static int check_type(const char *s, struct err *e)
{
	if (strcmp(s, "container") == 0 || strcmp(s, "image") == 0)
		return 0;
	return err_set(e, EINVAL, "\"%.32s\" is neither container nor image", s);
}

static int check_inspect_format(const char *s, struct err *e)
{
	return strcmp(s, "json") == 0 ? 0 : check_format(s, e);
}

#define AT(field) offsetof(struct inspect_options, field)
static const struct flag inspect_flags[] = {
	{"format", 'f', FLAG_STRING, AT(format), check_inspect_format, "FORMAT",
		"json or a template"},
	{"type", 0, FLAG_STRING, AT(type), check_type, "TYPE", "container or image"},
	{"size", 's', FLAG_LATER, 0, NULL, NULL, NULL},
	{.kind = FLAG_END},
};
#undef AT

static int get_container(struct ctl *c, const char *ref, json_t **ret, struct err *e)
{
	_cleanup_container_ struct container_copy k = {0};
	int r = container_get(c, ref, &k, e);

	if (r == 0)
		*ret = render_container(&k.container);
	return r;
}

static int get_image(struct ctl *c, const char *ref, json_t **ret, struct err *e)
{
	const struct image_inspect m = {.ref = ref};
	_cleanup_incoming_ struct incoming in = {0};
	int r = client_call(&c->engine, MSG_image_inspect, &m, CLIENT_DEADLINE, &in, e);

	if (r == 0)
		*ret = render_image(in.msg.image.image);
	return r;
}

/* Containers before images. */
static int get(struct ctl *c, const struct inspect_options *o, const char *ref, json_t **ret,
	struct err *e)
{
	struct err why;
	int r;

	if (o->type && strcmp(o->type, "image") == 0)
		return get_image(c, ref, ret, e);
	r = get_container(c, ref, ret, e);
	if (r != -ENOENT || o->type)
		return r;
	r = get_image(c, ref, ret, &why);
	if (r == -ENOENT || r == -EINVAL)
		return err_set(e, ENOENT, "no such container or image: %.128s", ref);
	if (r < 0)
		*e = why;
	return r;
}

static int print(const struct inspect_options *o, json_t *all, struct err *e)
{
	bool terminal = isatty(STDOUT_FILENO);
	json_t *one;
	size_t i;

	if (!o->format || strcmp(o->format, "json") == 0) {
		/* On a terminal no byte of a container's may be more than a letter. */
		json_dumpf(all, stdout,
			(o->format ? JSON_COMPACT : JSON_INDENT(4)) |
				(terminal ? JSON_ENSURE_ASCII : 0));
		putchar('\n');
		return 0;
	}
	json_array_foreach(all, i, one)
	{
		int r = format_print(o->format, one, terminal, stdout, e);

		if (r < 0)
			return err_prefix(e, "--format");
		putchar('\n');
	}
	return 0;
}

static int cmd_inspect(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct inspect_options *o = options;
	json_t *all = json_array();
	int r = ctl_connect(c, e), code = 0;

	for (uint32_t i = 0; r == 0 && i < operands->n; i++) {
		struct err why = {0};
		json_t *one = NULL;

		if (get(c, o, operands->v[i], &one, &why) == 0) {
			json_array_append_new(all, one);
			continue;
		}
		ctl_complain(c, &why);
		code = EXIT_OBJECT;
	}
	if (r == 0)
		r = print(o, all, e);
	json_decref(all);
	return r < 0 ? r : code;
}

const struct command command_inspect = {"inspect", "NAME…",
	"All that is known of containers and images", inspect_flags, sizeof(struct inspect_options),
	1, UINT32_MAX, false, EXIT_OBJECT, cmd_inspect};
