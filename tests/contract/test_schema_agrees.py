"""Promise: sdk/schema/hadron.xml describes the structs of the headers field by field: name, order, offset, size, type, block length,
template id, enumeration values. Copies of the schema with one change each show that every kind of disagreement is seen."""
import copy
import os
import sys
import xml.etree.ElementTree as xml

ROOT = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, f"{ROOT}/script")
import layout  # noqa: E402

MESSAGE = "{http://fixprotocol.io/2016/sbe}message"
PRIMITIVES = {"char": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "float": 4, "double": 8}
# Struct of the headers behind a composite whose member names SBE prescribes.
PRESCRIBED = {"messageHeader": "hadron_message_header", "groupSizeEncoding": "hadron_group_header"}


def c_name(primitive):
    return primitive if primitive in ("char", "float", "double") else primitive + "_t"


def common_prefix(names):
    prefix = os.path.commonprefix(names)
    return prefix[:prefix.rindex("_") + 1]


class Schema:
    def __init__(self, root, seen):
        self.root, self.seen, self.faults = root, seen, []
        self.types = {node.get("name"): node for node in root.find("types")}

    def fault(self, where, expected, found):
        if expected != found:
            self.faults.append(f"{where}: headers {expected}, schema {found}")

    def encoding(self, name, where):
        """(size, spelling in C) of a type by name."""
        if name in PRIMITIVES:
            return PRIMITIVES[name], c_name(name)
        node = self.types.get(name)
        if node is None:
            self.faults.append(f"{where}: the schema has no type {name}")
            return 0, "?"
        if node.tag == "type":
            return self.array(node)
        if node.tag in ("enum", "set"):
            return self.encoding(node.get("encodingType"), where)
        return sum(self.member(part, where)[0] for part in node), f"struct hadron_{name}"

    @staticmethod
    def array(node):
        size, length = PRIMITIVES[node.get("primitiveType")], int(node.get("length", "1"))
        text = c_name(node.get("primitiveType"))
        return (size * length, f"{text}[{length}]") if node.get("length") else (size, text)

    def member(self, node, where):
        return self.encoding(node.get("type"), where) if node.tag in ("ref", "field") else self.array(node)

    def block(self, where, nodes, struct, size):
        if struct not in self.seen.structs:
            self.faults.append(f"{where}: the headers have no struct {struct}")
            return
        real, fields = self.seen.structs[struct]
        fields = [field for field in fields if "." not in field[0]]
        self.fault(f"{where} size", real, size)
        self.fault(f"{where} fields", [field[0] for field in fields], [node.get("name") for node in nodes])
        for (name, offset, length, kind), node in zip(fields, nodes):
            found_size, found_kind = self.member(node, f"{where}.{name}")
            if kind == "union":  # SBE has none: four int64, read as the kind says
                kind = "int64_t[4]"
            self.fault(f"{where}.{name}", (offset, length, kind), (int(node.get("offset", "-1")), found_size, found_kind))

    def composites(self):
        for name, node in self.types.items():
            if node.tag != "composite" or name == "text":
                continue
            if name in PRESCRIBED:
                struct = self.seen.structs[PRESCRIBED[name]][1]
                self.fault(name, [(size, kind) for _, _, size, kind in struct], [self.array(part) for part in node])
            else:
                self.block(name, list(node), f"hadron_{name}", self.encoding(name, name)[0])

    def enums(self):
        for name, node in self.types.items():
            if node.tag not in ("enum", "set"):
                continue
            real = self.seen.enums.get(f"hadron_{name}", [])
            prefix = common_prefix([value for value, _ in real]) if real else ""
            expected = [(value[len(prefix):], number) for value, number in real if not value.endswith("_COUNT")]
            found = [(part.get("name"), 1 << int(part.text) if node.tag == "set" else int(part.text)) for part in node]
            self.fault(f"{node.tag} {name}", expected, found)

    def messages(self):
        templates = [(name[len("HADRON_MSG_"):].lower(), number) for name, number in self.seen.enums["hadron_template"] if number]
        self.fault("messages", templates, [(node.get("name"), int(node.get("id"))) for node in self.root.iter(MESSAGE)])
        for node in self.root.iter(MESSAGE):
            self.block(node.get("name"), node.findall("field"), node.get("semanticType"), int(node.get("blockLength")))
            for group in node.findall("group"):
                self.block(group.get("name"), group.findall("field"), group.get("semanticType"), int(group.get("blockLength")))
            ids = [part.get("id") for part in node.iter() if part.tag in ("field", "group", "data")]
            if len(ids) != len(set(ids)):
                self.faults.append(f"{node.get('name')}: an id is used twice")

    def check(self):
        number = self.seen.constants
        self.fault("schema id", number["HADRON_SCHEMA_ID"], self.root.get("id"))
        self.fault("schema version", str(int(number["HADRON_SCHEMA_MAJOR"]) * 256 + int(number["HADRON_SCHEMA_MINOR"])), self.root.get("version"))
        self.fault("byte order", "littleEndian", self.root.get("byteOrder"))
        self.composites()
        self.enums()
        self.messages()
        return self.faults


def find(root, kind, name, child=None):
    for node in root.iter(kind):
        if node.get("name") == name:
            return node if child is None else next(part for part in node.iter() if part.get("name") == child)
    raise KeyError(f"{kind} {name}")


def swap(root):
    tick = find(root, MESSAGE, "tick")
    first, second = tick[0], tick[1]
    tick.remove(first)
    tick.insert(list(tick).index(second) + 1, first)


MUTATIONS = [
    ("a field is called otherwise", lambda root: find(root, MESSAGE, "tick", "recv_ns").set("name", "received_ns")),
    ("a field is elsewhere", lambda root: find(root, MESSAGE, "order", "limit").set("offset", "40")),
    ("a field has another size", lambda root: find(root, MESSAGE, "order", "listing").set("type", "uint16")),
    ("a field has another sign", lambda root: find(root, MESSAGE, "order", "listing").set("type", "int32")),
    ("a price is called a quantity", lambda root: find(root, MESSAGE, "order", "limit").set("type", "quantity")),
    ("a type is not there", lambda root: find(root, MESSAGE, "order", "limit").set("type", "zebra")),
    ("a field is missing", lambda root: find(root, MESSAGE, "bar").remove(find(root, MESSAGE, "bar", "vwap"))),
    ("two fields are swapped", swap),
    ("a block is longer", lambda root: find(root, MESSAGE, "equity").set("blockLength", "72")),
    ("a template has another id", lambda root: find(root, MESSAGE, "equity").set("id", "30")),
    ("a message is missing", lambda root: root.remove(find(root, MESSAGE, "alert"))),
    ("a group's field is elsewhere", lambda root: find(root, MESSAGE, "opportunity", "weight").set("offset", "48")),
    ("an enumeration value differs", lambda root: setattr(find(root, "enum", "side", "SELL"), "text", "3")),
    ("an enumeration value is missing", lambda root: find(root, "enum", "side").remove(find(root, "enum", "side", "SELL"))),
    ("a flag has another bit", lambda root: setattr(find(root, "set", "tick_flag", "GAP"), "text", "7")),
    ("a composite's member is elsewhere", lambda root: find(root, "composite", "quote", "ask").set("offset", "16")),
    ("the schema has another id", lambda root: root.set("id", "1")),
    ("the schema has another version", lambda root: root.set("version", "257")),
]


def main():
    seen = layout.Layout(f"{ROOT}/sdk/include")
    root = xml.parse(f"{ROOT}/sdk/schema/hadron.xml").getroot()
    faults = Schema(root, seen).check()
    if not faults:
        for what, change in MUTATIONS:
            mutated = copy.deepcopy(root)
            change(mutated)
            if not Schema(mutated, seen).check():
                faults.append(f"not seen: {what}")
    count = len(list(root.iter("field")))
    print("\n".join(faults) if faults else f"{count} fields agree, {len(MUTATIONS)} mutations were caught")
    return 1 if faults else 0


sys.exit(main())
