/* SPDX-License-Identifier: MIT */
/*
 * export and both ways of cp: files of the container to a tar stream, or out of one; see visit.h.
 * The container's processes may change what is there meanwhile; paths are theirs and the caller's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tree.h"
#include "visit.h"

static int send(const struct tree_place *from, const char *as, struct err *e)
{
	static const struct tree_pack_options o = {.devices = true};
	_cleanup_pack_ struct tree_pack *p = NULL;
	int r = tree_pack_open(STDOUT_FILENO, &o, &p, e);

	if (r == 0)
		r = tree_pack_add(p, from, as, e);
	return r < 0 ? r : tree_pack_end(p, e);
}

int visit_export(const struct visit *v, struct err *e)
{
	const struct tree_place all = {.kind = TREE_DIR, .dir = v->root, .parent = -1};

	return send(&all, "", e);
}
/* PATH, "follow" or "". */
int visit_copy_out(const struct visit *v, struct err *e)
{
	const char *path = v->args[0];
	_cleanup_place_ struct tree_place from;
	char base[NAME_MAX + 1];
	int r = tree_find(v->root, path, strcmp(v->args[1], "follow") == 0, &from, e);

	if (r == 0 && from.kind == TREE_NOTHING)
		r = err_errno(e, ENOENT, "%s", path);
	if (r == 0)
		r = tree_base_name(path, base, e);
	return r < 0 ? r : send(&from, *base ? base : ".", e);
}

/* ---- in ---- */

static int receive_whole(const struct tree_target *t, const char *path,
	const struct tree_unpack_options *o, struct tree_unpacked *u, struct err *e)
{
	_cleanup_stage_ struct tree_stage stage = TREE_STAGE_NONE;
	int r = tree_stage_open(t->dir, &stage, e);

	if (r < 0)
		return err_prefix(e, "%.96s", path);
	r = tree_unpack(STDIN_FILENO, stage.dir, TREE_STAGE_TOP, t, o, u, e);
	return r < 0 ? r : tree_stage_commit(&stage, t, u, e);
}

static int receive(const struct tree_target *t, const char *path,
	const struct tree_unpack_options *o, struct err *e)
{
	struct tree_unpacked u = {0};
	char text[80];
	int r;

	if (*t->name)
		r = receive_whole(t, path, o, &u, e);
	else
		r = tree_unpack(STDIN_FILENO, t->dir, "", t, o, &u, e);
	if (r < 0 || u.skipped == 0)
		return r;
	snprintf(text, sizeof(text), "%lu devices left out: a container can't have them made",
		u.skipped);
	fd_write_all(STDERR_FILENO, text, strlen(text));
	return 0;
}

/* PATH, the source's base name, "tar" or "tree", "keep" or "root". */
int visit_copy_in(const struct visit *v, struct err *e)
{
	const char *path = v->args[0], *base = v->args[1];
	const bool tar = strcmp(v->args[2], "tar") == 0, keep = strcmp(v->args[3], "keep") == 0;
	const struct tree_unpack_options o = {.any = tar, .keep_owner = keep, .own_by_root = !keep};
	_cleanup_place_ struct tree_place to;
	_cleanup_target_ struct tree_target t = {.owned_dir = -1};
	int r = tree_find(v->root, path, true, &to, e);

	if (r == 0 && tar && to.kind != TREE_DIR)
		r = err_errno(e, to.kind == TREE_NOTHING ? ENOENT : ENOTDIR, "%s", path);
	if (r == 0)
		r = tree_target(&to, path, tar ? "" : base, &t, e);
	return r < 0 ? r : receive(&t, path, &o, e);
}
