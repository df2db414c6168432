/* SPDX-License-Identifier: MIT */
/*
 * One reading of what a container uses, as docker's stats tell it.
 */
#pragma once

#include <jansson.h>

#include "messages.h"

struct stats_row {
	char id[65], name[129];
	bool running;
	struct counters usage;
	uint64_t memory_limit; /* 0: none */
	bool has_network;
	uint64_t received, sent; /* by the container */
};

/* Fills in what went through its link, whose other end anybody may look at. */
void stats_read_network(struct stats_row *row);

/* Field names are docker's; what docker has none for lies in "Usage", as numbers. before: an
 * earlier reading, or NULL. */
json_t *stats_json(const struct stats_row *row, const struct stats_row *before, bool whole);
json_t *stats_headers(void);

/* Hundredths of a percent of one processor in the time between. */
uint64_t stats_cpu(const struct stats_row *row, const struct stats_row *before);
