/* SPDX-License-Identifier: MIT */
/*
 * Ports in docker's words.
 */
#pragma once

#include "parse.h"

/* "127.0.0.1:8080->80/tcp, 443/tcp", neighbours joined to ranges. Fresh; the caller frees. */
char *ports_words(const struct port_list *ports);

/* "80/tcp -> 127.0.0.1:8080", a line each, in the order of their numbers; those of one alone
 * without the arrow and what stands before it. Fresh; the caller frees. */
char *ports_lines(const struct port_list *ports, const struct port *one);
