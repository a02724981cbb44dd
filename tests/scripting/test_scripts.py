"""The cache of scripts."""

from respkv.scripting.scripts import EVAL_SCRIPTS_MAX, Script, ScriptCache, digest_of


def script(number: int) -> Script:
    body = b"return %d" % number
    return Script(body, digest_of(body))


def test_a_script_is_found_by_its_digest_in_any_case_and_by_its_text() -> None:
    cache = ScriptCache()
    one = script(1)
    cache.add(one)
    assert cache.find(one.sha) is one
    assert cache.find(one.sha.upper()) is one
    assert cache.find_body(b"return 1") is one
    assert cache.find(b"x") is None


def test_of_scripts_that_eval_brought_those_used_last_stay() -> None:
    cache = ScriptCache()
    scripts = [script(number) for number in range(EVAL_SCRIPTS_MAX + 1)]
    for one in scripts[:-1]:
        cache.add(one)
    cache.use(scripts[0])
    cache.add(scripts[-1])
    assert cache.find(scripts[0].sha) is scripts[0]
    assert cache.find(scripts[1].sha) is None
    assert cache.find_body(scripts[1].body) is None
    assert len(cache) == EVAL_SCRIPTS_MAX
    assert cache.evicted == 1


def test_what_script_load_brought_stays() -> None:
    cache = ScriptCache()
    kept = script(-1)
    cache.add(kept)
    cache.keep(kept)
    for number in range(EVAL_SCRIPTS_MAX + 10):
        cache.add(script(number))
    assert cache.find(kept.sha) is kept
    assert len(cache) == EVAL_SCRIPTS_MAX + 1


def test_memory_follows_what_is_kept() -> None:
    cache = ScriptCache()
    assert cache.memory_bytes() == 0
    for number in range(EVAL_SCRIPTS_MAX + 10):
        cache.add(script(number))
    before = cache.memory_bytes()
    assert cache.text_bytes == sum(len(b"return %d" % number) for number in range(10, EVAL_SCRIPTS_MAX + 10))
    assert before > cache.text_bytes
    cache.clear()
    assert cache.memory_bytes() == 0
