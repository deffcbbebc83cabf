"""Layouts of the SDK as the compiler sees them: every struct, enum, function pointer type and constant of sdk/include, read from
the debug information of one file that includes all headers. Needs a C compiler and readelf."""
import glob
import os
import re
import subprocess
import tempfile

ENTRY = re.compile(r"^ <(\d+)><([0-9a-f]+)>: Abbrev Number: \d+ \((DW_TAG_\w+)\)")
ATTRIBUTE = re.compile(r"^    <[0-9a-f]+>   (DW_AT_\w+)\s*: (.*)$")
DEFINE = re.compile(r'^#define (HADRON_[A-Z0-9_]+) (-?\d+|U?INT\d+_C\([0-9a-fx]+\)|"[^"]*")$')


class Node:
    def __init__(self, tag):
        self.tag, self.attributes, self.children = tag, {}, []

    def text(self, name):
        value = self.attributes.get(name)
        return value.rsplit("): ", 1)[-1].strip() if value is not None else None

    def number(self, name):
        found = re.findall(r"-?(?:0x[0-9a-f]+|\b\d+)\b", self.attributes.get(name, ""))
        return int(found[-1], 0) if found else None


def headers(include):
    return sorted(os.path.relpath(path, include) for path in glob.glob(f"{include}/hadron/**/*.h", recursive=True))


def compiler():
    return os.environ.get("CC", "gcc")


def debug_nodes(include):
    with tempfile.TemporaryDirectory() as directory:
        source, target = f"{directory}/all.c", f"{directory}/all.o"
        with open(source, "w") as file:
            file.write("".join(f"#include <{name}>\n" for name in headers(include)))
        flags = ["-std=c17", "-g", "-gdwarf-4", "-fno-eliminate-unused-debug-types", f"-I{include}"]
        subprocess.run([compiler(), *flags, "-c", source, "-o", target], check=True)
        dump = subprocess.run(["readelf", "--debug-dump=info", target], check=True, stdout=subprocess.PIPE, text=True).stdout
        macros = subprocess.run([compiler(), *flags, "-dM", "-E", source], check=True, stdout=subprocess.PIPE, text=True).stdout
    nodes, stack = {}, []
    for line in dump.splitlines():
        entry = ENTRY.match(line)
        if entry:
            depth, node = int(entry[1]), Node(entry[3])
            nodes[entry[2]] = node
            del stack[depth:]
            if stack:
                stack[-1].children.append(node)
            stack.append(node)
            continue
        attribute = ATTRIBUTE.match(line)
        if attribute and stack:
            stack[-1].attributes[attribute[1]] = attribute[2]
    return nodes, dict(match.groups() for match in map(DEFINE.match, macros.splitlines()) if match)


class Layout:
    """structs: name -> (size, [(field, offset, size, type)]); enums: name -> [(name, value)]; types: name -> text; constants."""

    def __init__(self, include):
        self.nodes, self.constants = debug_nodes(include)
        self.structs, self.enums, self.types = {}, {}, {}
        for node in self.nodes.values():
            name = node.text("DW_AT_name") or ""
            if not name.startswith("hadron_"):
                continue
            if node.tag == "DW_TAG_structure_type" and "DW_AT_byte_size" in node.attributes:
                self.structs[name] = (node.number("DW_AT_byte_size"), list(self.fields(node, "", 0)))
            elif node.tag == "DW_TAG_enumeration_type":
                self.enums[name] = [(part.text("DW_AT_name"), part.number("DW_AT_const_value")) for part in node.children]
            elif node.tag == "DW_TAG_typedef":
                self.types[name] = self.spell(self.target(node))
        major, minor = self.constants.pop("HADRON_ABI_MAJOR"), self.constants.pop("HADRON_ABI_MINOR")
        self.version = (int(major), int(minor))

    def target(self, node):
        value = node.attributes.get("DW_AT_type")
        return self.nodes[re.search(r"<0x([0-9a-f]+)>", value)[1]] if value else None

    def spell(self, node):
        if node is None:
            return "void"
        name = node.text("DW_AT_name")
        if node.tag in ("DW_TAG_base_type", "DW_TAG_typedef"):
            return name
        if node.tag in ("DW_TAG_structure_type", "DW_TAG_union_type", "DW_TAG_enumeration_type"):
            word = {"s": "struct", "u": "union", "e": "enum"}[node.tag[7]]
            return f"{word} {name}" if name else word
        if node.tag == "DW_TAG_const_type":
            target = self.target(node)
            pointer = target is not None and target.tag == "DW_TAG_pointer_type"
            return f"{self.spell(target)} const" if pointer else f"const {self.spell(target)}"
        if node.tag == "DW_TAG_pointer_type":
            target = self.target(node)
            if target is not None and target.tag == "DW_TAG_subroutine_type":
                return self.spell(target)
            return f"{self.spell(target)} *"
        if node.tag == "DW_TAG_subroutine_type":
            arguments = [self.spell(self.target(part)) for part in node.children if part.tag == "DW_TAG_formal_parameter"]
            return f"{self.spell(self.target(node))} (*)({', '.join(arguments) or 'void'})"
        if node.tag == "DW_TAG_array_type":
            bounds = "".join(f"[{self.bound(part)}]" for part in node.children)
            return self.spell(self.target(node)) + bounds
        raise ValueError(f"a kind of type this script does not know: {node.tag}")

    @staticmethod
    def bound(node):
        return node.number("DW_AT_count") if "DW_AT_count" in node.attributes else node.number("DW_AT_upper_bound") + 1

    def size(self, node):
        if "DW_AT_byte_size" in node.attributes:
            return node.number("DW_AT_byte_size")
        if node.tag == "DW_TAG_array_type":
            total = self.size(self.target(node))
            for part in node.children:
                total *= self.bound(part)
            return total
        return self.size(self.target(node))

    def fields(self, node, prefix, base):
        for part in node.children:
            if part.tag != "DW_TAG_member":
                continue
            kind, name = self.target(part), prefix + part.text("DW_AT_name")
            offset = base + (part.number("DW_AT_data_member_location") or 0)
            yield name, offset, self.size(kind), self.spell(kind)
            if kind.tag in ("DW_TAG_structure_type", "DW_TAG_union_type") and not kind.text("DW_AT_name"):
                yield from self.fields(kind, name + ".", offset)

    def dump(self):
        lines = [f"abi {self.version[0]}.{self.version[1]}"]
        for name, (size, fields) in sorted(self.structs.items()):
            lines.append(f"struct {name} {size}")
            lines += [f"  {field} {offset} {length} {kind}" for field, offset, length, kind in fields]
        for name, values in sorted(self.enums.items()):
            lines.append(f"enum {name}")
            lines += [f"  {value} {number}" for value, number in values]
        lines += [f"type {name} {kind}" for name, kind in sorted(self.types.items())]
        lines += [f"constant {name} {value}" for name, value in sorted(self.constants.items())]
        return "\n".join(lines) + "\n"
