/* SPDX-License-Identifier: MIT */
/*
 * A map of the firewall table, as libnftables lists it in JSON.
 */
#pragma once

#include "ports.h"

/* Puts a row for each of its elements in front of *rows, unheld. six and any say which of the four
 * maps it is. -EBADMSG when it isn't JSON. */
int fw_json_read(const char *json, bool six, bool any, struct published **rows, struct err *e);
