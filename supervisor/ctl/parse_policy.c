/* SPDX-License-Identifier: MIT */
/*
 * Words about what becomes of a container that ends or is ill; see parse.h.
 */
#include "parse.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/util.h"
#include "flags.h"

int parse_restart(const char *s, struct restart_words *ret, struct err *e)
{
	static const char *const names[] = {"no", "on-failure", "always", "unless-stopped"};
	size_t n = strcspn(s, ":");

	*ret = (struct restart_words){0};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == n && memcmp(names[i], s, n) == 0)
			ret->name = names[i];
	if (!ret->name)
		return err_set(e, EINVAL,
			"\"%.32s\" is none of no, on-failure[:N], always and unless-stopped", s);
	if (!s[n])
		return 0;
	if (strcmp(ret->name, "on-failure") != 0)
		return err_set(e, EINVAL, "\"%.32s\": only on-failure takes a number", s);
	if (num_parse_u32(s + n + 1, 0, INT32_MAX, &ret->max) < 0)
		return err_set(e, EINVAL, "\"%.32s\": what follows the colon is no number", s);
	return 0;
}

int check_restart(const char *s, struct err *e)
{
	struct restart_words w;

	return parse_restart(s, &w, e);
}

int check_health_time(const char *s, struct err *e)
{
	uint64_t ns;

	if (parse_duration(s, &ns) < 0 || ns > INT64_MAX)
		return err_set(e, EINVAL, "\"%.32s\" is no time span: 30s, 1m30s, 500ms", s);
	if (ns > 0 && ns < 1000000)
		return err_set(e, EINVAL, "\"%.32s\" is less than 1ms", s);
	return 0;
}

int check_health_retries(const char *s, struct err *e)
{
	uint32_t n;

	if (num_parse_u32(s, 0, INT32_MAX, &n) < 0)
		return err_set(e, EINVAL, "\"%.32s\" is no number of failures", s);
	return 0;
}

int check_health_action(const char *s, struct err *e)
{
	static const char *const known[] = {"none", "kill", "restart", "stop"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i], s) == 0)
			return 0;
	return err_set(e, EINVAL, "\"%.32s\" is none of none, kill, restart and stop", s);
}

static bool take_time(const char *s, uint64_t *ret)
{
	return s && parse_duration(s, ret) == 0;
}

int parse_health(const struct health_words *w, struct arena *a, struct health *ret, bool *ret_any,
	struct err *e)
{
	const char *test[2] = {w->none ? "NONE" : "CMD-SHELL", w->none ? NULL : w->cmd};
	bool any = take_time(w->interval, &ret->interval);

	any |= take_time(w->timeout, &ret->timeout);
	any |= take_time(w->start_period, &ret->start_period);
	any |= take_time(w->start_interval, &ret->start_interval);
	any |= w->retries && num_parse_u32(w->retries, 0, INT32_MAX, &ret->retries) == 0;
	any |= w->cmd && *w->cmd;
	if (w->none && any)
		return err_set(e, EINVAL, "--no-healthcheck and --health-… exclude each other");
	*ret_any = any || w->none;
	if (!w->none && (!w->cmd || !*w->cmd))
		return 0;
	for (size_t i = 0; i < 2 && test[i]; i++)
		if (strv_append(a, &ret->test, test[i]) < 0)
			return err_set(e, ENOMEM, "out of memory");
	return 0;
}
