#include "table.h"

#include <string.h>

#define AT(name, type, of, field) {name, type, offsetof(struct of, field), sizeof(((struct of *)0)->field)}
#define HOST(name, type) {name, type, 0, 0}
#define COUNT(a) (uint16_t)(sizeof(a) / sizeof *(a))

static const struct column ticks[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("event_ns", COLUMN_I64, hadron_tick, event_ns), AT("recv_ns", COLUMN_I64, hadron_tick, recv_ns),
    AT("sequence", COLUMN_I64, hadron_tick, sequence), AT("instrument", COLUMN_U32, hadron_tick, instrument),
    AT("venue", COLUMN_U16, hadron_tick, venue), AT("kind", COLUMN_U8, hadron_tick, kind),
    AT("flags", COLUMN_U8, hadron_tick, flags), AT("value_1", COLUMN_I64, hadron_tick, value.raw[0]),
    AT("value_2", COLUMN_I64, hadron_tick, value.raw[1]), AT("value_3", COLUMN_I64, hadron_tick, value.raw[2]),
    AT("value_4", COLUMN_I64, hadron_tick, value.raw[3]),
};

static const struct column decisions[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("id", COLUMN_I64, hadron_decision, id), AT("time_ns", COLUMN_I64, hadron_decision, time_ns),
    AT("trace", COLUMN_UUID, hadron_decision, trace), AT("cause", COLUMN_I64, hadron_decision, cause),
    AT("arm", COLUMN_U32, hadron_decision, arm), AT("instrument", COLUMN_U32, hadron_decision, instrument),
    AT("kind", COLUMN_U8, hadron_decision, kind), AT("side", COLUMN_U8, hadron_decision, side),
    AT("order_type", COLUMN_U8, hadron_decision, order_type), AT("time_in_force", COLUMN_U8, hadron_decision, time_in_force),
    AT("flags", COLUMN_U8, hadron_decision, flags), AT("regime", COLUMN_U8, hadron_decision, regime),
    AT("slot", COLUMN_U16, hadron_decision, slot), AT("quantity", COLUMN_I64, hadron_decision, quantity),
    AT("limit_price", COLUMN_I64, hadron_decision, limit), AT("stop_price", COLUMN_I64, hadron_decision, stop),
    AT("mean_return", COLUMN_F64, hadron_decision, mean_return), AT("uncertainty", COLUMN_F64, hadron_decision, uncertainty),
    AT("confidence", COLUMN_F64, hadron_decision, confidence), AT("horizon_ns", COLUMN_I64, hadron_decision, horizon_ns),
    AT("expire_ns", COLUMN_I64, hadron_decision, expire_ns), AT("key", COLUMN_I64, hadron_decision, key),
};

static const struct column intents[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("id", COLUMN_I64, hadron_intent, id), AT("time_ns", COLUMN_I64, hadron_intent, time_ns),
    AT("trace", COLUMN_UUID, hadron_intent, trace), AT("cause", COLUMN_I64, hadron_intent, cause),
    AT("opportunity", COLUMN_I64, hadron_intent, opportunity), AT("decision", COLUMN_I64, hadron_intent, decision),
    AT("arm", COLUMN_U32, hadron_intent, arm), AT("instrument", COLUMN_U32, hadron_intent, instrument),
    AT("venue", COLUMN_U16, hadron_intent, venue), AT("kind", COLUMN_U8, hadron_intent, kind),
    AT("side", COLUMN_U8, hadron_intent, side), AT("order_type", COLUMN_U8, hadron_intent, order_type),
    AT("time_in_force", COLUMN_U8, hadron_intent, time_in_force), AT("flags", COLUMN_U8, hadron_intent, flags),
    AT("slot", COLUMN_U8, hadron_intent, slot), AT("quantity", COLUMN_I64, hadron_intent, quantity),
    AT("limit_price", COLUMN_I64, hadron_intent, limit), AT("stop_price", COLUMN_I64, hadron_intent, stop),
    AT("reference_price", COLUMN_I64, hadron_intent, reference), AT("expire_ns", COLUMN_I64, hadron_intent, expire_ns),
    AT("key", COLUMN_I64, hadron_intent, key), AT("client_order_id", COLUMN_TEXT, hadron_intent, order),
};

static const struct column order_events[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("id", COLUMN_I64, hadron_order_event, id), AT("time_ns", COLUMN_I64, hadron_order_event, time_ns),
    AT("venue_ns", COLUMN_I64, hadron_order_event, venue_ns), AT("trace", COLUMN_UUID, hadron_order_event, trace),
    AT("cause", COLUMN_I64, hadron_order_event, cause), AT("intent", COLUMN_I64, hadron_order_event, intent),
    AT("client_order_id", COLUMN_TEXT, hadron_order_event, client_order_id),
    AT("venue_order_id", COLUMN_TEXT, hadron_order_event, venue_order_id),
    AT("instrument", COLUMN_U32, hadron_order_event, instrument), AT("arm", COLUMN_U32, hadron_order_event, arm),
    AT("venue", COLUMN_U16, hadron_order_event, venue), AT("side", COLUMN_U8, hadron_order_event, side),
    AT("order_type", COLUMN_U8, hadron_order_event, order_type),
    AT("time_in_force", COLUMN_U8, hadron_order_event, time_in_force), AT("flags", COLUMN_U8, hadron_order_event, flags),
    AT("slot", COLUMN_U8, hadron_order_event, slot), AT("from_state", COLUMN_U8, hadron_order_event, from),
    AT("state", COLUMN_U8, hadron_order_event, to), AT("change", COLUMN_U8, hadron_order_event, change),
    AT("reason", COLUMN_U16, hadron_order_event, reason), AT("limit_price", COLUMN_I64, hadron_order_event, limit),
    AT("stop_price", COLUMN_I64, hadron_order_event, stop), AT("average_price", COLUMN_I64, hadron_order_event, average),
    AT("quantity", COLUMN_I64, hadron_order_event, quantity), AT("filled", COLUMN_I64, hadron_order_event, filled),
    AT("actual", COLUMN_I64, hadron_order_event, actual), AT("bound", COLUMN_I64, hadron_order_event, bound),
    AT("text", COLUMN_TEXT, hadron_order_event, text),
};

static const struct column executions[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("id", COLUMN_I64, hadron_execution, id), AT("time_ns", COLUMN_I64, hadron_execution, time_ns),
    AT("venue_ns", COLUMN_I64, hadron_execution, venue_ns), AT("trace", COLUMN_UUID, hadron_execution, trace),
    AT("cause", COLUMN_I64, hadron_execution, cause), AT("intent", COLUMN_I64, hadron_execution, intent),
    AT("client_order_id", COLUMN_TEXT, hadron_execution, client_order_id),
    AT("execution_id", COLUMN_TEXT, hadron_execution, execution_id),
    AT("instrument", COLUMN_U32, hadron_execution, instrument), AT("arm", COLUMN_U32, hadron_execution, arm),
    AT("venue", COLUMN_U16, hadron_execution, venue), AT("side", COLUMN_U8, hadron_execution, side),
    AT("liquidity", COLUMN_U8, hadron_execution, liquidity), AT("flags", COLUMN_U8, hadron_execution, flags),
    AT("price", COLUMN_I64, hadron_execution, price), AT("quantity", COLUMN_I64, hadron_execution, quantity),
    AT("filled", COLUMN_I64, hadron_execution, filled), AT("fee", COLUMN_I64, hadron_execution, fee),
};

static const struct column allocations[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("id", COLUMN_I64, hadron_allocation, id), AT("time_ns", COLUMN_I64, hadron_allocation, time_ns),
    AT("execution", COLUMN_I64, hadron_allocation, execution), AT("opportunity", COLUMN_I64, hadron_allocation, opportunity),
    AT("instrument", COLUMN_U32, hadron_allocation, instrument), AT("arm", COLUMN_U32, hadron_allocation, arm),
    AT("side", COLUMN_U8, hadron_allocation, side), AT("flags", COLUMN_U8, hadron_allocation, flags),
    AT("price", COLUMN_I64, hadron_allocation, price), AT("quantity", COLUMN_I64, hadron_allocation, quantity),
    AT("fee", COLUMN_I64, hadron_allocation, fee), AT("realized", COLUMN_I64, hadron_allocation, realized),
    AT("held", COLUMN_I64, hadron_allocation, position), AT("cost", COLUMN_I64, hadron_allocation, cost),
};

static const struct column equity[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("time_ns", COLUMN_I64, hadron_equity, time_ns), AT("arm", COLUMN_U32, hadron_equity, arm),
    AT("cash", COLUMN_I64, hadron_equity, cash), AT("cost", COLUMN_I64, hadron_equity, cost),
    AT("realized", COLUMN_I64, hadron_equity, realized), AT("unrealized", COLUMN_I64, hadron_equity, unrealized),
    AT("fees", COLUMN_I64, hadron_equity, fees), AT("gross", COLUMN_I64, hadron_equity, gross),
};

static const struct column instruments[] = {
    HOST("journal", COLUMN_JOURNAL), AT("instrument", COLUMN_U32, hadron_instrument_definition, instrument),
    AT("listing", COLUMN_U32, hadron_instrument_definition, listing), HOST("position", COLUMN_POSITION),
    AT("venue", COLUMN_U16, hadron_instrument_definition, venue), AT("asset", COLUMN_U8, hadron_instrument_definition, asset),
    AT("name", COLUMN_TEXT, hadron_instrument_definition, name), AT("symbol", COLUMN_TEXT, hadron_instrument_definition, symbol),
    AT("currency", COLUMN_TEXT, hadron_instrument_definition, currency),
    AT("increment", COLUMN_I64, hadron_instrument_definition, increment), AT("lot", COLUMN_I64, hadron_instrument_definition, lot),
    AT("multiplier", COLUMN_I64, hadron_instrument_definition, multiplier),
};

static const struct column deployments[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION), HOST("time_ns", COLUMN_TIME),
    AT("arm", COLUMN_U32, hadron_arm_definition, arm), AT("revision", COLUMN_U32, hadron_arm_definition, revision),
    AT("role", COLUMN_U8, hadron_arm_definition, role), AT("placement", COLUMN_U8, hadron_arm_definition, placement),
    AT("weight", COLUMN_F64, hadron_arm_definition, weight), AT("name", COLUMN_TEXT, hadron_arm_definition, name),
    AT("version", COLUMN_TEXT, hadron_arm_definition, version), AT("digest", COLUMN_HEX, hadron_arm_definition, digest),
    AT("split_low", COLUMN_U32, hadron_arm_definition, split_low), AT("split_high", COLUMN_U32, hadron_arm_definition, split_high),
};

static const struct column swaps[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("time_ns", COLUMN_I64, hadron_swap, time_ns), AT("stage", COLUMN_U8, hadron_swap, stage), AT("kind", COLUMN_U8, hadron_swap, kind),
    AT("revision", COLUMN_U32, hadron_swap, revision), AT("arm", COLUMN_U32, hadron_swap, arm), AT("other", COLUMN_U32, hadron_swap, other),
    AT("name", COLUMN_TEXT, hadron_swap, name), AT("from_version", COLUMN_TEXT, hadron_swap, from_version),
    AT("version", COLUMN_TEXT, hadron_swap, version), AT("from_digest", COLUMN_HEX, hadron_swap, from_digest),
    AT("digest", COLUMN_HEX, hadron_swap, digest), AT("last_sequence", COLUMN_I64, hadron_swap, last_sequence),
    AT("first_sequence", COLUMN_I64, hadron_swap, first_sequence), AT("state_size", COLUMN_U32, hadron_swap, state_size),
    AT("pause_ns", COLUMN_I64, hadron_swap, pause_ns),
};

static const struct column adjustments[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("time_ns", COLUMN_I64, hadron_adjustment, time_ns), AT("instrument", COLUMN_U32, hadron_adjustment, instrument),
    AT("numerator", COLUMN_I64, hadron_adjustment, numerator), AT("denominator", COLUMN_I64, hadron_adjustment, denominator),
    AT("dividend", COLUMN_I64, hadron_adjustment, dividend),
};

static const struct column sessions[] = {
    HOST("journal", COLUMN_JOURNAL), HOST("position", COLUMN_POSITION),
    AT("session", COLUMN_UUID, hadron_session, session), AT("time_ns", COLUMN_I64, hadron_session, time_ns),
    AT("seed", COLUMN_I64, hadron_session, seed), AT("shards", COLUMN_U32, hadron_session, shards),
    AT("mode", COLUMN_U8, hadron_session, mode), AT("flags", COLUMN_U8, hadron_session, flags),
};

static const struct column snapshots[] = {
    HOST("journal", COLUMN_JOURNAL), AT("instrument", COLUMN_U32, snapshot, instrument),
    AT("time_ns", COLUMN_I64, snapshot, time_ns), HOST("position", COLUMN_POSITION),
    AT("last_price", COLUMN_I64, snapshot, last_price), AT("last_size", COLUMN_I64, snapshot, last_size),
    AT("bid", COLUMN_I64, snapshot, bid), AT("ask", COLUMN_I64, snapshot, ask),
    AT("bid_size", COLUMN_I64, snapshot, bid_size), AT("ask_size", COLUMN_I64, snapshot, ask_size),
};

// Where each order stands, from the events this batch wrote.
static const char follow_orders[] =
    "INSERT INTO orders (journal, client_order_id, position, created_ns, updated_ns, events, intent, venue_order_id, instrument,"
    " arm, venue, side, order_type, time_in_force, flags, state, reason, limit_price, stop_price, average_price, quantity,"
    " filled, text)"
    " SELECT e.journal, e.client_order_id, e.position, l.first_ns, e.time_ns, l.events, e.intent, e.venue_order_id,"
    " e.instrument, e.arm, e.venue, e.side, e.order_type, e.time_in_force, e.flags, e.state, e.reason, e.limit_price,"
    " e.stop_price, e.average_price, e.quantity, e.filled, e.text"
    " FROM (SELECT journal, max(position) AS position, min(time_ns) AS first_ns, count(*) AS events FROM order_events"
    " WHERE journal = $1 AND position >= $2 AND position < $3 GROUP BY journal, client_order_id) l"
    " JOIN order_events e ON e.journal = l.journal AND e.position = l.position WHERE true"
    " ON CONFLICT (journal, client_order_id) DO UPDATE SET position = excluded.position, updated_ns = excluded.updated_ns,"
    " events = orders.events + excluded.events, intent = excluded.intent, venue_order_id = excluded.venue_order_id,"
    " instrument = excluded.instrument, arm = excluded.arm, venue = excluded.venue, side = excluded.side,"
    " order_type = excluded.order_type, time_in_force = excluded.time_in_force, flags = excluded.flags, state = excluded.state,"
    " reason = excluded.reason, limit_price = excluded.limit_price, stop_price = excluded.stop_price,"
    " average_price = excluded.average_price, quantity = excluded.quantity, filled = excluded.filled, text = excluded.text";

static const char follow_positions[] =
    "INSERT INTO positions (journal, arm, instrument, position, time_ns, quantity, cost, realized, fees, allocations)"
    " SELECT a.journal, a.arm, a.instrument, a.position, a.time_ns, a.held, a.cost, l.realized, l.fees, l.allocations"
    " FROM (SELECT journal, max(position) AS position, CAST(sum(realized) AS BIGINT) AS realized,"
    " CAST(sum(fee) AS BIGINT) AS fees, count(*) AS allocations FROM hadron_allocations"
    " WHERE journal = $1 AND position >= $2 AND position < $3 GROUP BY journal, arm, instrument) l"
    " JOIN hadron_allocations a ON a.journal = l.journal AND a.position = l.position WHERE true"
    " ON CONFLICT (journal, arm, instrument) DO UPDATE SET position = excluded.position, time_ns = excluded.time_ns,"
    " quantity = excluded.quantity, cost = excluded.cost, realized = positions.realized + excluded.realized,"
    " fees = positions.fees + excluded.fees, allocations = positions.allocations + excluded.allocations";

// One split at a time: it ends its batch (recorder.c). Quotient and remainder apart, so that no product passes 64 bits that the result does
// not pass; what is left below 1e-8 of a unit is gone, as in the books. The condition on the position makes it safe to run twice.
#define OF_SPLIT(field)                                                                                                           \
  "(SELECT s." field " FROM hadron_adjustments s WHERE s.journal = $1 AND s.position >= $2 AND s.position < $3 AND s.numerator > 0" \
  " AND s.instrument = positions.instrument)"
static const char follow_splits[] =
    "UPDATE positions SET quantity = quantity / " OF_SPLIT("denominator") " * " OF_SPLIT("numerator") " + quantity % " OF_SPLIT("denominator")
    " * " OF_SPLIT("numerator") " / " OF_SPLIT("denominator") ", time_ns = " OF_SPLIT("time_ns") ", position = " OF_SPLIT("position")
    " WHERE journal = $1 AND position < " OF_SPLIT("position") " AND " OF_SPLIT("denominator") " <> " OF_SPLIT("numerator");

static const char follow_registry[] =
    "INSERT INTO plugin_registry (name, version, digest, first_ns)"
    " SELECT name, version, digest, min(time_ns) FROM deployments"
    " WHERE journal = $1 AND position >= $2 AND position < $3 GROUP BY name, version, digest"
    " ON CONFLICT (name, version, digest) DO NOTHING";

#define ROWS(array, keys, block, id, follow) array, COUNT(array), keys, sizeof(struct block), id, follow
const struct table tables[TABLE_COUNT] = {
    [TABLE_TICKS] = {"hadron_ticks", ROWS(ticks, 0, hadron_tick, HADRON_MSG_TICK, NULL)},
    [TABLE_DECISIONS] = {"hadron_strategy_decisions", ROWS(decisions, 0, hadron_decision, HADRON_MSG_DECISION, NULL)},
    [TABLE_INTENTS] = {"hadron_order_intents", ROWS(intents, 0, hadron_intent, HADRON_MSG_INTENT, NULL)},
    [TABLE_ORDER_EVENTS] = {"order_events", ROWS(order_events, 0, hadron_order_event, HADRON_MSG_ORDER_EVENT, follow_orders)},
    [TABLE_EXECUTIONS] = {"hadron_order_executions", ROWS(executions, 0, hadron_execution, HADRON_MSG_EXECUTION, NULL)},
    [TABLE_ALLOCATIONS] = {"hadron_allocations", ROWS(allocations, 0, hadron_allocation, HADRON_MSG_ALLOCATION, follow_positions)},
    [TABLE_ADJUSTMENTS] = {"hadron_adjustments", ROWS(adjustments, 0, hadron_adjustment, HADRON_MSG_ADJUSTMENT, follow_splits)},
    [TABLE_EQUITY] = {"hadron_equity", ROWS(equity, 0, hadron_equity, HADRON_MSG_EQUITY, NULL)},
    [TABLE_INSTRUMENTS] = {"hadron_instruments", ROWS(instruments, 3, hadron_instrument_definition, HADRON_MSG_INSTRUMENT, NULL)},
    [TABLE_DEPLOYMENTS] = {"deployments", ROWS(deployments, 0, hadron_arm_definition, HADRON_MSG_ARM, follow_registry)},
    [TABLE_SWAPS] = {"hadron_swaps", ROWS(swaps, 0, hadron_swap, HADRON_MSG_SWAP, NULL)},
    [TABLE_SESSIONS] = {"hadron_sessions", ROWS(sessions, 0, hadron_session, HADRON_MSG_SESSION, NULL)},
    [TABLE_SNAPSHOTS] = {"market_snapshots", ROWS(snapshots, 3, snapshot, 0, NULL)},
};

enum table_number table_of(uint16_t template_id) {
  for (uint32_t t = 0; t < TABLE_COUNT; t++)
    if (tables[t].template_id == template_id && template_id) return (enum table_number)t;
  return TABLE_COUNT;
}

// Length of the valid UTF-8 sequence at `s`, 0 if there is none in `left` bytes (RFC 3629).
static size_t utf8_length(const unsigned char *s, size_t left) {
  if (s[0] < 0x80) return 1;
  size_t n = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 && s[0] <= 0xef ? 3 : s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : 0;
  if (n == 0 || n > left) return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
  bool beyond = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
  return overlong || beyond ? 0 : n;
}

// One bad byte in a venue's words must not make the database refuse the batch for ever.
static size_t text_clean(const unsigned char *from, size_t size, char *to) {
  size_t length = strnlen((const char *)from, size);
  for (size_t i = 0; i < length;) {
    size_t n = utf8_length(from + i, length - i);
    if (n == 0)
      to[i++] = '?';
    else
      memcpy(to + i, from + i, n), i += n;
  }
  return length;
}

size_t column_text(const struct column *c, const struct row *row, char *to) {
  const unsigned char *from = row->block + c->offset;
  if (c->type == COLUMN_TEXT) return text_clean(from, c->size, to);
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < c->size; i++) to[2 * i] = digits[from[i] >> 4], to[2 * i + 1] = digits[from[i] & 15];
  return (size_t)c->size * 2;
}
