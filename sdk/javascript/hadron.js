// Hadron in plain JavaScript: a session over ws://, in a browser or in Node. No dependency: a browser has WebSocket, so has Node since 22; else
// hand one over (`new Session({ WebSocket: require("ws"), ... })`). docs/wire.md says what goes over the wire; this file is one way to speak it.
//
//   const session = new Session({ url: "ws://127.0.0.1:7781/", name: "my_strategy", version: "1.0.0", token: "…", on: {
//     tick: (t) => { if (t.kind === Kind.TRADE && t.price > price("100")) session.target(t.instrument, quantity("0.5")); } } });
//   session.open();
//
// Of docs/wire.md it has what a strategy needs that joins over ws://: HELLO, NEXT, DECIDE, ANSWER (to PARAMS) and BYE go out; WELCOME, REFUSED, DATA, HEARTBEAT,
// ACK and BUSY come in. Not here: REPAIR, SNAPSHOT and TOO_OLD (feeds), ADMIN, PACKED (it does not ask for it), the signed HELLO of section 8, and a worker's
// messages but PARAMS. A message that it does not know is counted and passed over.
//
// Prices are BigInts of 1e-9, quantities of 1e-8, times of nanoseconds: 64 bits do not fit into a Number.
"use strict";
(function (exports) {

const FRAME = 40, SBE = 8;
// What a host says no to for now: another of this name whose connection has not ended yet, a version that is not deployed, a host that is full or just starting.
const MAY_PASS = new Set(["FULL", "STATE", "AGAIN", "EXISTS", "TIMEOUT", "DUPLICATE"].map((name) => "HADRON_ERR_" + name));
const Frame = { DATA: 1, HEARTBEAT: 2, HELLO: 16, NEXT: 17, DECIDE: 18, ANSWER: 21, BYE: 23, WELCOME: 32, REFUSED: 33, ACK: 34, BUSY: 36 };
const Message = { TICK: 1, BAR: 2, DECISION: 3, ORDER_EVENT: 7, ALLOCATION: 9, INSTRUMENT: 11, MARK: 26, POSITION: 27, LOST: 28, ASK: 29 };
const Kind = { TRADE: 1, QUOTE: 2, BOOK: 3, STATUS: 4 };
const Side = { BUY: 1, SELL: 2 };
const Decision = { SIDE: 1, TARGET: 2, WORK: 3 };
const REWIND = 1, PARAMS = 2; // of NEXT; verb of ASK

// ---- exact numbers ---------------------------------------------------------------------------------------------------------------------

function units(text, digits) {
  const found = /^(-?)(\d+)(?:\.(\d*))?$/.exec(String(text));
  if (!found) throw new RangeError(`${text}: not a decimal number`);
  const part = (found[3] || "").padEnd(digits, "0");
  if (part.length > digits && /[1-9]/.test(part.slice(digits))) throw new RangeError(`${text}: finer than ${digits} digits`);
  const value = BigInt(found[2]) * 10n ** BigInt(digits) + BigInt(part.slice(0, digits) || "0");
  return found[1] ? -value : value;
}
const price = (text) => units(text, 9);
const quantity = (text) => units(text, 8);
function decimal(value, digits) {
  const sign = value < 0n ? "-" : "", text = (value < 0n ? -value : value).toString().padStart(digits + 1, "0");
  return `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`.replace(/\.?0+$/, "");
}

// ---- frames ------------------------------------------------------------------------------------------------------------------------------

const table = new Uint32Array(256).map((_, n) => { // CRC-32C, reflected 0x1EDC6F41
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0x82f63b78 : n >>> 1;
  return n >>> 0;
});
function crc32c(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}
const text = new TextEncoder(), words = new TextDecoder();
const json = (value) => text.encode(JSON.stringify(value));

function encode({ kind, stream = 0, count = 0, epoch = 0n, sequence = 0n, payload = new Uint8Array(0) }) {
  const bytes = new Uint8Array(FRAME + payload.length), view = new DataView(bytes.buffer);
  bytes.set(text.encode("session"), 0);
  view.setUint32(8, stream, true);
  view.setUint16(12, kind, true);
  view.setUint16(14, count, true);
  view.setBigUint64(16, epoch, true);
  view.setBigUint64(24, sequence, true);
  view.setUint32(32, payload.length, true);
  bytes.set(payload, FRAME);
  view.setUint32(36, crc32c(bytes), true); // the field is still 0
  return bytes;
}

// The frames of a packet. A frame that is not whole or not what its checksum says ends it with an error.
function* decode(packet) {
  for (let at = 0; at < packet.length;) {
    if (packet.length - at < FRAME) throw new Error(`frame at byte ${at}: ${packet.length - at} bytes are left, its head has ${FRAME}`);
    const view = new DataView(packet.buffer, packet.byteOffset + at), size = view.getUint32(32, true);
    if (size > packet.length - at - FRAME) throw new Error(`frame at byte ${at}: says ${size} bytes, ${packet.length - at - FRAME} are there`);
    const whole = packet.slice(at, at + FRAME + size), crc = view.getUint32(36, true);
    new DataView(whole.buffer).setUint32(36, 0, true);
    if (crc32c(whole) !== crc) throw new Error(`frame at byte ${at}: its checksum is not that of its bytes`);
    yield { kind: view.getUint16(12, true), stream: view.getUint32(8, true), count: view.getUint16(14, true), epoch: view.getBigUint64(16, true),
            sequence: view.getBigUint64(24, true), payload: whole.subarray(FRAME) };
    at += FRAME + size;
  }
}

// ---- messages ----------------------------------------------------------------------------------------------------------------------------

const string = (v, at, size) => words.decode(new Uint8Array(v.buffer, v.byteOffset + at, size)).replace(/\0.*$/s, "");
const readers = {
  [Message.TICK](v, at) {
    const kind = v.getUint8(at + 30), raw = (i) => v.getBigInt64(at + 32 + 8 * i, true);
    const tick = { event_ns: v.getBigInt64(at, true), recv_ns: v.getBigInt64(at + 8, true), sequence: v.getBigUint64(at + 16, true),
                   instrument: v.getUint32(at + 24, true), venue: v.getUint16(at + 28, true), kind, flags: v.getUint8(at + 31) };
    if (kind === Kind.TRADE) Object.assign(tick, { price: raw(0), quantity: raw(1) });
    if (kind === Kind.QUOTE) Object.assign(tick, { bid: raw(0), ask: raw(1), bid_size: raw(2), ask_size: raw(3) });
    if (kind === Kind.BOOK) Object.assign(tick, { price: raw(0), quantity: raw(1), order_id: v.getBigUint64(at + 48, true), side: v.getUint8(at + 56), action: v.getUint8(at + 57) });
    if (kind === Kind.STATUS) Object.assign(tick, { state: Number(raw(0)) });
    return tick;
  },
  [Message.INSTRUMENT]: (v, at) => ({ instrument: v.getUint32(at, true), venue: v.getUint16(at + 8, true), increment: v.getBigInt64(at + 16, true),
                                      lot: v.getBigInt64(at + 24, true), name: string(v, at + 40, 32), currency: string(v, at + 104, 8) }),
  [Message.POSITION]: (v, at) => ({ position: v.getBigInt64(at + 8, true), working_buy: v.getBigInt64(at + 16, true), working_sell: v.getBigInt64(at + 24, true),
                                    average_entry: v.getBigInt64(at + 32, true), arm: v.getUint32(at + 40, true), instrument: v.getUint32(at + 44, true) }),
  [Message.ALLOCATION]: (v, at) => ({ id: v.getBigUint64(at, true), execution: v.getBigUint64(at + 8, true), time_ns: v.getBigInt64(at + 24, true), price: v.getBigInt64(at + 32, true),
                                      quantity: v.getBigInt64(at + 40, true), fee: v.getBigInt64(at + 48, true), realized: v.getBigInt64(at + 56, true), position: v.getBigInt64(at + 64, true),
                                      instrument: v.getUint32(at + 80, true), arm: v.getUint32(at + 84, true), side: v.getUint8(at + 88) }),
  [Message.BAR]: (v, at) => ({ open_ns: v.getBigInt64(at, true), close_ns: v.getBigInt64(at + 8, true), sequence: v.getBigUint64(at + 16, true), instrument: v.getUint32(at + 24, true),
                               kind: v.getUint8(at + 30), open: v.getBigInt64(at + 32, true), high: v.getBigInt64(at + 40, true), low: v.getBigInt64(at + 48, true),
                               close: v.getBigInt64(at + 56, true), volume: v.getBigInt64(at + 64, true), vwap: v.getBigInt64(at + 72, true), interval: v.getBigInt64(at + 80, true),
                               ticks: v.getUint32(at + 88, true) }),
  [Message.ORDER_EVENT]: (v, at) => ({ id: v.getBigUint64(at + 24, true), time_ns: v.getBigInt64(at + 40, true), client_order_id: string(v, at + 56, 24), limit: v.getBigInt64(at + 120, true),
                                       average: v.getBigInt64(at + 136, true), quantity: v.getBigInt64(at + 144, true), filled: v.getBigInt64(at + 152, true), instrument: v.getUint32(at + 176, true),
                                       arm: v.getUint32(at + 180, true), reason: v.getUint16(at + 186, true), from: v.getUint8(at + 188), to: v.getUint8(at + 189), change: v.getUint8(at + 190),
                                       side: v.getUint8(at + 191), slot: v.getUint8(at + 195), text: string(v, at + 200, 64) }),
  [Message.MARK]: (v, at) => ({ last: v.getBigInt64(at, true), bid: v.getBigInt64(at + 8, true), ask: v.getBigInt64(at + 16, true), instrument: v.getUint32(at + 56, true) }),
  [Message.ASK]: (v, at) => ({ number: v.getBigUint64(at, true), verb: v.getUint32(at + 16, true), offset: v.getUint32(at + 24, true), total: v.getUint32(at + 28, true),
                               text: words.decode(new Uint8Array(v.buffer, v.byteOffset + at + 36, v.getUint32(at + 32, true))) }),
  [Message.LOST]: (v, at) => ({ first: v.getBigUint64(at, true), last: v.getBigUint64(at + 8, true), count: v.getBigUint64(at + 16, true) }),
};

// A decision's 128 bytes. instrument: its number; what is left out is 0.
function decision(d) {
  const v = new DataView(new ArrayBuffer(128));
  v.setBigUint64(16, d.cause || 0n, true);
  v.setBigInt64(40, d.horizon_ns || 0n, true);
  v.setFloat64(48, d.mean_return || 0, true);
  v.setFloat64(56, d.uncertainty || 0, true);
  v.setFloat64(64, d.confidence || 0, true);
  v.setBigInt64(72, d.limit || 0n, true);
  v.setBigInt64(80, d.stop || 0n, true);
  v.setBigInt64(88, d.quantity || 0n, true);
  v.setBigUint64(96, d.key || 0n, true);
  v.setUint32(104, d.instrument, true);
  v.setUint8(112, d.kind);
  v.setUint8(113, d.side || 0);
  v.setUint8(114, d.order_type || 0);
  v.setUint8(115, d.time_in_force || 0);
  v.setUint8(116, d.flags || 0);
  v.setUint8(117, d.regime || 0);
  v.setUint16(118, d.slot || 0, true);
  v.setBigInt64(120, d.expire_ns || 0n, true);
  return new Uint8Array(v.buffer);
}

// ---- a session ---------------------------------------------------------------------------------------------------------------------------

// Requests go out as REQ does: four bytes, the top bit set, that the answer brings back. What is not answered is asked again.
const RESEND_MS = 200, RECONNECT_MS = 250, DECISIONS_MAX = 64; // of one frame

class Session {
  constructor(options) {
    this.options = options;
    this.WebSocket = options.WebSocket || globalThis.WebSocket;
    this.instruments = new Map(); // number -> definition
    this.positions = new Map();
    this.marks = new Map(); // the markets as they were when the stream began
    this.unknown = 0;     // messages of templates that are not known here
    this.stale = true;
    this.session = 0;
    this.epoch = 0n;
    this.next = 1n;       // number of the next message of the stream
    this.number = 1n;     // of the next decision
    this.unacknowledged = []; // { number, bytes }
    this.requests = new Map(); // id -> { packet, kind, sent }
    this.id = 0;
    this.refusals = 0;    // one after the other
    this.cause = 0n;
    this.on = { start() {}, tick() {}, bar() {}, execution() {}, order() {}, position() {}, lost() {}, params() {}, stale() {}, live() {}, refused() {}, log() {}, closed() {} };
    Object.assign(this.on, options.on || {});
  }

  open() {
    this.closing = false;
    this.socket = new this.WebSocket(this.options.url, "rep.sp.nanomsg.org");
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.hello();
    this.socket.onmessage = (event) => this.receive(new Uint8Array(event.data));
    this.socket.onerror = () => {}; // onclose follows
    this.socket.onclose = () => this.lose();
    this.timer = this.timer || setInterval(() => this.look(), 50);
  }

  close() {
    this.closing = true;
    clearTimeout(this.again);
    clearInterval(this.timer);
    this.timer = null;
    if (this.session && this.socket.readyState === 1) this.request(Frame.BYE, {});
    this.socket.close();
  }

  // ---- what it wants

  decide(d) {
    if (this.stale) throw new Error("the host was not heard of: nothing is decided on what may be old");
    const number = this.number++, bytes = decision({ cause: this.cause, ...d });
    this.unacknowledged.push({ number, bytes });
    this.sendDecisions();
    return number;
  }
  buy(instrument, amount = 0n, view = {}) { return this.decide({ instrument, kind: Decision.SIDE, side: Side.BUY, quantity: amount, ...view }); }
  sell(instrument, amount = 0n, view = {}) { return this.decide({ instrument, kind: Decision.SIDE, side: Side.SELL, quantity: amount, ...view }); }
  target(instrument, position, view = {}) { return this.decide({ instrument, kind: Decision.TARGET, quantity: position, ...view }); }
  position(instrument) { return (this.positions.get(instrument) || { position: 0n }).position; }

  // ---- requests

  request(kind, { sequence = 0n, count = 0, payload }) {
    const id = (++this.id & 0x7fffffff) | 0x80000000;
    const packet = encode({ kind, stream: this.session, epoch: this.epoch, sequence, count, payload });
    const whole = new Uint8Array(4 + packet.length);
    new DataView(whole.buffer).setUint32(0, id >>> 0);
    whole.set(packet, 4);
    this.requests.set(id >>> 0, { whole, kind, sent: Date.now() });
    this.socket.send(whole);
  }

  hello(signed = {}) {
    const { name, version, token, universe, params, bars } = this.options, resume = this.session
      ? { session: this.session, epoch: this.epoch.toString(), next: this.next.toString() } : undefined;
    this.requests.clear();
    this.request(Frame.HELLO, { payload: json({ protocol: 1, class: "trade", name, version, token, universe, params, bars, resume, ...signed }) });
  }

  pull(rewind = false) { this.request(Frame.NEXT, { sequence: this.next, count: rewind ? REWIND : 0 }); }

  // One frame at a time: a frame behind one that was not handled would leave a gap, and is not handled either.
  sendDecisions() {
    const those = this.unacknowledged.slice(0, DECISIONS_MAX);
    if (!those.length || !this.session || this.socket.readyState !== 1 || [...this.requests.values()].some((r) => r.kind === Frame.DECIDE)) return;
    const payload = new Uint8Array(SBE + 128 * those.length), view = new DataView(payload.buffer);
    view.setUint16(0, 128, true);
    view.setUint16(2, Message.DECISION, true);
    view.setUint16(4, 4842, true);
    view.setUint16(6, 256, true);
    those.forEach((d, i) => payload.set(d.bytes, SBE + 128 * i));
    this.request(Frame.DECIDE, { sequence: those[0].number, count: those.length, payload });
  }

  // ---- answers

  receive(message) {
    const id = new DataView(message.buffer, message.byteOffset).getUint32(0), request = this.requests.get(id);
    if (!request) return; // answered before
    this.requests.delete(id);
    this.heard = Date.now();
    if (this.stale && this.session) this.revive();
    let frames;
    try {
      frames = [...decode(message.subarray(4))];
    } catch (fault) {
      this.on.log(`${fault.message}; asked for again`);
      if (this.session) this.pull(true);
      return;
    }
    let gap = false;
    for (const frame of frames) gap = this.take(frame) || gap;
    if (request.kind === Frame.NEXT && this.session) this.pull(gap);
  }

  // True: a number is missing.
  take(frame) {
    switch (frame.kind) {
    case Frame.WELCOME: this.welcome(JSON.parse(words.decode(frame.payload))); return false;
    case Frame.REFUSED: this.refused(JSON.parse(words.decode(frame.payload))); return false;
    case Frame.ACK: this.acknowledge(frame); return false;
    case Frame.BUSY: setTimeout(() => this.sendDecisions(), Number(new DataView(frame.payload.buffer, frame.payload.byteOffset).getBigInt64(0, true) / 1000000n) + 1); return false;
    case Frame.HEARTBEAT: return frame.epoch === this.epoch && frame.sequence > this.next;
    case Frame.DATA: return frame.epoch === this.epoch && this.data(frame);
    default: return false;
    }
  }

  data(frame) {
    if (frame.sequence > this.next) return true;
    const view = new DataView(frame.payload.buffer, frame.payload.byteOffset), size = view.getUint16(0, true), template = view.getUint16(2, true);
    for (let i = Number(this.next - frame.sequence); i < frame.count; i++) {
      this.next++;
      if (readers[template]) this.message(template, readers[template](view, SBE + i * size));
      else this.unknown++;
    }
    return false;
  }

  message(template, m) {
    if (template === Message.INSTRUMENT) { this.instruments.set(m.instrument, m); return; }
    if (template === Message.POSITION) { this.positions.set(m.instrument, m); this.on.position(m); return; }
    if (template === Message.MARK) { this.marks.set(m.instrument, m); return; }
    if (template === Message.ASK) { this.answer(m); return; }
    if (!this.started) {
      this.started = true;
      this.on.start(this);
    }
    if (template === Message.TICK) {
      this.cause = m.sequence;
      this.on.tick(m);
    } else if (template === Message.BAR) this.on.bar(m);
    else if (template === Message.ORDER_EVENT) this.on.order(m);
    else if (template === Message.ALLOCATION) this.on.execution(m);
    else if (template === Message.LOST) this.on.lost(m);
  }

  // An operator has changed parameters: the host takes no decision before it is told that they are known.
  answer(ask) {
    this.asked = ask.offset ? this.asked + ask.text : ask.text;
    if (this.asked.length < ask.total && ask.total > ask.text.length) return; // the rest is behind it
    const payload = new Uint8Array(24), view = new DataView(payload.buffer);
    view.setBigUint64(0, ask.number, true);
    if (ask.verb === PARAMS) this.on.params(JSON.parse(this.asked));
    this.request(Frame.ANSWER, { sequence: ask.number, payload });
  }

  welcome(w) {
    const same = this.session === w.session && this.epoch === BigInt(w.epoch);
    this.refusals = 0;
    Object.assign(this, { session: w.session, epoch: BigInt(w.epoch), next: BigInt(w.next || 1), arm: w.arm, staleMs: w.stale_ms, info: w });
    if (!same) { // a new stream: it begins with instruments, marks and positions
      this.instruments.clear();
      this.positions.clear();
      this.started = false;
      this.unacknowledged = [];
      this.number = 1n;
    }
    this.revive();
    for (let i = 0; i < (w.window || 2); i++) this.pull();
    this.sendDecisions();
  }

  refused(r) {
    const had = this.session !== 0;
    this.session = 0;
    if (this.refusals === 0) this.on.log(`refused: ${r.code}: ${r.text}`);
    if (had && (r.code === "HADRON_ERR_STATE" || r.code === "HADRON_ERR_NOT_FOUND")) this.hello(); // the session is gone: a new one
    else if (MAY_PASS.has(r.code)) this.again = setTimeout(() => this.hello(), Math.min(50 << Math.min(this.refusals++, 6), 2000));
    else {
      this.on.closed(r);
      this.close();
    }
  }

  acknowledge(frame) {
    const view = new DataView(frame.payload.buffer, frame.payload.byteOffset);
    for (let i = 0; i < frame.count; i++) this.on.refused({ number: view.getBigUint64(16 * i, true), code: view.getInt32(16 * i + 8, true) });
    this.unacknowledged = this.unacknowledged.filter((d) => d.number > frame.sequence);
    this.sendDecisions();
  }

  // ---- time

  revive() {
    if (!this.stale) return;
    this.stale = false;
    this.on.live();
  }

  look() {
    const now = Date.now();
    if (!this.stale && now - this.heard > this.staleMs) {
      this.stale = true;
      this.on.stale();
    }
    if (this.socket.readyState !== 1) return;
    for (const request of this.requests.values())
      if (now - request.sent > RESEND_MS) {
        request.sent = now;
        this.socket.send(request.whole);
      }
  }

  lose() {
    clearTimeout(this.again);
    if (this.closing) return;
    if (!this.stale) {
      this.stale = true;
      this.on.stale();
    }
    this.requests.clear();
    setTimeout(() => this.closing || this.open(), RECONNECT_MS);
  }
}

exports.Session = Session;
exports.Frame = Frame;
exports.Message = Message;
exports.Kind = Kind;
exports.Side = Side;
exports.Decision = Decision;
Object.assign(exports, { price, quantity, decimal, encode, decode, crc32c, readers, json, REWIND, FRAME, SBE });
})(typeof module === "object" ? module.exports : (globalThis.hadron = {}));
