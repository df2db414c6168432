/* SPDX-License-Identifier: MIT */
/*
 * One entry of a layer's tar: its names, marks, bounds and content, into the name tree and the
 * EROFS writer. Trusts nothing; what libarchive says is checked here again. Runs in
 * imaged --unpack.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/devnum.h"
#include "layer_unpack.h"

#define WHITEOUT      ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPQ  ".wh..wh..opq"

#define NSEC 1000000000L

static int add_xattrs(struct unpack *u, struct archive_entry *entry, bool user_too, struct err *e)
{
	const char *name;
	const void *value;
	size_t size;
	int r = 0;

	erofs_xattr_reset(&u->xattrs);
	archive_entry_xattr_reset(entry);
	while (!r && archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		/* xattr(7): user.* only on files and directories */
		if (name && (user_too || strncmp(name, "user.", 5) != 0))
			r = erofs_xattr_add(&u->xattrs, name, value, size, e);
	}
	return r;
}

/* libarchive 3.6 reads the pax time -1.25 as seconds -1 and nanoseconds +250,000,000. */
static void get_mtime(struct archive_entry *entry, struct erofs_attr *ret)
{
	int64_t sec = archive_entry_mtime(entry);
	long nsec = archive_entry_mtime_nsec(entry);

	if (nsec < 0 || nsec >= NSEC)
		nsec = 0;
	if (sec < 0 && sec > INT64_MIN && nsec > 0) {
		sec--;
		nsec = NSEC - nsec;
	}
	ret->mtime = sec;
	ret->mtime_nsec = (uint32_t)nsec;
}

static int get_attr(struct archive_entry *entry, struct erofs_attr *ret, struct err *e)
{
	int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

	/* (uid_t)-1 means "unchanged" to chown(2) */
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_set(e, EINVAL, "owner out of range");
	*ret = (struct erofs_attr){
		.mode = (uint16_t)(archive_entry_filetype(entry) |
				   (archive_entry_perm(entry) & 07777)),
		.uid = (uint32_t)uid,
		.gid = (uint32_t)gid,
	};
	get_mtime(entry, ret);
	return 0;
}

static int claim_size(struct unpack *u, int64_t size, struct err *e)
{
	if (size < 0)
		return err_set(e, EBADMSG, "negative size");
	if ((uint64_t)size > u->limits->max_unpacked - u->unpacked)
		return err_set(e, E2BIG, "unpacks to more than %llu MiB",
			(unsigned long long)(u->limits->max_unpacked >> 20));
	u->unpacked += (uint64_t)size;
	return 0;
}

/* One piece of content, after the hole before it. */
static int put_piece(struct unpack *u, int64_t *at, int64_t size, const void *p, size_t n,
	int64_t offset, struct err *e)
{
	int r;

	if (offset < *at || offset > size || (uint64_t)(size - offset) < n)
		return err_set(e, EBADMSG, "damaged sparse map");
	r = erofs_data_skip(u->image, (uint64_t)(offset - *at), e);
	if (!r)
		r = erofs_data_append(u->image, p, n, e);
	*at = offset + (int64_t)n;
	return r;
}

static int put_content(struct unpack *u, struct archive_entry *entry, struct err *e)
{
	int64_t size = archive_entry_size(entry), at = 0, offset = 0;
	const void *p = NULL;
	size_t n = 0;
	int r = claim_size(u, size, e);

	while (!r) {
		u->budget = LAYER_DATA_BYTES;
		r = archive_read_data_block(u->tar, &p, &n, &offset);
		if (r == ARCHIVE_EOF)
			return erofs_data_skip(u->image, (uint64_t)(size - at), e);
		r = r == ARCHIVE_OK ? put_piece(u, &at, size, p, n, offset, e)
				    : layer_tar_failed(u, e);
	}
	return r;
}

static int new_node(struct unpack *u, enum erofs_type type, const char *target,
	struct erofs_node **ret, struct err *e)
{
	*ret = erofs_node_new(u->tree, type, target);
	return *ret ? 0 : erofs_tree_no_memory(u->tree, e);
}

static int put_inode(struct unpack *u, struct erofs_place at, struct archive_entry *entry,
	enum erofs_type type, const char *target, struct err *e)
{
	struct erofs_node *node;
	struct erofs_attr attr;
	int r = get_attr(entry, &attr, e);

	if (!r)
		r = add_xattrs(u, entry, type == EROFS_REG, e);
	if (!r)
		r = new_node(u, type, target, &node, e);
	if (!r && type == EROFS_REG)
		r = put_content(u, entry, e);
	if (!r && target)
		r = erofs_data_append(u->image, target, strlen(target), e);
	if (!r)
		r = erofs_inode_put(u->image, &attr, erofs_xattr_view(&u->xattrs),
			archive_entry_rdev(entry), node, e);
	return r ? r : erofs_tree_put(u->tree, at, node, NULL, e);
}

static int put_dir(
	struct unpack *u, struct erofs_place at, struct archive_entry *entry, struct err *e)
{
	struct erofs_attr attr;
	int r = get_attr(entry, &attr, e);

	if (!r)
		r = add_xattrs(u, entry, true, e);
	return r ? r : erofs_tree_put_dir(u->tree, at, &attr, erofs_xattr_view(&u->xattrs), e);
}

static int put_symlink(
	struct unpack *u, struct erofs_place at, struct archive_entry *entry, struct err *e)
{
	const char *target = archive_entry_symlink(entry);

	if (!target || !*target)
		return err_set(e, EINVAL, "symbolic link without a target");
	if (strlen(target) >= u->limits->max_path)
		return err_set(e, ENAMETOOLONG, "symbolic link too long");
	return put_inode(u, at, entry, EROFS_LNK, target, e);
}

static int put_device(struct unpack *u, struct erofs_place at, struct archive_entry *entry,
	enum erofs_type type, struct err *e)
{
	if (archive_entry_rdevmajor(entry) > DEVICE_MAJOR_MAX ||
		archive_entry_rdevminor(entry) > DEVICE_MINOR_MAX)
		return err_set(e, EINVAL, "device number out of range");
	return put_inode(u, at, entry, type, NULL, e);
}

static int defer_link(struct unpack *u, struct erofs_place at, struct err *e)
{
	size_t len = strlen(u->target) + 1;
	struct pending *p = erofs_tree_alloc(u->tree, sizeof(*p) + len);

	if (!p)
		return erofs_tree_no_memory(u->tree, e);
	memcpy(p->target, u->target, len);
	*u->pending_end = p;
	u->pending_end = &p->next;
	return erofs_tree_put(u->tree, at, NULL, &p->name, e);
}

static int put_hardlink(struct unpack *u, struct erofs_place at, const char *target, struct err *e)
{
	struct erofs_node *node;
	int r;

	if (strlen(target) >= u->limits->max_path)
		return err_set(e, ENAMETOOLONG, "hard link too long");
	r = erofs_path_clean(target, u->target, e);
	if (r)
		return err_prefix(e, "hard link");
	node = erofs_tree_find(u->tree, u->target);
	if (!node)
		return defer_link(u, at, e);
	if (node->type == EROFS_DIR)
		return err_set(e, EPERM, "hard link to a directory");
	return erofs_tree_put(u->tree, at, node, NULL, e);
}

static int put_whiteout(struct unpack *u, struct erofs_place at, struct err *e)
{
	const char *hidden = at.base + strlen(WHITEOUT);

	if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		return err_set(e, EINVAL, "whiteout of nothing");
	at.base = hidden;
	return erofs_tree_whiteout(u->tree, at, e);
}

static int put_node(
	struct unpack *u, struct erofs_place at, struct archive_entry *entry, struct err *e)
{
	const char *link = archive_entry_hardlink(entry);

	if (link)
		return put_hardlink(u, at, link, e);
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return put_inode(u, at, entry, EROFS_REG, NULL, e);
	case AE_IFDIR:
		return put_dir(u, at, entry, e);
	case AE_IFLNK:
		return put_symlink(u, at, entry, e);
	case AE_IFCHR:
		return put_device(u, at, entry, EROFS_CHR, e);
	case AE_IFBLK:
		return put_device(u, at, entry, EROFS_BLK, e);
	case AE_IFIFO:
		return put_inode(u, at, entry, EROFS_FIFO, NULL, e);
	default:
		return err_set(e, EINVAL, "unknown type of entry");
	}
}

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Names that begin with .wh. are marks. Below .wh..wh.* lies aufs' own bookkeeping, which tools of
 * old left in layers; nothing else may lie below a mark. */
static int check_parents(const char *path, bool *ret_skip, struct err *e)
{
	const char *slash;

	*ret_skip = false;
	for (; (slash = strchr(path, '/')); path = slash + 1) {
		if (starts_with(path, WHITEOUT_META))
			*ret_skip = true;
		else if (starts_with(path, WHITEOUT))
			return err_set(e, EINVAL, "entry below a whiteout");
	}
	if (starts_with(path, WHITEOUT_META) && strcmp(path, WHITEOUT_OPQ) != 0)
		*ret_skip = true;
	return 0;
}

static int apply_clean(struct unpack *u, struct archive_entry *entry, struct err *e)
{
	struct erofs_place at;
	bool skip;
	int r = check_parents(u->path, &skip, e);

	if (r || skip)
		return r;
	r = erofs_tree_place(u->tree, u->path, &at, e);
	if (r)
		return r;
	if (strcmp(at.base, WHITEOUT_OPQ) == 0)
		at.dir->opaque = true;
	else if (starts_with(at.base, WHITEOUT))
		return put_whiteout(u, at, e);
	else
		return put_node(u, at, entry, e);
	return 0;
}

/* "usr/bin/x: reason", the name shortened from the left and made printable. */
int layer_name_entry(const char *path, struct err *e)
{
	size_t len = strlen(path);
	char text[80];
	char *p;

	snprintf(text, sizeof(text), "%s%s", len > 70 ? "..." : "",
		len > 70 ? path + len - 70 : path);
	for (p = text; *p; p++) {
		if (*p < 0x20 || *p >= 0x7f)
			*p = '?';
	}
	return err_prefix(e, "%s", text);
}

int layer_apply(struct unpack *u, struct archive_entry *entry, struct err *e)
{
	const char *path = archive_entry_pathname(entry);
	int r;

	if (!path || !*path)
		return err_set(e, EINVAL, "entry without a name");
	if (u->entries++ == u->limits->max_entries)
		return err_set(e, E2BIG, "more than %u entries", u->limits->max_entries);
	if (strlen(path) >= u->limits->max_path)
		r = err_set(e, ENAMETOOLONG, "path longer than %u bytes", u->limits->max_path);
	else
		r = erofs_path_clean(path, u->path, e);
	if (!r)
		r = apply_clean(u, entry, e);
	/* What concerns the layer as a whole names no entry. */
	if (r && !u->stream_failed && r != -E2BIG && r != -ENOMEM && r != -ENOSPC && r != -EDQUOT)
		return layer_name_entry(path, e);
	return r;
}
