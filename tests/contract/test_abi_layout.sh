#!/usr/bin/env bash
# The layouts of the SDK and the rule of their versions; see test_abi_layout.py.
exec python3 -B "$HADRON_SOURCE_DIR/tests/contract/test_abi_layout.py"
