/* SPDX-License-Identifier: MIT */
/*
 * Ports in docker's words.
 */
#pragma once

#include "parse.h"

/* "127.0.0.1:8080->80/tcp, 443/tcp", neighbours joined to ranges. Fresh; the caller frees. */
char *ports_words(const struct port_list *ports);
