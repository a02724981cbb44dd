"""The measurements of scripts: what one call costs, and what each command within a script."""

from compat.benchmark.load import drive, fill
from compat.benchmark.plan import CLIENTS, EVERYSEC, Plan, fleet, turn
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
        for number in range(plan.rounds):
            for name, (script, weight) in SCRIPTS.items():
                for server in servers:
                    key = "counter" if "INCR" in name else "key:__rand_int__"
                    with turn(server):
                        rate = drive(
                            server,
                            ("EVAL", script, "1", key, ARGUMENT),
                            requests=plan.count(200_000 // weight),
                            clients=CLIENTS,
                            depth=DEPTH,
                            keys=KEYS,
                            core=plan.client_core,
                        )
                    kind = server.kind.name
                    results.add("scripts", name, "scripts/s", kind, rate.per_second, more_is_better=True, wanted=0.7)
                    results.add("scripts CPU", name, "µs/script", kind, rate.cpu_us, more_is_better=False)
                    plan.say(f"{number + 1} {name} {kind} {rate.per_second:,.0f}/s {rate.cpu_us:.2f} µs")
