"""Holds what a Helm chart renders against Kubernetes' own schemas, and its values against the chart's.

In: JSON on standard input, {"schema": ..., "values": "YAML", "rendered": ["YAML", ...]}. Out: the objects as JSON; exit status 1 and a
sentence where something does not fit.
"""

import json
import sys

import jsonschema
import kubernetes_validate
import yaml

# An old one that is still supported somewhere, and a new one.
VERSIONS = ["1.30", "1.37"]


def main() -> None:
    given = json.load(sys.stdin)
    jsonschema.Draft7Validator.check_schema(given["schema"])
    values = yaml.safe_load(given["values"])
    jsonschema.validate(values, given["schema"])
    objects = [found for text in given["rendered"] for found in yaml.safe_load_all(text)]
    for found in objects:
        for version in VERSIONS:
            kubernetes_validate.validate(found, version, strict=True)
    json.dump({"values": values, "objects": objects}, sys.stdout)


try:
    main()
except (jsonschema.ValidationError, jsonschema.SchemaError, kubernetes_validate.ValidationError, yaml.YAMLError) as error:
    sys.exit(f"{type(error).__name__}: {getattr(error, 'message', error)}")
