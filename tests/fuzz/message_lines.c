/* SPDX-License-Identifier: MIT */
/*
 * Messages by chance; see message_lines.h.
 */
#include "message_lines.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/util.h"

#define ITEMS_MAX 3
#define NAMES_MAX 8

/* What fields of a name take; the others get any word. */
static const struct {
	const char *field;
	const char *words[NAMES_MAX];
} known[] = {
	{"ref", {"web", "db", "x", "cafe", "busybox", ""}},
	{"name", {"web", "db", "x", "a.b-c_d", "-x"}},
	{"image", {"busybox", "busybox:latest", "docker.io/library/busybox"}},
	{"rootfs", {"/"}},
	{"network", {"bridge", "none", "host", "default", "other"}},
	{"kind", {"bind", "tmpfs", "volume", "fetch", "unpack"}},
	{"target", {"/a", "/b", "/a/../b", "/", "b", "/proc"}},
	{"proto", {"tcp", "udp", "sctp"}},
	{"host_ip", {"127.0.0.1", "0.0.0.0", "::1", "::", "127.1", "10.0.0.1"}},
	{"options", {"size=1m,mode=755", "rslave", "size=x"}},
	{"env", {"A=b", "A=", "PATH=/bin", "A"}},
	{"labels", {"a=b", "a"}},
	{"add_hosts", {"h:10.0.0.1", "h:host-gateway", "h:x", "h"}},
	{"dns", {"10.0.0.1", "::1", "x"}},
	{"sysctls", {"net.ipv4.ip_forward=1", "kernel.msgmax=1", "vm.swappiness=1"}},
	{"cap_add", {"ALL", "NET_ADMIN", "CAP_SYS_TIME", "X"}},
	{"cap_drop", {"ALL", "NET_RAW", "X"}},
	{"seccomp", {"unconfined", "/profile.json", ""}},
	{"user", {"0", "1:1", "root", "a:b", ":"}},
	{"workdir", {"/", "/w", "w"}},
	{"cwd", {"/", "/w", "w"}},
	{"cpuset_cpus", {"0", "0-1", "x"}},
	{"state", {"pulling", "done"}},
	{"policy", {"always", "missing", "never"}},
	{"platform", {"linux/amd64", "linux/arm64/v8"}},
	{"stop_signal", {"9", "15", "3", "0", "64"}},
	{"signal", {"9", "15", "1", "0", "64"}},
	{"exec", {"1", "2", "0"}},
	{"memory", {"0", "1048576", "268435456", "1073741824"}},
	{"level", {"ok", "weaker", "missing"}},
	{"message", {"no", "already in use by $0", "$1 and $2"}},
	{"text", {"no", "already in use by $0", "$1 and $2"}},
	{"container", {"$0", "$1"}},
	{"id", {"$0", "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}},
};

static const char *const documents[][2] = {
	{"container_create.options", "create"}, {"container_exec.spec", "exec_spec"}};

static void place(int fd, int at)
{
	if (fd < 0 || dup3(fd, at, O_CLOEXEC) < 0) {
		perror("descriptors for lines");
		abort();
	}
	close(fd);
}

void message_open_fds(void)
{
	static const uint8_t filter[] = {6, 0, 0, 0, 0, 0, 0xff, 0x7f}; /* allow all */

	if (fcntl(FD_LAST, F_GETFD) >= 0)
		return;
	place(open("/dev/null", O_RDWR), FD_NULL);
	place(open("/", O_PATH | O_DIRECTORY), FD_ROOT);
	place(memfd_create("unsealed", 0), FD_UNSEALED);
	place(fd_memfd_sealed("filter", filter, sizeof(filter)), FD_FILTER);
	place(fd_memfd_sealed("sealed", "nothing", 7), FD_SEALED);
}

void message_disarm(char *line)
{
	for (char *p = line; (p = strchr(p, '@')); p++) {
		char *end;

		if (p[1] == '{')
			continue;
		if (strncmp(p, "@fd:", 4) == 0) {
			unsigned long n = strtoul(p + 4, &end, 10);

			if (n >= FD_NULL && n <= FD_LAST && end == p + 7)
				continue;
		}
		*p = '-';
	}
}

uint32_t dice_roll(struct dice *d, uint32_t sides)
{
	d->state = d->state * 6364136223846793005U + 1442695040888963407U;
	return sides ? (uint32_t)(d->state >> 33) % sides : 0;
}

void words_add(struct words *w, const char *fmt, ...)
{
	size_t left = w->room - w->n;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->p + w->n, left, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < left)
		w->n += (size_t)n;
	w->p[w->n] = '\0';
}

static const char *known_word(struct dice *d, const char *field)
{
	for (unsigned int i = 0; i < ARRAY_LEN(known); i++) {
		uint32_t n = 0;

		if (strcmp(known[i].field, field) != 0)
			continue;
		while (n < NAMES_MAX && known[i].words[n])
			n++;
		return known[i].words[dice_roll(d, n)];
	}
	return NULL;
}

static void add_number(struct words *w, struct dice *d, const struct field *f)
{
	const uint64_t edges[] = {0, 1, 2, f->bound, f->bound / 2, dice_roll(d, 65536), 1 << 20};
	uint64_t v = edges[dice_roll(d, ARRAY_LEN(edges))];

	if (f->type == T_I64 && dice_roll(d, 4) == 0)
		words_add(w, "-1");
	else
		words_add(w, "%lu", MIN(v, f->bound));
}

static void add_text(struct words *w, struct dice *d, const struct field *f)
{
	const char *word = known_word(d, f->name);
	uint32_t n = dice_roll(d, 8);

	if (word && dice_roll(d, 16) > 0) {
		words_add(w, "\"%s\"", word);
		return;
	}
	if (dice_roll(d, 16) == 0) { /* near a bound */
		words_add(w, "%%%lu", (f->type == T_STRV ? ITEM_MAX : f->bound) - dice_roll(d, 2));
		return;
	}
	words_add(w, "\"");
	for (uint32_t i = 0; i < n; i++)
		words_add(w, "%c", "abcdefghijklmnop0123456789/=:.-_ $"[dice_roll(d, 34)]);
	words_add(w, "\"");
}

static void add_descriptor(struct words *w, struct dice *d)
{
	words_add(w, "@fd:%u", 100 + (dice_roll(d, 4) ? 0 : dice_roll(d, 5)));
}

void message_value(struct words *w, struct dice *d, const struct field *f)
{
	const char *word = known_word(d, f->name);

	switch (f->type) {
	case T_BOOL:
		words_add(w, "%s", dice_roll(d, 3) ? "true" : "false");
		return;
	case T_U32:
	case T_U64:
	case T_I64:
		if (word)
			words_add(w, "%s", word);
		else
			add_number(w, d, f);
		return;
	case T_STR:
	case T_BYTES:
	case T_STRV:
		add_text(w, d, f);
		return;
	case T_FD:
	case T_FDV:
		add_descriptor(w, d);
		return;
	case T_LIST:
	case T_NESTED:
		return;
	}
}

static void add_fields(
	struct words *w, struct dice *d, const struct schema *s, const char *prefix, bool full);

static void add_document(struct words *w, struct dice *d, const char *name, bool full)
{
	words_add(w, "@{%s ", name);
	add_fields(w, d, schema_find(name), "", full);
	words_add(w, "}");
}

static const char *document_of(const struct schema *s, const struct field *f)
{
	char key[128];

	snprintf(key, sizeof(key), "%s.%s", s->name, f->name);
	for (unsigned int i = 0; i < ARRAY_LEN(documents); i++)
		if (strcmp(documents[i][0], key) == 0)
			return documents[i][1];
	return NULL;
}

static void add_field(struct words *w, struct dice *d, const struct schema *s,
	const struct field *f, const char *prefix, bool full)
{
	bool many = f->type == T_STRV || f->type == T_FDV || f->type == T_LIST;
	uint32_t n = many ? 1 + dice_roll(d, ITEMS_MAX) : 1;
	char deeper[256];

	for (uint32_t i = 0; i < n; i++) {
		if (f->type == T_LIST)
			snprintf(deeper, sizeof(deeper), "%s%s.%u.", prefix, f->name, i);
		else
			snprintf(deeper, sizeof(deeper), "%s%s.", prefix, f->name);
		if (field_schema(f)) {
			add_fields(w, d, field_schema(f), deeper, full);
			continue;
		}
		words_add(w, "%s%s=", prefix, f->name);
		if (document_of(s, f) && dice_roll(d, 16))
			add_document(w, d, document_of(s, f), full);
		else
			message_value(w, d, f);
		words_add(w, " ");
	}
}

/* Few of many: a structure of thirty options all set is refused for one of them. */
static void add_fields(
	struct words *w, struct dice *d, const struct schema *s, const char *prefix, bool full)
{
	uint32_t chance = MAX(s->n_fields / 3, 2U);

	for (uint32_t i = 0; i < s->n_fields; i++)
		if (full || s->fields[i].need == REQUIRED || dice_roll(d, chance) == 0)
			add_field(w, d, s, &s->fields[i], prefix, full);
}

void message_fields(struct words *w, struct dice *d, const struct schema *s, bool full)
{
	add_fields(w, d, s, "", full);
}

void message_some(struct words *w, struct dice *d, const struct schema *s, uint32_t n)
{
	while (n-- > 0)
		add_field(w, d, s, &s->fields[dice_roll(d, s->n_fields)], "", false);
}

void message_line(struct words *w, struct dice *d, enum role from, enum role to, enum msg_kind kind)
{
	uint32_t first = dice_roll(d, MSG_NUMBER_MAX);

	for (uint32_t i = 0; i <= MSG_NUMBER_MAX; i++) {
		const struct msg_row *row = msg_row((first + i) % (MSG_NUMBER_MAX + 1));

		if (!row || row->kind != kind || !(row->from & from) || !(row->to & to))
			continue;
		words_add(w, "%s ", row->schema->name);
		message_fields(w, d, row->schema, false);
		return;
	}
}

const struct field *message_field(const char *name)
{
	static const char *const more[] = {
		"create", "exec_spec", "limits", "mount", "port", "ulimit"};

	for (uint32_t k = 0; k <= MSG_NUMBER_MAX + ARRAY_LEN(more); k++) {
		const struct msg_row *row = k <= MSG_NUMBER_MAX ? msg_row(k) : NULL;
		const struct schema *s = row ? row->schema
					 : k > MSG_NUMBER_MAX
						 ? schema_find(more[k - MSG_NUMBER_MAX - 1])
						 : NULL;

		for (uint32_t i = 0; s && i < s->n_fields; i++)
			if (strcmp(s->fields[i].name, name) == 0)
				return &s->fields[i];
	}
	return NULL;
}
