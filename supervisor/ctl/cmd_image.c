/* SPDX-License-Identifier: MIT */
/*
 * pull, images and rmi.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/util.h"
#include "container.h"
#include "format.h"
#include "parse.h"
#include "pull.h"
#include "reference.h"
#include "rows.h"
#include "table.h"
#include "words.h"

struct pull_options {
	bool quiet;
	const char *platform;
};
static const struct flag pull_flags[] = {
	{"quiet", 'q', FLAG_BOOL, offsetof(struct pull_options, quiet), NULL, NULL, "no progress"},
	{"platform", 0, FLAG_STRING, offsetof(struct pull_options, platform), check_platform,
		"OS/ARCH", "which image of several"},
	{"all-tags", 'a', FLAG_LATER, 0, NULL, NULL, NULL},
	{"disable-content-trust", 0, FLAG_LATER, 0, NULL, NULL, NULL},
	{.kind = FLAG_END},
};

static void print_pulled(const struct image_pulled *m, bool quiet)
{
	char ref[600], digest[100];

	table_visible(m->ref, ref, sizeof(ref));
	if (!quiet) {
		if (m->image->digest)
			printf("Digest: %s\n",
				table_visible(m->image->digest, digest, sizeof(digest)));
		printf("Status: %s for %s\n",
			m->fetched ? "Downloaded newer image" : "Image is up to date", ref);
	}
	puts(ref);
}

static int pull_one(struct ctl *c, void *options, const char *ref, struct err *e)
{
	const struct pull_options *o = options;
	const struct pull p = {ref, o->platform, "always", o->quiet};
	_cleanup_incoming_ struct incoming in = {0};
	int r = pull_image(c, &p, &in, e);

	if (r == 0)
		print_pulled(&in.msg.pulled, o->quiet);
	return r;
}

static int cmd_pull(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_for_each(c, operands, options, pull_one);
}

const struct command command_pull = {"pull", "IMAGE…", "Fetch images from their registries",
	pull_flags, sizeof(struct pull_options), 1, UINT32_MAX, false, EXIT_OBJECT, cmd_pull};

struct images_options {
	bool all, quiet, no_trunc, digests;
	const char *format;
	struct strv filter;
};

static int check_image_filter(const char *s, struct err *e)
{
	if (strncmp(s, "reference=", 10) == 0 && s[10])
		return 0;
	return err_set(e, EINVAL, "\"%.64s\" is no filter: reference=PATTERN", s);
}

#define AT(field) offsetof(struct images_options, field)
static const struct flag images_flags[] = {
	{"all", 'a', FLAG_BOOL, AT(all), NULL, NULL, "all images (none are hidden)"},
	{"quiet", 'q', FLAG_BOOL, AT(quiet), NULL, NULL, "ids only"},
	{"no-trunc", 0, FLAG_BOOL, AT(no_trunc), NULL, NULL, "cut nothing short"},
	{"digests", 0, FLAG_BOOL, AT(digests), NULL, NULL, "digests too"},
	{"format", 0, FLAG_STRING, AT(format), check_rows_format, "FORMAT",
		"json, table or a template"},
	{"filter", 'f', FLAG_LIST, AT(filter), check_image_filter, "KEY=VALUE",
		"reference=PATTERN"},
	{.kind = FLAG_END},
};
#undef AT

struct images {
	const struct images_options *o;
	const char *pattern; /* an operand, or NULL */
	json_t *rows;
	uint64_t now;
	char last[81]; /* -q: an image is shown once */
};

static bool pattern_matches(const char *pattern, const struct reference *ref)
{
	char tagged[700];

	snprintf(tagged, sizeof(tagged), "%s:%s", ref->name, ref->tag);
	return fnmatch(pattern, ref->name, FNM_PATHNAME) == 0 ||
	       fnmatch(pattern, tagged, FNM_PATHNAME) == 0;
}

static bool passes(
	const struct images *l, const struct reference *short_form, const struct reference *full)
{
	bool any = l->o->filter.n == 0;

	if (l->pattern && !pattern_matches(l->pattern, short_form) &&
		!pattern_matches(l->pattern, full))
		return false;
	for (uint32_t i = 0; i < l->o->filter.n; i++)
		any = any || pattern_matches(l->o->filter.v[i] + 10, short_form) ||
		      pattern_matches(l->o->filter.v[i] + 10, full);
	return any;
}

static json_t *image_row(
	const struct images *l, const struct image *im, const struct reference *ref)
{
	const char *hex = strchr(im->id, ':');
	char span[32], ago[40], when[64], size[16], short_id[13];
	uint64_t created = im->pulled_at;
	json_t *j = json_object();
	struct err e;

	if (im->config && im->config->created)
		(void)parse_time(im->config->created, l->now, &created, &e);
	table_duration(l->now > created ? l->now - created : 0, span);
	snprintf(ago, sizeof(ago), "%s ago", span);
	snprintf(short_id, sizeof(short_id), "%.12s", hex ? hex + 1 : im->id);
	words_time_local(created, when);
	json_object_set_new(j, "Containers", json_text("N/A"));
	json_object_set_new(j, "CreatedAt", json_text(when));
	json_object_set_new(j, "CreatedSince", json_text(ago));
	json_object_set_new(j, "Digest", json_text(im->digest ? im->digest : "<none>"));
	json_object_set_new(j, "ID", json_text(l->o->no_trunc ? im->id : short_id));
	json_object_set_new(j, "Repository", json_text(ref->name));
	json_object_set_new(j, "SharedSize", json_text("N/A"));
	json_object_set_new(j, "Size", json_text(num_format_size(im->size, size)));
	json_object_set_new(j, "Tag", json_text(ref->tag));
	json_object_set_new(j, "UniqueSize", json_text("N/A"));
	json_object_set_new(j, "VirtualSize", json_text(size));
	return j;
}

static int show(struct images *l, const struct image *im, const struct reference *ref)
{
	const char *hex = strchr(im->id, ':');

	if (!l->o->quiet || l->o->format)
		return json_array_append_new(l->rows, image_row(l, im, ref)) < 0 ? -ENOMEM : 0;
	if (strcmp(l->last, im->id) == 0)
		return 0;
	snprintf(l->last, sizeof(l->last), "%s", im->id);
	if (l->o->no_trunc)
		puts(im->id);
	else
		printf("%.12s\n", hex ? hex + 1 : im->id);
	return 0;
}

/* A row a reference; an image that has lost its names is <none>. */
static int take_image(void *arg, const struct image *im)
{
	struct images *l = arg;
	struct reference ref, full;
	int r = 0;

	for (uint32_t i = 0; i < im->refs.n && r == 0; i++) {
		reference_split(im->refs.v[i], false, &full);
		reference_split(im->refs.v[i], true, &ref);
		if (passes(l, &ref, &full))
			r = show(l, im, &ref);
	}
	if (im->refs.n > 0 || l->pattern || l->o->filter.n > 0)
		return r;
	reference_split("<none>:<none>", false, &ref);
	return show(l, im, &ref);
}

static json_t *image_headers(void)
{
	static const char *const names[][2] = {{"Containers", "CONTAINERS"},
		{"CreatedAt", "CREATED AT"}, {"CreatedSince", "CREATED"}, {"Digest", "DIGEST"},
		{"ID", "IMAGE ID"}, {"Repository", "REPOSITORY"}, {"SharedSize", "SHARED SIZE"},
		{"Size", "SIZE"}, {"Tag", "TAG"}, {"UniqueSize", "UNIQUE SIZE"},
		{"VirtualSize", "SIZE"}};
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(j, names[i][0], json_text(names[i][1]));
	return j;
}

static int cmd_images(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct images_options *o = options;
	struct images l = {
		.o = o, .pattern = operands->n ? operands->v[0] : NULL, .now = words_now()};
	struct rows_setup setup = {.format = o->format,
		.columns =
			o->digests
				? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
				: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"};
	int r = ctl_connect(c, e);

	if (r < 0)
		return r;
	l.rows = json_array();
	setup.headers = image_headers();
	r = image_each(c, take_image, &l, e);
	if (r == 0 && (!o->quiet || o->format))
		r = rows_print(&setup, l.rows, e);
	json_decref(setup.headers);
	json_decref(l.rows);
	return r;
}

const struct command command_images = {"images", "[REPOSITORY[:TAG]]", "List images", images_flags,
	sizeof(struct images_options), 0, 1, false, EXIT_OBJECT, cmd_images};

struct rmi_options {
	bool force, no_prune;
};
static const struct flag rmi_flags[] = {
	{"force", 'f', FLAG_BOOL, offsetof(struct rmi_options, force), NULL, NULL,
		"all its names at once; an unknown image is no error"},
	{"no-prune", 0, FLAG_LATER, 0, NULL, NULL, NULL},
	{.kind = FLAG_END},
};

static int rmi_one(struct ctl *c, void *options, const char *ref, struct err *e)
{
	const struct rmi_options *o = options;
	const struct image_remove m = {.ref = ref, .force = o->force};
	_cleanup_incoming_ struct incoming in = {0};
	const struct image_removed *gone = &in.msg.removed;
	char text[600];
	int r = client_call(&c->engine, MSG_image_remove, &m, CLIENT_DEADLINE, &in, e);

	if (r == -ENOENT && o->force) {
		ctl_complain(c, e);
		return 0;
	}
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < gone->untagged.n; i++)
		printf("Untagged: %s\n", table_visible(gone->untagged.v[i], text, sizeof(text)));
	for (uint32_t i = 0; i < gone->deleted.n; i++)
		printf("Deleted: %s\n", table_visible(gone->deleted.v[i], text, sizeof(text)));
	return 0;
}

static int cmd_rmi(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_for_each(c, operands, options, rmi_one);
}

const struct command command_rmi = {"rmi", "IMAGE…", "Remove images", rmi_flags,
	sizeof(struct rmi_options), 1, UINT32_MAX, false, EXIT_OBJECT, cmd_rmi};
