// Promise: every (state, change) pair is defined; final states are left only by what the venue says of an order that was taken for
// rejected; docs/orders.md is this table. HADRON_WRITE_DOCS=1 writes the page instead of comparing.
#include "support/gateway_rig.h"

static const char head[] =
    "# Orders\n\n"
    "What an order's state becomes when something happens to it. A dot: not possible; the state is kept, counted and alerted. The\n"
    "table is in `host/pipeline/order_state.c`; a test compares this page with it.\n\n"
    "The gateway refines it in three places: a fill that completes the order leads to Filled; a working order is\n"
    "Accepted without fills and PartiallyFilled with them; a refused cancel or replace leads back to the state before it was sent.\n\n";

static const char tail[] =
    "\nDeny, Queue, Send, SendFail, Lose, Cancel and Replace are the host's doing; the others are the venue's words, except that the\n"
    "host itself cancels and expires what it holds: stops where the venue has none, orders that wait for another one's cancel.\n\n"
    "- **Unknown** is an outcome that was not told. The venue is asked by client order id until it answers. Absent from a venue that\n"
    "  never acknowledged the order means that it never arrived: Rejected, or sent once more with the same id if the options say so.\n"
    "  Absent from a venue that has had the order is no answer: it stays Unknown, and a person is alerted.\n"
    "- **A host that went down** makes every order whose outcome it did not hear Unknown ([docs/recovery.md](recovery.md)). Each question in vain doubles\n"
    "  the wait for the next one, up to `query_max`; what is older than `resend_within` is not sent again.\n"
    "- **Final states** keep their place: a fill after a cancel, an expiry or a completed order is booked, because it is what the venue\n"
    "  says, and so is an execution taken back. A bust never revives an order. Rejected alone is left again, for Unknown, when the venue\n"
    "  speaks of the order as alive: its \"never heard of it\" may have overtaken the order.\n"
    "- **Replaced** ends the old order as Canceled; the new one goes on with its fills, and fills told under the old id are the new\n"
    "  one's. Where the venue cannot replace, the old order is cancelled and what is left of the new total is sent then.\n"
    "- **More fills counted than told**: the instrument takes no new risk and the venue is asked until the executions add up.\n"
    "- **Duplicates** are told apart by the venue's execution id; the last `executions_max` are remembered.\n"
    "- **Used ids** are remembered for the UTC day that is part of them (`ids_max`); a full table denies new orders and forgets nothing.\n"
    "- **Shadow orders** live in a table of their own, by the same rules. Their ids are made with `shadow/ARM/NAME` in the strategy's place, so that\n"
    "  they are no order's of an arm that trades; their records carry the flag SHADOW (128).\n";

static size_t page(char *to, size_t size) {
  size_t n = (size_t)snprintf(to, size, "%s| state |", head);
  for (unsigned c = 1; c <= HADRON_CHANGE_BUST; c++) n += (size_t)snprintf(to + n, size - n, " %s |", hd_order_change_name(c));
  n += (size_t)snprintf(to + n, size - n, "\n| --- |");
  for (unsigned c = 1; c <= HADRON_CHANGE_BUST; c++) n += (size_t)snprintf(to + n, size - n, " --- |");
  for (unsigned s = 1; s <= HADRON_STATE_UNKNOWN; s++) {
    n += (size_t)snprintf(to + n, size - n, "\n| **%s** |", hd_order_state_name(s));
    for (unsigned c = 1; c <= HADRON_CHANGE_BUST; c++) {
      enum hadron_order_state next = hd_order_next((enum hadron_order_state)s, (enum hadron_order_change)c);
      n += (size_t)snprintf(to + n, size - n, " %s |", next == HADRON_STATE_INVALID ? "·" : hd_order_state_name(next));
    }
  }
  n += (size_t)snprintf(to + n, size - n, "\n%s", tail);
  assert_true(n < size);
  return n;
}

static void page_is_current(void **state) {
  (void)state;
  const char *root = getenv("HADRON_SOURCE_DIR");
  if (root == NULL) {
    fprintf(stderr, "HADRON_SOURCE_DIR is not set: run by ctest\n");
    skip();
  }
  char path[1024];
  static char expected[32768], found[32768];
  snprintf(path, sizeof path, "%s/docs/orders.md", root);
  size_t size = page(expected, sizeof expected);
  bool write = getenv("HADRON_WRITE_DOCS") != NULL;
  FILE *f = fopen(path, write ? "w" : "r");
  if (f == NULL) fail_msg("%s cannot be opened; HADRON_WRITE_DOCS=1 makes it", path);
  if (write) assert_int_equal(fwrite(expected, 1, size, f), size);
  else {
    size_t have = fread(found, 1, sizeof found - 1, f);
    if (have != size || memcmp(expected, found, size) != 0) fail_msg("%s is not the table in order_state.c; run this test with HADRON_WRITE_DOCS=1", path);
  }
  assert_int_equal(fclose(f), 0);
}

static bool final(unsigned s) { return hd_order_final(s); }

static void every_pair(void **state) {
  (void)state;
  unsigned cells = 0, impossible = 0;
  for (unsigned s = 1; s <= HADRON_STATE_UNKNOWN; s++)
    for (unsigned c = 1; c <= HADRON_CHANGE_BUST; c++) {
      unsigned n = hd_order_next((enum hadron_order_state)s, (enum hadron_order_change)c);
      cells++;
      assert_true(n <= HADRON_STATE_UNKNOWN);
      impossible += n == HADRON_STATE_INVALID;
      if (final(s) && s != HADRON_STATE_REJECTED) assert_true(n == s || n == HADRON_STATE_INVALID);
      if (s == HADRON_STATE_REJECTED) assert_true(n == s || n == HADRON_STATE_INVALID || n == HADRON_STATE_UNKNOWN);
      if (n != HADRON_STATE_INVALID && n != s) assert_true(n != HADRON_STATE_INITIALIZED); // nothing is ever new again
      if (c == HADRON_CHANGE_BUST && n != HADRON_STATE_INVALID) assert_int_equal(n, s);
      if (c == HADRON_CHANGE_DENY && n != HADRON_STATE_INVALID) assert_int_equal(n, HADRON_STATE_DENIED);
      bool sent = s != HADRON_STATE_INITIALIZED && s != HADRON_STATE_DENIED;
      if (sent && c == HADRON_CHANGE_FILL) assert_true(n != HADRON_STATE_INVALID); // what was traded always has a place
    }
  assert_int_equal(cells, 13 * 18);
  assert_true(impossible < cells / 3);
  assert_int_equal(hd_order_next((enum hadron_order_state)99, HADRON_CHANGE_FILL), HADRON_STATE_INVALID);
  assert_int_equal(hd_order_next(HADRON_STATE_ACCEPTED, (enum hadron_order_change)99), HADRON_STATE_INVALID);
  assert_int_equal(hd_order_next(HADRON_STATE_INVALID, HADRON_CHANGE_FILL), HADRON_STATE_INVALID);
  assert_string_equal(hd_order_state_name(77), "Invalid");
}

// Brings a fresh order into a state by the shortest way through the gateway itself.
static struct hadron_client_order_id bring(struct rig *rig, unsigned s) {
  struct hadron_client_order_id id, other;
  if (s == HADRON_STATE_INITIALIZED) { // waits for another one's cancel
    rig->features &= ~(uint32_t)HADRON_VENUE_REPLACES;
    other = rig_order(rig, 10, 100, true);
    assert_int_equal(rig_replace(rig, &other, 9, 101, &id), HADRON_OK);
    return id;
  }
  if (s == HADRON_STATE_DENIED) { // queued, and the replace could not be recorded
    other = rig_order(rig, 10, 100, true);
    rig->fail_at = rig->writes + 3;
    assert_int_equal(rig_replace(rig, &other, 9, 101, &id), HADRON_ERR_IO);
    return id;
  }
  id = rig_order(rig, 10, 100, s != HADRON_STATE_SUBMITTED && s != HADRON_STATE_REJECTED && s != HADRON_STATE_UNKNOWN);
  if (s == HADRON_STATE_PARTIALLY_FILLED) rig_fill(rig, &id, "p", 4, 100);
  if (s == HADRON_STATE_PENDING_CANCEL) rig_cancel(rig, &id);
  if (s == HADRON_STATE_PENDING_REPLACE) rig_replace(rig, &id, 12, 101, &other);
  if (s == HADRON_STATE_FILLED) rig_fill(rig, &id, "f", 10, 100);
  if (s == HADRON_STATE_CANCELED) rig_say(rig, &id, HADRON_CHANGE_CANCELED);
  if (s == HADRON_STATE_REJECTED) rig_say(rig, &id, HADRON_CHANGE_REJECT);
  if (s == HADRON_STATE_EXPIRED) rig_say(rig, &id, HADRON_CHANGE_EXPIRE);
  if (s == HADRON_STATE_UNKNOWN) rig_say(rig, &id, HADRON_CHANGE_LOSE);
  return id;
}

// Every change that a venue can report, in every state, through the gateway: the state is the table's, refined as documented.
static void every_report(void **unused) {
  (void)unused;
  for (unsigned s = 1; s <= HADRON_STATE_UNKNOWN; s++)
    for (unsigned c = HADRON_CHANGE_SEND_FAIL; c <= HADRON_CHANGE_BUST; c++) {
      if (c == HADRON_CHANGE_CANCEL || c == HADRON_CHANGE_REPLACE || s == HADRON_STATE_PENDING_SUBMIT) continue;
      struct rig rig;
      rig_open(&rig, NULL);
      struct hadron_client_order_id id = bring(&rig, s);
      assert_state(&rig, &id, s);
      uint64_t impossible = hd_gateway_count(rig.g)->impossible;
      unsigned next = hd_order_next((enum hadron_order_state)s, (enum hadron_order_change)c), expected = next ? next : s;
      bool acked = rig_find(&rig, &id)->acked;
      if (c == HADRON_CHANGE_FILL) rig_fill(&rig, &id, "new", 1, 100);
      else if (c == HADRON_CHANGE_BUST) {
        struct hadron_venue_report r = rig_report(&rig, &id, (uint8_t)c);
        snprintf(r.execution_id, sizeof r.execution_id, "%s", s == HADRON_STATE_PARTIALLY_FILLED ? "p" : s == HADRON_STATE_FILLED ? "f" : "none");
        hd_gateway_report(rig.g, &r, rig.now);
      } else rig_say(&rig, &id, (uint8_t)c);
      if (c == HADRON_CHANGE_ABSENT && acked && !final(s)) expected = HADRON_STATE_UNKNOWN; // no answer from one that has had it
      if (expected == HADRON_STATE_ACCEPTED || expected == HADRON_STATE_PARTIALLY_FILLED)
        expected = rig_find(&rig, &id)->filled.e8 > 0 ? HADRON_STATE_PARTIALLY_FILLED : HADRON_STATE_ACCEPTED;
      if (rig_state(&rig, &id) != expected)
        fail_msg("%s + %s: expected %s, found %s", hd_order_state_name(s), hd_order_change_name(c), hd_order_state_name(expected),
                 hd_order_state_name(rig_state(&rig, &id)));
      bool unheard = c == HADRON_CHANGE_BUST && s != HADRON_STATE_PARTIALLY_FILLED && s != HADRON_STATE_FILLED;
      if (next == HADRON_STATE_INVALID && !unheard) assert_int_equal(hd_gateway_count(rig.g)->impossible, impossible + 1);
      else assert_int_equal(hd_gateway_count(rig.g)->impossible, impossible);
      rig_close(&rig);
    }
}

// PendingSubmit is over when submit returns, so its reports come inside the call.
static void every_report_inside_submit(void **unused) {
  (void)unused;
  for (unsigned c = HADRON_CHANGE_SEND_FAIL; c <= HADRON_CHANGE_TRIGGER; c++) {
    if (c == HADRON_CHANGE_CANCEL || c == HADRON_CHANGE_REPLACE) continue;
    struct rig rig;
    rig_open(&rig, NULL);
    rig.answer = (int32_t)c;
    struct hadron_client_order_id id = rig_order(&rig, 1, 100, false);
    unsigned then = c == HADRON_CHANGE_FILL ? HADRON_STATE_FILLED : hd_order_next(HADRON_STATE_PENDING_SUBMIT, (enum hadron_order_change)c);
    unsigned expected = hd_order_next((enum hadron_order_state)then, HADRON_CHANGE_SEND);
    assert_state(&rig, &id, expected ? expected : then);
    assert_int_equal(hd_gateway_count(rig.g)->impossible, 0);
    rig_close(&rig);
  }
}

// A stop that the host holds was never sent: whatever a venue says of it, it stays and is alerted; a fill is booked.
static void held_stop_outlives_reports(void **unused) {
  (void)unused;
  for (unsigned c = HADRON_CHANGE_SEND_FAIL; c <= HADRON_CHANGE_TRIGGER; c++) {
    if (c == HADRON_CHANGE_CANCEL || c == HADRON_CHANGE_REPLACE) continue;
    struct rig rig;
    rig_open(&rig, NULL);
    rig.features &= ~(uint32_t)HADRON_VENUE_STOPS;
    struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_STOP, 10, 0);
    i.stop.nanos = rig_nanos(110);
    struct hadron_client_order_id id;
    assert_int_equal(rig_new(&rig, &i, &id), HADRON_OK);
    assert_int_equal(c == HADRON_CHANGE_FILL ? rig_fill(&rig, &id, "x", 1, 100) : rig_say(&rig, &id, (uint8_t)c), HADRON_ERR_STATE);
    assert_state(&rig, &id, HADRON_STATE_PENDING_SUBMIT);
    assert_int_equal(rig.position[1][1], c == HADRON_CHANGE_FILL ? rig_e8(1) : 0);
    assert_int_equal(hd_gateway_count(rig.g)->impossible, 1);
    rig_mark(&rig, 1, 110);
    assert_state(&rig, &id, HADRON_STATE_SUBMITTED);
    rig_close(&rig);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(page_is_current), cmocka_unit_test(every_pair), cmocka_unit_test(every_report),
                                     cmocka_unit_test(every_report_inside_submit), cmocka_unit_test(held_stop_outlives_reports)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
