/* SPDX-License-Identifier: MIT */
/*
 * Reading messages from lines of text; see text.h. Used in debug runs and tests only: it opens the
 * files that a line names, with the rights of the process that it runs in.
 */
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"

#define DOCUMENT_MAX (1U << 20)

struct reader {
	struct arena arena;
	int fds[FRAME_FDS_MAX]; /* opened here, owned */
	uint32_t n_fds;
	const char *field; /* that is being read; NULL: none */
	struct err *e;
};

static int set_field(struct reader *rd, const struct schema *s, char *obj, char *path, char *value);
static int read_fields(struct reader *rd, const struct schema *s, char *obj, char *p);

static int wrong(struct reader *rd, const char *what, const char *value)
{
	return err_set(rd->e, EINVAL, "%s%s%s: %s", rd->field ? rd->field : "",
		rd->field ? ": " : "", what, value);
}

static int keep_fd(struct reader *rd, int fd)
{
	if (rd->n_fds == FRAME_FDS_MAX) {
		close(fd);
		return err_set(rd->e, EMFILE, "too many descriptors in one line");
	}
	rd->fds[rd->n_fds++] = fd;
	return fd;
}

/* @{name field=value …}: a sealed memfd of that document. */
static int open_document(struct reader *rd, char *text)
{
	_cleanup_free_ uint8_t *buf = NULL;
	const struct schema *s;
	char *name = text, *end = text + strcspn(text, " ");
	size_t len;
	void *obj;
	int r;

	if (*end)
		*end++ = '\0';
	s = schema_find(name);
	if (!s)
		return wrong(rd, "no such document", name);
	obj = arena_alloc(&rd->arena, s->size);
	if (!obj)
		return err_set(rd->e, ENOMEM, "out of memory");
	r = read_fields(rd, s, obj, end);
	if (r == 0)
		r = codec_encode(s, obj, DOCUMENT_MAX, NULL, &buf, &len, rd->e);
	if (r < 0)
		return r;
	r = fd_memfd_sealed(s->name, buf, len);
	return r < 0 ? err_errno(rd->e, r, "making a memory file") : keep_fd(rd, r);
}

/* A FIFO is opened for writing alone, or its reader's end would never be noticed. */
static int open_for_writing(const char *path)
{
	struct stat st;
	bool fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);

	return open(path, O_CLOEXEC | (fifo ? O_WRONLY : O_RDWR | O_CREAT), 0600);
}

static int open_value(struct reader *rd, char *value)
{
	static const int tries[] = {O_RDWR, O_RDONLY, O_PATH};
	uint32_t n;
	int fd = -1;

	if (*value++ != '@')
		return wrong(rd, "a descriptor starts with @", value - 1);
	if (*value == '{')
		return open_document(rd, value + 1);
	if (strncmp(value, "fd:", 3) == 0) {
		if (num_parse_u32(value + 3, 0, INT32_MAX, &n) < 0)
			return wrong(rd, "not a descriptor", value);
		fd = fcntl((int)n, F_DUPFD_CLOEXEC, 0);
	} else if (*value == '<') {
		fd = open(++value, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	} else if (*value == '>') {
		fd = open_for_writing(++value);
	} else {
		for (unsigned int i = 0; i < ARRAY_LEN(tries) && fd < 0; i++)
			fd = open(value, tries[i] | O_CLOEXEC);
	}
	if (fd < 0)
		return err_errno(rd->e, errno, "%s", value);
	return keep_fd(rd, fd);
}

/* Room for one element more at the end of a list of any kind. */
static void *append(struct reader *rd, struct list *l, size_t size)
{
	void *v = arena_alloc(&rd->arena, (l->n + 1) * size);

	if (!v) {
		err_set(rd->e, ENOMEM, "out of memory");
		return NULL;
	}
	if (l->n > 0)
		memcpy(v, l->v, l->n * size);
	l->v = v;
	return (char *)v + l->n++ * size;
}

static int set_number(struct reader *rd, const struct field *f, void *at, const char *value)
{
	bool negative = f->type == T_I64 && *value == '-';
	uint64_t v;

	if (num_parse_u64(value + negative, 0, f->bound, &v) < 0)
		return wrong(rd, "not a number in range", value);
	if (f->type == T_U32)
		*(uint32_t *)at = (uint32_t)v;
	else if (f->type == T_U64)
		*(uint64_t *)at = v;
	else
		*(int64_t *)at = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

static int set_bool(struct reader *rd, bool *at, const char *value)
{
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return wrong(rd, "neither true nor false", value);
	*at = *value == 't';
	return 0;
}

static int set_list(struct reader *rd, const struct field *f, void *at, char *rest, char *value)
{
	struct list *l = at;
	char *dot = rest ? strchr(rest, '.') : NULL;
	uint32_t i;

	if (!dot)
		return wrong(rd, "a list wants field.INDEX.member", f->name);
	*dot = '\0';
	if (num_parse_u32(rest, 0, l->n, &i) < 0)
		return wrong(rd, "list indexes go up from 0 one by one, not", rest);
	if (i == l->n && !append(rd, l, field_schema(f)->size))
		return -ENOMEM;
	return set_field(
		rd, field_schema(f), (char *)l->v + i * field_schema(f)->size, dot + 1, value);
}

static int set_value(struct reader *rd, const struct field *f, void *at, char *rest, char *value)
{
	void *slot;
	int fd;

	switch ((enum field_type)f->type) {
	case T_BOOL:
		return set_bool(rd, at, value);
	case T_U32:
	case T_U64:
	case T_I64:
		return set_number(rd, f, at, value);
	case T_STR:
		*(char **)at = value;
		return 0;
	case T_BYTES:
		*(struct bytes *)at = (struct bytes){(uint8_t *)value, (uint32_t)strlen(value)};
		return 0;
	case T_STRV:
		slot = append(rd, at, sizeof(char *));
		if (slot)
			*(char **)slot = value;
		return slot ? 0 : -ENOMEM;
	case T_FD:
	case T_FDV:
		fd = open_value(rd, value);
		if (fd < 0)
			return fd;
		slot = f->type == T_FD ? at : append(rd, at, sizeof(int));
		if (slot)
			*(int *)slot = fd;
		return slot ? 0 : -ENOMEM;
	case T_LIST:
		return set_list(rd, f, at, rest, value);
	case T_NESTED:
		if (!rest)
			return wrong(rd, "a structure wants field.member", f->name);
		if (!*(void **)at)
			*(void **)at = arena_alloc(&rd->arena, field_schema(f)->size);
		return *(void **)at ? set_field(rd, field_schema(f), *(char **)at, rest, value)
				    : -ENOMEM;
	}
	return -EINVAL;
}

static int set_field(struct reader *rd, const struct schema *s, char *obj, char *path, char *value)
{
	char *rest = strchr(path, '.');

	if (rest)
		*rest++ = '\0';
	for (uint32_t i = 0; i < s->n_fields; i++)
		if (strcmp(s->fields[i].name, path) == 0)
			return set_value(rd, &s->fields[i], obj + s->fields[i].offset, rest, value);
	return err_set(rd->e, EINVAL, "%s has no field %s", s->name, path);
}

/* Cuts one value off *p in place: bare, "quoted", or @{ … } with its braces balanced. */
static int cut_value(struct reader *rd, char **p, char **ret)
{
	char *in = *p, *out;
	int depth = 0;

	*ret = out = in;
	if (*in == '"') {
		for (in++; *in && *in != '"'; *out++ = *in++)
			if (*in == '\\' && in[1])
				in++;
		if (!*in++)
			return wrong(rd, "a quote is not closed", *ret);
	} else {
		bool quoted = false;

		for (; *in && (depth > 0 || (*in != ' ' && *in != '\t')); *out++ = *in++) {
			if (depth > 0 && *in == '"' && in[-1] != '\\')
				quoted = !quoted;
			if (!quoted && *in == '{' && (depth > 0 || (in == *p + 1 && **p == '@')))
				depth++;
			if (!quoted && *in == '}' && depth > 0 && --depth == 0) {
				in++; /* the document's text ends before its brace */
				break;
			}
		}
		if (depth > 0)
			return wrong(rd, "a brace is not closed", *ret);
	}
	*p = *in ? in + 1 : in;
	*out = '\0';
	return 0;
}

static int read_fields(struct reader *rd, const struct schema *s, char *obj, char *p)
{
	for (;;) {
		char *path, *value, name[64];
		int r;

		p += strspn(p, " \t\r");
		if (!*p)
			return 0;
		path = p;
		p += strcspn(p, "= \t");
		if (*p != '=')
			return wrong(rd, "expected field=value, found", path);
		*p++ = '\0';
		snprintf(name, sizeof(name), "%s", path);
		rd->field = name;
		r = cut_value(rd, &p, &value);
		if (r == 0)
			r = set_field(rd, s, obj, path, value);
		rd->field = NULL;
		if (r < 0)
			return r;
	}
}

static int build(struct reader *rd, char *line, uint32_t id, struct frame *ret)
{
	char *fields = line + strcspn(line, " \t\r");
	const struct msg_row *row;
	struct fdset order;
	uint8_t *buf, *spare;
	void *obj;
	int r;

	if (*fields)
		*fields++ = '\0';
	ret->type = (enum msg_type)msg_number(line);
	ret->id = id;
	row = msg_row(ret->type);
	if (!row)
		return wrong(rd, "no such message", line);
	obj = arena_alloc(&rd->arena, row->schema->size);
	if (!obj)
		return err_set(rd->e, ENOMEM, "out of memory");
	msg_init(row->schema, obj);
	r = read_fields(rd, row->schema, obj, fields);
	if (r == 0)
		r = codec_encode(row->schema, obj, FRAME_MAX, &order, &buf, &ret->len, rd->e);
	if (r < 0)
		return r;
	spare = realloc(buf, ret->len + 1);
	ret->buf = spare ? spare : buf;
	for (uint32_t i = 0; i < order.n; i++) {
		ret->fds[i] = fcntl(order.v[i], F_DUPFD_CLOEXEC, 0);
		ret->n_fds = i + 1;
	}
	return spare ? 0 : err_set(rd->e, ENOMEM, "out of memory");
}

int text_parse(const char *line, uint32_t id, struct frame *ret, struct err *e)
{
	struct reader rd = {.e = e};
	char *copy = strdup(line);
	int r;

	memset(ret, 0, sizeof(*ret));
	r = copy ? build(&rd, copy, id, ret) : err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < rd.n_fds; i++)
		fd_close(&rd.fds[i]);
	arena_free(&rd.arena);
	free(copy);
	if (r < 0)
		frame_free(ret);
	return r;
}
