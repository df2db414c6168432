/* SPDX-License-Identifier: MIT */
/*
 * Any sequence of requests of ctl, as several users, to the real engine: a script of lines, with
 * what helpers and shims do meanwhile. world.h judges; besides, nothing may be left at the end.
 *
 *	alice container_create options=@{create image=busybox name=web}
 *	alice2 container_start ref=web		of another connection of hers
 *	hold netd | go netd			it doesn't answer; it does again
 *	netd failed code=98 text="in use by $0"	its answer, or a word of its own; $N: the id of the
 *						N-th container, which netd and root know
 *	shim1 shim_exited exit_code=3 finished_at=1
 *	die imaged | fail			a process ends; the launcher can't start what it
 *holds +alice info | *70 alice info		the next line comes at once; so many times at once
 *	root container_inspect ref=%200		%N: so many letters
 *	wait 5000				milliseconds
 *	close alice | deaf alice | raw alice …	a client leaves; stops reading; sends any bytes
 *	end					SIGTERM
 */
#include <stdio.h>
#include <string.h>

#include "message_lines.h"
#include "world.h"

#define TEXT_MAX     4096
#define LINES_MAX    64
#define WAIT_MAX_MS  1000000
#define TIMES_MAX    70	    /* a connection may have 64 unanswered */
#define RUN_MAX	     140000 /* ITEM_MAX and more */
#define EXPANDED_MAX (16 * RUN_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* ---- lines ---- */

static uint32_t role_of(const char *word)
{
	static const enum role roles[] = {NETD, IMAGED, CGROUPD, SHIM, FETCH, UNPACK};

	for (unsigned int i = 0; i < ARRAY_LEN(roles); i++)
		if (strncmp(role_name(roles[i]), word, strlen(role_name(roles[i]))) == 0)
			return roles[i];
	return strcmp(word, "launcher") == 0 ? HOLD_LAUNCHER : ROLE_NONE;
}

/* netd, shim, shim2: the newest, the third newest. */
static struct peer *peer_of(struct world *w, const char *word)
{
	uint32_t role = role_of(word);
	size_t n = strlen(word);
	char last = n ? word[n - 1] : 0;

	if (!role || role == HOLD_LAUNCHER)
		return NULL;
	return peer_find(
		w, (enum role)role, last >= '0' && last <= '9' ? (unsigned int)last - '0' : 0);
}

static void do_hold(struct world *w, char *rest)
{
	w->held |= role_of(rest);
}

static void do_go(struct world *w, char *rest)
{
	w->held &= ~role_of(rest);
	peers_answer(w, role_of(rest));
}

static void do_die(struct world *w, char *rest)
{
	struct peer *p = peer_of(w, rest);

	if (p)
		peer_die(p);
}

static void do_fail(struct world *w, char *rest)
{
	(void)rest;
	while (w->n_spawns > 0) {
		struct launch_frame f = w->spawns[--w->n_spawns];

		f.op = LAUNCH_FAILED;
		f.status = 11;
		launch_send(w->launcher, &f, -1);
	}
}

static void do_wait(struct world *w, char *rest)
{
	world_pass(w, MIN(strtoul(rest, NULL, 10), (unsigned long)WAIT_MAX_MS));
}

static void do_close(struct world *w, char *rest)
{
	struct client *c = client_find(w, rest);

	if (c)
		client_close(c);
}

static void do_deaf(struct world *w, char *rest)
{
	struct client *c = client_find(w, rest);

	if (c)
		c->deaf = !c->deaf;
}

static void do_raw(struct world *w, char *rest)
{
	char *bytes = strchr(rest, ' ');
	struct client *c;

	if (!bytes)
		return;
	*bytes++ = '\0';
	c = client_find(w, rest);
	if (c)
		client_say_raw(w, c, bytes, strlen(bytes));
}

static void do_end(struct world *w, char *rest)
{
	(void)rest;
	engine_terminate(&w->g);
}

static const struct {
	const char *name;
	void (*fn)(struct world *w, char *rest);
} verbs[] = {{"hold", do_hold}, {"go", do_go}, {"die", do_die}, {"fail", do_fail},
	{"wait", do_wait}, {"close", do_close}, {"deaf", do_deaf}, {"raw", do_raw},
	{"end", do_end}};

static const char *id_of(const struct world *w, char digit)
{
	const struct ctr *c = w->g.ctrs;

	for (; c && digit > '0'; digit--)
		c = c->next;
	return c ? c->id : "0";
}

/* Ids and long words; the room is enough for any script. */
static void expand(const struct world *w, const char *text, bool ids, struct words *out)
{
	char *end;

	for (; *text && out->room - out->n > RUN_MAX; text++) {
		bool digit = text[1] >= '0' && text[1] <= '9';

		if (*text == '$' && digit && ids) {
			words_add(out, "%s", id_of(w, *++text));
		} else if (*text == '%' && digit) {
			size_t n = MIN(strtoul(text + 1, &end, 10), (unsigned long)RUN_MAX - 1);

			memset(out->p + out->n, 'a', n);
			out->n += n;
			text = end - 1;
		} else {
			out->p[out->n++] = *text;
		}
	}
	out->p[out->n] = '\0';
}

static void say(struct world *w, const char *who, const char *rest)
{
	struct client *c = client_find(w, who);
	struct peer *p = c ? NULL : peer_of(w, who);
	bool ids = c ? c->uid == 0 : p && p->role == NETD;
	struct words line = {.room = EXPANDED_MAX};

	if (!c && !p)
		return;
	line.p = malloc(line.room);
	if (!line.p)
		abort();
	expand(w, rest, ids, &line);
	if (c)
		client_say(w, c, line.p);
	else
		peer_say(p, line.p);
	free(line.p);
}

static void run_line(struct world *w, const char *text)
{
	char *line = strdup(text);
	char *rest = line + strcspn(line, " ");
	unsigned int i = 0;

	if (*rest)
		*rest++ = '\0';
	while (i < ARRAY_LEN(verbs) && strcmp(verbs[i].name, line) != 0)
		i++;
	if (i < ARRAY_LEN(verbs))
		verbs[i].fn(w, rest);
	else
		say(w, line, rest);
	free(line);
}

static void run_times(struct world *w, const char *line)
{
	bool at_once = *line == '+';
	unsigned long times = 1;
	char *end;

	if (*line == '*') {
		times = MIN(strtoul(line + 1, &end, 10), (unsigned long)TIMES_MAX);
		line = end + (*end == ' ');
	}
	while (times-- > 0)
		run_line(w, line + at_once);
	if (!at_once)
		world_settle(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *script = malloc(size + 1), *next = script;
	static struct world w;

	if (!script)
		return 0;
	memcpy(script, data, size);
	script[size] = '\0';
	world_begin(&w, (const char *)data, size);
	for (unsigned int n = 0; next && n < LINES_MAX; n++)
		run_times(&w, strsep(&next, "\n"));
	judge_mirror(&w);
	world_end(&w);
	free(script);
	return 0;
}

/* ---- mutation: of lines rather than of bytes ---- */

static const char *const talkers[] = {
	"root", "root2", "alice", "alice", "alice2", "alice3", "alice4", "bob", "bob2", "carol"};

static void make_control(struct words *w, struct dice *d)
{
	static const char *const whose[] = {"netd", "imaged", "cgroupd", "shim", "launcher",
		"shim1", "root", "alice", "bob", "carol"};
	uint32_t verb = dice_roll(d, ARRAY_LEN(verbs));

	words_add(w, "%s", verbs[verb].name);
	if (verbs[verb].fn == do_wait)
		words_add(w, " %u",
			dice_roll(d, 2) ? dice_roll(d, 20000) : dice_roll(d, WAIT_MAX_MS));
	else
		words_add(w, " %s", whose[dice_roll(d, ARRAY_LEN(whose))]);
}

/* A container that is not refused for want of what belongs together. */
static void make_create(struct words *w, struct dice *d)
{
	static const char *const names[] = {"web", "db", "x"};
	uint32_t binds = dice_roll(d, 4) ? 0 : 1 + dice_roll(d, 2);
	bool filter = dice_roll(d, 8) == 0, rootfs = dice_roll(d, 8) == 0;

	words_add(w, "container_create options=@{create %s name=%s ",
		rootfs ? "rootfs=/" : "image=busybox argv=ls", names[dice_roll(d, 3)]);
	for (uint32_t i = 0; i < binds; i++)
		words_add(w, "mounts.%u.kind=bind mounts.%u.target=/%u ", i, i, i);
	if (dice_roll(d, 8) == 0)
		words_add(w, "cgroup_parent=web%s.slice ", dice_roll(d, 2) ? "-front" : "");
	if (filter)
		words_add(w, "seccomp=/f ");
	message_some(w, d, &schema_create, dice_roll(d, 4));
	words_add(w, "}");
	for (uint32_t i = 0; i < binds; i++)
		words_add(w, " sources=@fd:101");
	words_add(w, "%s%s", filter ? " filter=@fd:103" : "", rootfs ? " rootfs=@fd:101" : "");
}

static void make_line(struct words *w, struct dice *d)
{
	static const enum role peers[] = {NETD, IMAGED, CGROUPD, SHIM};
	uint32_t kind = dice_roll(d, 10);
	enum role from = peers[dice_roll(d, ARRAY_LEN(peers))];

	if (dice_roll(d, 4) == 0)
		words_add(w, "+");
	else if (dice_roll(d, 16) == 0)
		words_add(w, "*%u ", dice_roll(d, TIMES_MAX));
	if (kind == 0) {
		make_control(w, d);
	} else if (kind <= 2) {
		words_add(w, "%s ", role_name(from));
		if (dice_roll(d, 3) == 0)
			words_add(w, "failed code=%u text=\"in use by $%u\"", dice_roll(d, 200),
				dice_roll(d, 3));
		else
			message_line(w, d, from, SUPERVISOR, dice_roll(d, 2) ? REPLY : EVENT);
	} else {
		words_add(w, "%s ", talkers[dice_roll(d, ARRAY_LEN(talkers))]);
		if (kind <= 4)
			make_create(w, d);
		else
			message_line(w, d, CTL, SUPERVISOR, REQUEST);
	}
	words_add(w, "\n");
}

/* The n-th line of a text. */
static struct words line_at(char *text, size_t size, uint32_t n)
{
	char *end;

	while (n-- > 0 && (end = memchr(text, '\n', size))) {
		size -= (size_t)(end + 1 - text);
		text = end + 1;
	}
	end = memchr(text, '\n', size);
	return (struct words){.p = text, .n = end ? (size_t)(end + 1 - text) : size};
}

/* Puts a text in the place of a part of another; the new length. */
static size_t replace(
	char *text, size_t size, size_t max, const struct words *old, const struct words *with)
{
	size_t at = (size_t)(old->p - text), rest = size - at - old->n;

	if (size - old->n + with->n > max)
		return size;
	memmove(text + at + with->n, text + at + old->n, rest);
	memcpy(text + at, with->p, with->n);
	return size - old->n + with->n;
}

/* Another value for one field of a line. */
static size_t change_value(
	char *text, size_t size, size_t max, const struct words *line, struct dice *d)
{
	char name[64] = "", buf[512] = "";
	struct words with = {.p = buf, .room = sizeof(buf)}, old;
	const char *equals[32], *from;
	uint32_t n = 0;

	for (size_t i = 0; i < line->n && n < ARRAY_LEN(equals); i++)
		if (line->p[i] == '=')
			equals[n++] = line->p + i;
	if (n == 0)
		return size;
	old.p = (char *)(uintptr_t)equals[dice_roll(d, n)] + 1;
	for (from = old.p - 1; from > line->p && !strchr(" .{", from[-1]);)
		from--;
	snprintf(name, sizeof(name), "%.*s", (int)(old.p - 1 - from), from);
	for (old.n = 0; old.p + old.n < line->p + line->n && !strchr(" }\n", old.p[old.n]);)
		old.n++;
	if (!message_field(name))
		return size;
	message_value(&with, d, message_field(name));
	return with.n ? replace(text, size, max, &old, &with) : size;
}

static size_t mutate(char *text, size_t size, size_t max, struct dice *d)
{
	uint32_t lines = 1;
	char buf[TEXT_MAX];
	struct words line, none = {.p = buf, .room = sizeof(buf)};

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	line = line_at(text, size, dice_roll(d, lines));
	switch (dice_roll(d, 8)) {
	case 0: /* delete */
		return replace(text, size, max, &line, &none);
	case 1: /* again, somewhere else */
		none.n = MIN(line.n, sizeof(buf));
		memcpy(buf, line.p, none.n);
		line = line_at(text, size, dice_roll(d, lines));
		line.n = 0;
		return replace(text, size, max, &line, &none);
	case 2:
	case 3:
		return change_value(text, size, max, &line, d);
	case 4: /* replace */
		make_line(&none, d);
		return replace(text, size, max, &line, &none);
	case 5: /* now and then as libFuzzer does it */
		return LLVMFuzzerMutate((uint8_t *)text, size, max);
	default: /* insert */
		make_line(&none, d);
		line.n = 0;
		return replace(text, size, max, &line, &none);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct dice d = {seed};
	uint32_t turns = 1 + dice_roll(&d, 3);

	while (turns-- > 0)
		size = mutate((char *)data, size, max, &d);
	return size;
}
