/* SPDX-License-Identifier: MIT */
/*
 * port: where a container's ports are published.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "container.h"
#include "ports.h"

/* "80", "80/tcp" or "53/udp" */
static int parse_wanted(const char *s, struct port *ret, struct err *e)
{
	size_t n = strcspn(s, "/");
	char number[6];
	uint64_t v;

	*ret = (struct port){.proto = s[n] ? s + n + 1 : "tcp"};
	if (n < sizeof(number)) {
		memcpy(number, s, n);
		number[n] = '\0';
		if (num_parse_u64(number, 1, 65535, &v) == 0 &&
			(strcmp(ret->proto, "tcp") == 0 || strcmp(ret->proto, "udp") == 0)) {
			ret->container_port = (uint32_t)v;
			return 0;
		}
	}
	return err_set(e, EINVAL, "\"%.64s\" is no port: PORT, PORT/tcp or PORT/udp", s);
}

static int cmd_port(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	_cleanup_container_ struct container_copy k = {0};
	const char *ref = operands->v[0], *of = operands->n > 1 ? operands->v[1] : NULL;
	_cleanup_free_ char *text = NULL;
	struct port wanted;
	int r = of ? parse_wanted(of, &wanted, e) : 0;

	(void)options;
	if (r == 0)
		r = ctl_connect(c, e);
	if (r == 0)
		r = container_get(c, ref, &k, e);
	if (r < 0)
		return r;
	if (k.container.endpoint && container_is_up(k.container.status))
		text = ports_lines(&(struct port_list){k.container.endpoint->ports.v,
					   k.container.endpoint->ports.n},
			of ? &wanted : NULL);
	if (of && (!text || !*text))
		return err_set(
			e, ENOENT, "port %.16s of container %.128s is not published", of, ref);
	fputs(text ? text : "", stdout);
	return 0;
}

const struct command command_port = {"port", "CONTAINER [PORT[/PROTO]]",
	"Show where a container's ports are published", NULL, 0, 1, 2, false, EXIT_OBJECT,
	cmd_port};
