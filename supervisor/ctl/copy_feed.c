/* SPDX-License-Identifier: MIT */
/*
 * A stranger's tar archive, by libarchive, to the one form that goes into a container; see copy.h.
 * Names are bytes: libarchive can't convert those that a pax header has in UTF-8 to the C locale,
 * warns, and hands them out as they are. Converting would load code (iconv), so it is told that it
 * can't from the start: --wrap in the Makefile.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "copy.h"
#include "pax.h"

#define CHUNK 65536
#define NSEC  1000000000L

struct feed {
	struct archive *in;
	struct archive_entry *entry;
	struct pax_writer *out;
	struct pax_entry x;
	struct pax_piece *pieces;
};

iconv_t __wrap_iconv_open(const char *to, const char *from);
iconv_t __wrap_iconv_open(_unused_ const char *to, _unused_ const char *from)
{
	errno = EINVAL;
	return (iconv_t)-1;
}

static int failed(const struct feed *f, struct err *e)
{
	const char *text = archive_error_string(f->in);

	if (text && strstr(text, "Unrecognized archive format"))
		return err_set(e, EBADMSG, "stdin: no tar archive");
	return err_set(e, EBADMSG, "stdin: %s", text ? text : "a damaged archive");
}

/* libarchive 3.6 reads the pax time -1.25 as seconds -1 and nanoseconds +250,000,000. */
static struct timespec time_of(struct archive_entry *entry)
{
	struct timespec t = {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)};

	if (t.tv_nsec < 0 || t.tv_nsec >= NSEC)
		t.tv_nsec = 0;
	if (t.tv_sec < 0 && t.tv_nsec > 0) {
		t.tv_sec--;
		t.tv_nsec = NSEC - t.tv_nsec;
	}
	return t;
}

static char type_of(struct archive_entry *entry)
{
	static const struct {
		mode_t mode;
		char type;
	} types[] = {{AE_IFREG, PAX_FILE}, {AE_IFDIR, PAX_DIR}, {AE_IFLNK, PAX_SYMLINK},
		{AE_IFCHR, PAX_CHAR}, {AE_IFBLK, PAX_BLOCK_DEVICE}, {AE_IFIFO, PAX_FIFO}};

	if (archive_entry_hardlink(entry))
		return PAX_HARDLINK;
	for (unsigned int i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].mode == archive_entry_filetype(entry))
			return types[i].type;
	return '?'; /* the other side complains of it by name */
}

static void add_xattrs(struct feed *f)
{
	struct pax_xattr *x = f->x.xattrs;

	archive_entry_xattr_reset(f->entry);
	while (f->x.n_xattrs < PAX_XATTRS_MAX &&
		archive_entry_xattr_next(f->entry, &x->name, &x->value, &x->n) == ARCHIVE_OK) {
		x++;
		f->x.n_xattrs++;
	}
}

/* What the archive says of holes stays so. */
static int add_map(struct feed *f, struct err *e)
{
	int n = archive_entry_sparse_reset(f->entry);
	la_int64_t at, length;

	free(f->pieces);
	f->pieces = n > 0 ? calloc((size_t)n, sizeof(*f->pieces)) : NULL;
	if (n <= 0 || (uint32_t)n > PAX_PIECES_MAX)
		return 0;
	if (!f->pieces)
		return err_set(e, ENOMEM, "out of memory");
	while (f->x.n_pieces < (uint32_t)n &&
		archive_entry_sparse_next(f->entry, &at, &length) == ARCHIVE_OK)
		f->pieces[f->x.n_pieces++] = (struct pax_piece){(uint64_t)at, (uint64_t)length};
	f->x.pieces = f->pieces;
	return 0;
}

static int describe(struct feed *f, struct err *e)
{
	int64_t uid = archive_entry_uid(f->entry), gid = archive_entry_gid(f->entry);
	const char *name = archive_entry_pathname(f->entry);
	const char *hard = archive_entry_hardlink(f->entry);

	if (!name || !*name)
		return err_set(e, EBADMSG, "stdin: an entry without a name");
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX ||
		archive_entry_size(f->entry) < 0)
		return err_set(e, EBADMSG, "stdin: %s: an owner or a size out of range", name);
	f->x = (struct pax_entry){.type = type_of(f->entry),
		.name = name,
		.link = hard ? hard : archive_entry_symlink(f->entry),
		.mode = archive_entry_perm(f->entry) & 07777,
		.uid = (uid_t)uid,
		.gid = (gid_t)gid,
		.mtime = time_of(f->entry),
		.device = archive_entry_rdev(f->entry)};
	if (f->x.type == PAX_FILE)
		f->x.size = (uint64_t)archive_entry_size(f->entry);
	add_xattrs(f);
	return f->x.type == PAX_FILE ? add_map(f, e) : 0;
}

/* Zeros where the archive has holes and the map has none: a map that nobody believed. */
static int put_zeros(struct feed *f, uint64_t n, struct err *e)
{
	static const char zeros[CHUNK];
	int r = 0;

	for (; n > 0 && r == 0; n -= MIN(n, (uint64_t)CHUNK))
		r = pax_put(f->out, zeros, (size_t)MIN(n, (uint64_t)CHUNK), e);
	return r;
}

/* The n bytes at `at`, which libarchive hands out in blocks with holes between. */
static int put_contents(struct feed *f, struct err *e)
{
	const struct pax_piece all = {0, f->x.size};
	const struct pax_piece *v = f->x.pieces ? f->x.pieces : &all;
	uint32_t n = f->x.pieces ? f->x.n_pieces : 1;
	char buf[CHUNK];
	uint64_t at = 0;
	la_ssize_t got;
	int r = 0;

	for (uint32_t i = 0; i < n && r == 0; i++) {
		/* archive_read_data(3) fills holes with zeros: they are read, and dropped. */
		while (r == 0 && at < v[i].at + v[i].n) {
			bool hole = at < v[i].at;
			uint64_t end = hole ? v[i].at : v[i].at + v[i].n;

			got = archive_read_data(
				f->in, buf, (size_t)MIN(end - at, (uint64_t)sizeof(buf)));
			if (got < 0)
				return failed(f, e);
			if (got == 0)
				return put_zeros(f, hole ? v[i].n : end - at, e);
			if (!hole)
				r = pax_put(f->out, buf, (size_t)got, e);
			at += (uint64_t)got;
		}
	}
	return r;
}

static int open_in(struct feed *f, struct err *e)
{
	struct archive *a = f->in = archive_read_new();

	if (a && archive_read_support_format_tar(a) == ARCHIVE_OK &&
		archive_read_support_filter_gzip(a) == ARCHIVE_OK &&
		archive_read_support_filter_bzip2(a) == ARCHIVE_OK &&
		archive_read_support_filter_xz(a) == ARCHIVE_OK &&
		archive_read_support_filter_zstd(a) == ARCHIVE_OK)
		return archive_read_open_fd(a, STDIN_FILENO, CHUNK) == ARCHIVE_OK ? 0
										  : failed(f, e);
	return err_set(e, ENOMEM, "out of memory");
}

static int next(struct feed *f, struct err *e)
{
	int r = archive_read_next_header(f->in, &f->entry);
	const char *text = r == ARCHIVE_WARN ? archive_error_string(f->in) : NULL;

	if (r == ARCHIVE_EOF)
		return 0;
	if (r == ARCHIVE_OK || (text && strstr(text, "can't be converted")))
		return 1;
	return failed(f, e);
}

static int feed_all(struct feed *f, struct err *e)
{
	int r = open_in(f, e);

	if (r < 0)
		return r;
	while ((r = next(f, e)) == 1) {
		r = describe(f, e);
		if (r == 0)
			r = pax_put_entry(f->out, &f->x, e);
		if (r == 0 && f->x.type == PAX_FILE)
			r = put_contents(f, e);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : pax_put_end(f->out, e);
}

int copy_feed(void *arg, int verdict, struct err *e)
{
	const struct copy_feed *c = arg;
	struct feed f = {.out = pax_writer_new(c->to)};
	int r;

	(void)verdict;
	if (!f.out)
		return err_set(e, ENOMEM, "out of memory");
	log_open("ctl", LOG_ERROR);
	r = priv_enter(&profile_feed, geteuid(), getegid(), e);
	if (r == 0)
		r = sandbox_enter(&profile_feed, NULL, false, e);
	if (r == 0)
		r = feed_all(&f, e);
	archive_read_free(f.in);
	pax_writer_free(&f.out);
	free(f.pieces);
	return r;
}
