// A starter for a strategy in plain JavaScript, over ws://: in Node (`node client.js ws://127.0.0.1:7008/bus`), or in a browser (see
// sdk/javascript/example.html). docs/wire.md says what goes over the wire. The token comes from HADRON_TOKEN.
"use strict";
const path = require("path");
const { Session, Kind, quantity, decimal } = require(process.env.HADRON_JAVASCRIPT || path.join(__dirname, "../javascript/hadron.js"));

const session = new Session({
  url: process.argv[2] || "ws://127.0.0.1:7008/bus", name: "my_strategy", version: "0.1.0", token: process.env.HADRON_TOKEN,
  WebSocket: globalThis.WebSocket || require("ws"), // Debian: package node-ws
  on: {
    start: (s) => console.log(`joined as arm ${s.arm}: ${[...s.instruments.values()].map((i) => i.name).join(" ")}`),
    tick: onTick,
    execution: (e) => console.log(`${e.side === 1 ? "bought" : "sold"} ${decimal(e.quantity, 8)} at ${decimal(e.price, 9)}, holds ${decimal(e.position, 8)}`),
    refused: (r) => console.log(`decision ${r.number} was refused: ${r.code}`),
    lost: (l) => console.log(`${l.count} ticks were lost`),
    stale: () => console.log("stale: nothing is decided"), live: () => console.log("live"), log: (line) => console.log(line),
    closed: (r) => { console.log(r.text); process.exitCode = 1; },
  },
});

const last = new Map(), side = new Map(); // by instrument
function onTick(tick) {
  if (tick.kind !== Kind.TRADE) return;
  const before = last.get(tick.instrument), now = before !== undefined && tick.price !== before ? (tick.price > before ? 1n : -1n) : side.get(tick.instrument);
  last.set(tick.instrument, tick.price);
  if (now === undefined || now === side.get(tick.instrument)) return;
  side.set(tick.instrument, now);
  session.target(tick.instrument, now * quantity("1"));
}

process.on("SIGINT", () => session.close());
process.on("SIGTERM", () => session.close());
session.open();
