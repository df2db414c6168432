/* SPDX-License-Identifier: MIT */
/*
 * Any line as the debug form of a message. Files it names are not opened: '@' is replaced.
 */
#include <stdint.h>
#include <string.h>

#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct frame f = {0};
	struct err e = {0};

	memcpy(line, data, size);
	line[size] = '\0';
	for (char *p = line; *p; p++)
		if (*p == '@')
			*p = '-';
	if (text_parse(line, 1, &f, &e) == 0) {
		void *obj = malloc(msg_row(f.type)->schema->size);
		char *printed = NULL;

		if (frame_decode(&f, obj, &e) < 0)
			abort();
		text_print(f.type, obj, &printed);
		free(printed);
		free(obj);
		frame_free(&f);
	}
	free(line);
	return 0;
}
