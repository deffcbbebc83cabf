"""Writes sdk/python/hadron/messages.py from sdk/schema/hadron.xml and error.h: a class for every message and enumeration, the error codes. --check: says whether it is what
the schema gives, and changes nothing."""
import keyword
import os
import re
import struct
import sys
import textwrap
import xml.etree.ElementTree as xml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCHEMA = f"{ROOT}/sdk/schema/hadron.xml"
OUTPUT = f"{ROOT}/sdk/python/hadron/messages.py"
ERRORS = f"{ROOT}/sdk/include/hadron/error.h"
MESSAGE = "{http://fixprotocol.io/2016/sbe}message"
CODES = {"char": "s", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float": "f", "double": "d"}
NUMPY = {"b": "i1", "B": "u1", "h": "<i2", "H": "<u2", "i": "<i4", "I": "<u4", "q": "<i8", "Q": "<u8", "f": "<f4", "d": "<f8"}
HEAD = '''"""Hadron's messages, as sdk/schema/hadron.xml has them. Made by script/python_messages.py; not to be edited.

Prices are integers of 1e-9, quantities of 1e-8, money of 1e-6; times are nanoseconds since the Unix epoch, UTC; 0 means absent."""
from __future__ import annotations

import enum
import struct
from typing import ClassVar, NamedTuple

'''


VARIANTS = ("trade", "quote", "book_change", "market_status")
TICK = """
    # kind TRADE
    @property
    def price(self) -> int: return self.value0
    @property
    def quantity(self) -> int: return self.value1
    @property
    def trade_id(self) -> int: return self.value2 & 0xFFFFFFFFFFFFFFFF
    # kind QUOTE; 0: that side is empty
    @property
    def bid(self) -> int: return self.value0
    @property
    def ask(self) -> int: return self.value1
    @property
    def bid_size(self) -> int: return self.value2
    @property
    def ask_size(self) -> int: return self.value3
    # kind BOOK: price and quantity as above
    @property
    def order_id(self) -> int: return self.value2 & 0xFFFFFFFFFFFFFFFF
    @property
    def side(self) -> int: return self.value3 & 0xFF
    @property
    def action(self) -> int: return self.value3 >> 8 & 0xFF
    # kind STATUS
    @property
    def state(self) -> int: return self.value0""".split("\n")


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


class Types:
    def __init__(self, root):
        self.nodes = {node.get("name"): node for node in root.find("types")}

    def spell(self, name):
        """(struct code, numpy code, Python type, how a raw value becomes it) of a field's type."""
        if name in CODES:
            code = CODES[name]
            return code, NUMPY[code], "float" if code in "fd" else "int", "{}"
        node = self.nodes[name]
        if node.tag in ("enum", "set"):
            code = CODES[node.get("encodingType")]
            return code, NUMPY[code], "int", "{}"
        if node.tag == "composite":  # a number of its own unit, or bytes
            parts = list(node)
            if len(parts) == 1:
                return self.array(parts[0])
            size = sum(struct.calcsize("<" + self.member(part)[0]) for part in parts)
            return f"{size}s", f"V{size}", "bytes", "{}"
        return self.array(node)

    def member(self, node):
        return self.spell(node.get("type")) if node.tag == "ref" else self.array(node)

    def members(self, name):
        """(name, numpy code, offset) of a composite's members, padding left out."""
        for node in self.nodes[name]:
            if not node.get("name").startswith("pad"):
                yield node.get("name"), self.member(node)[1], int(node.get("offset"))

    @staticmethod
    def array(node):
        primitive, length = node.get("primitiveType"), int(node.get("length", "1"))
        if primitive == "char":
            return f"{length}s", f"S{length}", "str", "_text({})"
        if length > 1:
            size = struct.calcsize("<" + CODES[primitive]) * length
            return f"{size}s", f"V{size}", "bytes", "{}"
        code = CODES[primitive]
        return code, NUMPY[code], "float" if code in "fd" else "int", "{}"


def enumeration(node):
    flags = node.tag == "set"
    base = "IntFlag" if flags else "IntEnum"
    lines = [f"class {camel(node.get('name'))}(enum.{base}):"]
    for value in node:
        number = 1 << int(value.text) if flags else int(value.text)
        lines.append(f"    {value.get('name')} = {number}")
    return "\n".join(lines)


def comment(text):
    return "" if not text else "  # " + re.sub(r"\s+", " ", text)


def message(node, types):
    name, size = camel(node.get("name")), int(node.get("blockLength"))
    layout, lines, columns, raw, at = "<", [], [], [], 0
    for field in node.findall("field"):
        offset = int(field.get("offset"))
        if offset < at:  # the variants of a union are the tick's own affair
            continue
        code, column, kind, make = types.spell(field.get("type"))
        layout += f"{offset - at}x" if offset > at else ""
        at = offset + struct.calcsize("<" + code)
        pads = re.fullmatch(r"pad\d*", field.get("name"))
        if pads:
            layout += f"{struct.calcsize('<' + code)}x"
            continue
        if field.get("type") == "tick_value":  # what it means depends on the tick's kind
            layout += "4q"
            lines += [f"    value{i}: int" for i in range(4)]
            raw += ["{}"] * 4
            columns += [(name, column, offset + at) for part in VARIANTS for name, column, at in types.members(part)]
            continue
        layout += code
        own = field.get("name") + ("_" if keyword.iskeyword(field.get("name")) or hasattr(tuple, field.get("name")) else "")
        lines.append(f"    {own}: {kind}{comment(field.get('description'))}")
        columns.append((own, column, offset))
        raw.append(make)
    layout += f"{size - at}x" if size > at else ""
    assert struct.calcsize(layout) == size, (name, layout, struct.calcsize(layout), size)
    plain = all(make == "{}" for make in raw)
    make = "cls._make(_%s.unpack_from(data, offset))" % node.get("name")
    if not plain:
        make = "cls(" + ", ".join(m.format(f"v[{i}]") for i, m in enumerate(raw)) + ")"
        make = f"v = _{node.get('name')}.unpack_from(data, offset)\n        return {make}"
    else:
        make = "return " + make
    text = [f"_{node.get('name')} = struct.Struct(\"{layout}\")", "", "", f"class {name}(NamedTuple):",
            textwrap.indent(textwrap.fill(f'"""{node.get("description") or name}"""', 130), "    ")]
    text += lines
    text += ["", "    @classmethod", f"    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> {name}:", f"        {make}"]
    if name == "Tick":
        text += TICK
    columns = list({column[0]: column for column in reversed(columns)}.values())[::-1]
    names = [c[0] for c in columns]
    dtype = {"names": names, "formats": [c[1] for c in columns], "offsets": [c[2] for c in columns], "itemsize": size}
    return "\n".join(text), (int(node.get("id")), name, size, dtype)


def render():
    root = xml.parse(SCHEMA).getroot()
    types = Types(root)
    parts, table = [], []
    for node in root.find("types"):
        if node.tag in ("enum", "set"):
            parts.append(enumeration(node))
    for node in root.findall(MESSAGE):
        text, row = message(node, types)
        parts.append(text)
        table.append(row)
    with open(ERRORS, encoding="utf-8") as file:
        found = re.findall(r'^ *X\((\w+), (-\d+), "([^"]*)"', file.read(), re.M)
    parts.append("# Error codes: name and text.\nERRORS: dict[int, tuple[str, str]] = {\n%s,\n}" % ",\n".join(
        f'    {code}: ("HADRON_ERR_{name}", "{text}")' for name, code, text in found))
    parts.append("SCHEMA_ID = %s\nSCHEMA_VERSION = %s" % (root.get("id"), root.get("version")))
    rows = ",\n".join(f"    {number}: {name}" for number, name, _, _ in table)
    parts.append("# Classes by template id, and the bytes of their root blocks.\nMESSAGES: dict[int, type] = {\n%s,\n}" % rows)
    rows = ",\n".join(f"    {number}: {size}" for number, _, size, _ in table)
    parts.append("SIZES: dict[int, int] = {\n%s,\n}" % rows)
    rows = ",\n".join(f"    {number}: {dtype!r}" for number, _, _, dtype in table)
    parts.append("# What numpy.dtype takes, by template id.\nDTYPES: dict[int, dict[str, Any]] = {\n%s,\n}" % rows)
    text = HEAD + '\ndef _text(raw: bytes) -> str:\n    return raw.split(b"\\0", 1)[0].decode("utf-8", "replace")\n\n\n' + "\n\n\n".join(parts) + "\n"
    return text.replace("from typing import ClassVar, NamedTuple", "from typing import Any, NamedTuple")


def main():
    text = render()
    if "--check" in sys.argv:
        with open(OUTPUT, encoding="utf-8") as file:
            if file.read() != text:
                print("sdk/python/hadron/messages.py is not what the schema gives: run `python3 script/python_messages.py`", file=sys.stderr)
                return 1
        return 0
    with open(OUTPUT, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"wrote {os.path.relpath(OUTPUT, ROOT)}")
    return 0


sys.exit(main())
