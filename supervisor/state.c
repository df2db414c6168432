/* SPDX-License-Identifier: MIT */
/*
 * The mirror on disk: STATE/containers/<id>/state holds the record (struct container as msgpack),
 * replaced by rename at every change of status; log/ beside it belongs to the shim. Trusted:
 * written by nobody else.
 */
#include "engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"

#define RECORD_MAX (4U << 20)

void state_record(const struct ctr *c, struct container *ret)
{
	*ret = (struct container){.id = c->id,
		.name = c->name,
		.image_id = c->image_id[0] ? c->image_id : NULL,
		.owner = c->owner,
		.owner_gid = c->owner_gid,
		.slot = c->slot,
		.uid_base = c->slot ? c->engine->o->uid_base + c->slot * UID_RANGE : 0,
		.created_at = c->created_at,
		.status = ctr_status_name(c),
		.pid = c->status == CTR_RUNNING ? c->pid : 0,
		.exit_code = c->exit_code,
		.oom_killed = c->oom_killed,
		.error = c->error[0] ? c->error : NULL,
		.started_at = c->started_at,
		.finished_at = c->finished_at,
		.create = c->create.obj,
		.config = c->config.obj,
		.spec = c->spec.obj,
		.endpoint = c->endpoint.obj,
		.in_force = c->in_force.obj,
		.restart_count = c->restart.count,
		.restart_pause = c->restart.pause_ms,
		.stopped = c->restart.stopped,
		.restart_again = c->restart.again,
		.health = c->health.obj,
		.health_state = c->check ? &c->check->state : NULL};
}

int state_save(struct ctr *c, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	_cleanup_fd_ int dir = -1;
	struct container rec;
	size_t n;
	int r;

	state_record(c, &rec);
	r = codec_encode(&schema_container, &rec, RECORD_MAX, NULL, &buf, &n, e);
	if (r < 0)
		return r;
	dir = openat(c->engine->state, c->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(e, errno, "state of %.12s", c->id);
	r = fd_replace_file_at(dir, "state", buf, n, 0600);
	return r < 0 ? err_errno(e, r, "state of %.12s", c->id) : 0;
}

int state_make_dir(struct ctr *c, struct err *e)
{
	char log[ID_LEN + 8];

	snprintf(log, sizeof(log), "%s/log", c->id);
	if (mkdirat(c->engine->state, c->id, 0700) < 0)
		return err_errno(e, errno, "state of %.12s", c->id);
	/* Its owner reads the files through a descriptor; nobody reaches it by path. */
	if (mkdirat(c->engine->state, log, 0700) < 0 ||
		fchmodat(c->engine->state, log, 0755, 0) < 0) {
		int r = err_errno(e, errno, "log of %.12s", c->id);

		state_remove(c, NULL);
		return r;
	}
	return 0;
}

/* 0 also if there is no such directory. */
static int remove_files(int parent, const char *name)
{
	_cleanup_fd_ int dir =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = dir >= 0 ? fdopendir(dup(dir)) : NULL;
	struct dirent *de;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 &&
			unlinkat(dir, de->d_name, 0) < 0)
			r = -errno;
	closedir(d);
	if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

static int remove_dirs(int state, const char *id)
{
	char log[ID_LEN + 8];
	int r;

	snprintf(log, sizeof(log), "%.64s/log", id);
	r = remove_files(state, log);
	return r < 0 ? r : remove_files(state, id);
}

int state_remove(struct ctr *c, struct err *e)
{
	int r = remove_dirs(c->engine->state, c->id);

	return r < 0 ? err_errno(e, r, "removing the record") : 0;
}

int state_open_log(const struct ctr *c, struct err *e)
{
	char log[ID_LEN + 8];
	int fd;

	snprintf(log, sizeof(log), "%s/log", c->id);
	fd = openat(c->engine->state, log, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_errno(e, errno, "log of %.12s", c->id) : fd;
}

/* struct posix_acl_xattr_header and _entry (linux/posix_acl_xattr.h), little endian. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[5];
};

int state_open_log_for_shim(const struct ctr *c, struct err *e)
{
	const uint32_t none = UINT32_MAX;
	/* owner, the shim, group, mask, others: acl(5) */
	const struct acl acl = {2, {{0x01, 7, none}, {0x02, 7, c->engine->o->uid_base + c->slot},
					   {0x04, 5, none}, {0x10, 7, none}, {0x20, 5, none}}};
	_cleanup_fd_ int fd = state_open_log(c, e);

	if (fd < 0)
		return fd;
	if (fsetxattr(fd, "system.posix_acl_access", &acl, sizeof(acl), 0) == 0)
		return take_fd(&fd);
	if (errno != EOPNOTSUPP)
		return err_errno(e, errno, "log of %.12s", c->id);
	/* Without ACLs its owner can write there too: his own log is all that he can spoil. */
	if (fchmod(fd, 0777) < 0)
		return err_errno(e, errno, "log of %.12s", c->id);
	return take_fd(&fd);
}

static enum ctr_status parse_status(const char *s)
{
	if (strcmp(s, "running") == 0 || strcmp(s, "paused") == 0)
		return CTR_RUNNING;
	if (strcmp(s, "restarting") == 0)
		return CTR_RESTARTING;
	return strcmp(s, "exited") == 0 || strcmp(s, "removing") == 0 ? CTR_EXITED : CTR_CREATED;
}

static void copy_text(char *to, size_t n, const char *from)
{
	snprintf(to, n, "%s", from ? from : "");
}

static int restore(struct ctr *c, const struct container *rec, struct err *e)
{
	const struct {
		struct doc *doc;
		const struct schema *schema;
		const void *src;
	} docs[] = {{&c->create, &schema_create, rec->create},
		{&c->config, &schema_image_config, rec->config},
		{&c->spec, &schema_spec, rec->spec},
		{&c->endpoint, &schema_endpoint, rec->endpoint},
		{&c->in_force, &schema_limits, rec->in_force},
		{&c->health, &schema_health, rec->health}};
	int r = 0;

	copy_text(c->id, sizeof(c->id), rec->id);
	copy_text(c->name, sizeof(c->name), rec->name);
	copy_text(c->image_id, sizeof(c->image_id), rec->image_id);
	copy_text(c->error, sizeof(c->error), rec->error);
	c->owner = rec->owner;
	c->owner_gid = rec->owner_gid;
	c->slot = rec->slot <= SLOT_MAX ? rec->slot : 0;
	c->rootfs_made = c->slot != 0;
	c->status = parse_status(rec->status);
	c->paused = strcmp(rec->status, "paused") == 0;
	c->pid = rec->pid;
	c->exit_code = rec->exit_code;
	c->oom_killed = rec->oom_killed;
	c->created_at = rec->created_at;
	c->started_at = rec->started_at;
	c->finished_at = rec->finished_at;
	c->restart.count = rec->restart_count;
	c->restart.pause_ms = rec->restart_pause;
	c->restart.stopped = rec->stopped;
	c->restart.again = rec->restart_again;
	if (!rec->create)
		return err_set(e, EBADMSG, "the record holds no options");
	for (unsigned int i = 0; i < ARRAY_LEN(docs) && r == 0; i++)
		if (docs[i].src)
			r = doc_copy(docs[i].doc, docs[i].schema, docs[i].src, e);
	health_restore(c, rec->health_state);
	if (c->slot)
		slot_use(c->engine, c->slot, true);
	c->remove_after = ctr_create(c)->autoremove;
	return r;
}

static int load_one(struct engine *g, const char *id, struct err *e)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_free_ char *buf = NULL;
	char path[ID_LEN + 16];
	struct container rec;
	struct ctr *c;
	size_t n;
	int r;

	snprintf(path, sizeof(path), "%.64s/state", id);
	r = fd_read_file_at(g->state, path, RECORD_MAX, &buf, &n);
	if (r < 0)
		return err_errno(e, r, "%s", path);
	r = codec_decode(&schema_container, (uint8_t *)buf, n, NULL, 0, &arena, &rec, e);
	if (r == 0 && strcmp(rec.id, id) != 0)
		r = err_set(e, EBADMSG, "%s holds the record of another container", path);
	if (r < 0)
		return r;
	c = ctr_new(g);
	r = restore(c, &rec, e);
	if (r < 0)
		ctr_free(c);
	return r;
}

/* The table is newest first, a directory in no order. */
static void sort_newest_first(struct engine *g)
{
	struct ctr *sorted = NULL;

	while (g->ctrs) {
		struct ctr *c = g->ctrs, **at = &sorted;

		g->ctrs = c->next;
		while (*at && (*at)->created_at > c->created_at)
			at = &(*at)->next;
		c->next = *at;
		*at = c;
	}
	g->ctrs = sorted;
}

/* Neither record nor log: it was being made, or removed. */
static int remove_blank(int state, const char *id)
{
	char log[ID_LEN + 8];

	snprintf(log, sizeof(log), "%.64s/log", id);
	if (unlinkat(state, log, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return remove_files(state, id);
}

int state_load(struct engine *g, struct err *e)
{
	DIR *d = fdopendir(dup(g->state));
	struct dirent *de;

	if (!d)
		return err_errno(e, errno, "reading the state directory");
	rewinddir(d); /* the descriptor is the launcher's, a predecessor may have read on it */
	while ((de = readdir(d))) {
		struct err why = {0};

		if (strlen(de->d_name) != ID_LEN || load_one(g, de->d_name, &why) == 0)
			continue;
		if (why.code == ENOENT && remove_blank(g->state, de->d_name) == 0)
			log_info(
				"container %.12s was being made or removed: its directory is removed",
				de->d_name);
		else
			log_error("container %.12s is left alone, its state can't be read: %s",
				de->d_name, why.text);
	}
	closedir(d);
	sort_newest_first(g);
	return 0;
}
