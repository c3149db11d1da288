"""Filters, without a server: what they mean, and in which words they are refused."""

from __future__ import annotations

import pytest

from webpubsub_emulator.rest.filter import MAX_CHARACTERS, ConnectionFacts, ConnectionFilter, FilterError
from webpubsub_emulator.rest.odata import MAX_CLAUSES, MAX_DEPTH

ANA = ConnectionFacts("Ana O'Brien", "c1", {"g1", "g2"}, "json.webpubsub.azure.v1")
NOBODY = ConnectionFacts(None, "c2", frozenset(), None)


@pytest.mark.parametrize(
    ("text", "is_ana", "is_nobody"),
    [
        ("true", True, True),
        ("false", False, False),
        ("userId eq 'Ana O''Brien'", True, False),
        ("userId eq 'ana o''brien'", False, False),
        ("userId ne 'x'", True, True),
        ("USERID eq null", False, True),
        ("userId ne null", True, False),
        ("connectionid eq 'c1'", True, False),
        ("protocol eq 'json.webpubsub.azure.v1'", True, False),
        ("Protocol eq null", False, True),
        ("'g1' in groups", True, False),
        ("'G1' in groups", False, False),
        ("'g1' in (groups)", True, False),
        ("('g1') in Groups", True, False),
        ("null in groups", False, False),
        ("connectionId in ('c2')", False, True),
        ("connectionId in ( 'c1' ,'c2' )", True, True),
        ("connectionId in (concat('c','1'), userId)", True, False),
        ("userId in (null, 'x')", False, True),
        ("1 in (true, 1)", True, True),
        ("1 in (true, '1')", False, False),
        ("length(userId) eq 11", True, False),
        ("length(groups) eq 2", True, False),
        ("length(groups) eq 0", False, True),
        ("length(userId) gt 0", True, False),
        ("length(userId) le 99", True, False),
        ("length(userId) eq null", False, True),
        ("length(null) eq null", True, True),
        ("null gt 1", False, False),
        ("1 le null", False, False),
        ("-1 lt +1 and 2147483647 ge -2147483648", True, True),
        ("1 eq true", False, False),
        ("1 eq '1'", False, False),
        ("null eq null", True, True),
        ("tolower(userId) eq 'ana o''brien'", True, False),
        ("toupper(userId) eq 'ANA O''BRIEN'", True, False),
        ("toupper('ß') eq 'ß'", True, True),
        ("trim('  a ') eq 'a'", True, True),
        ("substring(userId,4) eq 'O''Brien'", True, False),
        ("substring(userId,0,3) eq 'Ana'", True, False),
        ("substring(userId,11) eq ''", True, False),
        ("substring(userId,12) eq null", True, True),
        ("substring(userId,-1) eq null", True, True),
        ("substring(userId,1,-1) eq null", True, True),
        ("substring(userId,4,8) eq null", True, True),
        ("substring(connectionId,indexof(connectionId,'c')) eq 'c1'", True, False),
        ("concat(userId,'!') eq 'Ana O''Brien!'", True, False),
        ("concat(userId,'!') eq '!'", False, True),
        ("concat(null,userId) eq null", False, True),
        ("startswith(userId,'Ana')", True, False),
        ("endswith(userId,'Brien')", True, False),
        ("contains(userId,'O''B')", True, False),
        ("not contains(userId,'O''B')", False, True),
        ("contains('abc',null)", False, False),
        ("indexof(userId,'O') eq 4", True, False),
        ("indexof(userId,'z') eq -1", True, True),
        ("length('😀') eq 2 and indexof('😀a','a') eq 2 and substring('😀a',2) eq 'a'", True, True),
        # `not` binds tighter than a comparison but not than `in`; `and` tighter than `or`.
        ("not 'g1' in groups", False, True),
        ("not('g1' in groups)", False, True),
        ("not true or true", True, True),
        ("not (true or true)", False, False),
        ("not not true", True, True),
        ("true or true and false", True, True),
        ("(true or true) and false", False, False),
        ("false and true or true", True, True),
        ("not true eq false", True, True),
        ("(1 eq 1) eq true", True, True),
        ("length(userId) gt 0 and length(userId) lt 3 or length(userId) gt 7 and length(userId) lt 12", True, False),
        ("\tuserId\neq  'Ana O''Brien' ", True, False),
        ("'g1'in groups", True, False),
        ("userId eq 'it''s'' eq ' or true", True, True),
    ],
)
def test_a_filter_means_what_it_says(text: str, is_ana: bool, is_nobody: bool) -> None:
    wanted = ConnectionFilter(text)
    assert (wanted.matches(ANA), wanted.matches(NOBODY)) == (is_ana, is_nobody)


def of(text: str, detail: str) -> str:
    return f"Invalid syntax for '{text}': {detail} (Parameter 'filter')"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # The service's own texts.
        ("invalid filter", of("invalid filter", "Syntax error at position 14 in 'invalid filter'.")),
        ("not length(userId) gt 5", of("not length(userId)", "Type 'null', expect 'bool'.")),
        ("( not 'a' )", of("not 'a'", "Type 'string', expect 'bool'.")),
        ("userId lt 1", of("userId lt 1", "Type 'string', expect 'int'.")),
        ("invalid(ab,c)", of("invalid(ab,c)", "Token 'invalid(ab,c)' is not supported.")),
        ("ab eq 1", of("ab eq 1", "Token 'ab' is not supported.")),
        # Ours.
        ("  ", of("  ", "Expression expected at position 2 in '  '.")),
        ("userId eq", of("userId eq", "Expression expected at position 9 in 'userId eq'.")),
        ("userId in ()", of("userId in ()", "Expression expected at position 11 in 'userId in ()'.")),
        ("(true", of("(true", "')' or operator expected at position 5 in '(true'.")),
        ("userId in ('a'", of("userId in ('a'", "')' or ',' expected at position 14 in 'userId in ('a''.")),
        ("true)", of("true)", "Syntax error at position 5 in 'true)'.")),
        ("1 eq 1 eq 1", of("1 eq 1 eq 1", "Syntax error at position 9 in '1 eq 1 eq 1'.")),
        ("userId EQ 'a'", of("userId EQ 'a'", "Syntax error at position 9 in 'userId EQ 'a''.")),
        ("'a", of("'a", "There is an unterminated string literal at position 2 in ''a'.")),
        ("'a'''", of("'a'''", "Type 'string', expect 'bool'.").replace("'a'''", "'a''", 1)),
        ("a/b", of("a/b", "Syntax error: character '/' is not valid at position 1 in 'a/b'.")),
        ("1.5 eq 1", of("1.5 eq 1", "Syntax error: character '1' is not valid at position 0 in '1.5 eq 1'.")),
        ("2147483648 eq 1", of("2147483648 eq 1", "Token '2147483648' is not supported.")),
        ("user", of("user", "Token 'user' is not supported.")),
        ("not user", of("not user", "Token 'user' is not supported.")),
        ("userId", of("userId", "Type 'string', expect 'bool'.")),
        ("null", of("null", "Type 'null', expect 'bool'.")),
        ("groups", of("groups", "Type 'collection', expect 'bool'.")),
        ("true and (1 eq 1 or userId)", of("(1 eq 1) or userId", "Type 'string', expect 'bool'.")),
        ("tolower(userId) lt 1", of("tolower(userId) lt 1", "Type 'string', expect 'int'.")),
        ("length(userId) and true", of("length(userId) and true", "Type 'null', expect 'bool'.")),
        ("groups eq null", of("groups eq null", "Type 'collection', expect 'string'.")),
        ("groups in ('a')", of("groups in ('a')", "Type 'collection', expect 'string'.")),
        ("'a' in userId", of("'a' in userId", "Type 'string', expect 'collection'.")),
        ("'a' in (groups,'b')", of("'a' in (groups,'b')", "Type 'collection', expect 'string'.")),
        ("tolower(1) eq 'a'", of("tolower(1)", "Type 'int', expect 'string'.")),
        ("length(true) eq 1", of("length(true)", "Type 'bool', expect 'string'.")),
        ("tolower(groups) eq 'a'", of("tolower(groups)", "Type 'collection', expect 'string'.")),
        ("tolower('a','b') eq 'a'", of("tolower('a','b')", "Invalid token 'tolower('a','b')'.")),
        ("contains('a')", of("contains('a')", "Invalid token 'contains('a')'.")),
        ("substring('a','b') eq 'c'", of("substring('a','b')", "Type 'string', expect 'int'.")),
        ("substring('a',null) eq 'c'", of("substring('a',null)", "Type 'null', expect 'int'.")),
        (
            "substring('a',length(userId)) eq 'c'",
            of("substring('a',length(userId))", "Type 'null', expect 'int'."),
        ),
        ("ToLower('a') eq 'a'", of("ToLower('a')", "Token 'ToLower('a')' is not supported.")),
    ],
)
def test_a_wrong_filter_is_refused_in_the_service_s_words(text: str, message: str) -> None:
    with pytest.raises(FilterError) as refused:
        ConnectionFilter(text)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("before", "inner", "after"),
    [
        ("(", "true", ")"),
        ("not ", "true", ""),
        ("(true eq ", "true", ")"),
        ("true in (", "true", ")"),
        ("concat('a',", "'b'", ")"),
    ],
)
def test_a_filter_may_be_nested_so_deep_and_no_deeper(before: str, inner: str, after: str) -> None:
    def nested(depth: int) -> str:
        return f"{before * depth}{inner}{after * depth}{' ne null' if inner == repr('b') else ''}"

    assert ConnectionFilter(nested(MAX_DEPTH)).matches(ANA)
    with pytest.raises(FilterError, match="Recursion depth exceeded allowed limit"):
        ConnectionFilter(nested(MAX_DEPTH + 1))


def test_the_deepest_filter_can_still_be_written_in_an_error() -> None:
    text = "(true eq not " * (MAX_DEPTH // 2) + "userId" + ")" * (MAX_DEPTH // 2)
    with pytest.raises(FilterError, match="not userId"):
        ConnectionFilter(text)


@pytest.mark.parametrize("operator", ["and", "or"])
def test_a_filter_may_have_so_many_clauses_and_no_more(operator: str) -> None:
    assert ConnectionFilter(f" {operator} ".join(["true"] * MAX_CLAUSES)).matches(ANA)
    with pytest.raises(FilterError, match=f"more than {MAX_CLAUSES} clauses"):
        ConnectionFilter(f" {operator} ".join(["true"] * (MAX_CLAUSES + 1)))


def test_a_list_may_be_long_but_no_filter_without_end() -> None:
    text = "connectionId in (" + ",".join(f"'c{number}'" for number in range(5000)) + ")"
    assert ConnectionFilter(text).matches(ANA)
    with pytest.raises(FilterError) as refused:
        ConnectionFilter(f"userId eq '{'a' * MAX_CHARACTERS}'")
    assert len(str(refused.value)) < 200
