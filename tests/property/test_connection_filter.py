"""Filters of the emulator: any text has a verdict, and what they mean obeys the laws of logic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import example, given
from hypothesis import strategies as st

from webpubsub_emulator.rest.filter import ConnectionFacts, ConnectionFilter, FilterError

NAMES: Final = st.text(st.sampled_from("abAB' é😀%"), max_size=4)
FACTS: Final = st.builds(
    ConnectionFacts,
    user_id=st.none() | NAMES,
    connection_id=NAMES,
    groups=st.frozensets(NAMES, max_size=3),
    protocol=st.none() | NAMES,
)
WORDS: Final = [
    *("not", "and", "or", "eq", "ne", "gt", "ge", "lt", "le", "in", "(", ")", "(", ")", ","),
    *("'a'", "''", "'", "1", "-1", "+2147483648", "1.5", "true", "false", "null", "userId", "GROUPS", "user"),
    *("length", "tolower(", "substring(", "concat(", "contains(", "indexof(", "$", "/", "\ud800", "\0"),
]

# A generated expression: its text, and what it is for given facts, told by Python and not by the filter.
Told = tuple[str, Callable[[ConnectionFacts], Any]]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def utf16(text: str) -> bytes:
    return text.encode("utf-16-be")


def transformed(told: Told) -> list[Told]:
    text, value = told

    def each(change: Callable[[str], str]) -> Callable[[ConnectionFacts], str | None]:
        return lambda facts: None if (given := value(facts)) is None else change(given)

    return [
        (f"tolower({text})", each(lambda given: given.replace("A", "a").replace("B", "b"))),
        (f"toupper( {text} )", each(lambda given: given.replace("a", "A").replace("b", "B").replace("é", "É"))),
        (f"trim({text})", each(lambda given: given.strip(" "))),
        (f"concat({text},'b')", lambda facts: (value(facts) or "") + "b"),
        (f"({text})", value),
    ]


SIMPLE_TEXTS: Final[st.SearchStrategy[Told]] = st.one_of(
    NAMES.map(lambda name: (quoted(name), lambda _: name)),
    st.sampled_from(
        [
            ("userId", lambda facts: facts.user_id),
            ("CONNECTIONID", lambda facts: facts.connection_id),
            ("protocol", lambda facts: facts.protocol),
        ]
    ),
)
TEXTS: Final = SIMPLE_TEXTS | SIMPLE_TEXTS.flatmap(lambda told: st.sampled_from(transformed(told)))
INTEGERS: Final[st.SearchStrategy[Told]] = st.one_of(
    st.integers(-3, 12).map(lambda number: (str(number), lambda _: number)),
    TEXTS.map(
        lambda told: (
            f"length({told[0]})",
            lambda facts: None if told[1](facts) is None else len(utf16(told[1](facts))) // 2,
        )
    ),
    st.just(("length(groups)", lambda facts: len(facts.groups))),
)


def ordering(left: Told, operator: str, right: Told) -> Told:
    def holds(facts: ConnectionFacts) -> bool:
        a, b = left[1](facts), right[1](facts)
        if a is None or b is None:
            return False
        return bool({"gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b}[operator])

    return f"{left[0]} {operator} {right[0]}", holds


def predicate(name: str, left: Told, right: Told) -> Told:
    def holds(facts: ConnectionFacts) -> bool:
        a, b = left[1](facts), right[1](facts)
        if a is None or b is None:
            return False
        return bool(
            {"contains": b in a, "startswith": a[: len(b)] == b, "endswith": a[::-1][: len(b)] == b[::-1]}[name]
        )

    return f"{name}({left[0]},{right[0]})", holds


TRUTHS: Final[st.SearchStrategy[Told]] = st.one_of(
    st.sampled_from([("true", lambda _: True), ("false", lambda _: False)]),
    st.tuples(TEXTS, TEXTS).map(
        lambda both: (f"{both[0][0]} eq {both[1][0]}", lambda f: both[0][1](f) == both[1][1](f))
    ),
    st.tuples(TEXTS, TEXTS).map(
        lambda both: (f"{both[0][0]} ne {both[1][0]}", lambda f: both[0][1](f) != both[1][1](f))
    ),
    TEXTS.map(lambda told: (f"{told[0]} eq null", lambda facts: told[1](facts) is None)),
    TEXTS.map(lambda told: (f"{told[0]} in groups", lambda facts: told[1](facts) in facts.groups)),
    st.builds(ordering, INTEGERS, st.sampled_from(["gt", "ge", "lt", "le"]), INTEGERS),
    st.builds(predicate, st.sampled_from(["contains", "startswith", "endswith"]), TEXTS, TEXTS),
)


def composed(truths: st.SearchStrategy[Told]) -> st.SearchStrategy[Told]:
    both = st.tuples(truths, truths)
    return st.one_of(
        truths.map(lambda told: (f"not ({told[0]})", lambda facts: not told[1](facts))),
        both.map(lambda b: (f"({b[0][0]}) and ({b[1][0]})", lambda facts: b[0][1](facts) and b[1][1](facts))),
        both.map(lambda b: (f"({b[0][0]}) or ({b[1][0]})", lambda facts: b[0][1](facts) or b[1][1](facts))),
    )


CONDITIONS: Final = st.recursive(TRUTHS, composed, max_leaves=6)


def says(text: str, facts: ConnectionFacts) -> bool:
    return ConnectionFilter(text).matches(facts)


@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)), FACTS)
@example("'" * 3, ConnectionFacts(None, "", frozenset(), None))
@example("9" * 5000, ConnectionFacts(None, "", frozenset(), None))
def test_any_text_has_a_verdict_or_an_error_in_the_service_s_form(text: str, facts: ConnectionFacts) -> None:
    try:
        verdict = says(text, facts)
    except FilterError as error:
        verdict, refusal = None, str(error)
    if verdict is None:
        assert refusal.startswith("Invalid syntax for '")
        assert refusal.endswith(" (Parameter 'filter')")


@given(CONDITIONS, FACTS)
def test_a_condition_means_what_python_says(condition: Told, facts: ConnectionFacts) -> None:
    text, expected = condition
    assert says(text, facts) is bool(expected(facts))


@given(CONDITIONS, FACTS)
def test_not_not_is_the_same(condition: Told, facts: ConnectionFacts) -> None:
    text = condition[0]
    assert says(f"not not ({text})", facts) is says(text, facts)


@given(CONDITIONS, CONDITIONS, FACTS)
def test_de_morgan(first: Told, second: Told, facts: ConnectionFacts) -> None:
    a, b = f"({first[0]})", f"({second[0]})"
    assert says(f"not ({a} and {b})", facts) is says(f"not {a} or not {b}", facts)
    assert says(f"not ({a} or {b})", facts) is says(f"not {a} and not {b}", facts)


@given(TEXTS, st.lists(TEXTS | st.just(("null", lambda _: None)), min_size=1, max_size=4), FACTS)
def test_in_a_list_is_equal_to_one_of_it(item: Told, items: list[Told], facts: ConnectionFacts) -> None:
    either = " or ".join(f"{item[0]} eq {one[0]}" for one in items)
    assert says(f"{item[0]} in ({','.join(one[0] for one in items)})", facts) is says(either, facts)


@given(CONDITIONS, CONDITIONS, CONDITIONS, FACTS)
def test_and_binds_tighter_than_or(first: Told, second: Told, third: Told, facts: ConnectionFacts) -> None:
    a, b, c = (f"({told[0]})" for told in (first, second, third))
    assert says(f"{a} or {b} and {c}", facts) is says(f"{a} or ({b} and {c})", facts)
    assert says(f"{a} and {b} or {c}", facts) is says(f"({a} and {b}) or {c}", facts)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_name_can_be_quoted(name: str) -> None:
    facts = ConnectionFacts(name, "c", {name}, None)
    assert says(f"userId eq {quoted(name)} and {quoted(name)} in groups and userId in ({quoted(name)})", facts)


@given(NAMES, st.integers(-1, 4), st.integers(-1, 4))
def test_a_part_is_one_of_utf_16_units(name: str, start: int, length: int) -> None:
    units = len(utf16(name)) // 2
    is_inside = 0 <= start <= units and 0 <= length <= units - start
    part = utf16(name)[2 * start : 2 * (start + length)] if is_inside else None
    facts = ConnectionFacts(name, "c", frozenset(), None)
    assert says(f"length(substring(userId,{start},{length})) eq {length}", facts) is is_inside
    if part is not None:
        try:
            wanted = part.decode("utf-16-be")
        except UnicodeDecodeError:
            return
        assert says(f"substring(userId,{start},{length}) eq {quoted(wanted)}", facts)
