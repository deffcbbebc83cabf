// Strategies that the configuration does not have: their deployment brings what a section would say (registry/deployment.h), and names the
// hosts that run it. At the start they come after the sections; while it runs a seat is founded, empty and with a book of its own, and a
// change sets the first version down in it.
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "registry/deployment_store.h"
#include "runtime/config_read.h"
#include "runtime/meeting.h"
#include "runtime/session_deploy.h"
#include "runtime/session_internal.h"

// ---- a section, made of a deployment --------------------------------------------------------------------------------------------------------

struct own_section {
  struct hd_config_strategy section; // first: it is what others see
  const char *names[HD_DEPLOYMENT_LIST / 2 + 1];
  char text[HD_DEPLOYMENT_LIST];
};

static int32_t read_limit(const struct hd_deployment *d, const struct hd_deployment_param *p, struct hd_limits *out, struct hd_fault *fault) {
  static const uint32_t types[] = {[HD_LIMIT_QUANTITY] = HD_KEY_QUANTITY, [HD_LIMIT_MONEY] = HD_KEY_MONEY, [HD_LIMIT_BPS] = HD_KEY_I64, [HD_LIMIT_COUNT] = HD_KEY_I64,
                                   [HD_LIMIT_DURATION_MS] = HD_KEY_I64};
  for (uint32_t i = 0; i < hd_limit_key_count; i++) {
    const struct hd_limit_key *k = &hd_limit_keys[i];
    int64_t factor = k->unit == HD_LIMIT_DURATION_MS ? 1000000 : 1, number;
    const struct hd_config_key as_key = {.path = k->key, .type = types[k->unit], .min = 0, .max = k->max / factor};
    if (strcmp(k->key, p->name) != 0) continue;
    if (!(k->scopes & HD_SCOPE_STRATEGY)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment %s: risk.%s is a limit of the account, not of a strategy", d->name, p->name);
    if (hd_config_key_parse(&as_key, p->text, &number, fault)) return hd_fault_prefix(fault, "deployment %s: risk.%s: ", d->name, p->name);
    number *= factor;
    memcpy((char *)out + k->offset, &number, sizeof number);
    return HADRON_OK;
  }
  return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment %s: risk.%s: there is no such limit; docs/config.md lists them", d->name, p->name);
}

static int32_t section_make(const struct hd_deployment *d, struct hd_config_strategy **out, struct hd_fault *fault) {
  struct own_section *own = calloc(1, sizeof *own);
  if (!own) return hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", d->name);
  struct hd_config_strategy *c = &own->section;
  hd_text_copy(c->base.name, sizeof c->base.name, d->name);
  snprintf(c->base.plugin, sizeof c->base.plugin, "%s@%s", d->plugin, d->arms[0].version);
  c->base.enabled = true;
  hd_text_copy(own->text, sizeof own->text, d->universe);
  for (char *at = own->text; *at; at += strlen(at) + 1) {
    own->names[c->universe_count++] = at;
    char *end = strchr(at, '\n');
    if (!end) break;
    *end = 0;
  }
  c->universe = own->names;
  c->weight = d->arms[0].weight;
  c->cash = d->cash;
  c->size = d->size;
  c->role = HD_ROLE_LIVE;
  hd_text_copy(c->venue, sizeof c->venue, d->venue);
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < d->risk_count && !code; i++) code = read_limit(d, &d->risk[i], &c->risk, fault);
  c->guard = d->guard;
  c->budget = d->budget;
  if (code) free(own);
  else *out = c;
  return code;
}

// ---- at the start ---------------------------------------------------------------------------------------------------------------------------

bool hd_session_is_section(const struct hd_config *c, const char *name) {
  bool found = strcmp(c->allocator.name, name) == 0;
  for (uint32_t i = 0; i < c->strategy_count; i++) found |= strcmp(c->strategies[i].base.name, name) == 0;
  for (uint32_t i = 0; i < c->venue_count; i++) found |= strcmp(c->venues[i].name, name) == 0;
  for (uint32_t i = 0; i < c->service_count; i++) found |= strcmp(c->services[i].name, name) == 0;
  return found;
}

#define PENDING_MAX 16 // changes under way when the host last went down

struct finding {
  struct hd_session *s;
  char host[64];
  uint32_t count;
  char names[PENDING_MAX][HADRON_NAME_SIZE];
};

static int32_t take_active(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  const struct finding *f = user;
  struct hd_session_deployed *row = NULL;
  if (!strstr(what, "\"hosts\":") || hd_session_is_section(f->s->config, r->name)) return HADRON_OK;
  struct hd_deployment *d = malloc(sizeof *d);
  int32_t code = d ? hd_deployment_parse(what, d, fault) : hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", r->name);
  if (!code && d->kind == HADRON_KIND_STRATEGY && hd_deployment_here(d, f->host)) {
    code = hd_session_own_row(f->s, d, &row, fault);
    if (!code) row->now.revision = r->revision;
  }
  free(d);
  return code;
}

static int32_t take_pending(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  struct finding *f = user;
  (void)what, (void)fault;
  if (f->count < PENDING_MAX && strcmp(r->host, f->host) == 0 && !hd_session_is_section(f->s->config, r->name)) hd_text_copy(f->names[f->count++], HADRON_NAME_SIZE, r->name);
  return HADRON_OK;
}

// Of a session that is run again: what it began with and has no section for.
static int32_t recorded_rows(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_session_recorded *r = s->options.recorded;
  const struct hadron_deployment *part;
  const char *text;
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; !code && (part = r->at(r->self, i, &text)); i++) {
    struct hd_session_deployed *row = NULL;
    if (part->kind != HADRON_KIND_STRATEGY || part->stage != HADRON_DEPLOYMENT_START || !*text || hd_session_is_section(s->config, part->name) || hd_session_deployed(s, part->name)) continue;
    struct hd_deployment *d = malloc(sizeof *d);
    code = d ? hd_deployment_parse(text, d, fault) : hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", part->name);
    if (!code) hd_text_copy(d->name, sizeof d->name, part->name);
    if (!code) code = hd_session_own_row(s, d, &row, fault);
    if (!code) row->now.revision = part->revision;
    free(d);
  }
  return code;
}

// Rows for what is active and named this host; the changes of it that were under way when the host last went down are settled first.
int32_t hd_session_own_rows(struct hd_session *s, struct hd_fault *fault) {
  struct finding f = {.s = s};
  if (s->options.recorded) return recorded_rows(s, fault);
  if (!s->options.registry || !s->options.versions) return HADRON_OK;
  struct hd_database *d = hd_registry_database(s->options.registry);
  hd_session_host(s->config, f.host, sizeof f.host);
  int32_t code = hd_revision_list(d, NULL, HD_REVISION_PENDING, take_pending, &f, fault);
  for (uint32_t i = 0; i < f.count && !code; i++) code = hd_session_resolve(s, f.names[i], f.host, fault);
  return code ? code : hd_revision_list(d, NULL, HD_REVISION_ACTIVE, take_active, &f, fault);
}

int32_t hd_session_own_row(struct hd_session *s, const struct hd_deployment *d, struct hd_session_deployed **out, struct hd_fault *fault) {
  struct hd_config_strategy *section;
  int32_t code = section_make(d, &section, fault);
  if (code) return code;
  if ((code = hd_session_new_row(s, out, fault))) {
    free(section);
    return code;
  }
  (*out)->now = *d;
  (*out)->own = section;
  return HADRON_OK;
}

// ---- while it runs --------------------------------------------------------------------------------------------------------------------------

static struct hd_session_arm *home_of(const struct hd_session *s, const char *name) {
  for (uint32_t i = 0; i < s->arm_count; i++)
    if (s->arms[i].home == s->arms[i].id && strcmp(s->arms[i].config->base.name, name) == 0) return &s->arms[i];
  return NULL;
}

bool hd_session_founded(const struct hd_session *s, const char *name) {
  const struct hd_session_arm *home = home_of(s, name);
  return home && s->pipeline.portfolio.books[home->id].role;
}

struct founding {
  struct hd_session *s;
  struct hd_session_arm *seat;
  const struct hd_deployment *want;
  const struct hd_plugin *plugin;
  int32_t code;
};

static int64_t now_of(const struct hd_session *s) { return s->options.is_virtual ? s->runner.now_ns : hd_clock_wall_ns(); }

// Before it is done, for who runs this again.
static int32_t write_seat(const struct founding *f, uint8_t stage) {
  struct hadron_deployment part = {.time_ns = now_of(f->s), .number = f->seat->id, .kind = HADRON_KIND_STRATEGY, .stage = stage};
  hd_text_copy(part.name, sizeof part.name, f->seat->config->base.name);
  if (!f->want) return hd_session_write_part(f->s, &part, NULL);
  part.revision = f->want->revision;
  memcpy(part.digest, f->plugin->digest, sizeof part.digest);
  hd_text_copy(part.version, sizeof part.version, f->plugin->manifest.version);
  char *text = hd_deployment_text(f->want);
  int32_t code = text ? hd_session_write_part(f->s, &part, text) : HADRON_ERR_MEMORY;
  free(text);
  return code;
}

static void open_book(void *argument) {
  struct founding *f = argument;
  if ((f->code = write_seat(f, HADRON_DEPLOYMENT_FOUND))) return;
  const struct hd_config_strategy *c = f->seat->config;
  struct hd_arm row = {.id = f->seat->id, .role = HD_ROLE_LIVE, .weight = c->weight, .venue = hd_session_order_venue(f->s, c->venue), .size = c->size};
  hd_text_copy(row.name, sizeof row.name, c->base.name);
  f->s->pipeline.risk.strategy[row.id] = c->risk;
  f->code = hd_pipeline_arm(&f->s->pipeline, &row, c->cash, f->seat->instruments, f->seat->instrument_count, f->plugin->digest, f->plugin->manifest.version);
}

static void seat_empty(struct hd_session_arm *seat) {
  free(seat->instruments);
  free(seat->seats);
  seat->instruments = NULL;
  seat->seats = NULL;
  seat->instrument_count = seat->seat_count = 0;
}

// A strategy over its whole universe needs it on one shard, and which shard an instrument is on is settled at the start.
static int32_t check_shards(const struct hd_session *s, const struct hd_session_arm *seat, struct hd_fault *fault) {
  const struct hd_instruments *t = &s->pipeline.instruments;
  for (uint32_t i = 1; seat->seat_count == 1 && i < seat->instrument_count; i++)
    if (t->rows[seat->instruments[i]].shard != t->rows[seat->instruments[0]].shard)
      return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "deployment %s: its universe lies on several shards (%s on %u, %s on %u), and a strategy of universe scope needs one; name instruments of "
                          "one shard, or deploy it while the host is down: the next start puts them together", seat->config->base.name, t->rows[seat->instruments[0]].name,
                          t->rows[seat->instruments[0]].shard + 1, t->rows[seat->instruments[i]].name, t->rows[seat->instruments[i]].shard + 1);
  return HADRON_OK;
}

static int32_t seat_fill(struct hd_session *s, struct hd_session_arm *seat, const struct hd_plugin *plugin, struct hd_fault *fault) {
  const struct hd_config_strategy *c = seat->config;
  bool there = !*c->venue;
  for (uint32_t i = 0; i < s->venue_count; i++) there |= strcmp(s->venues[i].name, c->venue) == 0;
  if (!there)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment %s: venue: there is no venue \"%s\" in this host's configuration", c->base.name, c->venue);
  int32_t code = hd_session_universe(s, seat, fault);
  if (!code) code = hd_seats_make(s, seat, plugin, fault);
  return code ? code : check_shards(s, seat, fault);
}

int32_t hd_session_found(struct hd_session *s, struct hd_session_deployed *row, const struct hd_deployment *want, const struct hd_plugin *plugin, struct hd_fault *fault) {
  struct hd_session_arm *seat = home_of(s, row->now.name);
  bool fresh = !seat;
  if (fresh && s->arm_count == s->arm_max)
    return hd_fault_set(fault, HADRON_ERR_FULL, "deployment %s: all %u seats of the session are taken; disable a strategy that is not needed and start again", row->now.name, s->arm_max);
  if (fresh) seat = &s->arms[s->arm_count];
  else seat_empty(seat);
  if (fresh) *seat = (struct hd_session_arm){.id = s->arm_count + 1, .home = s->arm_count + 1};
  seat->config = row->own;
  seat->weight = row->own->weight;
  struct founding f = {s, seat, want, plugin, HADRON_OK};
  int32_t code = seat_fill(s, seat, plugin, fault);
  if (!code) {
    hd_session_trade(s, open_book, &f);
    if ((code = f.code)) hd_fault_set(fault, code, "deployment %s: a book of its own: %s", row->now.name, hadron_error_text(code));
  }
  if (code) seat_empty(seat);
  else if (fresh) s->arm_count++;
  return code;
}

static void close_book(void *argument) {
  struct founding *f = argument;
  struct hd_fault fault;
  if (write_seat(f, HADRON_DEPLOYMENT_UNFOUND)) hd_log_error("CHANGE_SEAT", "%s: the journal did not take that its seat is closed", f->seat->config->base.name);
  f->code = hd_pipeline_close(&f->s->pipeline, f->seat->id, 0, now_of(f->s), &fault);
  if (f->code) hd_log_error("CHANGE_SEAT", "%s: %s", f->seat->config->base.name, fault.text);
}

void hd_session_unfound(struct hd_session *s, struct hd_session_deployed *row) {
  struct hd_session_arm *seat = home_of(s, row->now.name);
  if (!seat || seat->occupant || !hd_session_founded(s, row->now.name)) return;
  struct founding f = {s, seat, NULL, NULL, HADRON_OK};
  hd_session_trade(s, close_book, &f);
}

int32_t hd_session_own_again(struct hd_session_deployed *row, const struct hd_deployment *d, struct hd_session *s, struct hd_fault *fault) {
  struct hd_config_strategy *section;
  int32_t code = section_make(d, &section, fault);
  if (code) return code;
  for (uint32_t i = 0; i < s->arm_count; i++)
    if (s->arms[i].config == row->own) s->arms[i].config = section;
  free(row->own);
  row->own = section;
  return HADRON_OK;
}

bool hd_session_wants_new(const struct hd_session *s, const struct hd_session_arm *seat) {
  bool new = false;
  for (uint32_t i = 0; i < seat->instrument_count; i++)
    new |= !hd_engine_wants(s->pipeline.engines[s->pipeline.instruments.rows[seat->instruments[i]].shard], seat->instruments[i]);
  return new;
}

void hd_session_subscribe_new(struct hd_session *s, const struct hd_session_arm *seat) {
  struct hd_fault fault = {0};
  for (uint32_t i = 0; i < seat->instrument_count; i++) hd_router_fact(&s->pipeline.router, seat->instruments[i], HD_FACT_UNSUBSCRIBED, false);
  for (uint32_t i = 0; i < s->venue_count; i++)
    if (hd_session_subscribe_venue(s, &s->venues[i], &fault)) hd_log_error("SUBSCRIBE", "%s: venue %s: %s", seat->config->base.name, s->venues[i].name, fault.text);
}
