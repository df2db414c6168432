/* SPDX-License-Identifier: MIT */
/*
 * The judgement over an image file; see erofs_judge.h. Compares numbers at fixed places and follows
 * none of them.
 */
#include "erofs_judge.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "erofs_format.h"

/* The kernel grants a read lease on a file that nobody has open, or mapped, for writing (fcntl(2),
 * F_SETLEASE): whoever holds a writable descriptor, a dying process included, makes it fail. */
static int check_writers(int file, struct err *e)
{
	if (fcntl(file, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN
			       ? err_set(e, EBUSY, "its image can still be written to")
			       : err_errno(e, errno,
					 "asking who else has its image open (see fs.leases-enable)");
	fcntl(file, F_SETLEASE, F_UNLCK);
	return 0;
}

/* Of all that EROFS can be. No feature_incompat bit: no second device, of which Linux 6.1 opens
 * whatever path the image names (erofs_init_device()), no compression but the oldest. */
static bool is_ours(const struct erofs_super_block *sb, uint64_t bytes)
{
	static const uint8_t zeros[sizeof(sb->reserved)];

	return le32toh(sb->magic) == EROFS_MAGIC &&
	       le32toh(sb->feature_compat) == (EROFS_COMPAT_SB_CHKSUM | EROFS_COMPAT_MTIME) &&
	       sb->feature_incompat == 0 && sb->block_bits == EROFS_BLOCK_BITS &&
	       sb->ext_slots == 0 && sb->meta_block == 0 && sb->xattr_block == 0 &&
	       le32toh(sb->blocks) == bytes >> EROFS_BLOCK_BITS &&
	       memcmp(sb->reserved, zeros, sizeof(zeros)) == 0;
}

int erofs_whole(int file, struct err *e)
{
	struct erofs_super_block sb;
	struct stat st;

	if (fstat(file, &st) < 0)
		return err_errno(e, errno, "its image");
	if (!S_ISREG(st.st_mode) || st.st_size % EROFS_BLOCK ||
		pread(file, &sb, sizeof(sb), EROFS_SUPER_OFFSET) != (ssize_t)sizeof(sb) ||
		!is_ours(&sb, (uint64_t)st.st_size))
		return err_set(e, EBADMSG, "its image is not of the kind that unpacking makes");
	return 0;
}

int erofs_judge(int file, uint64_t bytes, struct err *e)
{
	struct stat st;
	int r = check_writers(file, e);

	if (r < 0)
		return r;
	if (fstat(file, &st) < 0)
		return err_errno(e, errno, "its image");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != bytes || bytes % EROFS_BLOCK)
		return err_set(e, EBADMSG, "its image is not as long as the unpack worker says");
	return erofs_whole(file, e);
}
