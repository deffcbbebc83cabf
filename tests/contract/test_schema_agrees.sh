#!/usr/bin/env bash
# The SBE schema and the structs of the headers agree; see test_schema_agrees.py.
exec python3 -B "$HADRON_SOURCE_DIR/tests/contract/test_schema_agrees.py"
