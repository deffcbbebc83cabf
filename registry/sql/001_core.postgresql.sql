-- Hadron's tables, first migration, PostgreSQL. Units: prices 1e-9, quantities 1e-8, money 1e-6, times nanoseconds since the Unix
-- epoch, UTC; all exact integers. The v_ views show the same in whole units. (journal, position) names a journal record.

CREATE TABLE hadron_journals (
  id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  journal UUID NOT NULL UNIQUE
);

-- The recorder's place in each journal; moved in the transaction that writes the rows.
CREATE TABLE recorder_cursor (
  journal INTEGER PRIMARY KEY REFERENCES hadron_journals (id),
  position BIGINT NOT NULL,
  records BIGINT NOT NULL
);

CREATE TABLE hadron_sessions (
  journal INTEGER NOT NULL, position BIGINT NOT NULL,
  session UUID NOT NULL, time_ns BIGINT NOT NULL, seed BIGINT NOT NULL, shards INTEGER NOT NULL,
  mode SMALLINT NOT NULL, flags SMALLINT NOT NULL,
  PRIMARY KEY (journal, position)
);

CREATE TABLE hadron_instruments (
  journal INTEGER NOT NULL, instrument INTEGER NOT NULL, listing INTEGER NOT NULL, position BIGINT NOT NULL,
  venue INTEGER NOT NULL, asset SMALLINT NOT NULL, name TEXT NOT NULL, symbol TEXT NOT NULL, currency TEXT NOT NULL,
  increment BIGINT NOT NULL, lot BIGINT NOT NULL, multiplier BIGINT NOT NULL,
  PRIMARY KEY (journal, instrument, listing)
);

-- value_1..4 as the kind says: trade: price, quantity, trade id, conditions and aggressor; quote: bid, ask, bid size, ask size;
-- book: price, quantity, order id, side and action; status: state, reason.
CREATE TABLE hadron_ticks (
  journal INTEGER NOT NULL, position BIGINT NOT NULL,
  event_ns BIGINT NOT NULL, recv_ns BIGINT NOT NULL, sequence BIGINT NOT NULL,
  instrument INTEGER NOT NULL, venue INTEGER NOT NULL, kind SMALLINT NOT NULL, flags SMALLINT NOT NULL,
  value_1 BIGINT NOT NULL, value_2 BIGINT NOT NULL, value_3 BIGINT NOT NULL, value_4 BIGINT NOT NULL,
  PRIMARY KEY (journal, position, event_ns)
) PARTITION BY RANGE (event_ns);

CREATE TABLE hadron_strategy_decisions (
  journal INTEGER NOT NULL, position BIGINT NOT NULL,
  id BIGINT NOT NULL, time_ns BIGINT NOT NULL, trace UUID NOT NULL, cause BIGINT NOT NULL,
  arm INTEGER NOT NULL, instrument INTEGER NOT NULL, kind SMALLINT NOT NULL, side SMALLINT NOT NULL,
  order_type SMALLINT NOT NULL, time_in_force SMALLINT NOT NULL, flags SMALLINT NOT NULL, regime SMALLINT NOT NULL,
  slot INTEGER NOT NULL, quantity BIGINT NOT NULL, limit_price BIGINT NOT NULL, stop_price BIGINT NOT NULL,
  mean_return DOUBLE PRECISION NOT NULL, uncertainty DOUBLE PRECISION NOT NULL, confidence DOUBLE PRECISION NOT NULL,
  horizon_ns BIGINT NOT NULL, expire_ns BIGINT NOT NULL, key BIGINT NOT NULL,
  PRIMARY KEY (journal, position)
);

CREATE TABLE hadron_order_intents (
  journal INTEGER NOT NULL, position BIGINT NOT NULL,
  id BIGINT NOT NULL, time_ns BIGINT NOT NULL, trace UUID NOT NULL, cause BIGINT NOT NULL,
  opportunity BIGINT NOT NULL, decision BIGINT NOT NULL, arm INTEGER NOT NULL, instrument INTEGER NOT NULL,
  venue INTEGER NOT NULL, kind SMALLINT NOT NULL, side SMALLINT NOT NULL, order_type SMALLINT NOT NULL,
  time_in_force SMALLINT NOT NULL, flags SMALLINT NOT NULL, slot SMALLINT NOT NULL, quantity BIGINT NOT NULL,
  limit_price BIGINT NOT NULL, stop_price BIGINT NOT NULL, reference_price BIGINT NOT NULL,
  expire_ns BIGINT NOT NULL, key BIGINT NOT NULL, client_order_id TEXT NOT NULL,
  PRIMARY KEY (journal, position)
);

-- Every transition of every order.
CREATE TABLE order_events (
  journal INTEGER NOT NULL, position BIGINT NOT NULL,
  id BIGINT NOT NULL, time_ns BIGINT NOT NULL, venue_ns BIGINT NOT NULL, trace UUID NOT NULL, cause BIGINT NOT NULL,
  intent BIGINT NOT NULL, client_order_id TEXT NOT NULL, venue_order_id TEXT NOT NULL,
  instrument INTEGER NOT NULL, arm INTEGER NOT NULL, venue INTEGER NOT NULL, side SMALLINT NOT NULL,
  order_type SMALLINT NOT NULL, time_in_force SMALLINT NOT NULL, flags SMALLINT NOT NULL, slot SMALLINT NOT NULL,
  from_state SMALLINT NOT NULL, state SMALLINT NOT NULL, change SMALLINT NOT NULL, reason INTEGER NOT NULL,
  limit_price BIGINT NOT NULL, stop_price BIGINT NOT NULL, average_price BIGINT NOT NULL,
  quantity BIGINT NOT NULL, filled BIGINT NOT NULL, actual BIGINT NOT NULL, bound BIGINT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (journal, position)
);
-- Ticks come nearly in time order: a few bytes per block range find any stretch of time within a day.
CREATE INDEX hadron_ticks_by_time ON hadron_ticks USING brin (event_ns);
CREATE INDEX order_events_by_order ON order_events (journal, client_order_id);

-- Where every order stands: its last event.
CREATE TABLE orders (
  journal INTEGER NOT NULL, client_order_id TEXT NOT NULL, position BIGINT NOT NULL,
  created_ns BIGINT NOT NULL, updated_ns BIGINT NOT NULL, events BIGINT NOT NULL, intent BIGINT NOT NULL,
  venue_order_id TEXT NOT NULL, instrument INTEGER NOT NULL, arm INTEGER NOT NULL, venue INTEGER NOT NULL,
  side SMALLINT NOT NULL, order_type SMALLINT NOT NULL, time_in_force SMALLINT NOT NULL, flags SMALLINT NOT NULL,
  state SMALLINT NOT NULL, reason INTEGER NOT NULL, limit_price BIGINT NOT NULL, stop_price BIGINT NOT NULL,
  average_price BIGINT NOT NULL, quantity BIGINT NOT NULL, filled BIGINT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (journal, client_order_id)
);

CREATE TABLE hadron_order_executions (
  journal INTEGER NOT NULL, position BIGINT NOT NULL,
  id BIGINT NOT NULL, time_ns BIGINT NOT NULL, venue_ns BIGINT NOT NULL, trace UUID NOT NULL, cause BIGINT NOT NULL,
  intent BIGINT NOT NULL, client_order_id TEXT NOT NULL, execution_id TEXT NOT NULL,
  instrument INTEGER NOT NULL, arm INTEGER NOT NULL, venue INTEGER NOT NULL, side SMALLINT NOT NULL,
  liquidity SMALLINT NOT NULL, flags SMALLINT NOT NULL,
  price BIGINT NOT NULL, quantity BIGINT NOT NULL, filled BIGINT NOT NULL, fee BIGINT NOT NULL,
  PRIMARY KEY (journal, position)
);

-- Each arm's share of an execution or of a cross inside the house. held, cost: of the position afterwards.
CREATE TABLE hadron_allocations (
  journal INTEGER NOT NULL, position BIGINT NOT NULL,
  id BIGINT NOT NULL, time_ns BIGINT NOT NULL, execution BIGINT NOT NULL, opportunity BIGINT NOT NULL,
  instrument INTEGER NOT NULL, arm INTEGER NOT NULL, side SMALLINT NOT NULL, flags SMALLINT NOT NULL,
  price BIGINT NOT NULL, quantity BIGINT NOT NULL, fee BIGINT NOT NULL, realized BIGINT NOT NULL,
  held BIGINT NOT NULL, cost BIGINT NOT NULL,
  PRIMARY KEY (journal, position)
);

-- Per arm and instrument: what the allocations add up to.
CREATE TABLE positions (
  journal INTEGER NOT NULL, arm INTEGER NOT NULL, instrument INTEGER NOT NULL, position BIGINT NOT NULL,
  time_ns BIGINT NOT NULL, quantity BIGINT NOT NULL, cost BIGINT NOT NULL, realized BIGINT NOT NULL, fees BIGINT NOT NULL,
  allocations BIGINT NOT NULL,
  PRIMARY KEY (journal, arm, instrument)
);

CREATE TABLE hadron_equity (
  journal INTEGER NOT NULL, position BIGINT NOT NULL, time_ns BIGINT NOT NULL, arm INTEGER NOT NULL,
  cash BIGINT NOT NULL, cost BIGINT NOT NULL, realized BIGINT NOT NULL, unrealized BIGINT NOT NULL,
  fees BIGINT NOT NULL, gross BIGINT NOT NULL,
  PRIMARY KEY (journal, position)
);

-- Last trade and quote of each instrument at the end of each interval; time_ns is the interval's start.
CREATE TABLE market_snapshots (
  journal INTEGER NOT NULL, instrument INTEGER NOT NULL, time_ns BIGINT NOT NULL, position BIGINT NOT NULL,
  last_price BIGINT NOT NULL, last_size BIGINT NOT NULL, bid BIGINT NOT NULL, ask BIGINT NOT NULL,
  bid_size BIGINT NOT NULL, ask_size BIGINT NOT NULL,
  PRIMARY KEY (journal, instrument, time_ns)
);

-- Arms as they were defined; role 1 live, 2 canary, 3 shadow; placement 1 inline, 2 thread, 3 process, 4 remote.
CREATE TABLE deployments (
  journal INTEGER NOT NULL, position BIGINT NOT NULL, time_ns BIGINT NOT NULL,
  arm INTEGER NOT NULL, revision INTEGER NOT NULL, role SMALLINT NOT NULL, placement SMALLINT NOT NULL, weight DOUBLE PRECISION NOT NULL,
  name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (journal, position)
);

-- Every artifact that was ever deployed; digest: SHA-256, hex.
CREATE TABLE plugin_registry (
  name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
  first_ns BIGINT NOT NULL,
  PRIMARY KEY (name, version, digest)
);

CREATE TABLE backtest_results (
  id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  created_ns BIGINT NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL, digest TEXT NOT NULL, journal UUID,
  from_ns BIGINT NOT NULL, to_ns BIGINT NOT NULL,
  ticks BIGINT NOT NULL, rejected_ticks BIGINT NOT NULL, decisions BIGINT NOT NULL, intents BIGINT NOT NULL,
  orders BIGINT NOT NULL, executions BIGINT NOT NULL, trades BIGINT NOT NULL,
  pnl BIGINT NOT NULL, fees BIGINT NOT NULL, max_drawdown BIGINT NOT NULL,
  total_return DOUBLE PRECISION, sharpe DOUBLE PRECISION, sortino DOUBLE PRECISION, calmar DOUBLE PRECISION, cvar DOUBLE PRECISION, volatility DOUBLE PRECISION, turnover DOUBLE PRECISION,
  win_rate DOUBLE PRECISION, profit_factor DOUBLE PRECISION, exposure DOUBLE PRECISION,
  elapsed_s DOUBLE PRECISION NOT NULL, ticks_per_s DOUBLE PRECISION NOT NULL, report TEXT NOT NULL
);

CREATE VIEW v_trades AS
  SELECT t.journal, t.position, to_timestamp(t.event_ns / 1000000000) + (t.event_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, t.instrument, t.venue, (t.value_1 * 0.000000001)::NUMERIC(28, 9) AS price, (t.value_2 * 0.00000001)::NUMERIC(28, 8) AS quantity,
         t.value_3 AS trade_id, t.value_4 & 4294967295 AS conditions, CASE t.value_4 >> 32 & 255 WHEN 1 THEN 'buy' WHEN 2 THEN 'sell' END AS aggressor
  FROM hadron_ticks t WHERE t.kind = 1;
CREATE VIEW v_quotes AS
  SELECT t.journal, t.position, to_timestamp(t.event_ns / 1000000000) + (t.event_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, t.instrument, t.venue, (t.value_1 * 0.000000001)::NUMERIC(28, 9) AS bid, (t.value_2 * 0.000000001)::NUMERIC(28, 9) AS ask,
         (t.value_3 * 0.00000001)::NUMERIC(28, 8) AS bid_size, (t.value_4 * 0.00000001)::NUMERIC(28, 8) AS ask_size
  FROM hadron_ticks t WHERE t.kind = 2;
CREATE VIEW v_book_changes AS
  SELECT t.journal, t.position, to_timestamp(t.event_ns / 1000000000) + (t.event_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, t.instrument, t.venue, (t.value_1 * 0.000000001)::NUMERIC(28, 9) AS price, (t.value_2 * 0.00000001)::NUMERIC(28, 8) AS quantity,
         t.value_3 AS order_id, CASE t.value_4 & 255 WHEN 1 THEN 'bid' WHEN 2 THEN 'ask' END AS side,
         CASE t.value_4 >> 8 & 255 WHEN 1 THEN 'set' WHEN 2 THEN 'add' WHEN 3 THEN 'modify' WHEN 4 THEN 'cancel' WHEN 5 THEN 'clear' END AS action
  FROM hadron_ticks t WHERE t.kind = 3;
CREATE VIEW v_ticks AS
  SELECT t.journal, t.position, t.sequence, to_timestamp(t.event_ns / 1000000000) + (t.event_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, t.instrument, t.venue,
         CASE t.kind WHEN 1 THEN 'trade' WHEN 2 THEN 'quote' WHEN 3 THEN 'book' WHEN 4 THEN 'status' END AS kind,
         CASE WHEN t.kind IN (1, 3) THEN (t.value_1 * 0.000000001)::NUMERIC(28, 9) END AS price, CASE WHEN t.kind IN (1, 3) THEN (t.value_2 * 0.00000001)::NUMERIC(28, 8) END AS quantity,
         CASE t.kind WHEN 2 THEN (t.value_1 * 0.000000001)::NUMERIC(28, 9) END AS bid, CASE t.kind WHEN 2 THEN (t.value_2 * 0.000000001)::NUMERIC(28, 9) END AS ask,
         CASE t.kind WHEN 2 THEN (t.value_3 * 0.00000001)::NUMERIC(28, 8) END AS bid_size, CASE t.kind WHEN 2 THEN (t.value_4 * 0.00000001)::NUMERIC(28, 8) END AS ask_size
  FROM hadron_ticks t;
CREATE VIEW v_decisions AS
  SELECT d.journal, d.position, d.id, to_timestamp(d.time_ns / 1000000000) + (d.time_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, replace(d.trace::TEXT, '-', '') AS trace, d.arm, d.instrument,
         CASE d.kind WHEN 1 THEN 'side' WHEN 2 THEN 'target' WHEN 3 THEN 'work' END AS kind, CASE d.side WHEN 1 THEN 'buy' WHEN 2 THEN 'sell' END AS side,
         (d.quantity * 0.00000001)::NUMERIC(28, 8) AS quantity, (d.limit_price * 0.000000001)::NUMERIC(28, 9) AS limit_price, (d.stop_price * 0.000000001)::NUMERIC(28, 9) AS stop_price,
         d.mean_return, d.uncertainty, d.confidence
  FROM hadron_strategy_decisions d;
CREATE VIEW v_intents AS
  SELECT i.journal, i.position, i.id, to_timestamp(i.time_ns / 1000000000) + (i.time_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, replace(i.trace::TEXT, '-', '') AS trace, i.arm, i.instrument,
         CASE i.kind WHEN 1 THEN 'new' WHEN 2 THEN 'cancel' WHEN 3 THEN 'replace' END AS kind, CASE i.side WHEN 1 THEN 'buy' WHEN 2 THEN 'sell' END AS side,
         CASE i.order_type WHEN 1 THEN 'market' WHEN 2 THEN 'limit' WHEN 3 THEN 'stop' WHEN 4 THEN 'stop_limit' END AS order_type, CASE i.time_in_force WHEN 1 THEN 'day' WHEN 2 THEN 'gtc' WHEN 3 THEN 'ioc' WHEN 4 THEN 'fok' WHEN 5 THEN 'gtd' END AS time_in_force, (i.quantity * 0.00000001)::NUMERIC(28, 8) AS quantity,
         (i.limit_price * 0.000000001)::NUMERIC(28, 9) AS limit_price, (i.stop_price * 0.000000001)::NUMERIC(28, 9) AS stop_price, (i.reference_price * 0.000000001)::NUMERIC(28, 9) AS reference_price, i.client_order_id
  FROM hadron_order_intents i;
CREATE VIEW v_order_events AS
  SELECT e.journal, e.position, e.id, to_timestamp(e.time_ns / 1000000000) + (e.time_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, replace(e.trace::TEXT, '-', '') AS trace, e.client_order_id, e.venue_order_id, e.instrument,
         e.arm, CASE e.side WHEN 1 THEN 'buy' WHEN 2 THEN 'sell' END AS side, CASE e.from_state WHEN 1 THEN 'initialized' WHEN 2 THEN 'denied' WHEN 3 THEN 'pending_submit' WHEN 4 THEN 'submitted' WHEN 5 THEN 'accepted' WHEN 6 THEN 'partially_filled' WHEN 7 THEN 'pending_cancel' WHEN 8 THEN 'pending_replace' WHEN 9 THEN 'filled' WHEN 10 THEN 'canceled' WHEN 11 THEN 'rejected' WHEN 12 THEN 'expired' WHEN 13 THEN 'unknown' END AS from_state, CASE e.state WHEN 1 THEN 'initialized' WHEN 2 THEN 'denied' WHEN 3 THEN 'pending_submit' WHEN 4 THEN 'submitted' WHEN 5 THEN 'accepted' WHEN 6 THEN 'partially_filled' WHEN 7 THEN 'pending_cancel' WHEN 8 THEN 'pending_replace' WHEN 9 THEN 'filled' WHEN 10 THEN 'canceled' WHEN 11 THEN 'rejected' WHEN 12 THEN 'expired' WHEN 13 THEN 'unknown' END AS state, e.change, e.reason,
         (e.quantity * 0.00000001)::NUMERIC(28, 8) AS quantity, (e.filled * 0.00000001)::NUMERIC(28, 8) AS filled, (e.average_price * 0.000000001)::NUMERIC(28, 9) AS average_price, e.text
  FROM order_events e;
CREATE VIEW v_orders AS
  SELECT o.journal, o.client_order_id, to_timestamp(o.created_ns / 1000000000) + (o.created_ns % 1000000000 / 1000) * interval '1 microsecond' AS created, to_timestamp(o.updated_ns / 1000000000) + (o.updated_ns % 1000000000 / 1000) * interval '1 microsecond' AS updated, o.instrument, o.arm, CASE o.side WHEN 1 THEN 'buy' WHEN 2 THEN 'sell' END AS side,
         CASE o.order_type WHEN 1 THEN 'market' WHEN 2 THEN 'limit' WHEN 3 THEN 'stop' WHEN 4 THEN 'stop_limit' END AS order_type, CASE o.time_in_force WHEN 1 THEN 'day' WHEN 2 THEN 'gtc' WHEN 3 THEN 'ioc' WHEN 4 THEN 'fok' WHEN 5 THEN 'gtd' END AS time_in_force, CASE o.state WHEN 1 THEN 'initialized' WHEN 2 THEN 'denied' WHEN 3 THEN 'pending_submit' WHEN 4 THEN 'submitted' WHEN 5 THEN 'accepted' WHEN 6 THEN 'partially_filled' WHEN 7 THEN 'pending_cancel' WHEN 8 THEN 'pending_replace' WHEN 9 THEN 'filled' WHEN 10 THEN 'canceled' WHEN 11 THEN 'rejected' WHEN 12 THEN 'expired' WHEN 13 THEN 'unknown' END AS state,
         (o.quantity * 0.00000001)::NUMERIC(28, 8) AS quantity, (o.filled * 0.00000001)::NUMERIC(28, 8) AS filled, (o.limit_price * 0.000000001)::NUMERIC(28, 9) AS limit_price, (o.stop_price * 0.000000001)::NUMERIC(28, 9) AS stop_price,
         (o.average_price * 0.000000001)::NUMERIC(28, 9) AS average_price, o.reason, o.text
  FROM orders o;
CREATE VIEW v_executions AS
  SELECT x.journal, x.position, x.id, to_timestamp(x.time_ns / 1000000000) + (x.time_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, replace(x.trace::TEXT, '-', '') AS trace, x.client_order_id, x.execution_id, x.instrument, x.arm,
         CASE x.side WHEN 1 THEN 'buy' WHEN 2 THEN 'sell' END AS side, CASE x.liquidity WHEN 1 THEN 'maker' WHEN 2 THEN 'taker' END AS liquidity,
         (x.price * 0.000000001)::NUMERIC(28, 9) AS price, (x.quantity * 0.00000001)::NUMERIC(28, 8) AS quantity, (x.fee * 0.000001)::NUMERIC(28, 6) AS fee, x.flags
  FROM hadron_order_executions x;
CREATE VIEW v_allocations AS
  SELECT a.journal, a.position, a.id, to_timestamp(a.time_ns / 1000000000) + (a.time_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, a.execution, a.instrument, a.arm, CASE a.side WHEN 1 THEN 'buy' WHEN 2 THEN 'sell' END AS side,
         (a.price * 0.000000001)::NUMERIC(28, 9) AS price, (a.quantity * 0.00000001)::NUMERIC(28, 8) AS quantity, (a.fee * 0.000001)::NUMERIC(28, 6) AS fee, (a.realized * 0.000001)::NUMERIC(28, 6) AS realized, (a.held * 0.00000001)::NUMERIC(28, 8) AS held, (a.cost * 0.000001)::NUMERIC(28, 6) AS cost
  FROM hadron_allocations a;
CREATE VIEW v_positions AS
  SELECT p.journal, p.arm, p.instrument, to_timestamp(p.time_ns / 1000000000) + (p.time_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, (p.quantity * 0.00000001)::NUMERIC(28, 8) AS quantity, (p.cost * 0.000001)::NUMERIC(28, 6) AS cost, (p.realized * 0.000001)::NUMERIC(28, 6) AS realized,
         (p.fees * 0.000001)::NUMERIC(28, 6) AS fees, p.allocations
  FROM positions p;
CREATE VIEW v_equity AS
  SELECT q.journal, q.position, to_timestamp(q.time_ns / 1000000000) + (q.time_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, q.arm, (q.cash * 0.000001)::NUMERIC(28, 6) AS cash, (q.cost * 0.000001)::NUMERIC(28, 6) AS cost, (q.realized * 0.000001)::NUMERIC(28, 6) AS realized,
         (q.unrealized * 0.000001)::NUMERIC(28, 6) AS unrealized, (q.fees * 0.000001)::NUMERIC(28, 6) AS fees, (q.gross * 0.000001)::NUMERIC(28, 6) AS gross
  FROM hadron_equity q;
CREATE VIEW v_market AS
  SELECT s.journal, s.instrument, to_timestamp(s.time_ns / 1000000000) + (s.time_ns % 1000000000 / 1000) * interval '1 microsecond' AS time, (s.last_price * 0.000000001)::NUMERIC(28, 9) AS last_price, (s.last_size * 0.00000001)::NUMERIC(28, 8) AS last_size, (s.bid * 0.000000001)::NUMERIC(28, 9) AS bid, (s.ask * 0.000000001)::NUMERIC(28, 9) AS ask
  FROM market_snapshots s;
