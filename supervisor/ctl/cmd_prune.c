/* SPDX-License-Identifier: MIT */
/*
 * container prune, image prune and system prune: what nobody needs goes, once the caller has said
 * so.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/util.h"
#include "container.h"
#include "parse.h"
#include "table.h"
#include "words.h"

struct prune_options {
	bool force, all;
	struct strv filter;
};

static int check_prune_filter(const char *s, struct err *e)
{
	uint64_t t;

	if (strncmp(s, "until=", 6) == 0)
		return parse_time(s + 6, words_now(), &t, e);
	if ((strncmp(s, "label=", 6) == 0 && s[6]) || (strncmp(s, "label!=", 7) == 0 && s[7]))
		return 0;
	return err_set(
		e, EINVAL, "\"%.64s\" is no filter: until=TIME, label=KEY[=VALUE], label!=…", s);
}

#define AT(field) offsetof(struct prune_options, field)
#define FORCE                                                                                      \
	{                                                                                          \
		"force", 'f', FLAG_BOOL, AT(force), NULL, NULL, "don't ask"                        \
	}
#define FILTER                                                                                     \
	{                                                                                          \
		"filter", 0, FLAG_LIST, AT(filter), check_prune_filter, "KEY=VALUE",               \
			"until=TIME (made before), label=, label!="                                \
	}
static const struct flag container_flags[] = {FORCE, FILTER, {.kind = FLAG_END}};
static const struct flag image_flags[] = {FORCE, FILTER,
	{"all", 'a', FLAG_BOOL, AT(all), NULL, NULL, "those with a name too"}, {.kind = FLAG_END}};
static const struct flag system_flags[] = {FORCE, FILTER,
	{"all", 'a', FLAG_BOOL, AT(all), NULL, NULL, "images with a name too"},
	{"volumes", 0, FLAG_LATER, 0, NULL, NULL, NULL}, {.kind = FLAG_END}};
#undef AT

static bool passes(const struct prune_options *o, uint64_t made, const struct strv *labels)
{
	struct err e;

	for (uint32_t i = 0; i < o->filter.n; i++) {
		const char *f = o->filter.v[i];
		uint64_t until;

		if (f[0] == 'u' &&
			(parse_time(f + 6, words_now(), &until, &e) < 0 || made >= until))
			return false;
		if (f[0] == 'l' && f[5] == '=' && !has_label(labels, f + 6))
			return false;
		if (f[0] == 'l' && f[5] == '!' && has_label(labels, f + 7))
			return false;
	}
	return true;
}

static bool confirm(const struct prune_options *o, const char *warning)
{
	char answer[16] = "";

	if (o->force)
		return true;
	printf("%s\nAre you sure you want to continue? [y/N] ", warning);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

struct pruning {
	struct ctl *c;
	const struct prune_options *o;
	struct strv refs;
	struct strv needed; /* images of containers that the caller sees */
	struct container_remove remove;
	bool told;
};

static int keep(struct pruning *p, const char *text)
{
	const char *copy = arena_strdup(&p->c->arena, text);

	return copy ? strv_append(&p->c->arena, &p->refs, copy) : -ENOMEM;
}

/* ---- containers ---- */

static int take_container(void *arg, const struct container_row *row)
{
	struct pruning *p = arg;

	if (strcmp(row->status, "exited") != 0 && strcmp(row->status, "created") != 0)
		return 0;
	return passes(p->o, row->created_at, &row->labels) ? keep(p, row->id) : 0;
}

static const void *fill_remove(void *arg, const char *ref)
{
	struct pruning *p = arg;

	p->remove = (struct container_remove){.ref = ref};
	return &p->remove;
}

/* One that somebody has removed or started meanwhile is none of ours any more. */
static int on_removed(void *arg, const char *ref, int r)
{
	struct pruning *p = arg;

	if (r == 0 && !p->told)
		puts("Deleted Containers:");
	p->told = p->told || r == 0;
	if (r == 0)
		puts(ref);
	return r == -ENOENT || r == -EBUSY ? 1 : r;
}

static int prune_containers(struct ctl *c, const struct prune_options *o, struct err *e)
{
	struct pruning p = {.c = c, .o = o};
	const struct each each = {MSG_container_remove, fill_remove, on_removed, &p};
	int r = container_each(c, true, take_container, &p, e);

	if (r == 0)
		r = ctl_request_each(c, &p.refs, &each, e);
	if (p.told)
		putchar('\n');
	return r;
}

/* ---- images ---- */

static int take_needed(void *arg, const struct container_row *row)
{
	struct pruning *p = arg;
	const char *id = row->image_id ? arena_strdup(&p->c->arena, row->image_id) : NULL;

	return row->image_id ? (id ? strv_append(&p->c->arena, &p->needed, id) : -ENOMEM) : 0;
}

static int take_image(void *arg, const struct image *image)
{
	static const struct strv none;
	struct pruning *p = arg;
	uint64_t made = image->pulled_at;
	struct err e;

	for (uint32_t i = 0; i < p->needed.n; i++)
		if (strcmp(p->needed.v[i], image->id) == 0)
			return 0;
	if (image->refs.n > 0 && !p->o->all)
		return 0;
	if (image->config && image->config->created)
		(void)parse_time(image->config->created, words_now(), &made, &e);
	return passes(p->o, made, image->config ? &image->config->labels : &none)
		       ? keep(p, image->id)
		       : 0;
}

/* The engine knows of more containers than the caller sees: what they need stays. */
static int remove_image(struct pruning *p, const char *id)
{
	const struct image_remove m = {.ref = id, .force = true};
	_cleanup_incoming_ struct incoming in = {0};
	const struct image_removed *gone = &in.msg.removed;
	struct err e = {0};
	char text[600];
	int r = client_call(&p->c->engine, MSG_image_remove, &m, CLIENT_DEADLINE, &in, &e);

	if (r == -ENOENT || r == -EBUSY)
		return 0;
	if (r < 0) {
		ctl_complain(p->c, &e);
		return EXIT_OBJECT;
	}
	if (!p->told)
		puts("Deleted Images:");
	p->told = true;
	for (uint32_t i = 0; i < gone->untagged.n; i++)
		printf("untagged: %s\n", table_visible(gone->untagged.v[i], text, sizeof(text)));
	for (uint32_t i = 0; i < gone->deleted.n; i++)
		printf("deleted: %s\n", table_visible(gone->deleted.v[i], text, sizeof(text)));
	return 0;
}

static int prune_images(struct ctl *c, const struct prune_options *o, struct err *e)
{
	struct pruning p = {.c = c, .o = o};
	int r = container_each(c, true, take_needed, &p, e);

	if (r == 0)
		r = image_each(c, take_image, &p, e);
	for (uint32_t i = 0; i < p.refs.n && r >= 0; i++)
		r |= remove_image(&p, p.refs.v[i]);
	if (p.told)
		putchar('\n');
	return r;
}

/* ---- the commands ---- */

static int usage(struct ctl *c, uint64_t *ret, struct err *e)
{
	const struct container_usage containers = {0};
	const struct image_usage images = {0};
	_cleanup_incoming_ struct incoming one = {0}, other = {0};
	int r = client_call(&c->engine, MSG_image_usage, &images, CLIENT_DEADLINE, &one, e);

	if (r == 0)
		r = client_call(&c->engine, MSG_container_usage, &containers, 0, &other, e);
	*ret = r < 0 ? 0 : one.msg.image_usage.bytes + other.msg.container_usage.bytes;
	return r;
}

typedef int (*prune_fn)(struct ctl *c, const struct prune_options *o, struct err *e);

static int prune(struct ctl *c, const struct prune_options *o, const char *warning,
	const prune_fn *fns, struct err *e)
{
	uint64_t before, after;
	int r, code = 0;
	char size[16];

	if (!confirm(o, warning))
		return 0;
	r = ctl_connect(c, e);
	if (r == 0)
		r = usage(c, &before, e);
	for (; r >= 0 && *fns; fns++) {
		r = (*fns)(c, o, e);
		code |= r > 0 ? r : 0;
	}
	if (r >= 0)
		r = usage(c, &after, e);
	if (r < 0)
		return r;
	printf("Total reclaimed space: %s\n",
		num_format_size(before > after ? before - after : 0, size));
	return code;
}

static int cmd_container_prune(
	struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	static const prune_fn fns[] = {prune_containers, NULL};

	(void)operands;
	return prune(c, options, "WARNING! This will remove all stopped containers.", fns, e);
}

static int cmd_image_prune(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	static const prune_fn fns[] = {prune_images, NULL};
	const struct prune_options *o = options;

	(void)operands;
	return prune(c, o,
		o->all ? "WARNING! This will remove all images without at least one container associated to them."
		       : "WARNING! This will remove all dangling images.",
		fns, e);
}

static int cmd_system_prune(
	struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	static const prune_fn fns[] = {prune_containers, prune_images, NULL};
	const struct prune_options *o = options;

	(void)operands;
	return prune(c, o,
		o->all ? "WARNING! This will remove:\n  - all stopped containers\n  - all images without at least one container associated to them"
		       : "WARNING! This will remove:\n  - all stopped containers\n  - all dangling images",
		fns, e);
}

const struct command command_container_prune = {"container prune", "", "Remove stopped containers",
	container_flags, sizeof(struct prune_options), 0, 0, false, EXIT_OBJECT,
	cmd_container_prune};
const struct command command_image_prune = {"image prune", "", "Remove images that nobody needs",
	image_flags, sizeof(struct prune_options), 0, 0, false, EXIT_OBJECT, cmd_image_prune};
const struct command command_system_prune = {"system prune", "",
	"Remove stopped containers, and images that nobody needs", system_flags,
	sizeof(struct prune_options), 0, 0, false, EXIT_OBJECT, cmd_system_prune};
