/* SPDX-License-Identifier: MIT */
/*
 * Health checks as docker's inspect shows them; see render.h.
 */
#include "format.h"
#include "render.h"
#include "words.h"

json_t *render_health(const struct health *h)
{
	json_t *j = json_object();

	json_object_set_new(j, "Test", render_strings(&h->test));
	render_number(j, "Interval", (int64_t)h->interval);
	render_number(j, "Timeout", (int64_t)h->timeout);
	render_number(j, "StartPeriod", (int64_t)h->start_period);
	render_number(j, "StartInterval", (int64_t)h->start_interval);
	render_number(j, "Retries", h->retries);
	return j;
}

json_t *render_health_state(const struct health_state *s)
{
	json_t *j = json_object(), *log = json_array();
	char when[64];

	render_text(j, "Status", s->status);
	render_number(j, "FailingStreak", s->streak);
	for (uint32_t i = 0; i < s->log.n; i++) {
		json_t *one = json_object();

		words_time(s->log.v[i].start, when);
		render_text(one, "Start", when);
		words_time(s->log.v[i].end, when);
		render_text(one, "End", when);
		render_number(one, "ExitCode", s->log.v[i].exit_code);
		render_text(one, "Output", s->log.v[i].output);
		json_array_append_new(log, one);
	}
	json_object_set_new(j, "Log", log);
	return j;
}
