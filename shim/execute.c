/* SPDX-License-Identifier: MIT */
/*
 * The last step: execve. The kernel alone judges what can be executed; names are not looked at
 * before it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inroot.h"
#include "process.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *env_get(const struct strv *env, const char *name)
{
	size_t n = strlen(name);

	for (uint32_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	return NULL;
}

/* argv and envp as execve takes them; with HOME when the environment has none. */
static char **make_vector(const struct strv *from, char *more)
{
	char **v = calloc(from->n + 2U, sizeof(*v));

	if (!v)
		return NULL;
	memcpy(v, from->v, from->n * sizeof(*v));
	v[from->n] = more;
	return v;
}

/* What was ignored or blocked survives execve; signal(7). */
static void reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* 127 for what isn't there, 126 for what is and can't be run. */
static int explain(int code, const char *name, const char *path, struct err *e)
{
	if (code == ENOENT || code == ENOTDIR)
		return err_set(
			e, ERR_NO_COMMAND, "exec: \"%.128s\": no such file or directory", name);
	if (code == EACCES && is_directory(path))
		return err_set(e, ERR_NOT_EXECUTABLE, "exec: \"%.128s\": is a directory", name);
	err_errno(e, code, "exec: \"%.128s\"", name);
	e->code = ERR_NOT_EXECUTABLE;
	return -ERR_NOT_EXECUTABLE;
}

static int search(char **argv, char **envp, const char *path, struct err *e)
{
	char file[PATH_MAX], refused[PATH_MAX] = "";
	int code = 0;

	for (;;) {
		size_t n = strcspn(path, ":");

		if ((size_t)snprintf(file, sizeof(file), "%.*s%s%s", (int)n, path,
			    n > 0 ? "/" : "./", argv[0]) < sizeof(file)) {
			execve(file, argv, envp);
			if (errno == EACCES && !is_directory(file)) {
				code = EACCES;
				memcpy(refused, file, sizeof(refused));
			} else if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
				return explain(errno, argv[0], file, e);
			}
		}
		if (path[n] == '\0')
			break;
		path += n + 1;
	}
	if (code)
		return explain(code, argv[0], refused, e);
	return err_set(
		e, ERR_NO_COMMAND, "exec: \"%.128s\": executable file not found in PATH", argv[0]);
}

int execute(const struct strv *argv, const struct strv *env, const char *home,
	const struct sock_fprog *filter, struct err *e)
{
	char home_env[1100], **av, **ev;
	const char *path = env_get(env, "PATH");

	snprintf(home_env, sizeof(home_env), "HOME=%s", home);
	av = argv->n > 0 ? make_vector(argv, NULL) : NULL;
	ev = make_vector(env, env_get(env, "HOME") ? NULL : home_env);
	if (!av || !ev)
		return err_set(
			e, argv->n ? ENOMEM : EINVAL, argv->n ? "out of memory" : "no command");
	reset_signals();
	/* From here on a system call that is not the container's to make can fail. */
	if (filter_install(filter, e) < 0)
		return -e->code;
	if (!*av[0])
		return err_set(e, ERR_NO_COMMAND, "exec: \"\": executable file not found in PATH");
	if (!strchr(av[0], '/'))
		return search(av, ev, path ? path : default_path, e);
	execve(av[0], av, ev);
	return explain(errno, av[0], av[0], e);
}
