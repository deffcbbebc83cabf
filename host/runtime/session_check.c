// What `hadron run --check` finds out without starting anything: every plugin is loaded, its parameters are read by its own table, and
// names that point from one section to another are looked up.
#include <stdarg.h>

#include "base/banned.h"
#include "lua/runtime.h"
#include "runtime/session_deploy.h"
#include "runtime/session_internal.h"

struct check {
  const struct hd_config *config;
  const struct hd_session_plugins *from;
  const struct hd_config_plugin *section;
  hd_session_wrong *wrong;
  void *user;
  uint32_t count;
};

__attribute__((format(printf, 3, 4))) static void wrong_at(struct check *k, const char *place, const char *format, ...) {
  char text[HD_FAULT_SIZE], here[sizeof k->config->path + 16];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (!place) {
    snprintf(here, sizeof here, "%s:%d", k->config->path, k->section->line);
    place = here;
  }
  k->count++;
  k->wrong(k->user, place, text);
}

static void on_param(void *user, const struct hd_param_value *value, const struct hd_fault *fault) {
  struct check *k = user;
  wrong_at(k, value ? value->place : NULL, "%s: %s", k->section->name, fault->text);
}

// Loads the plugin of a section; NULL if it cannot be.
static const struct hd_plugin *check_plugin(struct check *k, const struct hd_config_plugin *section, uint32_t kind) {
  struct hd_fault fault;
  const struct hd_plugin *plugin = NULL;
  k->section = section;
  if (hd_session_load_plugin(k->from, section, kind, NULL, &plugin, &fault)) {
    wrong_at(k, NULL, "%s: %s", section->name, fault.text);
    return NULL;
  }
  if (plugin) hd_params_check(plugin, section->params, section->param_count, on_param, k);
  return plugin;
}

static bool has_venue(const struct hd_config *c, const char *name) {
  for (uint32_t i = 0; i < c->venue_count; i++)
    if (c->venues[i].enabled && strcmp(c->venues[i].name, name) == 0) return true;
  return false;
}

static void check_address(struct check *k) {
  if (k->config->bus.session_count == 0) wrong_at(k, NULL, "%s: it runs elsewhere: expected an address in bus.sessions where it can register, found none", k->section->name);
}

static void check_names(struct check *k) {
  const struct hd_config *c = k->config;
  for (uint32_t i = 0; i < c->strategy_count; i++) {
    k->section = &c->strategies[i].base;
    if (k->section->enabled && *c->strategies[i].venue && !has_venue(c, c->strategies[i].venue))
      wrong_at(k, NULL, "%s: venue: there is no venue \"%s\" in `venues`", k->section->name, c->strategies[i].venue);
    if (k->section->enabled && c->strategies[i].external) check_address(k);
  }
  for (uint32_t i = 0; i < c->instrument_count; i++) {
    const struct hd_config_plugin here = {.line = c->instruments[i].line};
    k->section = &here;
    for (uint32_t s = 0; s < c->instruments[i].symbol_count; s++)
      if (!has_venue(c, c->instruments[i].symbols[s].venue))
        wrong_at(k, NULL, "instrument %s: symbols names venue \"%s\", which is not in `venues`", c->instruments[i].definition.name, c->instruments[i].symbols[s].venue);
  }
  if (*c->orders_to && !has_venue(c, c->orders_to)) wrong_at(k, c->path, "gateway.orders_to: there is no venue \"%s\" in `venues`", c->orders_to);
}

uint32_t hd_session_check(const struct hd_config *config, struct hd_registry *registry, bool looks, hd_session_wrong *wrong, void *user) {
  const struct hd_lua_limits lua = {.memory_max = config->lua_memory_max, .instructions_max = config->lua_instructions_max};
  const struct hd_session_plugins from = {config, registry, looks, NULL};
  struct check k = {.config = config, .from = &from, .wrong = wrong, .user = user};
  hd_lua_limits_set(&lua);
  for (uint32_t i = 0; i < config->venue_count; i++)
    if (config->venues[i].enabled) check_plugin(&k, &config->venues[i], HADRON_KIND_VENUE);
  for (uint32_t i = 0; i < config->strategy_count; i++)
    if (config->strategies[i].base.enabled && !config->strategies[i].external) {
      const struct hd_plugin *plugin = check_plugin(&k, &config->strategies[i].base, HADRON_KIND_STRATEGY);
      if (plugin && hd_plugin_external(plugin)) check_address(&k);
    }
  for (uint32_t i = 0; i < config->service_count; i++)
    if (config->services[i].enabled) check_plugin(&k, &config->services[i], HADRON_KIND_SERVICE);
  check_plugin(&k, &config->allocator, HADRON_KIND_ALLOCATOR);
  check_names(&k);
  return k.count;
}
