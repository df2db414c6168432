/* SPDX-License-Identifier: MIT */
/*
 * The EROFS on-disk format, as far as an uncompressed image needs it. Written from the kernel's
 * description: Documentation/filesystems/erofs.rst and fs/erofs/erofs_fs.h (Linux 6.1; 6.18 reads
 * the same). All numbers are little-endian on disk. Only features that Linux 5.15 already knew are
 * used, so that no feature_incompat bit is ever set.
 */
#pragma once

#include <stdint.h>

#define EROFS_MAGIC	   0xE0F5E1E2u
#define EROFS_SUPER_OFFSET 1024u
#define EROFS_BLOCK_BITS   12u
#define EROFS_BLOCK	   4096u

/* An inode lies at 32 * nid (the metadata area is declared to start at block 0). */
#define EROFS_SLOT	32u
#define EROFS_NAME_MAX	255u
#define EROFS_ROOT_AT	(EROFS_SUPER_OFFSET + 128u)
#define EROFS_ROOT_ROOM (EROFS_BLOCK - EROFS_ROOT_AT)

#define EROFS_COMPAT_SB_CHKSUM 0x1u /* crc32c of the rest of block 0 */
#define EROFS_COMPAT_MTIME     0x2u /* inode times are mtimes */

struct erofs_super_block {
	uint32_t magic;
	uint32_t checksum;
	uint32_t feature_compat;
	uint8_t block_bits;
	uint8_t ext_slots;
	uint16_t root_nid;
	uint64_t inodes;
	uint64_t build_time;
	uint32_t build_time_nsec;
	uint32_t blocks;
	uint32_t meta_block;
	uint32_t xattr_block;
	uint8_t uuid[16];
	uint8_t volume_name[16];
	uint32_t feature_incompat;
	uint8_t reserved[44];
} __attribute__((packed));

/* i_format: bit 0 says 64-byte inode, bits 1-3 the data layout. PLAIN: data in whole blocks from
 * start_block on. INLINE: the last, partial block follows the inode (and its xattrs) instead, and
 * must end in the block in which it begins. */
#define EROFS_EXTENDED_PLAIN  (1u | (0u << 1))
#define EROFS_EXTENDED_INLINE (1u | (2u << 1))

struct erofs_inode {
	uint16_t format;
	uint16_t xattr_count; /* 0, or 1 + bytes of xattr entries / 4 */
	uint16_t mode;
	uint16_t reserved;
	uint64_t size;
	uint32_t start_or_rdev; /* first data block; device number of a device */
	uint32_t ino;		/* for 32-bit stat */
	uint32_t uid;
	uint32_t gid;
	uint64_t mtime; /* two's complement */
	uint32_t mtime_nsec;
	uint32_t nlink;
	uint8_t reserved2[16];
} __attribute__((packed));

/* Directory block: dirents, then their names in the same order, unterminated. The first dirent's
 * name_at / 12 is the number of dirents. Names ascend as unsigned bytes over all blocks; "." and
 * ".." are among them. */
struct erofs_dirent {
	uint64_t nid;
	uint16_t name_at;
	uint8_t type;
	uint8_t reserved;
} __attribute__((packed));

enum erofs_type {
	EROFS_REG = 1,
	EROFS_DIR = 2,
	EROFS_CHR = 3,
	EROFS_BLK = 4,
	EROFS_FIFO = 5,
	EROFS_LNK = 7,
};

/* Between inode and inline tail: this header, then entries, each padded to 4 bytes. */
struct erofs_xattr_header {
	uint32_t name_filter;
	uint8_t shared_count;
	uint8_t reserved[7];
} __attribute__((packed));

struct erofs_xattr_entry {
	uint8_t name_len; /* of the name without its prefix */
	uint8_t prefix;
	uint16_t value_size;
} __attribute__((packed));

enum erofs_xattr_prefix {
	EROFS_XATTR_USER = 1,
	EROFS_XATTR_ACL_ACCESS = 2,
	EROFS_XATTR_ACL_DEFAULT = 3,
	EROFS_XATTR_TRUSTED = 4,
	EROFS_XATTR_SECURITY = 6,
};

_Static_assert(sizeof(struct erofs_super_block) == 128, "super block is 128 bytes on disk");
_Static_assert(sizeof(struct erofs_inode) == 64, "extended inode is 64 bytes on disk");
_Static_assert(sizeof(struct erofs_dirent) == 12, "dirent is 12 bytes on disk");
_Static_assert(sizeof(struct erofs_xattr_header) == 12, "xattr header is 12 bytes on disk");
_Static_assert(sizeof(struct erofs_xattr_entry) == 4, "xattr entry is 4 bytes on disk");
