// Commands that come over the bus: left here by its thread, carried out on [io] like those of the control socket, as if the host's own user had given
// them: who may is for the bus to say (class admin).
#include <pthread.h>

#include "base/banned.h"
#include "base/log.h"
#include "base/text.h"
#include "bus/bus.h"
#include "control/control_internal.h"

#define REMOTE_MAX 64 // commands that wait: one a session, at most

struct command {
  uint64_t number;
  char who[160];
  char *json; // owned
  size_t size;
};

struct hd_remote {
  struct hd_control *control;
  struct hd_bus *bus;
  uv_async_t wake;
  pthread_mutex_t lock;
  struct command waiting[REMOTE_MAX];
  uint32_t count;
};

// [bus]
static void on_command(void *self, uint64_t number, const char *who, const void *json, size_t size) {
  struct hd_remote *r = self;
  char *copy = malloc(size + 1);
  if (!copy) return; // nobody answers
  pthread_mutex_lock(&r->lock);
  if (copy && r->count < REMOTE_MAX) {
    struct command *c = &r->waiting[r->count++];
    *c = (struct command){.number = number, .json = copy, .size = size};
    hd_text_copy(c->who, sizeof c->who, who);
    memcpy(copy, json, size);
    copy = NULL;
  }
  pthread_mutex_unlock(&r->lock);
  if (!copy) {
    uv_async_send(&r->wake);
    return;
  }
  free(copy);
  hd_bus_command_answer(r->bus, number, "{\"ok\":false,\"error\":{\"code\":\"FULL\",\"text\":\"too many commands wait already\"}}");
}

// Its answer as the control socket would give it. The reference is taken.
void hd_remote_answer(struct hd_control *c, uint64_t number, json_t *result, const struct hd_fault *fault) {
  json_t *whole = result ? json_pack("{s:b, s:o}", "ok", 1, "result", result)
                         : json_pack("{s:b, s:{s:s, s:s*}}", "ok", 0, "error", "code", hadron_error_name(fault->code), "text", fault->text);
  char *text = whole ? json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
  hd_bus_command_answer(c->remote->bus, number, text ? text : "{\"ok\":false,\"error\":{\"code\":\"MEMORY\",\"text\":\"no memory for the answer\"}}");
  free(text);
  json_decref(whole);
}

static void carry_out(struct hd_remote *r, const struct command *command) {
  struct hd_control *c = r->control;
  struct hd_fault fault = {0};
  json_error_t wrong;
  json_t *request = json_loadb(command->json, command->size, JSON_REJECT_DUPLICATES, &wrong), *result = NULL;
  const char *name = json_string_value(json_object_get(request, "command"));
  char shown[64];
  hd_text_copy(shown, sizeof shown, name ? name : "?");
  hd_text_printable(shown);
  hd_log_info("BUS_COMMAND", "%s: %s", command->who, shown);
  c->asking_remote = command->number;
  c->remote_waits = false;
  if (request) result = hd_control_ask(c, request, c->owner_uid, &fault);
  else hd_fault_set(&fault, HADRON_ERR_PARSE, "the request is not JSON: column %d: %s", wrong.column, wrong.text);
  c->asking_remote = 0;
  hd_text_printable(fault.text);
  json_decref(request);
  if (!c->remote_waits) hd_remote_answer(c, command->number, result, &fault);
}

// [io]
static void on_wake(uv_async_t *wake) {
  struct hd_remote *r = wake->data;
  for (;;) {
    struct command command;
    pthread_mutex_lock(&r->lock);
    bool any = r->count > 0;
    if (any) {
      command = r->waiting[0];
      memmove(r->waiting, r->waiting + 1, --r->count * sizeof *r->waiting);
    }
    pthread_mutex_unlock(&r->lock);
    if (!any) return;
    carry_out(r, &command);
    free(command.json);
  }
}

int32_t hd_remote_open(struct hd_control *c, struct hd_fault *fault) {
  struct hd_bus *bus = c->options.session->bus;
  if (!bus) return HADRON_OK;
  struct hd_remote *r = calloc(1, sizeof *r);
  if (!r) return hd_fault_set(fault, HADRON_ERR_MEMORY, "control: out of memory");
  r->control = c;
  r->bus = bus;
  pthread_mutex_init(&r->lock, NULL);
  uv_async_init(c->options.loop, &r->wake, on_wake);
  r->wake.data = r;
  c->remote = r;
  hd_bus_take_commands(bus, &(struct hd_bus_commands){r, on_command});
  return HADRON_OK;
}

static void remote_closed(uv_handle_t *handle) {
  struct hd_remote *r = handle->data;
  pthread_mutex_destroy(&r->lock);
  free(r);
}

void hd_remote_close(struct hd_control *c) {
  struct hd_remote *r = c->remote;
  if (!r) return;
  hd_bus_take_commands(r->bus, NULL);
  for (uint32_t i = 0; i < r->count; i++) free(r->waiting[i].json);
  c->remote = NULL;
  uv_close((uv_handle_t *)&r->wake, remote_closed);
}
