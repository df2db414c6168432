/* SPDX-License-Identifier: MIT */
/*
 * cp: docker's rules of what goes where. What can be wrong on the caller's side is found before the
 * engine is asked.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "copy.h"
#include "parse.h"
#include "pour.h"
#include "side.h"
#include "visit.h"

struct copy_options {
	bool archive, follow, quiet;
};
#define AT(field) offsetof(struct copy_options, field)
static const struct flag copy_flags[] = {
	{"archive", 'a', FLAG_BOOL, AT(archive), NULL, NULL, "keep users and groups, by number"},
	{"follow-link", 'L', FLAG_BOOL, AT(follow), NULL, NULL,
		"if SRC is a link, copy what it leads to"},
	{"quiet", 'q', FLAG_BOOL, AT(quiet), NULL, NULL, "say nothing of the progress (as it is)"},
	{.kind = FLAG_END},
};
#undef AT

/* One of the two operands. */
struct end {
	const char *container; /* NULL: the caller's own */
	const char *path;
	bool stream; /* "-" */
};

struct copy {
	struct ctl *ctl;
	const struct copy_options *o;
	struct end src, dst;
};

/* docker's: what begins with "." or "/", or has no colon, is the caller's own. */
static int parse_end(struct ctl *c, const char *word, struct end *ret, struct err *e)
{
	const char *colon = *word == '/' || *word == '.' ? NULL : strchr(word, ':');
	char *name;

	*ret = (struct end){.path = word, .stream = strcmp(word, "-") == 0};
	if (!*word)
		return err_set(e, EINVAL, "an empty path");
	if (!colon)
		return 0;
	if (colon == word || !colon[1])
		return err_set(e, EINVAL, "\"%.128s\" is not CONTAINER:PATH", word);
	name = arena_strdup(&c->arena, word);
	if (!name)
		return err_set(e, ENOMEM, "out of memory");
	name[colon - word] = '\0';
	*ret = (struct end){.container = name, .path = colon + 1};
	return 0;
}

static bool ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0;
}

/* Absolute and lexically clean, below `from` if it is relative; the end still says what it said of
 * directories. */
static const char *clean(struct arena *a, const char *from, const char *path, struct err *e)
{
	const char *end = strcmp(path, ".") == 0 || ends_in(path, "/.") ? "/."
			  : ends_in(path, "/")				? "/"
									: "";
	size_t size = strlen(from) + strlen(path) + 4;
	char *whole = arena_alloc(a, size), *out = arena_alloc(a, size);
	const char *cleaned = NULL;

	if (whole && out) {
		snprintf(whole, size, "%s/%s", *path == '/' ? "" : from, path);
		cleaned = path_clean(a, whole);
	}
	if (!cleaned) {
		err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	snprintf(out, size, "%s%s", cleaned, strcmp(cleaned, "/") == 0 ? "" : end);
	return out;
}

/* ---- out of a container ---- */

static int ask_out(struct copy *k, int *ret_near, struct visit *v, struct err *e)
{
	const char **words = arena_alloc(&k->ctl->arena, 2 * sizeof(*words));
	const char *path = clean(&k->ctl->arena, "", k->src.path, e);

	if (!words || !path)
		return err_set(e, ENOMEM, "out of memory");
	words[0] = path;
	words[1] = k->o->follow ? "follow" : "";
	*v = (struct visit){.ref = k->src.container,
		.name = "copy-out",
		.args = {words, 2},
		.far_in = -1,
		.far_out = -1};
	return visit_pipe(true, ret_near, &v->far_out, e);
}

/* The side's end of the pipe is `near`; it runs fn. */
static int run_out(struct copy *k, struct visit *v, const struct side_call *call, struct err *e)
{
	_cleanup_side_ struct side side = SIDE_NONE;
	int r = side_start(&side, call, e);

	if (r == 0)
		r = ctl_connect(k->ctl, e);
	return r < 0 ? r : visit_from(k->ctl, v, &side, e);
}

static int copy_to_stdout(struct copy *k, struct err *e)
{
	_cleanup_fd_ int near = -1;
	struct pour pour = {.path = NULL};
	struct visit v;
	int r;

	if (isatty(STDOUT_FILENO))
		return err_set(e, EINVAL, "an archive is nothing for a terminal: redirect it");
	r = ask_out(k, &near, &v, e);
	pour.from = near;
	return r < 0 ? r
		     : run_out(k, &v, &(struct side_call){pour_out, &pour, &near, v.far_out}, e);
}

static int copy_to_files(struct copy *k, struct err *e)
{
	_cleanup_place_ struct tree_place place = {.dir = -1, .parent = -1};
	_cleanup_target_ struct tree_target target = {.owned_dir = -1};
	struct copy_unpack unpack = {
		.path = k->dst.path, .target = &target, .archive = k->o->archive};
	_cleanup_fd_ int near = -1;
	char base[NAME_MAX + 1];
	struct visit v;
	int r = ask_out(k, &near, &v, e);

	unpack.from = near;
	if (r == 0)
		r = tree_base_name(v.args.v[0], base, e);
	if (r == 0)
		r = tree_find(TREE_OWN_WORLD, k->dst.path, true, &place, e);
	if (r == 0)
		r = tree_target(&place, k->dst.path, base, &target, e);
	return r < 0 ? r
		     : run_out(k, &v, &(struct side_call){copy_unpack, &unpack, &near, v.far_out},
			       e);
}

/* ---- into one ---- */

static int ask_in(struct copy *k, const char *base, int *ret_near, struct visit *v, struct err *e)
{
	const char **words = arena_alloc(&k->ctl->arena, 4 * sizeof(*words));
	const char *path = clean(&k->ctl->arena, "", k->dst.path, e);

	if (!words || !path)
		return err_set(e, ENOMEM, "out of memory");
	words[0] = path;
	words[1] = base;
	words[2] = k->src.stream ? "tar" : "tree";
	words[3] = k->o->archive ? "keep" : "root";
	*v = (struct visit){.ref = k->dst.container,
		.name = "copy-in",
		.args = {words, 4},
		.far_in = -1,
		.far_out = -1};
	return visit_pipe(false, ret_near, &v->far_in, e);
}

static int run_in(struct copy *k, struct visit *v, const struct side_call *call, struct err *e)
{
	_cleanup_side_ struct side side = SIDE_NONE;
	int r = side_start(&side, call, e);

	if (r == 0)
		r = ctl_connect(k->ctl, e);
	return r < 0 ? r : visit_to(k->ctl, v, &side, e);
}

static int copy_from_stdin(struct copy *k, struct err *e)
{
	_cleanup_fd_ int near = -1;
	struct copy_feed feed;
	struct visit v;
	int r = ask_in(k, "", &near, &v, e);

	feed.to = near;
	return r < 0 ? r : run_in(k, &v, &(struct side_call){copy_feed, &feed, &near, v.far_in}, e);
}

static int copy_from_files(struct copy *k, struct err *e)
{
	struct copy_pack pack = {.from = {.dir = -1, .parent = -1}};
	char cwd[PATH_MAX] = "", base[NAME_MAX + 1];
	_cleanup_fd_ int near = -1;
	const char *whole;
	struct visit v;
	int r = tree_find(TREE_OWN_WORLD, k->src.path, k->o->follow, &pack.from, e);

	if (r == 0 && pack.from.kind == TREE_NOTHING)
		r = err_errno(e, ENOENT, "%s", k->src.path);
	if (r == 0 && *k->src.path != '/' && !getcwd(cwd, sizeof(cwd)))
		r = err_errno(e, errno, "the current directory");
	whole = r == 0 ? clean(&k->ctl->arena, cwd, k->src.path, e) : NULL;
	if (r == 0)
		r = whole ? tree_base_name(whole, base, e) : -ENOMEM;
	if (r == 0)
		r = ask_in(k, base, &near, &v, e);
	pack.as = *base ? base : ".";
	pack.to = near;
	if (r == 0)
		r = run_in(k, &v, &(struct side_call){copy_pack, &pack, &near, v.far_in}, e);
	tree_place_free(&pack.from);
	return r;
}

static int cmd_cp(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	struct copy k = {.ctl = c, .o = options};
	int r = parse_end(c, operands->v[0], &k.src, e);

	if (r == 0)
		r = parse_end(c, operands->v[1], &k.dst, e);
	if (r < 0)
		return r;
	if (k.src.container && k.dst.container)
		return err_set(e, EINVAL, "copying between containers is not possible");
	if (!k.src.container && !k.dst.container)
		return err_set(e, EINVAL, "one of the two must be in a container: CONTAINER:PATH");
	c->object = k.src.container ? k.src.container : k.dst.container;
	if (k.src.container)
		return k.dst.stream ? copy_to_stdout(&k, e) : copy_to_files(&k, e);
	return k.src.stream ? copy_from_stdin(&k, e) : copy_from_files(&k, e);
}

const struct command command_cp = {"cp", "CONTAINER:SRC DST|- or SRC|- CONTAINER:DST",
	"Copy files out of a container, or into one", copy_flags, sizeof(struct copy_options), 2, 2,
	false, EXIT_OBJECT, cmd_cp};
