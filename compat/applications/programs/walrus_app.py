"""walrus: containers, models with indexes, cache, rate limits, locks, autocompletion, streams with groups."""

import sys

from walrus import Database, FloatField, Model, TextField

db = Database(sys.argv[1], int(sys.argv[2]))
db.flushdb()
hashed = db.Hash("h")
hashed.update(a=1, b=2)
assert hashed["a"] == b"1" and len(hashed) == 2
numbers = db.List("l")
numbers.extend("123")
assert numbers[0] == b"1" and list(numbers[1:]) == [b"2", b"3"]
assert sorted(db.Set("s1").add(*"abc") and db.Set("s1").members()) == [b"a", b"b", b"c"]
ranked = db.ZSet("z")
ranked.add({"x": 1, "y": 2})
assert ranked.score("y") == 2.0
db.HyperLogLog("hll").add("a", "b")


class Person(Model):
    __database__ = db
    name = TextField(index=True, fts=True)
    age = FloatField(index=True)


for name, age in (("Huey Cat", 3), ("Mickey Dog", 5), ("Zaizee Cat", 4)):
    Person.create(name=name, age=age)
assert sorted(person.name for person in Person.query(Person.age >= 4)) == ["Mickey Dog", "Zaizee Cat"]
assert sorted(person.name for person in Person.query(Person.name.search("cat"))) == ["Huey Cat", "Zaizee Cat"]

cache = db.cache()
calls = []


@cache.cached(timeout=30)
def slow(n):
    calls.append(n)
    return n * 2


assert slow(21) == slow(21) == 42 and calls == [21]
limiter = db.rate_limit("limit", limit=2, per=30)
assert [limiter.limit("me") for _ in range(3)] == [False, False, True]
with db.lock("lock", ttl=2000):
    assert not db.lock("lock", ttl=2000).acquire(block=False)
finder = db.autocomplete()
finder.store(1, "testing redis")
finder.store(2, "testing python")
assert sorted(finder.search("test")) == ["testing python", "testing redis"]
group = db.consumer_group("group", ["stream"])
group.create()
group.set_id("$")
sent = [db.Stream("stream").add({"n": str(n)}) for n in range(3)]
assert [entry[0] for _, entries in group.read() for entry in entries] == sent
assert group.stream.ack(*sent) == 3
