/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of health checks; see health.h. Without a clock.
 */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "health.h"

#define MS	1000000ULL
#define SECOND	(1000 * MS)
#define RETRIES 3

static uint64_t first_of(uint64_t user, uint64_t image, uint64_t standard)
{
	return user ? user : image ? image : standard;
}

bool health_merge(const struct health *user, const struct health *image, struct health *ret)
{
	static const struct health none;
	const char *v[256];
	struct strv command;

	user = user ? user : &none;
	image = image ? image : &none;
	*ret = (struct health){.test = user->test.n ? user->test : image->test,
		.interval = first_of(user->interval, image->interval, 30 * SECOND),
		.timeout = first_of(user->timeout, image->timeout, 30 * SECOND),
		.start_period = first_of(user->start_period, image->start_period, 0),
		.start_interval = first_of(user->start_interval, image->start_interval, 5 * SECOND),
		.retries = (uint32_t)first_of(user->retries, image->retries, RETRIES)};
	return health_command(ret, v, &command);
}

bool health_command(const struct health *h, const char *v[256], struct strv *ret)
{
	const struct strv *t = &h->test;

	*ret = (struct strv){.v = v};
	if (t->n < 2 || t->n > 256)
		return false;
	if (strcmp(t->v[0], "CMD-SHELL") == 0) {
		v[0] = "/bin/sh";
		v[1] = "-c";
		v[2] = t->v[1];
		ret->n = 3;
	} else if (strcmp(t->v[0], "CMD") == 0) {
		memcpy(v, t->v + 1, (t->n - 1) * sizeof(*v));
		ret->n = t->n - 1;
	}
	return ret->n > 0 && *v[0];
}

int health_check_options(const struct create *o, struct err *e)
{
	static const char *const actions[] = {"none", "kill", "restart", "stop"};
	const struct health *h = o->health;
	bool known = !o->health_action;

	for (unsigned int i = 0; i < ARRAY_LEN(actions) && !known; i++)
		known = strcmp(actions[i], o->health_action) == 0;
	if (!known)
		return err_set(e, EINVAL, "health action \"%s\" is not known", o->health_action);
	if (o->autoremove && o->health_action && strcmp(o->health_action, "restart") == 0)
		return err_set(
			e, EINVAL, "--health-on-failure restart and --rm exclude each other");
	for (unsigned int i = 0; h && i < 4; i++) {
		const uint64_t times[] = {
			h->interval, h->timeout, h->start_period, h->start_interval};

		if (times[i] > 0 && times[i] < MS)
			return err_set(e, EINVAL, "a time of a health check is less than 1 ms");
	}
	return 0;
}

static uint64_t to_ms(uint64_t ns)
{
	return MAX(ns / MS, (uint64_t)1);
}

/* docker's getInterval: the first check after the start period is not late. */
uint64_t health_pause_ms(const struct health *h, bool starting, uint64_t up_ns)
{
	uint64_t left = h->start_period > up_ns ? h->start_period - up_ns : 0;

	if (left == 0)
		return to_ms(h->interval);
	if (left < h->interval)
		return to_ms(starting ? MIN(left, h->start_interval) : left);
	return to_ms(starting ? h->start_interval : h->interval);
}

bool health_judge(struct health_state *s, const struct health *h, bool good, uint64_t up_ns)
{
	bool was_unhealthy = strcmp(s->status, "unhealthy") == 0;

	if (good) {
		s->status = "healthy";
		s->streak = 0;
		return false;
	}
	if (strcmp(s->status, "starting") == 0 && up_ns < h->start_period)
		return false;
	s->streak += s->streak < UINT32_MAX;
	if (s->streak < h->retries || was_unhealthy)
		return false;
	s->status = "unhealthy";
	return true;
}
