// Hadron in plain JavaScript: a session over ws://, in a browser or in Node. No dependency: a browser has WebSocket, so has Node since 22; else
// hand one over (`new Session({ WebSocket: require("ws"), ... })`). docs/wire.md says what goes over the wire; this file is one way to speak it.
//
//   const session = new Session({ url: "ws://127.0.0.1:7781/", name: "my_strategy", version: "1.0.0", token: "…" });
//   session.onTick = (tick) => { if (tick.kind === Kind.TRADE) session.buy(tick.instrument, quantity("0.5")); };
//   session.open();
//
// Prices are BigInts of 1e-9, quantities of 1e-8, times of nanoseconds: 64 bits do not fit into a Number.
"use strict";
(function (exports) {

const FRAME = 40, SBE = 8;
const Frame = { DATA: 1, HEARTBEAT: 2, HELLO: 16, NEXT: 17, DECIDE: 18, BYE: 23, WELCOME: 32, REFUSED: 33, ACK: 34 };
const Message = { TICK: 1, BAR: 2, DECISION: 3, ORDER_EVENT: 7, ALLOCATION: 9, INSTRUMENT: 11, POSITION: 27, LOST: 28 };
const Kind = { TRADE: 1, QUOTE: 2, BOOK: 3, STATUS: 4 };
const Side = { BUY: 1, SELL: 2 };
const Decision = { SIDE: 1, TARGET: 2, WORK: 3 };
const REWIND = 1;

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
  [Message.LOST]: (v, at) => ({ first: v.getBigUint64(at, true), last: v.getBigUint64(at + 8, true), count: v.getBigUint64(at + 16, true) }),
};

exports.Frame = Frame;
exports.Message = Message;
exports.Kind = Kind;
exports.Side = Side;
exports.Decision = Decision;
Object.assign(exports, { price, quantity, decimal, encode, decode, crc32c, readers, json, REWIND, FRAME, SBE });
})(typeof module === "object" ? module.exports : (globalThis.hadron = {}));
