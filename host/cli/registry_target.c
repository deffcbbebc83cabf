#include "cli/registry_target.h"

#include <pwd.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/setup.h"
#include "registry/file.h"

#define PATH_SIZE 640

struct places {
  char url[PATH_SIZE], store[PATH_SIZE], keys[PATH_SIZE];
  uint32_t policy;
};

static void defaults(struct places *p, const char *data_dir) {
  if (!p->url[0]) snprintf(p->url, sizeof p->url, "sqlite:%.600s/registry.db", data_dir);
  if (!p->store[0]) snprintf(p->store, sizeof p->store, "%.600s/artifacts", data_dir);
  if (!p->keys[0]) snprintf(p->keys, sizeof p->keys, "%.600s/keys", data_dir);
}

static int from_config(const struct hd_registry_target *t, const char *command, struct places *p, char *data_dir, size_t size) {
  struct hd_setup *s = calloc(1, sizeof *s);
  if (!s) return HD_EXIT_FAILED;
  s->path = t->config;
  int code = hd_setup_load(s, command);
  if (!code) {
    hd_text_copy(p->url, sizeof p->url, s->config.registry_url);
    hd_text_copy(p->store, sizeof p->store, s->config.registry_store);
    hd_text_copy(p->keys, sizeof p->keys, s->config.registry_keys);
    p->policy = s->config.registry_policy;
    hd_text_copy(data_dir, size, s->config.data_dir);
  }
  hd_setup_fini(s);
  free(s);
  return code;
}

int hd_registry_target_open(const struct hd_registry_target *t, const char *command, struct hd_registry **out) {
  struct places p = {.policy = HD_REGISTRY_WARN};
  struct hd_fault fault = {0};
  char data_dir[PATH_SIZE] = "data";
  int code = t->config ? from_config(t, command, &p, data_dir, sizeof data_dir) : HD_EXIT_OK;
  if (code) return code;
  if (t->policy && !(p.policy = hd_registry_policy_parse(t->policy))) return hd_cli_usage(command, "--policy: expected off, warn or require, found \"%s\"", t->policy);
  if ((t->url && !hd_text_copy(p.url, sizeof p.url, t->url)) || (t->store && !hd_text_copy(p.store, sizeof p.store, t->store)) ||
      (t->keys && !hd_text_copy(p.keys, sizeof p.keys, t->keys)) || (t->data_dir && !hd_text_copy(data_dir, sizeof data_dir, t->data_dir)))
    return hd_cli_usage(command, "a path is too long");
  defaults(&p, data_dir);
  hd_directory_make(data_dir, 0755); // what it is for says so if it cannot be made
  int32_t err = hd_registry_open(&(struct hd_registry_options){.url = p.url, .store = p.store, .keys = p.keys, .policy = p.policy}, out, &fault);
  return err ? hd_cli_fail(command, hd_registry_exit(err), &fault) : HD_EXIT_OK;
}

void hd_registry_who(char *to, size_t size) {
  const struct passwd *p = getpwuid(geteuid());
  snprintf(to, size, "%.32s (uid %u)", p ? p->pw_name : "somebody", geteuid());
}

int hd_registry_exit(int32_t code) {
  switch (code) {
  case HADRON_OK: return HD_EXIT_OK;
  case HADRON_ERR_IO: case HADRON_ERR_DATABASE: case HADRON_ERR_MEMORY: case HADRON_ERR_INTERNAL: case HADRON_ERR_NOT_FOUND: case HADRON_ERR_AGAIN: case HADRON_ERR_DEPENDENCY:
    return HD_EXIT_FAILED;
  case HADRON_ERR_CONFIG: return HD_EXIT_CONFIG;
  case HADRON_ERR_CORRUPT: case HADRON_ERR_PARSE: return HD_EXIT_DATA;
  default: return HD_EXIT_REFUSED;
  }
}
