/* SPDX-License-Identifier: MIT */
/*
 * The mirror on disk: STATE/containers/<id>/state holds the record (struct container as msgpack),
 * replaced (keep.h) at every change of status; log/ beside it belongs to the shim. Written by
 * nobody else, but disks fail. What a container that isn't to be removed at its end has in its
 * record is waited for, off the loop; of the others nothing is to be left anyway. A removal begins
 * with another name, so that none is ever half there.
 */
#include "engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/dirents.h"
#include "base/fd.h"
#include "base/keep.h"
#include "saver.h"
#include "seccomp.h"
#include "update.h"

#define RECORD_MAX (4U << 20)
#define STATE_FILE "state"
#define LOG_DIR	   "log"
#define GONE	   ".gone" /* <id>.gone: what is left of one that has been removed */

void state_record(const struct ctr *c, struct container *ret)
{
	const struct create *updated = c->updated.obj;

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
		.memory_peak = c->memory_peak,
		.pids_hits = c->pids_hits,
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
		.removal_asked = c->removal_asked,
		.health = c->health.obj,
		.health_state = c->check ? &c->check->state : NULL,
		.tried = updated ? updated->limits : NULL};
}

/* Whom saver's answer is for: the container may be gone by then. */
struct settling {
	struct engine *engine;
	char id[ID_LEN + 1];
};

static int settle(struct ctr *c, int file, int dir, struct err *e);

static void on_settled(void *arg, const struct err *e)
{
	struct settling *s = arg;
	struct ctr *c = ctr_by_id(s->engine, s->id);
	_cleanup_fd_ int dir = -1, file = -1;
	struct err why = {0};

	free(s);
	if (!c)
		return;
	if (e)
		log_error("container %.12s: %s", c->id, e->text);
	c->settling = false;
	c->placed = c->placed || !e;
	if (c->settle_again) {
		dir = openat(c->engine->state, c->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		file = dir < 0 ? -1 : openat(dir, STATE_FILE, O_RDONLY | O_CLOEXEC);
		if (file >= 0 && settle(c, file, dir, &why) < 0)
			log_error("container %.12s: %s", c->id, why.text);
	}
	if (c->maker)
		create_end(c, e);
}

/* One at a time is enough: what has changed meanwhile is waited for next. */
static int settle(struct ctr *c, int file, int dir, struct err *e)
{
	_cleanup_fd_ int filter = c->placed ? -1 : openat(dir, SECCOMP_FILE, O_RDONLY | O_CLOEXEC);
	const struct save what = {file, dir, c->placed ? -1 : c->engine->state, filter, STATE_FILE};
	struct settling *s;
	int r;

	if (!c->engine->saver || c->remove_after)
		return 0;
	c->settle_again = c->settling;
	if (c->settling)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->engine = c->engine;
	memcpy(s->id, c->id, sizeof(s->id));
	r = saver_put(c->engine->saver, &what, on_settled, s, e);
	c->settling = r == 0;
	if (r < 0)
		free(s);
	return r;
}

int state_save(struct ctr *c, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	_cleanup_fd_ int dir = -1, file = -1;
	struct container rec;
	size_t n;
	int r;

	c->unsaved = true;
	state_record(c, &rec);
	r = codec_encode(&schema_container, &rec, RECORD_MAX, NULL, &buf, &n, e);
	if (r < 0)
		return r;
	dir = openat(c->engine->state, c->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(e, errno, "state of %.12s", c->id);
	r = keep_write(dir, STATE_FILE, buf, n, &file);
	if (r < 0)
		return err_errno(e, r, "state of %.12s", c->id);
	c->unsaved = false;
	return settle(c, file, dir, e);
}

void state_save_or_log(struct ctr *c)
{
	struct err e = {0};

	if (state_save(c, &e) < 0)
		log_error("%s", e.text);
}

void state_save_again(struct engine *g)
{
	for (struct ctr *c = g->ctrs; c; c = c->next) {
		struct err e = {0};

		if (c->unsaved && !c->job && state_save(c, &e) == 0)
			log_info("state of %.12s: written at last", c->id);
	}
}

int state_make_dir(struct ctr *c, struct err *e)
{
	char log[ID_LEN + 8];

	snprintf(log, sizeof(log), "%s/" LOG_DIR, c->id);
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

/* 0 also if there is no such directory. The saver takes earlier records away meanwhile. */
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
			unlinkat(dir, de->d_name, 0) < 0 && errno != ENOENT)
			r = -errno;
	closedir(d);
	if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

static uint64_t bytes_in(int parent, const char *name)
{
	_cleanup_fd_ int dir =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_dirents_ struct dirents *d = dirents_open(dir);
	const char *entry;
	uint64_t sum = 0;
	struct stat st;

	if (dir < 0 || !d || fstat(dir, &st) < 0)
		return 0;
	sum = (uint64_t)st.st_blocks * 512;
	while (dirents_next(d, &entry) == 1)
		if (fstatat(dir, entry, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
			sum += (uint64_t)st.st_blocks * 512;
	return sum;
}

uint64_t state_bytes(const struct ctr *c)
{
	char log[ID_LEN + 8];

	snprintf(log, sizeof(log), "%s/" LOG_DIR, c->id);
	return bytes_in(c->engine->state, c->id) + bytes_in(c->engine->state, log);
}

static int remove_dirs(int state, const char *name)
{
	char log[NAME_MAX + 1];
	int r;

	snprintf(log, sizeof(log), "%.70s/" LOG_DIR, name);
	r = remove_files(state, log);
	return r < 0 ? r : remove_files(state, name);
}

int state_remove(struct ctr *c, struct err *e)
{
	int state = c->engine->state, r;
	char gone[ID_LEN + sizeof(GONE)];

	snprintf(gone, sizeof(gone), "%s" GONE, c->id);
	if (renameat(state, c->id, state, gone) < 0)
		return errno == ENOENT ? 0 : err_errno(e, errno, "removing the record");
	r = remove_dirs(state, gone);
	if (r == 0)
		return 0;
	/* It is not to be lost from sight; where that fails as well the next start removes it. */
	if (renameat(state, gone, state, c->id) < 0)
		log_warn("container %.12s: what is left of it: %s", c->id, strerror(errno));
	return err_errno(e, r, "removing the record");
}

static bool begins_with_id(const char *name)
{
	return strspn(name, "0123456789abcdef") == ID_LEN;
}

bool state_is_id(const char *name)
{
	return begins_with_id(name) && name[ID_LEN] == '\0';
}

bool state_has_dir(const struct engine *g, const char *id)
{
	struct stat st;

	return fstatat(g->state, id, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int state_open_log(const struct ctr *c, struct err *e)
{
	char log[ID_LEN + 8];
	int fd;

	snprintf(log, sizeof(log), "%s/" LOG_DIR, c->id);
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
	c->memory_peak = rec->memory_peak;
	c->pids_hits = rec->pids_hits;
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
	if (r == 0)
		r = ctr_place(c, e);
	if (r == 0 && rec->tried)
		r = update_restore(c, rec->tried, e);
	health_restore(c, rec->health_state);
	if (c->slot)
		slot_use(c->engine, c->slot, true);
	c->removal_asked = rec->removal_asked;
	c->remove_after = c->removal_asked || ctr_create(c)->autoremove;
	return r;
}

/* Nothing was ever in it: its create was cut off before anybody heard of it, or its removal after
 * all else was gone, or it was to be removed at its end anyway. */
static bool is_nothing(int dir, int why)
{
	_cleanup_fd_ int log = -1;
	_cleanup_dirents_ struct dirents *d = NULL;
	const char *name;

	if (why != -ENOENT)
		return why == -ENODATA;
	log = openat(dir, LOG_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (log < 0)
		return errno == ENOENT;
	d = dirents_open(log);
	return d && dirents_next(d, &name) == 0;
}

static int read_record(struct engine *g, const char *id, uint8_t **ret, size_t *n, struct err *e)
{
	_cleanup_fd_ int dir =
		openat(g->state, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = dir < 0 ? -errno : keep_read(dir, STATE_FILE, RECORD_MAX, ret, n);

	if (r == 1)
		log_warn("container %.12s: its last record is damaged, an earlier one is used", id);
	if (r >= 0)
		return 0;
	if (dir < 0 || !is_nothing(dir, r))
		return err_errno(e, r, "its record");
	log_info("container %.12s has never been complete: it is removed", id);
	r = remove_dirs(g->state, id);
	return r < 0 ? err_errno(e, r, "removing its directory") : -ENODATA;
}

static int load_one(struct engine *g, const char *id, struct err *e)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_free_ uint8_t *buf = NULL;
	struct container rec;
	struct ctr *c;
	size_t n;
	int r = read_record(g, id, &buf, &n, e);

	if (r < 0)
		return r;
	r = codec_decode(&schema_container, buf, n, NULL, 0, &arena, &rec, e);
	if (r == 0 && strcmp(rec.id, id) != 0)
		r = err_set(e, EBADMSG, "its record is of another container");
	if (r < 0)
		return r;
	c = ctr_new(g);
	r = restore(c, &rec, e);
	if (r < 0)
		ctr_free(c);
	return r;
}

/* Of a removal that was cut off in its last step. */
static void remove_rest(struct engine *g, const char *name)
{
	int r = remove_dirs(g->state, name);

	if (r < 0)
		log_error("container %.12s: removing its directory: %s", name, strerror(-r));
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

int state_load(struct engine *g, struct err *e)
{
	DIR *d = fdopendir(dup(g->state));
	struct dirent *de;

	if (!d)
		return err_errno(e, errno, "reading the state directory");
	rewinddir(d); /* the descriptor is the launcher's, a predecessor may have read on it */
	while ((de = readdir(d))) {
		struct err why = {0};

		if (begins_with_id(de->d_name) && strcmp(de->d_name + ID_LEN, GONE) == 0)
			remove_rest(g, de->d_name);
		else if (state_is_id(de->d_name) && load_one(g, de->d_name, &why) < 0 && why.code)
			log_error("container %.12s is left alone: %s", de->d_name, why.text);
	}
	closedir(d);
	sort_newest_first(g);
	return 0;
}
