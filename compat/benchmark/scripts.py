"""The measurements of scripts: what one call costs, and what each command within a script."""

from compat.benchmark.load import fill
from compat.benchmark.plan import EVERYSEC, Plan, fleet, turn
from compat.benchmark.point import Point, measure
from compat.benchmark.results import Results

KEYS = 10_000
DEPTH = 16

SCRIPTS = {
    "EVAL of return 1": ("return 1", 1),
    "EVAL of one GET": ("return redis.call('get', KEYS[1])", 1),
    "EVAL of one SET": ("return redis.call('set', KEYS[1], ARGV[1])", 1),
    "EVAL of 100 INCR": ("for i = 1, 100 do redis.call('incr', KEYS[1]) end", 30),
    "EVAL of cjson": ("return cjson.encode(cjson.decode(ARGV[1]))", 4),
}
"""Name -> script, and by how much it takes longer than one command."""

ARGUMENT = '{"id":12345,"name":"a name","tags":["one","two"],"price":1.5,"open":true}'


def scripts(plan: Plan, results: Results) -> None:
    """EVAL of short scripts, pipelined: scripts a second and CPU time a script."""
    with fleet(plan, EVERYSEC) as servers:
        for server in servers:
            with turn(server):
                fill(server, KEYS, core=plan.client_core)
        for _ in range(plan.rounds):
            for name, (script, weight) in SCRIPTS.items():
                key = "counter" if "INCR" in name else "key:__rand_int__"
                point = Point(
                    "scripts",
                    name,
                    ("EVAL", script, "1", key, ARGUMENT),
                    plan.count(200_000 // weight),
                    DEPTH,
                    KEYS,
                    unit="script",
                    wanted=0.7,
                )
                for server in servers:
                    with turn(server):
                        measure(plan, results, server, point)
