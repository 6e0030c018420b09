"""Has PromQL read as Prometheus reads it, with the types of its functions.

In: a JSON list of expressions on standard input. Out: a JSON list with null for each that is PromQL, and a sentence for each that is not.
"""

import json
import sys

import promql_parser


def verdict(expression: str) -> str | None:
    try:
        promql_parser.parse(expression)
    except ValueError as error:
        return str(error)
    return None


json.dump([verdict(expression) for expression in json.load(sys.stdin)], sys.stdout)
