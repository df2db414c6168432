/* SPDX-License-Identifier: MIT */
/*
 * Candidates for the end of a command line; see complete.h. What an operand or a flag's value is
 * follows from the word that help has for it.
 */
#include "complete.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

#define PATIENCE 10 /* seconds for the engine: somebody waits at a prompt */

enum what {
	NOTHING,
	FILES = 1,
	CONTAINERS = 2,
	IMAGES = 4,
	NETWORKS = 8,
	VOLUMES = 16,
	WITH_COLON = 32, /* CONTAINER:PATH */
};

/* By how help's word begins. */
static const struct word {
	const char *word;
	unsigned int what;
	const char *candidates;
} words[] = {
	{"CONTAINER:", CONTAINERS | WITH_COLON | FILES, NULL},
	{"CONTAINER", CONTAINERS, NULL},
	{"IMAGE", IMAGES, NULL},
	{"REPOSITORY", IMAGES, NULL},
	{"NETWORK", NETWORKS, "bridge none host"},
	{"VOLUME", VOLUMES, NULL},
	{"FILE", FILES, NULL},
	{"DIR", FILES, NULL},
	{"PATH", FILES, NULL},
	{"HOST:DIR", FILES, NULL},
	{"WHEN", NOTHING, "always missing never"},
	{"POLICY", NOTHING, "no on-failure always unless-stopped"},
	{"ACTION", NOTHING, "none kill restart stop"},
	{"STREAM", NOTHING, "stdin stdout stderr"},
	{"TYPE", NOTHING, "container image"},
	{"FORMAT", NOTHING, "json table"},
	{"OS/ARCH", NOTHING, "linux/amd64 linux/arm64"},
	{"SIGNAL", NOTHING, "HUP INT QUIT KILL USR1 USR2 TERM CONT STOP"},
};

/* Who lists the names. A command that there is not has none. */
static const struct lister {
	unsigned int what;
	const char *command;
	const char *argv[4];
} listers[] = {
	{CONTAINERS, "ps", {"--format", "{{.Names}}", "-a"}},
	{IMAGES, "images", {"--format", "{{.Repository}}:{{.Tag}}"}},
	{NETWORKS, "network ls", {"--format", "{{.Name}}"}},
	{VOLUMES, "volume ls", {"--format", "{{.Name}}"}},
};

/* What works on running containers alone. */
static const char *const for_running[] = {
	"attach", "exec", "kill", "pause", "port", "stop", "top", "unpause", NULL};

struct line {
	const struct complete_setup *setup;
	const char *socket;
	const char *typed; /* the last word */
	const struct command *command;
	const struct flag *pending; /* whose value the last word is */
	uint32_t operands;	    /* before it */
	bool flags_ended;
};

static void offer(const struct line *l, const char *dashes, const char *word, const char *about)
{
	char text[512];

	if (snprintf(text, sizeof(text), "%s%s", dashes, word) >= (int)sizeof(text) ||
		strncmp(text, l->typed, strlen(l->typed)) != 0)
		return;
	printf("%s%s%s\n", text, about ? "\t" : "", about ? about : "");
}

/* Lines of a command's output; <none> is no name. */
static void offer_lines(const struct line *l, char *text, const char *behind)
{
	char *save = NULL, name[512];

	for (char *w = strtok_r(text, "\n", &save); w; w = strtok_r(NULL, "\n", &save))
		if (!strchr(w, '<') && !strchr(w, '\t') &&
			snprintf(name, sizeof(name), "%s%s", w, behind) < (int)sizeof(name))
			offer(l, "", name, NULL);
}

static const struct command *find(const struct complete_setup *s, const char *name)
{
	for (const struct command *const *c = s->commands; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

/* The command itself, its output taken. Returns what the caller frees, or NULL. */
static char *output_of(const struct line *l, const struct command *command, int argc, char **argv)
{
	struct ctl c = {.socket = l->socket, .command = command->name, .engine.fd = -1};
	const struct flags_input in = {command->flags, argc, argv, false};
	void *options = arena_alloc(&c.arena, MAX(command->options_size, (size_t)1));
	FILE *real = stdout, *taken;
	struct strv operands;
	char *text = NULL;
	struct err e;
	size_t n = 0;
	int r = -1;

	taken = open_memstream(&text, &n);
	if (taken && options && flags_parse(&in, &c.arena, options, &operands, &e) == 0) {
		stdout = taken;
		r = command->run(&c, options, &operands, &e);
		stdout = real;
	}
	if (taken)
		fclose(taken);
	client_close(&c.engine);
	arena_free(&c.arena);
	if (r == 0)
		return text;
	free(text);
	return NULL;
}

static bool wants_running(const struct command *c)
{
	for (const char *const *name = for_running; c && *name; name++)
		if (strcmp(*name, c->name) == 0)
			return true;
	return false;
}

static void offer_names(const struct line *l, const struct lister *from, const char *behind)
{
	const struct command *command = find(l->setup, from->command);
	_cleanup_free_ char *text = NULL;
	char *argv[ARRAY_LEN(from->argv)];
	int argc = 0;

	while (argc < (int)ARRAY_LEN(from->argv) && from->argv[argc]) {
		argv[argc] = (char *)(uintptr_t)from->argv[argc];
		argc++;
	}
	if (from->what == CONTAINERS && wants_running(l->command))
		argc--;
	text = command ? output_of(l, command, argc, argv) : NULL;
	if (text)
		offer_lines(l, text, behind);
}

static void offer_word(const struct line *l, const struct word *w)
{
	char list[128], *save = NULL;

	snprintf(list, sizeof(list), "%s", w->candidates ? w->candidates : "");
	for (char *one = strtok_r(list, " ", &save); one; one = strtok_r(NULL, " ", &save))
		offer(l, "", one, NULL);
	for (size_t i = 0; i < ARRAY_LEN(listers); i++)
		if (w->what & listers[i].what)
			offer_names(l, &listers[i], w->what & WITH_COLON ? ":" : "");
	if (w->what & FILES)
		puts(":files");
}

/* `usage` is help's word, brackets and all. */
static void offer_by_usage(const struct line *l, const char *usage)
{
	usage += strspn(usage, "[");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strncmp(usage, words[i].word, strlen(words[i].word)) != 0)
			continue;
		offer_word(l, &words[i]);
		return;
	}
}

/* "A [B…]": the last word stands for all that follow, if more may follow. */
static void offer_operand(const struct line *l)
{
	const char *usage = l->command->operands;

	if (l->operands >= l->command->max)
		return;
	if (strcmp(l->command->name, "inspect") == 0) {
		offer_by_usage(l, "CONTAINER");
		usage = "IMAGE";
	} else if (strstr(usage, "CONTAINER:")) {
		usage = "CONTAINER:";
	}
	for (uint32_t i = 0; i < l->operands && strchr(usage, ' '); i++)
		usage = strchr(usage, ' ') + 1;
	offer_by_usage(l, usage);
}

static void offer_flags(const struct line *l, const struct flag *table)
{
	char letter[2] = "";

	for (const struct flag *f = table; f && f->kind != FLAG_END; f++) {
		if (!f->help || f->kind == FLAG_LATER)
			continue;
		*letter = f->letter;
		offer(l, f->name ? "--" : "-", f->name ? f->name : letter, f->help);
	}
	offer(l, "--", "help", "this command's help");
}

/* Of commands of two words that begin with `group`, or the first words of all. */
static void offer_commands(const struct line *l, const char *group)
{
	const char *before = "";

	for (const struct command *const *c = l->setup->commands; *c; c++) {
		size_t n = strcspn((*c)->name, " ");
		const char *rest = (*c)->name[n] ? (*c)->name + n + 1 : NULL;
		char first[64];

		snprintf(first, sizeof(first), "%.*s", (int)n, (*c)->name);
		if (group && rest && strcmp(first, group) == 0)
			offer(l, "", rest, (*c)->summary);
		else if (!group && !rest)
			offer(l, "", first, (*c)->summary);
		else if (!group && strncmp(before, first, n) != 0)
			offer(l, "", first, NULL);
		before = (*c)->name;
	}
	if (!group)
		offer(l, "", "help", "Help on a command");
}

static bool takes_value(const struct flag *f)
{
	return f->kind == FLAG_STRING || f->kind == FLAG_LIST;
}

/* The flag whose value the next word is, or NULL. Of bundled letters the last one may have one. */
static const struct flag *flag_awaiting(const struct flag *table, const char *word)
{
	size_t n = strlen(word);

	for (const struct flag *f = table; f && f->kind != FLAG_END; f++) {
		if (!takes_value(f))
			continue;
		if (word[1] == '-' ? f->name && strcmp(f->name, word + 2) == 0
				   : f->letter && f->letter == word[n - 1] && !strchr(word, '='))
			return f;
	}
	return NULL;
}

static bool is_flag(const char *word)
{
	return word[0] == '-' && word[1];
}

/* The words behind the command's name, but the last. */
static void read_words(struct line *l, const struct strv *typed, uint32_t from)
{
	for (uint32_t i = from; i + 1 < typed->n; i++) {
		const char *word = typed->v[i];

		if (l->pending) {
			l->pending = NULL;
		} else if (!l->flags_ended && strcmp(word, "--") == 0) {
			l->flags_ended = true;
		} else if (!l->flags_ended && is_flag(word)) {
			l->pending = flag_awaiting(l->command->flags, word);
		} else {
			l->operands++;
			l->flags_ended = l->flags_ended || l->command->stop_at_operand;
		}
	}
}

/* Global flags; returns where the command's name is. */
static uint32_t skip_global(struct line *l, const struct strv *typed)
{
	uint32_t i = 0;

	for (; i + 1 < typed->n && is_flag(typed->v[i]); i++) {
		l->pending = flag_awaiting(l->setup->global_flags, typed->v[i]);
		if (!l->pending || i + 2 >= typed->n)
			continue;
		l->pending = NULL;
		l->socket = typed->v[++i]; /* there is no other flag with a value */
	}
	return i;
}

static const struct command *read_command(struct line *l, const struct strv *typed, uint32_t *at)
{
	const struct command *c = find(l->setup, typed->v[*at]);
	char two[128];

	*at += 1;
	if (c || *at + 1 >= typed->n)
		return c;
	snprintf(two, sizeof(two), "%s %s", typed->v[*at - 1], typed->v[*at]);
	*at += 1;
	return find(l->setup, two);
}

static void offer_of_command(struct line *l, const struct strv *typed, uint32_t at)
{
	const char *name = typed->v[at];

	l->command = read_command(l, typed, &at);
	if (!l->command) {
		if (at + 1 == typed->n)
			offer_commands(l, name);
		return;
	}
	read_words(l, typed, at);
	if (l->pending)
		offer_by_usage(l, l->pending->value ? l->pending->value : "");
	else if (!l->flags_ended && *l->typed == '-')
		offer_flags(l, l->command->flags);
	else
		offer_operand(l);
}

int complete(const struct complete_setup *setup, const struct strv *typed)
{
	struct line l = {.setup = setup, .socket = setup->socket};
	uint32_t at;

	if (typed->n == 0)
		return 0;
	alarm(PATIENCE);
	l.typed = typed->v[typed->n - 1];
	at = skip_global(&l, typed);
	if (l.pending)
		offer_by_usage(&l, l.pending->value);
	else if (at + 1 == typed->n && is_flag(l.typed))
		offer_flags(&l, setup->global_flags);
	else if (at + 1 == typed->n)
		offer_commands(&l, NULL);
	else if (strcmp(typed->v[at], "help") == 0)
		offer_commands(&l, at + 2 == typed->n ? NULL : typed->v[at + 1]);
	else
		offer_of_command(&l, typed, at);
	return 0;
}
