// Every bound of the host, with its unit, its reason, and what happens when it is reached. Keys in brackets can be set in the
// config; the rest are fixed.
#ifndef HD_BASE_LIMITS_H
#define HD_BASE_LIMITS_H

// Rings. Powers of two.
#define HD_LANE_TICKS 65536       // ticks per shard and lane [engine.lane_ticks]: 4 MiB; full: FAST and WARM make the source wait (recorded) or drop and count (live), COLD conflates
#define HD_DECISION_RING 8192     // decisions per shard to the coordinator; full: decide returns FULL, counted
#define HD_FEEDBACK_RING 8192     // order events and allocations per shard; full: the trade thread waits, never drops
#define HD_COMMAND_RING 8192      // orders to the venues; full: the order is denied with ORDER_TABLE
#define HD_REPORT_RING 8192       // reports from the venues; full: the io thread waits, never drops
#define HD_LOG_LINES 4096         // log lines; full: dropped and counted

// Tables, sized at start.
#define HD_INSTRUMENTS_MAX 4096   // instruments [universe.max]; full: resolve says FULL
#define HD_VENUES_MAX 64          // venues; more: the config is refused
#define HD_ARMS_MAX 256           // arms; more: the config is refused
#define HD_SHARDS_MAX 64          // engine.shards; more: the config is refused
#define HD_BAR_KINDS_MAX 8        // distinct bar requests per instrument; more: bars() says FULL
#define HD_TIMERS_MAX 1024        // timers per shard; more: at() says FULL
#define HD_START_TIMERS_MAX 64    // timers that an instance may set before it has its place; more: at() says FULL
#define HD_ORDERS_MAX 65536       // orders known at once [gateway.orders_max]; full: risk denies with ORDER_TABLE; closed ones leave oldest first
#define HD_TICK_DECISIONS_MAX 64  // decisions per tick and shard; more: decide() says FULL, counted
#define HD_SHARES_MAX 16          // arms that share one order; more: the allocator's smallest shares become orders of their own
#define HD_HANDOVER_BYTES (UINT32_C(16) << 20) // state of an instance that a swap hands over; more: the swap is refused
#define HD_HANDOVER_ELSEWHERE_NS INT64_C(1000000000) // saving, loading and starting all instances of a shard in a swap (engine.handover_max, if that is more) where one of the two versions runs elsewhere: its answers wait for a core; longer: the swap is refused
#define HD_PLACED_MAX 512         // versions outside of their shards at a time, those that are being made too; more: the change is refused
#define HD_SLOTS_MAX 16           // WORK slots per arm and instrument

// The bus. What a peer may cost: docs/wire.md has its side.
#define HD_BUS_LISTENERS_MAX 8    // addresses of sessions, and of feeds; more: the config is refused
#define HD_BUS_SESSIONS_MAX 256   // sessions at once [bus.sessions_max]; full: HELLO is refused with FULL
#define HD_SESSION_DECIDES 8      // DECIDE of a session that wait for room or the journal; more: the oldest is answered BUSY
#define HD_SESSION_REFUSALS 256   // refused decisions of a session that are told again; older ones are forgotten
#define HD_STREAM_ASKS 64         // asks of a worker under way; more: the oldest is answered FULL
#define HD_RIGHTS_MAX 1024        // tokens of a file; more: the file is refused
#define HD_REFUSALS_MAX 256       // addresses whose refusals are counted; full: the one that was quiet longest is forgotten
#define HD_LOBBY_MAX 256          // connections that have not shown who they are yet; more: the one that is there longest is ended
#define HD_FEED_PIPES_MAX 256     // subscribers of an address; more are closed at the door
#define HD_FEED_SENDBUF 1024      // packets of 32 KiB that wait for a subscriber; full: NNG drops the oldest, which the numbers show
#define HD_FEED_JOBS 64           // repairs and snapshots at a time; full: BUSY
#define HD_FEED_PLACES 1048576    // places of a stream in the journal, one for 64 messages; full: the older half is forgotten, TOO_OLD

#define HD_METRICS_MAX 8192         // metric cells of the host and its plugins; more: open() says FULL

#define HD_VENUE_BATCH 256        // ticks a recorded venue hands over at a time

#endif
