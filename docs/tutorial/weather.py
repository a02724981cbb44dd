"""Keep the weather of some cities in a running respkv.

    python weather.py load weather.jsonl
    python weather.py read KATHMANDU MAO DELHI

The key is the city's `findname`, the value its `main` object as JSON.
"""

import json
import sys
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

# A server that was just started may not listen yet: try for ten seconds.
patience = Retry(ConstantBackoff(0.1), retries=100)
client = redis.Redis(port=6379, decode_responses=True, retry=patience)


def load(path: str) -> None:
    """Store each row of the file at `path`."""
    count = 0
    for line in Path(path).read_text().splitlines():
        row = json.loads(line)
        client.set(row["city"]["findname"], json.dumps(row["main"]))
        count += 1
    print(f"{count} cities stored")


def read(*names: str) -> None:
    """Print what is stored for each of `names`."""
    for name in names:
        print(name, client.get(name))


if __name__ == "__main__":
    {"load": load, "read": read}[sys.argv[1]](*sys.argv[2:])
