/* SPDX-License-Identifier: MIT */
/*
 * Progress of a pull on stderr: a bar a layer on a terminal, one line a change elsewhere.
 */
#pragma once

#include "messages.h"

#define PROGRESS_LAYERS 128

struct progress {
	bool quiet, terminal;
	uint32_t n;	/* layers seen */
	uint32_t drawn; /* lines on the terminal */
	uint32_t columns;
	uint64_t last_ns; /* of the last drawing */
	struct progress_layer {
		char name[13]; /* the first twelve digits */
		char state[16];
		uint64_t bytes, total;
	} layers[PROGRESS_LAYERS];
};

void progress_open(struct progress *p, bool quiet);
/* For client.on_event; other events than image_progress are none of its business. */
void progress_event(void *progress, enum msg_type type, const void *msg);
void progress_close(struct progress *p);

/* One layer's line, in at most `columns` columns. */
void progress_line(const struct progress_layer *l, uint32_t columns, char *out, size_t size);
