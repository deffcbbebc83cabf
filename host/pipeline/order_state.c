// The order state machine: one row per state, one column per change. docs/orders.md is the same table for people; a test compares.
#include "base/assert.h"
#include "base/banned.h"
#include "pipeline/gateway.h"

#define STATES 14
#define CHANGES 19

#define IN HADRON_STATE_INITIALIZED
#define DE HADRON_STATE_DENIED
#define PS HADRON_STATE_PENDING_SUBMIT
#define SU HADRON_STATE_SUBMITTED
#define AC HADRON_STATE_ACCEPTED
#define PF HADRON_STATE_PARTIALLY_FILLED
#define PC HADRON_STATE_PENDING_CANCEL
#define PR HADRON_STATE_PENDING_REPLACE
#define FI HADRON_STATE_FILLED
#define CA HADRON_STATE_CANCELED
#define RE HADRON_STATE_REJECTED
#define EX HADRON_STATE_EXPIRED
#define UN HADRON_STATE_UNKNOWN
#define __ HADRON_STATE_INVALID

// Columns in the order of enum hadron_order_change. A late fill or a bust in a final state is the venue's truth and is booked
// there. Rejected is left again for Unknown when the venue then speaks of the order as alive: an answer "never heard of it" may
// have overtaken the order itself, so the venue is asked again.
static const uint8_t next_state[STATES][CHANGES] = {
    //      -   DENY QUE SND SFL LOS CAN REP ACC REJ FIL CND CRJ RPD RRJ EXP ABS TRI BUS
    [__] = {__, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __},
    [IN] = {__, DE, PS, __, __, __, __, __, __, __, __, CA, __, __, RE, EX, __, __, __},
    [DE] = {__, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __},
    [PS] = {__, DE, __, SU, RE, UN, PC, __, AC, RE, PF, CA, PS, AC, RE, EX, RE, PS, PS},
    [SU] = {__, __, __, SU, RE, UN, PC, __, AC, RE, PF, CA, SU, AC, RE, EX, RE, AC, SU},
    [AC] = {__, __, __, AC, __, UN, PC, PR, AC, RE, PF, CA, AC, AC, AC, EX, UN, AC, AC},
    [PF] = {__, __, __, PF, __, UN, PC, PR, PF, CA, PF, CA, PF, PF, PF, EX, UN, PF, PF},
    [PC] = {__, __, __, PC, PC, UN, PC, __, PC, RE, PC, CA, AC, CA, PC, EX, RE, PC, PC},
    [PR] = {__, __, __, PR, PR, UN, PC, __, PR, RE, PR, CA, PR, CA, AC, EX, UN, PR, PR},
    [FI] = {__, __, __, FI, __, FI, __, __, FI, __, FI, FI, FI, FI, FI, FI, FI, FI, FI},
    [CA] = {__, __, __, CA, __, CA, __, __, CA, __, CA, CA, CA, CA, CA, CA, CA, CA, CA},
    [RE] = {__, __, __, RE, RE, RE, __, __, UN, RE, UN, RE, RE, UN, RE, RE, RE, UN, RE},
    [EX] = {__, __, __, EX, __, EX, __, __, EX, __, EX, EX, EX, EX, EX, EX, EX, EX, EX},
    [UN] = {__, __, PS, UN, RE, UN, UN, __, AC, RE, PF, CA, UN, AC, RE, EX, RE, AC, UN},
};

enum hadron_order_state hd_order_next(enum hadron_order_state state, enum hadron_order_change change) {
  if ((unsigned)state >= STATES || (unsigned)change >= CHANGES) return HADRON_STATE_INVALID;
  uint8_t next = next_state[state][change];
  HD_ASSERT(next < STATES);
  return (enum hadron_order_state)next;
}

static const char *const state_names[STATES] = {
    [__] = "Invalid", [IN] = "Initialized",     [DE] = "Denied",        [PS] = "PendingSubmit",  [SU] = "Submitted",
    [AC] = "Accepted", [PF] = "PartiallyFilled", [PC] = "PendingCancel", [PR] = "PendingReplace", [FI] = "Filled",
    [CA] = "Canceled", [RE] = "Rejected",        [EX] = "Expired",       [UN] = "Unknown",
};

static const char *const change_names[CHANGES] = {
    "Invalid", "Deny",     "Queue",        "Send",     "SendFail",      "Lose",   "Cancel", "Replace", "Accept", "Reject",
    "Fill",    "Canceled", "CancelReject", "Replaced", "ReplaceReject", "Expire", "Absent", "Trigger", "Bust",
};

const char *hd_order_state_name(uint32_t state) { return state_names[state < STATES ? state : 0]; }
const char *hd_order_change_name(uint32_t change) { return change_names[change < CHANGES ? change : 0]; }
