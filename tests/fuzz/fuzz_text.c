/* SPDX-License-Identifier: MIT */
/*
 * Any line as the debug form of a message: refused, or read and printed. Of descriptors it gets
 * those that message_lines.h has alone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "message_lines.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_shown(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* What is printed is the same message again, or none, since a structure without a field can't be
 * printed; a descriptor is another one, and what can't be shown has become a question mark. */
static void check_printed(enum msg_type type, const char *printed, bool exact)
{
	void *obj = malloc(msg_row(type)->schema->size);
	struct frame f = {0};
	struct err e = {0};
	char *again = NULL;

	if (obj && text_parse(printed, 1, &f, &e) == 0) {
		if (f.type != type || frame_decode(&f, obj, &e) < 0 ||
			text_print(type, obj, &again) < 0 ||
			(exact && f.n_fds == 0 && strcmp(printed, again) != 0))
			abort();
		frame_free(&f);
	}
	free(again);
	free(obj);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct frame f = {0};
	struct err e = {0};

	memcpy(line, data, size);
	line[size] = '\0';
	message_open_fds();
	message_disarm(line);
	if (text_parse(line, 1, &f, &e) == 0) {
		void *obj = malloc(msg_row(f.type)->schema->size);
		char *printed = NULL;

		if (frame_decode(&f, obj, &e) < 0)
			abort();
		if (text_print(f.type, obj, &printed) == 0)
			check_printed(f.type, printed, is_shown(line));
		free(printed);
		free(obj);
		frame_free(&f);
	}
	free(line);
	return 0;
}
