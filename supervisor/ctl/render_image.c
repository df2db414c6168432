/* SPDX-License-Identifier: MIT */
/*
 * An image as docker's inspect shows it; see render.h.
 */
#include "render.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "format.h"
#include "reference.h"

static const struct image_config no_config;

/* Each reference twice: with its tag, and with the digest that it had when it was pulled. */
static void put_names(json_t *j, const struct image *im)
{
	json_t *tags = json_array(), *digests = json_array();

	for (uint32_t i = 0; i < im->refs.n; i++) {
		struct reference ref;
		char text[700];

		reference_split(im->refs.v[i], true, &ref);
		snprintf(text, sizeof(text), "%s:%s", ref.name, ref.tag);
		if (strcmp(ref.tag, "<none>") != 0)
			json_array_append_new(tags, json_text(text));
		snprintf(text, sizeof(text), "%s@%s", ref.name, im->digest ? im->digest : "");
		if (im->digest)
			json_array_append_new(digests, json_text(text));
	}
	json_object_set_new(j, "RepoTags", tags);
	json_object_set_new(j, "RepoDigests", digests);
}

static json_t *render_config(const struct image_config *c)
{
	json_t *j = json_object();

	render_text(j, "User", c->user);
	json_object_set_new(j, "ExposedPorts", render_keys(&c->exposed));
	json_object_set_new(j, "Env", render_strings(&c->env));
	json_object_set_new(j, "Cmd", render_strings(&c->cmd));
	json_object_set_new(j, "Volumes", render_keys(&c->volumes));
	render_text(j, "WorkingDir", c->workdir);
	json_object_set_new(j, "Entrypoint", render_strings(&c->entrypoint));
	json_object_set_new(j, "Labels", render_pairs(&c->labels, NULL));
	if (c->health)
		json_object_set_new(j, "Healthcheck", render_health(c->health));
	if (c->stop_signal)
		render_text(j, "StopSignal", c->stop_signal);
	return j;
}

json_t *render_image(const struct image *im)
{
	const struct image_config *c = im->config ? im->config : &no_config;
	json_t *j = json_object(), *layers = json_array(), *root = json_object();

	render_text(j, "Id", im->id);
	put_names(j, im);
	render_text(j, "Created", c->created);
	json_object_set_new(j, "Config", render_config(c));
	render_text(j, "Architecture", c->architecture);
	render_text(j, "Os", c->os);
	render_number(j, "Size", (int64_t)im->size);
	for (uint32_t i = 0; i < im->layers.n; i++)
		json_array_append_new(layers, json_text(im->layers.v[i].diff_id));
	render_text(root, "Type", "layers");
	json_object_set_new(root, "Layers", layers);
	json_object_set_new(j, "RootFS", root);
	return j;
}
