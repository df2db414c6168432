/* SPDX-License-Identifier: MIT */
/*
 * Seeds for the fuzzers of messages and documents, made of proto/messages.def: each message and
 * document once with all its fields and some times with a few. A message that is new in the table
 * is fuzzed from that day on.
 *
 *	seed_messages fuzz_codec|fuzz_frame|fuzz_spec|fuzz_text DIRECTORY
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "message_lines.h"
#include "text.h"

#define VARIANTS 3 /* the first one full */
#define ROOM	 65536

struct seeds {
	int dir;
	struct dice dice;
	char *buf;
};

static int save(const struct seeds *s, const char *name, unsigned int variant, const void *head,
	size_t n_head, const void *body, size_t n_body)
{
	_cleanup_fd_ int fd = -1;
	char path[128];
	int r;

	snprintf(path, sizeof(path), "seed-%s-%u", name, variant);
	fd = openat(s->dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	r = fd_write_all(fd, head, n_head);
	return r < 0 ? r : fd_write_all(fd, body, n_body);
}

static struct words fields_of(struct seeds *s, const struct schema *schema, unsigned int variant)
{
	struct words w = {.p = s->buf, .room = ROOM};

	words_add(&w, "%s ", schema->name);
	message_fields(&w, &s->dice, schema, variant == 0);
	return w;
}

/* Chance also makes some that text_parse refuses: those are seeds of nothing but fuzz_text. */
static bool parse(
	struct seeds *s, const struct schema *schema, unsigned int variant, struct frame *f)
{
	for (unsigned int tries = 0; tries < 100; tries++)
		if (text_parse(fields_of(s, schema, variant).p, 7, f, NULL) == 0)
			return true;
	return false;
}

static int seed_text(struct seeds *s, const struct msg_row *row, unsigned int variant)
{
	struct words w = fields_of(s, row->schema, variant);

	return save(s, row->schema->name, variant, NULL, 0, w.p, w.n);
}

static int seed_codec(struct seeds *s, const struct msg_row *row, unsigned int variant)
{
	uint8_t head[2];
	struct frame f;
	int r;

	if (!parse(s, row->schema, variant, &f))
		return 0;
	head[0] = (uint8_t)f.type;
	head[1] = (uint8_t)f.n_fds;
	r = save(s, row->schema->name, variant, head, sizeof(head), f.buf, f.len);
	frame_free(&f);
	return r;
}

/* The number of the lowest bit. */
static uint8_t role_number(uint16_t roles)
{
	return (uint8_t)__builtin_ctz(roles);
}

static int seed_frame(struct seeds *s, const struct msg_row *row, unsigned int variant)
{
	uint8_t head[3] = {role_number(row->from), role_number(row->to)};
	void *obj = malloc(row->schema->size);
	struct frame_out out = {0};
	struct frame f;
	int r = 0;

	if (obj && parse(s, row->schema, variant, &f)) {
		if (frame_decode(&f, obj, NULL) == 0 &&
			frame_encode(f.type, f.id, obj, &out, NULL) == 0) {
			head[2] = (uint8_t)out.fds.n;
			r = save(s, row->schema->name, variant, head, sizeof(head), out.buf,
				out.len);
		}
		frame_free(&f);
	}
	free(out.buf);
	free(obj);
	return r;
}

static int seed_messages(
	struct seeds *s, int (*seed)(struct seeds *, const struct msg_row *, unsigned int))
{
	int r = 0;

	for (uint32_t i = 0; i <= MSG_NUMBER_MAX && r == 0; i++)
		for (unsigned int k = 0; msg_row(i) && k < VARIANTS && r == 0; k++)
			r = seed(s, msg_row(i), k);
	return r;
}

/* A document by way of a message that carries it. */
static int seed_document(struct seeds *s, const char *name, uint8_t number, unsigned int variant)
{
	struct words w = {.p = s->buf, .room = ROOM};
	struct container_create m;
	uint8_t *doc;
	struct frame f;
	size_t n;
	int r = 0;

	words_add(&w, "container_create options=@{%s ", name);
	message_fields(&w, &s->dice, schema_find(name), variant == 0);
	words_add(&w, "}");
	if (text_parse(w.p, 7, &f, NULL) < 0)
		return 0;
	if (frame_decode(&f, &m, NULL) == 0 && fd_memfd_read(m.options, ROOM, &doc, &n) == 0) {
		r = save(s, name, variant, &number, 1, doc, n);
		free(doc);
	}
	frame_free(&f);
	return r;
}

static int seed_spec(struct seeds *s)
{
	static const char *const names[] = {"create", "spec", "exec_spec", "container", "image"};
	int r = 0;

	for (uint8_t i = 0; i < ARRAY_LEN(names) && r == 0; i++)
		for (unsigned int k = 0; k < 20 && r == 0; k++)
			r = seed_document(s, names[i], i, k);
	return r;
}

int main(int argc, char **argv)
{
	struct seeds s = {.dir = argc == 3 ? open(argv[2], O_DIRECTORY | O_RDONLY | O_CLOEXEC) : -1,
		.dice = {1},
		.buf = malloc(ROOM)};

	message_open_fds();
	if (s.dir >= 0 && s.buf && strcmp(argv[1], "fuzz_text") == 0)
		return seed_messages(&s, seed_text) != 0;
	if (s.dir >= 0 && s.buf && strcmp(argv[1], "fuzz_codec") == 0)
		return seed_messages(&s, seed_codec) != 0;
	if (s.dir >= 0 && s.buf && strcmp(argv[1], "fuzz_frame") == 0)
		return seed_messages(&s, seed_frame) != 0;
	if (s.dir >= 0 && s.buf && strcmp(argv[1], "fuzz_spec") == 0)
		return seed_spec(&s) != 0;
	fprintf(stderr,
		"usage: seed_messages fuzz_codec|fuzz_frame|fuzz_spec|fuzz_text DIRECTORY\n");
	return 2;
}
