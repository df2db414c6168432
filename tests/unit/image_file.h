/* SPDX-License-Identifier: MIT */
/*
 * A file that the store takes for an image, for cmocka tests: two blocks that begin with some text,
 * and a super block.
 */
#pragma once

#include <endian.h>
#include <string.h>

#include "imaged/erofs_format.h"
#include "proto/base/fd.h"

#define IMAGE_FILE_BYTES 8192

static inline struct erofs_super_block image_super(void)
{
	return (struct erofs_super_block){
		.magic = htole32(EROFS_MAGIC),
		.feature_compat = htole32(EROFS_COMPAT_SB_CHKSUM | EROFS_COMPAT_MTIME),
		.block_bits = EROFS_BLOCK_BITS,
		.blocks = htole32(IMAGE_FILE_BYTES >> EROFS_BLOCK_BITS),
	};
}

static inline int image_file_write(int fd, const struct erofs_super_block *sb, const char *text)
{
	char blocks[IMAGE_FILE_BYTES] = {0};

	memcpy(blocks, text, strlen(text));
	memcpy(blocks + EROFS_SUPER_OFFSET, sb, sizeof(*sb));
	return fd_write_all(fd, blocks, sizeof(blocks));
}

static inline int image_file_plain(int fd, const char *text)
{
	const struct erofs_super_block sb = image_super();

	return image_file_write(fd, &sb, text);
}
