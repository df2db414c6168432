/* SPDX-License-Identifier: MIT */
/*
 * The checks of doctor.h about the engine's ids and processes, as far as any user sees them.
 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/util.h"

#define FILE_MAX   (1U << 20)
#define OPEN_FILES 65536 /* what profiles of the supervisor and netd ask for */

#define say(...) snprintf(found, DOCTOR_FOUND_MAX, __VA_ARGS__)

DOCTOR_CHECK(doctor_engine_answers)
{
	if (*g->complaint)
		say("%s", g->complaint);
	else
		say("version %s answers", g->version);
	return *g->complaint ? DOCTOR_MISSING : DOCTOR_OK;
}

/* The configuration may name another: whose the socket is counts. */
DOCTOR_CHECK(doctor_group)
{
	const struct group *gr = NULL;
	struct stat st;

	if (stat(g->socket, &st) < 0)
		gr = getgrnam("bulkhead");
	else if (st.st_mode & S_IWGRP)
		gr = getgrgid(st.st_gid);
	if (gr)
		say("%.64s may use the engine", gr->gr_name);
	else
		say("there is no group bulkhead, or the engine is older than it");
	return gr ? DOCTOR_OK : DOCTOR_WEAKER;
}

DOCTOR_CHECK(doctor_users)
{
	static const char *const names[] = {"bulkhead", "bulkhead-net", "bulkhead-img"};
	size_t n = 0;

	found[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!getpwnam(names[i]))
			n += (size_t)snprintf(
				found + n, DOCTOR_FOUND_MAX - n, "%s %s", n ? "," : "no", names[i]);
	if (n == 0)
		say("bulkhead, bulkhead-net, bulkhead-img");
	return n ? DOCTOR_WEAKER : DOCTOR_OK;
}

/* Lines "name:first:count", subuid(5). The user whose range meets ours, or NULL. */
static char *claimed_by(char *text, const uint32_t uids[2])
{
	char *line, *save = NULL;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name = strsep(&line, ":"), *first = strsep(&line, ":");
		uint64_t from, count;

		if (!first || !line || num_parse_u64(first, 0, UINT32_MAX, &from) < 0 ||
			num_parse_u64(line, 0, UINT32_MAX, &count) < 0)
			continue;
		if (from <= uids[1] && from + count > uids[0])
			return name;
	}
	return NULL;
}

DOCTOR_CHECK(doctor_uid_range)
{
	static const char *const files[] = {"/etc/subuid", "/etc/subgid"};

	if (!g->uids[1])
		return DOCTOR_UNKNOWN;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *text = NULL;
		const char *who = NULL;

		if (fd_read_file_at(AT_FDCWD, files[i], FILE_MAX, &text, NULL) == 0)
			who = claimed_by(text, g->uids);
		if (who) {
			say("%s gives %.64s some of %u-%u", files[i], who, g->uids[0], g->uids[1]);
			return DOCTOR_WEAKER;
		}
	}
	say("%u-%u, the engine's alone", g->uids[0], g->uids[1]);
	return DOCTOR_OK;
}

/* What the launcher has is what its children have: profiles lower limits and nobody raises any.
 * proc(5) shows it to anybody. */
DOCTOR_CHECK(doctor_rlimits)
{
	static const char key[] = "\nMax open files";
	_cleanup_free_ char *text = NULL;
	const char *at = NULL;
	char path[32], hard[24];
	uint64_t n;

	snprintf(path, sizeof(path), "/proc/%u/limits", g->launcher);
	if (g->launcher && fd_read_file_at(AT_FDCWD, path, FILE_MAX, &text, NULL) == 0)
		at = strstr(text, key);
	if (!at || sscanf(at + sizeof(key) - 1, "%*s %23s", hard) != 1)
		return DOCTOR_UNKNOWN;
	say("at most %s open files a process", hard);
	return num_parse_u64(hard, 0, OPEN_FILES - 1, &n) == 0 ? DOCTOR_WEAKER : DOCTOR_OK;
}
