/* SPDX-License-Identifier: MIT */
/*
 * Reading elements back; see fw_json.h. Runs in netd. The table may be somebody else's that has our
 * name: what doesn't look like an element of ours is passed over.
 */
#include "fw_json.h"

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PORT_MAX 65535

static bool set_port(uint16_t *port, json_int_t v)
{
	*port = (uint16_t)v;
	return v > 0 && v <= PORT_MAX;
}

static bool set_proto(bool *udp, json_int_t number)
{
	*udp = number == IPPROTO_UDP;
	return *udp || number == IPPROTO_TCP;
}

/* An element is [{"elem": {"val": {"concat": [address,] proto, port}, "comment": id}}, {"concat":
 * [address, port]}]; see libnftables-json(5). */
static bool read_element(json_t *pair, bool six, bool any, struct published *p)
{
	const char *host = any ? (six ? "::" : "0.0.0.0") : NULL, *to, *id;
	json_int_t proto, host_port, to_port;
	json_t *key;

	if (json_unpack(pair, "[{s:{s:{s:o}, s:s}}, {s:[s, I]}]", "elem", "val", "concat", &key,
		    "comment", &id, "concat", &to, &to_port) < 0)
		return false;
	if (any ? json_unpack(key, "[I, I]", &proto, &host_port)
		: json_unpack(key, "[s, I, I]", &host, &proto, &host_port))
		return false;
	*p = (struct published){.family = six ? AF_INET6 : AF_INET, .any = any, .hold = -1};
	if (!set_proto(&p->udp, proto) || !set_port(&p->host_port, host_port) ||
		!set_port(&p->to_port, to_port) || names_check("container", id, NULL) < 0)
		return false;
	snprintf(p->container, sizeof(p->container), "%s", id);
	if (six)
		return ip6_parse(host, &p->host6, NULL) == 0 && ip6_parse(to, &p->to6, NULL) == 0;
	return ip4_parse(host, &p->host4, NULL) == 0 && ip4_parse(to, &p->to4, NULL) == 0;
}

static void read_elements(json_t *root, bool six, bool any, struct published **rows)
{
	json_t *objects = json_object_get(root, "nftables"), *object, *pair;
	size_t i, k;

	json_array_foreach(objects, i, object)
	{
		json_array_foreach(json_object_get(json_object_get(object, "map"), "elem"), k, pair)
		{
			struct published p, *fresh;

			if (!read_element(pair, six, any, &p) || !(fresh = malloc(sizeof(*fresh))))
				continue;
			*fresh = p;
			fresh->next = *rows;
			*rows = fresh;
		}
	}
}

int fw_json_read(const char *json, bool six, bool any, struct published **rows, struct err *e)
{
	json_t *root = json_loads(json, 0, NULL);

	if (!root)
		return err_set(e, EBADMSG, "its listing is not JSON");
	read_elements(root, six, any, rows);
	json_decref(root);
	return 0;
}
