/* SPDX-License-Identifier: MIT */
/*
 * The block in front of every entry, pax(1p) "ustar Header Block"; for pax_write and pax_read.
 */
#pragma once

struct pax_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
		magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155],
		rest[12];
};
_Static_assert(sizeof(struct pax_header) == 512, "a header is one block");

/* The sum of its bytes, those of the checksum itself taken for spaces. */
static inline unsigned int pax_checksum(const struct pax_header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned int sum = 0;

	for (unsigned int i = 0; i < sizeof(*h); i++)
		sum += p[i];
	for (unsigned int i = 0; i < sizeof(h->checksum); i++)
		sum += ' ' - (unsigned char)h->checksum[i];
	return sum;
}
