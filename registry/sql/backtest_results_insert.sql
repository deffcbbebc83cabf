-- One finished backtest; the parameters in this order, for both dialects. NULL where a figure is not defined.
INSERT INTO backtest_results (created_ns, name, config, digest, journal, from_ns, to_ns, ticks, rejected_ticks, decisions, intents,
  orders, executions, trades, pnl, fees, max_drawdown, total_return, sharpe, sortino, calmar, cvar, volatility, turnover, win_rate,
  profit_factor, exposure, elapsed_s, ticks_per_s, report)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
  $27, $28, $29, $30);
