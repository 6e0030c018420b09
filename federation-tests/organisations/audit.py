"""What a homeserver's database has seen of a call's keys, and what it knows of people.

    python audit.py keep DATABASE             from now on, what is queued for devices is kept even when it has been delivered
    python audit.py search DATABASE < WORDS   where the words (a JSON list) stand in the clear, anywhere in the database
    python audit.py names DATABASE            everybody and everything that has a name there, and what lets people in
    python audit.py expire DATABASE < TOKENS  the time of these OpenID tokens (a JSON list) is over

`search` prints {"places": ["table.column", ...], "olm": N}: N messages for devices were sealed with Olm.
"""

import json
import sqlite3
import sys

# Synapse: what waits for its own devices, and for those of other homeservers.
QUEUES = {"device_inbox": "message_json", "device_federation_outbox": "messages_json"}
KEPT = "hanse_audit"
OLM = b"m.olm.v1.curve25519-aes-sha2"


def keep(database):
    database.execute(f"CREATE TABLE IF NOT EXISTS {KEPT} (message TEXT)")
    for table, column in QUEUES.items():
        database.execute(
            f"CREATE TRIGGER IF NOT EXISTS {KEPT}_{table} AFTER INSERT ON {table}"
            f" BEGIN INSERT INTO {KEPT} VALUES (NEW.{column}); END"
        )
    database.commit()


def search(database, words):
    words = [word.encode() for word in words]
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    places = set()
    for table in tables:
        rows = database.execute(f'SELECT * FROM "{table}"')
        columns = [column[0] for column in rows.description]
        for row in rows:
            for column, value in zip(columns, row):
                value = value.encode() if isinstance(value, str) else value
                if isinstance(value, bytes) and any(word in value for word in words):
                    places.add(f"{table}.{column}")
    kept = [message.encode() for (message,) in database.execute(f"SELECT message FROM {KEPT}")]
    return {"places": sorted(places), "olm": sum(message.count(OLM) for message in kept)}


def names(database):
    def column(name, table):
        return [value for (value,) in database.execute(f"SELECT {name} FROM {table}")]

    return {
        "users": column("name", "users"),
        "devices": column("device_id", "devices"),
        "rooms": column("room_id", "rooms"),
        "accessTokens": column("token", "access_tokens"),
        "openIdTokens": column("token", "open_id_tokens"),
    }


def expire(database, tokens):
    for token in tokens:
        database.execute("UPDATE open_id_tokens SET ts_valid_until_ms = 0 WHERE token = ?", (token,))
    database.commit()


def main():
    task, path = sys.argv[1:]
    # Synapse writes at the same time: wait for it.
    database = sqlite3.connect(path, timeout=60)
    if task == "keep":
        keep(database)
    elif task == "names":
        print(json.dumps(names(database)))
    elif task == "expire":
        expire(database, json.load(sys.stdin))
    else:
        print(json.dumps(search(database, json.load(sys.stdin))))
    database.close()


main()
