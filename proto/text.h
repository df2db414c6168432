/* SPDX-License-Identifier: MIT */
/*
 * Messages as lines of text, for `--debug`:
 *
 *	net_attach container=x network=bridge netns=@/proc/42/ns/net ports.0.container_port=80
 *ports.0.proto=tcp
 *
 * name=value; a value with spaces is quoted "…" with \" and \\; lists are field.INDEX or, for STRV
 *and FDV, a repeated field (argv=ls argv=-l); members of structures are field.member; @PATH opens a
 *file (O_RDWR if it may be, else O_RDONLY, else O_PATH) as a descriptor, @<PATH for reading alone,
 *@>PATH creates it for writing; @fd:N is descriptor N of the daemon itself. Documents for memfd
 *fields: field=@{spec id=… argv=…} makes a sealed memfd of that document.
 */
#pragma once

#include "frame.h"

/* Parses a line into an encoded frame body, ready for frame_decode; ret->fds are owned by *ret. */
int text_parse(const char *line, uint32_t id, struct frame *ret, struct err *e);

/* Prints a message as one line without newline into a fresh string that the caller frees.
 * Descriptors print as @fd:N. */
int text_print(enum msg_type type, const void *msg, char **ret);
