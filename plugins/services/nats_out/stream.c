#include "stream.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_MS 250 // between two looks at whether the server has said that something is not allowed

static int32_t wrong(struct stream *s, int32_t code, const char *expected, const char *found, const char *way) {
  snprintf(s->link->error, LINK_ERROR_SIZE, "stream %s on %.60s: expected %s, found %.120s; %s", s->options->name, s->link->server, expected, found, way);
  return code;
}

// ---- Opening.

static int32_t stream_make(struct stream *s, jsStreamInfo **info) {
  const struct stream_options *o = s->options;
  char subject[PREFIX_SIZE + 4];
  const char *subjects[] = {subject};
  jsStreamConfig c;
  jsErrCode error = 0;
  jsStreamConfig_Init(&c);
  snprintf(subject, sizeof subject, "%s.>", o->prefix);
  c.Name = o->name;
  c.Description = "a Hadron journal, each record once";
  c.Subjects = subjects;
  c.SubjectsLen = 1;
  c.Storage = js_FileStorage;
  c.Discard = js_DiscardNew; // full means full: nothing goes unseen
  c.Replicas = o->replicas;
  if (o->max_bytes) c.MaxBytes = o->max_bytes;
  c.MaxAge = o->max_age_ns;
  c.Duplicates = o->window_ns;
  if (c.MaxAge && c.Duplicates > c.MaxAge) c.Duplicates = c.MaxAge; // the server wants it so
  natsStatus status = js_AddStream(info, s->link->js, &c, NULL, &error);
  return status == NATS_OK ? HADRON_OK : link_fail(s->link, "making the stream", status, error);
}

static int32_t stream_check(struct stream *s, const jsStreamConfig *c) {
  bool covered = false;
  for (int i = 0; i < c->SubjectsLen; i++) covered = covered || subject_covers(c->Subjects[i], s->options->prefix);
  if (!covered)
    return wrong(s, HADRON_ERR_CONFIG, "its subjects to take all below the prefix", c->SubjectsLen ? c->Subjects[0] : "no subject", "add PREFIX.> to the stream, or name another");
  if (c->NoAck) return wrong(s, HADRON_ERR_CONFIG, "a stream that acknowledges", "no_ack", "make one without no_ack");
  return HADRON_OK;
}

static const char *header(natsMsg *m, const char *name) {
  const char *value = NULL;
  return natsMsgHeader_Get(m, name, &value) == NATS_OK && value ? value : "";
}

static void last_read(natsMsg *m, struct stream_last *last) {
  last->present = true;
  last->ours = message_id_read(header(m, "Nats-Msg-Id"), last->journal, &last->position);
  last->next = strtoull(header(m, HEADER_NEXT), NULL, 10);
  last->record_sequence = strtoull(header(m, HEADER_SEQUENCE), NULL, 10);
  last->time_ns = strtoll(header(m, HEADER_TIME), NULL, 10);
  snprintf(last->session, sizeof last->session, "%s", header(m, HEADER_SESSION));
}

static int32_t stream_look(struct stream *s, struct stream_last *last) {
  jsStreamInfo *info = NULL;
  jsErrCode error = 0;
  natsMsg *m = NULL;
  int32_t rc = HADRON_OK;
  natsStatus status = js_GetStreamInfo(&info, s->link->js, s->options->name, NULL, &error);
  bool none = status == NATS_NOT_FOUND || error == JSStreamNotFoundErr;
  if (none && s->options->create) {
    rc = stream_make(s, &info);
    if (rc != HADRON_OK) return rc;
  } else if (none) {
    return wrong(s, HADRON_ERR_NOT_FOUND, "a stream of this name", "none", "make it, or set create = true");
  } else if (status != NATS_OK) {
    return link_fail(s->link, "asking for the stream", status, error);
  }
  *last = (struct stream_last){.sequence = info->State.LastSeq, .created_ns = info->Created};
  rc = stream_check(s, info->Config);
  jsStreamInfo_Destroy(info);
  if (rc != HADRON_OK || last->sequence == 0) return rc;
  error = 0;
  status = js_GetMsg(&m, s->link->js, s->options->name, last->sequence, NULL, &error);
  if (status == NATS_NOT_FOUND || error == JSNoMessageFoundErr) return HADRON_OK; // deleted, or expired
  if (status != NATS_OK) return link_fail(s->link, "asking for the stream's last message", status, error);
  last_read(m, last);
  natsMsg_Destroy(m);
  return HADRON_OK;
}

// Each tick names the one before it, so that a reader of ticks alone sees what the stream's limits have taken from him.
static void tick_look(struct stream *s) {
  char subject[PREFIX_SIZE + 8];
  natsMsg *m = NULL;
  jsErrCode error = 0;
  snprintf(subject, sizeof subject, "%s.tick.*", s->options->prefix);
  if (js_GetLastMsg(&m, s->link->js, s->options->name, subject, NULL, &error) != NATS_OK) return;
  s->tick = natsMsg_GetSequence(m);
  natsMsg_Destroy(m);
}

int32_t stream_open(struct stream *s, struct link *link, const struct stream_options *options, struct stream_last *last) {
  char all[256];
  *s = (struct stream){.link = link, .options = options};
  int32_t rc = stream_look(s, last);
  if (rc != HADRON_OK) return rc;
  s->base = last->sequence;
  if (s->base) tick_look(s);
  natsStatus status = natsInbox_Create(&s->inbox);
  if (status == NATS_OK) {
    snprintf(all, sizeof all, "%s.*", s->inbox);
    status = natsConnection_SubscribeSync(&s->acks, link->connection, all);
  }
  if (status == NATS_OK) status = natsSubscription_SetPendingLimits(s->acks, -1, -1); // the window of the sender bounds it
  return status == NATS_OK ? HADRON_OK : link_fail(link, "listening for acknowledgements", status, 0);
}

void stream_close(struct stream *s) {
  natsSubscription_Destroy(s->acks);
  natsInbox_Destroy(s->inbox);
  s->acks = NULL;
  s->inbox = NULL;
}

// ---- Sending.

static natsStatus number_set(natsMsg *m, const char *name, uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, value);
  return natsMsgHeader_Set(m, name, text);
}

int32_t stream_send(struct stream *s, const struct stream_message *m) {
  char reply[256], id[MESSAGE_ID_SIZE];
  natsMsg *out = NULL;
  snprintf(reply, sizeof reply, "%s.%" PRIu64, s->inbox, s->sent);
  message_id_write(id, m->journal, m->position);
  natsStatus status = natsMsg_Create(&out, m->subject, reply, m->bytes, (int)m->size);
  if (status == NATS_OK) status = natsMsgHeader_Set(out, "Nats-Msg-Id", id);
  if (status == NATS_OK) status = number_set(out, "Nats-Expected-Last-Sequence", s->base + s->sent);
  if (status == NATS_OK && s->before[0]) status = natsMsgHeader_Set(out, "Nats-Expected-Last-Msg-Id", s->before);
  if (status == NATS_OK) status = number_set(out, HEADER_SEQUENCE, m->sequence);
  if (status == NATS_OK) status = number_set(out, HEADER_NEXT, m->next);
  if (status == NATS_OK) status = number_set(out, HEADER_TIME, (uint64_t)m->time_ns);
  if (status == NATS_OK) status = natsMsgHeader_Set(out, HEADER_SESSION, m->session);
  if (status == NATS_OK && m->tick) status = number_set(out, HEADER_BEFORE, s->tick);
  if (status == NATS_OK) status = natsConnection_PublishMsg(s->link->connection, out);
  natsMsg_Destroy(out);
  if (status == NATS_MAX_PAYLOAD) {
    char found[96];
    snprintf(found, sizeof found, "record %" PRIu64 " of %u bytes, and room for %" PRId64, m->sequence, m->size, natsConnection_GetMaxPayload(s->link->connection));
    return wrong(s, HADRON_ERR_FULL, "max_payload of the server to take every record with its headers", found, "raise max_payload in the server's configuration");
  }
  if (status != NATS_OK) return link_fail(s->link, "publishing", status, 0);
  s->sent++;
  memcpy(s->before, id, sizeof s->before);
  if (m->tick) s->tick = s->base + s->sent;
  return HADRON_OK;
}

// ---- Acknowledgements.

static int32_t refused(struct stream *s, const json_t *error) {
  jsErrCode code = (jsErrCode)json_integer_value(json_object_get(error, "err_code"));
  const char *words = json_string_value(json_object_get(error, "description"));
  char found[200];
  snprintf(found, sizeof found, "%.150s (error %d)", words ? words : "no words", (int)code);
  if (code == JSStreamWrongLastSequenceErr || code == JSStreamWrongLastMsgIDErr)
    return wrong(s, HADRON_ERR_STALE, "its end to be where we left it", found, "asking it anew; if this goes on, somebody else writes into it");
  return wrong(s, link_meaning(NATS_ERR, code), "room for the record", found, "raise the stream's limits or make room on the server's disk");
}

static int32_t ack_read(struct stream *s, natsMsg *m) {
  const char *number = strrchr(natsMsg_GetSubject(m), '.');
  uint64_t index = number ? strtoull(number + 1, NULL, 10) : UINT64_MAX;
  if (natsMsg_IsNoResponders(m))
    return wrong(s, HADRON_ERR_NOT_FOUND, "somebody to take the record", "nobody who listens", "make the stream again, or switch JetStream on");
  json_t *answer = json_loadb(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m), 0, NULL);
  const json_t *error = json_object_get(answer, "error");
  const char *name = json_string_value(json_object_get(answer, "stream"));
  uint64_t sequence = (uint64_t)json_integer_value(json_object_get(answer, "seq"));
  int32_t rc = HADRON_OK;
  char found[96];
  snprintf(found, sizeof found, "sequence %" PRIu64 " for %" PRIu64 " in %.32s", sequence, s->base + index + 1, name ? name : "no stream");
  if (error)
    rc = refused(s, error);
  else if (!name || strcmp(name, s->options->name) != 0)
    rc = wrong(s, HADRON_ERR_CONFIG, "the record in this stream", found, "another stream takes these subjects: choose another prefix");
  else if (index != s->done || sequence != s->base + index + 1)
    rc = wrong(s, HADRON_ERR_STALE, "the next record's acknowledgement", found, "asking it anew");
  else
    s->done++;
  json_decref(answer);
  return rc;
}

int32_t stream_acks(struct stream *s, int64_t wait_ms) {
  uint64_t before = s->done, queued = 0;
  for (;;) {
    natsMsg *m = NULL;
    if (s->done > before && (natsSubscription_QueuedMsgs(s->acks, &queued) != NATS_OK || queued == 0)) return HADRON_OK;
    int64_t slice = wait_ms < SLICE_MS ? wait_ms : SLICE_MS;
    natsStatus status = natsSubscription_NextMsg(&m, s->acks, slice > 0 ? slice : 1);
    if (status == NATS_OK) {
      int32_t rc = ack_read(s, m);
      natsMsg_Destroy(m);
      if (rc != HADRON_OK) return rc;
      continue;
    }
    wait_ms -= slice;
    int32_t rc = link_violation(s->link, "publishing");
    if (rc != HADRON_OK || status != NATS_TIMEOUT) return rc != HADRON_OK ? rc : link_fail(s->link, "waiting for acknowledgements", status, 0);
    if (s->done > before) return HADRON_OK;
    if (wait_ms <= 0) return wrong(s, HADRON_ERR_TIMEOUT, "an acknowledgement", "none in time", "trying again");
  }
}
