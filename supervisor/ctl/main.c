/* SPDX-License-Identifier: MIT */
/*
 * ctl, the command line: a table of commands. Runs as whoever calls it, with that user's rights,
 * until it talks to the engine; from there on without any capability, for what comes back may be a
 * container's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "command.h"
#include "complete.h"
#include "suggest.h"

static const struct command *const commands[] = {&command_run, &command_create, &command_start,
	&command_attach, &command_exec, &command_update, &command_rename, &command_pause,
	&command_unpause, &command_stop, &command_restart, &command_kill, &command_rm,
	&command_wait, &command_ps, &command_stats, &command_events, &command_top, &command_port,
	&command_export, &command_cp, &command_logs, &command_inspect, &command_pull,
	&command_images, &command_rmi, &command_system_df, &command_system_prune,
	&command_image_prune, &command_container_prune, &command_info, &command_doctor,
	&command_version};

struct global_options {
	const char *socket;
	bool version;
};
static const struct flag global_flags[] = {
	{"socket", 'H', FLAG_STRING, offsetof(struct global_options, socket), NULL, "PATH",
		"the engine's socket (or $BULKHEAD_SOCKET; " SOCKET_DEFAULT ")"},
	{"version", 'v', FLAG_BOOL, offsetof(struct global_options, version), NULL, NULL,
		"print ctl's version"},
	{.kind = FLAG_END},
};

static void print_overview(void)
{
	puts("Usage: ctl [--socket PATH] COMMAND\n\nCommands:");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-15s %s\n", commands[i]->name, commands[i]->summary);
	puts("\nFlags:");
	flags_print(global_flags);
	puts("\n`ctl COMMAND --help` tells more of a command.");
}

static void print_help(const struct command *cmd)
{
	printf("Usage: ctl %s%s%s%s\n\n%s\n", cmd->name, cmd->flags ? " [FLAGS]" : "",
		*cmd->operands ? " " : "", cmd->operands, cmd->summary);
	if (!cmd->flags)
		return;
	puts("\nFlags:");
	flags_print(cmd->flags);
}

/* Names are one word or two; *ret_words of what was typed are the name. */
static const struct command *find_command(const struct strv *typed, int *ret_words)
{
	size_t first = strlen(typed->v[0]);

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const char *name = commands[i]->name;

		*ret_words = name[strcspn(name, " ")] ? 2 : 1;
		if (*ret_words == 1 && strcmp(name, typed->v[0]) == 0)
			return commands[i];
		if (*ret_words == 2 && typed->n > 1 && strncmp(name, typed->v[0], first) == 0 &&
			name[first] == ' ' && strcmp(name + first + 1, typed->v[1]) == 0)
			return commands[i];
	}
	return NULL;
}

/* Whether there are commands of two words that begin with this one; prints them. */
static bool print_group(const char *word)
{
	size_t n = strlen(word);
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strncmp(commands[i]->name, word, n) != 0 || commands[i]->name[n] != ' ')
			continue;
		if (!any)
			printf("Usage: ctl %s COMMAND\n\nCommands:\n", word);
		printf("  %-15s %s\n", commands[i]->name + n + 1, commands[i]->summary);
		any = true;
	}
	return any;
}

static int unknown_command(const char *name)
{
	struct suggest s;

	suggest_start(&s, name);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		suggest_offer(&s, commands[i]->name);
	if (s.best)
		fprintf(stderr, "ctl: unknown command \"%s\", did you mean \"%s\"?\n", name,
			s.best);
	else
		fprintf(stderr, "ctl: unknown command \"%s\"; see ctl --help\n", name);
	return EXIT_OBJECT;
}

static int check_operands(const struct command *cmd, const struct strv *operands, struct err *e)
{
	if (operands->n < cmd->min)
		return err_set(e, EINVAL, "needs %s; see ctl %s --help", cmd->operands, cmd->name);
	if (operands->n > cmd->max)
		return err_set(e, EINVAL, "unexpected argument \"%.64s\"; see ctl %s --help",
			operands->v[cmd->max], cmd->name);
	return 0;
}

static int run_command(struct ctl *c, const struct command *cmd, int argc, char **argv)
{
	const struct flags_input in = {cmd->flags, argc, argv, cmd->stop_at_operand};
	void *options = arena_alloc(&c->arena, MAX(cmd->options_size, (size_t)1));
	struct strv operands;
	struct err e = {0};
	int r;

	c->command = cmd->name;
	r = options ? flags_parse(&in, &c->arena, options, &operands, &e) : -ENOMEM;
	if (r == 1) {
		print_help(cmd);
		return 0;
	}
	if (r == 0)
		r = check_operands(cmd, &operands, &e);
	if (r == 0)
		r = cmd->run(c, options, &operands, &e);
	if (r >= 0)
		return r;
	ctl_complain(c, &e);
	return ctl_exit_code(&e, c->unreachable ? EXIT_ENGINE : cmd->usage_code);
}

static int complete_words(const struct ctl *c, const struct strv *words)
{
	const struct command *table[ARRAY_LEN(commands) + 1] = {0};
	const struct complete_setup setup = {table, global_flags, c->socket};
	const struct strv typed = {words->v + 1, words->n - 1};

	memcpy(table, commands, sizeof(commands));
	return complete(&setup, &typed);
}

static int run(struct ctl *c, int argc, char **argv)
{
	const struct flags_input in = {global_flags, argc - 1, argv + 1, true};
	struct global_options o = {0};
	const struct command *cmd;
	struct strv rest;
	struct err e;
	int r, words;
	bool help;

	r = flags_parse(&in, &c->arena, &o, &rest, &e);
	if (r < 0) {
		fprintf(stderr, "ctl: %s; see ctl --help\n", e.text);
		return EXIT_ENGINE;
	}
	if (r == 0 && o.version) {
		puts("ctl " BULKHEAD_VERSION);
		return 0;
	}
	c->socket = o.socket ? o.socket : getenv("BULKHEAD_SOCKET");
	if (!c->socket || !*c->socket)
		c->socket = SOCKET_DEFAULT;
	if (r == 0 && rest.n > 0 && strcmp(rest.v[0], COMPLETE_COMMAND) == 0)
		return complete_words(c, &rest);
	help = r == 0 && rest.n > 0 && strcmp(rest.v[0], "help") == 0;
	if (r == 1 || rest.n == 0 || (help && rest.n == 1)) {
		print_overview();
		return 0;
	}
	if (help)
		rest = (struct strv){rest.v + 1, rest.n - 1};
	cmd = find_command(&rest, &words);
	if (!cmd && (rest.n == 1 || rest.v[1][0] == '-') && print_group(rest.v[0]))
		return 0;
	if (!cmd)
		return unknown_command(rest.v[0]);
	if (help) {
		print_help(cmd);
		return 0;
	}
	return run_command(c, cmd, (int)rest.n - words, argv + argc - ((int)rest.n - words));
}

/* Output that could not be written is an error, not silence. */
static int flush(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "ctl: writing to stdout: %s\n", strerror(errno));
	return code ? code : EXIT_OBJECT;
}

/* A closed standard stream would be the next descriptor to be opened: the container's output would
 * go there. */
static void fill_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR);
}

int main(int argc, char **argv)
{
	struct ctl c = {.engine.fd = -1};
	int code;

	fill_streams();
	code = run(&c, argc, argv);
	client_close(&c.engine);
	arena_free(&c.arena);
	return flush(code);
}
