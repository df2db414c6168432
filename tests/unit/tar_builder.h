/* SPDX-License-Identifier: MIT */
/*
 * Makes tar streams in memory for tests, down to headers that no archiver would write.
 */
#pragma once

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tar {
	uint8_t *p;
	size_t n, room;
};

/* Of the header of one entry; zero means 0644 or nothing. */
struct tar_head {
	char type;
	const char *name, *link;
	unsigned int mode, uid, gid, major, minor;
	uint64_t mtime;
	const void *data;
	size_t size;
	uint64_t claim; /* size field, if it is not `size` */
};

static inline void tar_free(struct tar *t)
{
	free(t->p);
	*t = (struct tar){0};
}

static inline uint8_t *tar_grow(struct tar *t, size_t n)
{
	uint8_t *p = t->p;

	if (n > t->room - t->n) {
		t->room = 2 * t->room + n;
		p = realloc(p, t->room);
		if (!p)
			abort();
		t->p = p;
	}
	p += t->n;
	memset(p, 0, n);
	t->n += n;
	return p;
}

/* Numbers beyond the octal digits are written in base 256, as GNU does. */
static inline void tar_number(uint8_t *field, size_t width, uint64_t value)
{
	if (value >> (3 * (width - 1)) == 0) {
		snprintf((char *)field, width, "%0*llo", (int)width - 1, (unsigned long long)value);
		return;
	}
	for (size_t i = width; i-- > 1; value >>= 8)
		field[i] = (uint8_t)value;
	field[0] = 0x80;
}

static inline void tar_checksum(uint8_t *h)
{
	unsigned int sum = 0;

	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
}

static inline void tar_add(struct tar *t, struct tar_head e)
{
	size_t name = strlen(e.name), link = e.link ? strlen(e.link) : 0;
	uint8_t *h = tar_grow(t, 512);

	memcpy(h, e.name, name < 100 ? name : 100);
	tar_number(h + 100, 8, e.mode ? e.mode : 0644);
	tar_number(h + 108, 8, e.uid);
	tar_number(h + 116, 8, e.gid);
	tar_number(h + 124, 12, e.claim ? e.claim : e.size);
	tar_number(h + 136, 12, e.mtime);
	h[156] = (uint8_t)e.type;
	if (link)
		memcpy(h + 157, e.link, link < 100 ? link : 100);
	memcpy(h + 257, "ustar\00000", 8);
	tar_number(h + 329, 8, e.major);
	tar_number(h + 337, 8, e.minor);
	tar_checksum(h);
	if (e.size)
		memcpy(tar_grow(t, (e.size + 511) / 512 * 512), e.data, e.size);
}

static inline void tar_file(struct tar *t, const char *name, const char *text)
{
	tar_add(t,
		(struct tar_head){.type = '0', .name = name, .data = text, .size = strlen(text)});
}

static inline void tar_dir(struct tar *t, const char *name)
{
	tar_add(t, (struct tar_head){.type = '5', .name = name, .mode = 0755});
}

static inline void tar_link(struct tar *t, char type, const char *name, const char *link)
{
	tar_add(t, (struct tar_head){.type = type, .name = name, .link = link, .mode = 0777});
}

/* Appends one pax record to a text: "LENGTH KEY=VALUE\n". */
static inline void tar_record(struct tar *text, const char *key, const void *value, size_t size)
{
	size_t rest = strlen(key) + size + 3, len = rest + 1;
	char head[32];
	uint8_t *p;

	while (len != rest + (size_t)snprintf(head, sizeof(head), "%zu", len))
		len = rest + strlen(head);
	snprintf(head, sizeof(head), "%zu ", len);
	p = tar_grow(text, len);
	memcpy(p, head, strlen(head));
	p += strlen(head);
	memcpy(p, key, strlen(key));
	p += strlen(key);
	*p++ = '=';
	memcpy(p, value, size);
	p[size] = '\n';
}

static inline void tar_text_record(struct tar *text, const char *key, const char *value)
{
	tar_record(text, key, value, strlen(value));
}

/* The extended header for the entry that follows; takes the records. */
static inline void tar_pax(struct tar *t, struct tar *records)
{
	tar_add(t, (struct tar_head){
			   .type = 'x', .name = "pax", .data = records->p, .size = records->n});
	tar_free(records);
}

static inline void tar_end(struct tar *t)
{
	tar_grow(t, 1024);
}
