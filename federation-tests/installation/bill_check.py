"""Holds bills of materials against CycloneDX's own schema, strictly: what the schema does not know is wrong, too.

In: a JSON list of bills on standard input. Out: a JSON list with null for each that fits, and a sentence for each that does not.
"""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

judge = JsonStrictValidator(SchemaVersion.V1_5)


def verdict(bill: object) -> str | None:
    error = judge.validate_str(json.dumps(bill))
    return error and f"{error.data.json_path}: {error.data.message[:500]}"


json.dump([verdict(bill) for bill in json.load(sys.stdin)], sys.stdout)
