"""The client of the page, used by scripts in Node: rooms, private rooms, changes, and what happens when things fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import chat.policy
from chat.backends.service import Service
from local.azurite import Azurite
from tests.e2e.conftest import System, running_system
from tests.page.scripts import run_script

pytestmark = pytest.mark.asyncio(loop_scope="session")

Script = Callable[[str], Awaitable[Any]]


@pytest.fixture
def script(system: System, tmp_path: Path) -> Script:
    """A function that runs a script and returns its result."""
    return lambda code: run_script(tmp_path, system, code)


async def test_rooms_are_joined_and_left_over_one_connection(script: Script) -> None:
    result = await script("""
      const [ana, ben] = [await Person.join("ana", "k1-a"), await Person.join("ben", "k1-a", "k1-b", "k1-c")];
      const { connectionId } = ana.chat;
      await ben.say("k1-b", "before");
      await ana.chat.join("k1-b");
      await ben.say("k1-b", "after");
      await ben.say("k1-c", "elsewhere");
      await ana.hears("k1-b", "after");
      await ana.say("k1-b", "from ana");
      await ana.chat.leave("k1-b");
      await ben.say("k1-b", "without ana");
      await ben.say("k1-a", "the end");
      await ana.hears("k1-a", "the end");
      result = {
        b: [ana.texts("k1-b", "history"), ana.texts("k1-b", "live")],
        c: ana.texts("k1-c"),
        rooms: ana.chat.rooms,
        isOneConnection: connectionId === ana.chat.connectionId,
      };""")
    assert result == {
        "b": [["before"], ["after", "from ana"]],
        "c": [],
        "rooms": [{"name": "k1-a", "isPrivate": False, "title": None, "isRead": True}],
        "isOneConnection": True,
    }


async def test_a_room_that_was_joined_is_asked_for_again_after_the_line_was_lost(script: Script) -> None:
    result = await script("""
      const [ana, ben] = [await Person.join("ana", "k2-a"), await Person.join("ben", "k2-b")];
      await ana.chat.join("k2-b");
      await ben.say("k2-b", "before");
      await ana.hears("k2-b", "before");
      ana.chat.stop();
      await ben.say("k2-b", "meanwhile");
      const joined = ana.chat.join("k2-c");
      await ana.start();
      await joined;
      await ben.say("k2-b", "after");
      await ana.hears("k2-b", "after");
      const { seconds, ...returned } = ana.of("returned")[0][0];
      result = { missed: ana.texts("k2-b", "missed"), rooms: ana.chat.rooms.map(({ name }) => name), returned };""")
    assert result == {
        "missed": ["meanwhile"],
        "rooms": ["k2-a", "k2-b", "k2-c"],
        "returned": {"missed": 1, "isComplete": True},
    }


async def test_a_room_that_may_not_be_joined_is_told_and_the_others_go_on(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda _, room: "closed" not in room)
    result = await script("""
      const ana = await Person.join("ana", "k3-a", "k3 closed");
      const refused = await ana.chat.join("k3 closed too").catch(({ name, code }) => [name, code]);
      const invalid = await ana.chat.join("..").catch(({ code }) => code);
      await ana.say("k3-a", "here");
      result = { told: ana.of("refused"), refused, invalid, rooms: ana.chat.rooms.map(({ name }) => name) };""")
    assert result == {
        "told": [["k3 closed", {"code": "not_a_member", "message": "You may not join this room."}]],
        "refused": ["Error", "not_a_member"],
        "invalid": "invalid_room",
        "rooms": ["k3-a"],
    }


async def test_rooms_that_are_too_many_are_refused_from_the_end_and_private_ones_where_there_can_be_none(
    script: Script,
) -> None:
    result = await script("""
      const rooms = Array.from({ length: 22 }, (_, number) => `k17-${number}`);
      const ana = await Person.join("k17/ana", rooms[0], "@", ...rooms.slice(1));
      result = [ana.of("refused").map(([room, { code }]) => [room, code]), ana.chat.rooms.length];""")
    many = [[f"k17-{number}", "too_many_rooms"] for number in (21, 20, 19)]
    assert result == [[*many, ["@", "not_a_member"]], 19]


EXACT = '{ "n": 12345678901234567890, "p": 1.00, "e": 1e2, "s": "\\u00e9 \\"}", "a": [1.0, -0] }'


@pytest.mark.parametrize("room", ["k4", "@k4"])
async def test_json_is_handed_out_as_it_was_written(script: Script, room: str) -> None:
    result = await script(f"""
      const [room, exact] = ["{room}", String.raw`{EXACT}`];
      const [ana, ben] = [await Person.join("k4-ana", "k4", "@"), await Person.join("k4-ben", "k4", "@")];
      if (room[0] === "@") await ana.chat.createRoom({{ title: "Exact", members: ["k4-ben"], id: "k4" }});
      await until(() => ben.chat.rooms.some(({{ name }}) => name === room));
      const {{ id }} = await ana.say(room, exact, "json");
      await ben.hears(room, exact);
      await ana.settled(ana.chat.edit(room, id, "json", "[0.10]"));
      await until(() => ben.changes(room).length);
      await ana.say(room, "2.0", "json");
      const late = await Person.join("k4-ben", "k4", "@");
      await late.chat.join(room);
      result = [ben.texts(room), ben.changes(room).map(({{ data }}) => data), late.texts(room)];""")
    assert result == [[EXACT, "2.0"], ["[0.10]"], ["[0.10]", "2.0"]]


async def test_no_json_is_changed_whatever_it_looks_like(script: Script) -> None:
    result = await script(r"""
      const { parse } = await import("./line.js");
      let seed = 7;
      const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
      const pick = (...all) => all[random(all.length)];
      const space = () => pick("", "", " ", "\n\t", "\r ");
      const some = (one) => Array.from({ length: random(5) }, one);
      const text = () => JSON.stringify(some(() => pick('"', "\\", "}", "]", ",", ":", "ä", "\u2028", "x")).join(""));
      const name = () => pick('"data"', '"dataType"', '"messages"', '"d\\u0061ta"', text());
      const list = (one) => some(() => space() + one() + space()).join(",");
      const value = (depth) => {
        const kind = random(depth > 4 ? 3 : 5);
        if (kind === 0) return pick("12345678901234567890", "1.00", "-0", "1e2", "0.1E+7", "true", "false", "null");
        if (kind === 1) return text();
        if (kind === 2) return pick("{}", "[ ]", '""', "0");
        if (kind === 3) return `[${list(() => value(depth + 1)) || " "}]`;
        return `{${list(() => `${name()}${space()}:${space()}${value(depth + 1)}`)}}`;
      };
      const fields = (...all) => {
        const shuffled = all.sort(() => random(3) - 1);
        return `{${shuffled.map((one) => space() + one + space()).join(",")}}`;
      };
      const envelope = (data) => fields('"type":"message"', '"dataType":"json"', `"data"${space()}:${space()}${data}`);
      let count = 0;
      const wrong = [];
      const check = (expected, found) => (count += 1) && expected !== found && wrong.push([expected, found]);
      for (let round = 0; round < 500; round++) {
        const all = Array.from({ length: 3 }, () => value(0));
        const frame = fields('"from":"group"', `"data":${envelope(all[0])}`, '"dataType":"json"', '"sequenceId":1');
        check(all[0], parse(frame).data.data);
        const envelopes = [...all.map(envelope), '{"dataType":"text","data":"{}"}'].join(",");
        const page = fields(`"messages":[${envelopes}]`, '"next":null');
        parse(page).messages.slice(0, 3).forEach(({ data }, number) => check(all[number], data));
      }
      const others = ["{", "1", "null", "[1]", '{"messages":[]}', '{"messages":[0]}', '{"data":null}', '{"data":1}'];
      result = [count, wrong.slice(0, 3), others.map(parse)];""")
    others = [None, 1, None, [1], {"messages": []}, {"messages": [0]}, {"data": None}, {"data": 1}]
    assert result == [2000, [], others]


async def test_a_private_room_is_used_like_an_open_one(script: Script) -> None:
    result = await script("""
      const [ana, ben] = [await Person.join("k5-ana", "@", "k5"), await Person.join("k5-ben", "@")];
      const cleo = await Person.join("k5-cleo", "@");
      const room = await ana.chat.createRoom({ title: "Our team", members: ["k5-ben"], id: "k5" });
      await until(() => ben.chat.rooms.length);
      const said = [await ana.say("@k5", "hello"), await ana.say("@k5", "AAEC", "binary")];
      await ben.hears("@k5", "AAEC");
      await ben.say("@k5", "hello ana");
      await ana.hears("@k5", "hello ana");
      await ana.chat.addMember("@k5", "k5-cleo");
      await until(() => cleo.chat.rooms.length);
      await cleo.chat.join("@k5");
      const twice = await ana.chat.addMember("@k5", "k5-cleo").catch(({ code }) => code);
      const stranger = await ben.chat.removeMember("@k5", "k5-cleo").catch(({ code }) => code);
      await ana.settled(ana.chat.edit("@k5", said[0].id, "text", "hello all"));
      await ana.settled(ana.chat.delete("@k5", said[1].id));
      await until(() => cleo.changes("@k5").length === 2);
      await ana.chat.removeMember("@k5", "k5-cleo");
      await until(() => !cleo.chat.rooms.length);
      await ben.chat.leave("@k5");
      const gone = await ben.chat.join("@k5").catch(({ code }) => code);
      result = {
        room, twice, stranger, gone,
        title: cleo.of("rooms").flatMap(([rooms]) => rooms.map(({ title }) => title)).at(-1),
        ana: ana.messages("@k5").map(({ from, dataType, data, key }) => [from, dataType, data, Boolean(key)]),
        cleo: [cleo.texts("@k5", "history"), cleo.changes("@k5").map(({ kind, data }) => [kind, data])],
        members: ana.of("members").map(([member]) => member),
        unsent: ana.chat.unsent,
        left: ana.chat.rooms.map(({ name }) => name),
      };""")
    assert result == {
        "room": {"name": "@k5", "title": "Our team", "members": ["k5-ana", "k5-ben"]},
        "twice": "UserAlreadyInRoom",
        "stranger": "NoPermissionInRoom",
        "gone": "RoomNotFound",
        "title": "Our team",
        "ana": [
            ["k5-ana", "text", "hello", True],
            ["k5-ana", "binary", "AAEC", True],
            ["k5-ben", "text", "hello ana", False],
        ],
        "cleo": [["hello", "AAEC", "hello ana"], [["edited", "hello all"], ["deleted", None]]],
        "members": [
            {"room": "@k5", "event": "joined", "userId": "k5-cleo"},
            {"room": "@k5", "event": "left", "userId": "k5-cleo"},
            {"room": "@k5", "event": "left", "userId": "k5-ben"},
        ],
        "unsent": [],
        "left": ["k5", "@k5"],
    }


async def test_private_rooms_are_known_again_after_a_time_away(script: Script) -> None:
    result = await script("""
      const [ana, ben] = [await Person.join("k6-ana", "@"), await Person.join("k6-ben", "@")];
      await ana.chat.createRoom({ title: "One", members: ["k6-ben"], id: "k6-1" });
      await until(() => ben.chat.rooms.length);
      await ben.chat.join("@k6-1");
      ben.chat.stop();
      await ana.say("@k6-1", "meanwhile");
      await ana.chat.createRoom({ title: "Two", members: ["k6-ben"], id: "k6-2" });
      await ben.start();
      await until(() => ben.chat.rooms.every(({ title }) => title));
      await ana.say("@k6-2", "live");
      await ben.hears("@k6-2", "live");
      result = [ben.texts("@k6-1", "missed"), ben.chat.rooms];""")
    rooms = [
        {"name": "@k6-1", "isPrivate": True, "title": "One", "isRead": True},
        {"name": "@k6-2", "isPrivate": True, "title": "Two", "isRead": False},
    ]
    assert result == [["meanwhile"], rooms]


async def test_changes_are_heard_live_and_after_a_time_away_and_once(script: Script) -> None:
    result = await script("""
      const [ana, ben] = [await Person.join("ana", "k7"), await Person.join("ben", "k7")];
      const said = [];
      for (const text of ["one", "two", "three"]) said.push(await ana.say("k7", text));
      await ben.hears("k7", "three");
      await ana.settled(ana.chat.edit("k7", said[0].id, "text", "one, edited"));
      await until(() => ben.changes("k7").length === 1);
      ben.chat.stop();
      await ana.settled(ana.chat.edit("k7", said[1].id, "text", "two, edited"));
      await ana.settled(ana.chat.delete("k7", said[2].id));
      const four = await ana.say("k7", "four");
      await ana.settled(ana.chat.delete("k7", four.id));
      await ben.start();
      const late = await Person.join("cleo", "k7");
      const states = ({ data, deletedAt, editedAt }) => [data, Boolean(deletedAt), Boolean(editedAt)];
      result = {
        ben: ben.changes("k7").map(({ kind, data, id }) => [kind, data, said.findIndex((one) => one.id === id)]),
        missed: ben.messages("k7", "missed").map((message) => [...states(message), message.id === four.id]),
        late: late.messages("k7").map(states).sort(),
        lateChanges: late.changes("k7"),
        unsent: ana.chat.unsent.length,
      };""")
    assert result == {
        "ben": [["edited", "one, edited", 0], ["edited", "two, edited", 1], ["deleted", None, 2]],
        "missed": [["", True, False, True]],
        "late": [["", True, False], ["", True, False], ["one, edited", False, True], ["two, edited", False, True]],
        "lateChanges": [],
        "unsent": 0,
    }


async def test_what_nobody_acknowledges_is_told_and_sent_again_until_it_is_stored(
    script: Script, system: System
) -> None:
    result = await script("""
      skipWaits(1_000);
      const ana = await Person.join("ana", "k8");
      await inject({ fault: "delay", part: "event", event: "send", seconds: 50, count: 1 });
      const slow = ana.chat.send("k8", "text", "slow");
      const next = ana.chat.send("k8", "text", "next");
      await until(() => slow.state === "unconfirmed");
      await ana.cut();
      await ana.settled(next);
      result = [slow.state, next.state, ana.texts("k8")];""")
    assert result == ["stored", "stored", ["slow", "next"]]
    assert [message["data"] for message in await system.history("k8")] == ["next", "slow"]


async def test_what_the_app_failed_to_do_is_sent_again_after_a_pause(script: Script, system: System) -> None:
    result = await script("""
      const ana = await Person.join("ana", "k20");
      const { id } = await ana.say("k20", "hello");
      const waits = skipWaits(1_000, 2_000);
      await inject({ fault: "drop_answer", event: "edit", count: 8 }); // the service tries each four times
      await ana.settled(ana.chat.edit("k20", id, "text", "edited"));
      await until(() => ana.changes("k20").length);
      const states = ana.of("outgoing").filter(([{ event }]) => event === "edit").map(([{ state }]) => state);
      const isPause = (wait) => wait >= 1_000 && wait <= 4_000 && !Number.isInteger(wait); // half of it is chance
      result = [states, waits.filter(isPause).length];""")
    assert result == [["unconfirmed", "unconfirmed", "stored"], 2]
    assert [message["data"] for message in await system.history("k20")][-1] == "edited"


async def test_what_is_refused_has_a_code_and_can_be_retried_edited_and_discarded(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def may_send(message: Any) -> bool:
        asked.append(message.body)
        return bool(message.body != b"spam" or asked.count(b"spam") > 1)

    monkeypatch.setattr(chat.policy, "may_send", may_send)
    result = await script("""
      const ana = await Person.join("ana", "k9");
      const spam = await ana.settled(ana.chat.send("k9", "text", "spam"));
      const refused = [spam.state, spam.code, spam.reason];
      const large = await ana.settled(ana.chat.send("k9", "text", "x".repeat(70_000)));
      const huge = await ana.settled(ana.chat.send("k9", "text", "x".repeat(1_100_000)));
      const lost = await ana.settled(ana.chat.delete("k9", "00"));
      ana.chat.discard(large.key);
      ana.chat.discard(huge.key);
      ana.chat.discard(lost.key);
      const left = ana.chat.unsent.map(({ data }) => data);
      ana.chat.retry(spam.key);
      await ana.hears("k9", "spam");
      result = { refused, large: large.code, huge: huge.code, lost: lost.code, left, unsent: ana.chat.unsent };""")
    assert result == {
        "refused": ["failed", "refused", "This message may not be sent here."],
        "large": "too_large",
        "huge": "too_large",
        "lost": "not_found",
        "left": ["spam"],
        "unsent": [],
    }


async def test_what_no_broadcast_brought_is_read_within_the_minute_while_the_page_is_visible(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast = Service.broadcast

    async def lose(self: Service, room: str, body: bytes, **options: Any) -> None:
        if b"lost" not in body:
            await broadcast(self, room, body, **options)

    monkeypatch.setattr(Service, "broadcast", lose)
    result = await script("""
      globalThis.document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
      skipWaits(45_000);
      const [ana, ben] = [await Person.join("ana", "k10"), await Person.join("ben", "k10")];
      const seen = watchFetch();
      await ben.settled(ben.chat.send("k10", "text", "lost"));
      await new Promise((resolve) => setTimeout(resolve, 200));
      const whileHidden = seen.length;
      document.visibilityState = "visible";
      await ana.hears("k10", "lost");
      result = [whileHidden, ana.texts("k10", "missed"), ana.of("returned")];""")
    assert result == [0, ["lost"], []]


async def test_a_page_that_becomes_visible_reads_at_once_but_not_each_time(script: Script) -> None:
    result = await script("""
      globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
      const ana = await Person.join("ana", "k11");
      const seen = watchFetch();
      const counts = [];
      const look = () => {
        document.dispatchEvent(new Event("visibilitychange"));
        counts.push(seen.length);
      };
      look();
      const real = performance.now.bind(performance);
      performance.now = () => real() + 11_000;
      document.visibilityState = "hidden";
      look();
      document.visibilityState = "visible";
      look();
      look();
      result = [counts, seen.map(({ route, room }) => [route, room])];""")
    assert result == [[0, 0, 1, 1], [["messages", "k11"]]]


async def test_after_a_pause_of_the_machine_it_is_read_at_once(script: Script) -> None:
    result = await script("""
      let beat = null;
      globalThis.setInterval = (call) => ((beat = call), 0);
      const real = setTimeout;
      globalThis.setTimeout = (call, wait, ...rest) => real(call, wait === 4_000 ? 2 ** 30 : wait, ...rest);
      const ana = await Person.join("ana", "k21");
      const seen = watchFetch();
      beat();
      const reads = () => seen.filter(({ route }) => route === "messages").length;
      const before = reads();
      await ana.say("k21", "the answer to the ping came before this");
      const now = performance.now.bind(performance);
      performance.now = () => now() + 60_000;
      beat();
      result = [before, reads(), ana.status];""")
    assert result == [0, 1, "connected"]


async def test_a_line_that_died_while_nobody_looked_is_given_up_soon_after(script: Script) -> None:
    result = await script("""
      globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
      const ana = await Person.join("ana", "k22");
      skipWaits(4_000, 4_000);
      WebSocket.prototype.send = () => {};
      document.dispatchEvent(new Event("visibilitychange"));
      await until(() => ana.status === "waiting");
      result = ana.of("status").at(-1)[0].reason;""")
    assert result == "The line went silent."


async def test_a_reading_that_began_before_the_line_was_lost_does_not_count_for_the_next_one(script: Script) -> None:
    result = await script("""
      globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
      const [ana, ben] = [await Person.join("ana", "k19"), await Person.join("ben", "k19")];
      const old = await fetch(`${tools.api}messages?room=k19`);
      let release = null;
      const held = new Promise((resolve) => (release = () => resolve(old)));
      let isFirst = true;
      watchFetch((route) => (route === "messages" && isFirst ? ((isFirst = false), held) : null));
      const real = performance.now.bind(performance);
      performance.now = () => real() + 11_000;
      document.dispatchEvent(new Event("visibilitychange"));
      ana.chat.stop();
      await ben.say("k19", "meanwhile");
      const isBack = ana.start();
      await until(() => ana.chat.connectionId);
      release();
      await isBack;
      result = ana.texts("k19", "missed");""")
    assert result == ["meanwhile"]


async def test_who_was_away_too_long_starts_over_with_the_newest_page(script: Script) -> None:
    result = await script("""
      const ben = await Person.join("ben", "k12");
      const { id } = await ben.say("k12", "before");
      const ana = await Person.join("ana", "k12");
      ana.chat.stop();
      let number = 100_000;
      const seen = watchFetch((route, parameters) => {
        if (route !== "messages" || !parameters.get("after")) return null;
        const messages = Array.from({ length: 200 }, () => {
          const made = id.slice(0, 10) + "f".repeat(4) + String(--number) + "0".repeat(40);
          const time = "2026-11-24T09:30:00.000Z";
          return { type: "message", id: made, time, from: "ben", room: "k12", dataType: "text", data: `${number}` };
        });
        const ends = { newest: messages[0].id, next: messages.at(-1).id };
        return new Response(JSON.stringify({ messages, ...ends }), { headers: { "Content-Type": "application/json" } });
      });
      await ana.start();
      const texts = ana.texts("k12", "history");
      result = {
        reads: seen.filter(({ route }) => route === "messages").length,
        reset: ana.of("reset"),
        texts: [texts.length, texts.at(0), texts.at(-1)],
        missed: ana.texts("k12", "missed"),
        returned: ana.of("returned").map(([{ isComplete }]) => isComplete),
        hasOlder: ana.chat.hasOlder("k12"),
      };""")
    assert result == {
        "reads": 10,
        "reset": [["k12"]],
        "texts": [2001, "before", "99999"],
        "missed": [],
        "returned": [False],
        "hasOlder": True,
    }


async def test_what_is_not_shown_any_more_is_forgotten_and_read_again(script: Script) -> None:
    result = await script("""
      const [ana, ben] = [await Person.join("ana", "k13"), await Person.join("ben", "k13")];
      const said = [];
      for (let number = 0; number < 60; number++) said.push(ben.chat.send("k13", "text", String(number)));
      await ana.hears("k13", "59");
      ana.chat.forget("k13", ana.messages("k13")[50].id);
      const hadOlder = ana.chat.hasOlder("k13");
      await ben.settled(ben.chat.edit("k13", ben.messages("k13")[3].id, "text", "three"));
      await ben.say("k13", "the end");
      await ana.hears("k13", "the end");
      await ana.chat.readOlder("k13");
      const late = await Person.join("cleo", "k13");
      const first = late.texts("k13").length;
      await late.chat.readOlder("k13");
      result = {
        hadOlder,
        changes: ana.changes("k13"),
        again: ana.texts("k13", "history"),
        hasOlder: [ana.chat.hasOlder("k13"), late.chat.hasOlder("k13")],
        late: [first, new Set(late.messages("k13").map(({ id }) => id)).size],
      };""")
    again = [str(number) for number in range(50)]
    again[3] = "three"
    assert result == {
        "hadOlder": True,
        "changes": [],
        "again": again,
        "hasOlder": [False, False],
        "late": [49, 61],  # the first page has 50 rows, one of them the edit of a message that is older
    }


ROOM = """
      const { Room } = await import("./room.js");
      const id = (second, number) => second.toString(16).padStart(10, "0") + String(number).padStart(40, "0");
      const made = (second, number) => ({ type: "message", id: id(second, number), time: "t", from: "ben" });
"""


async def test_late_messages_are_looked_for_until_the_newest_one_is_two_minutes_old(script: Script) -> None:
    result = await script(f"""{ROOM}
      const room = new Room("k14");
      const asked = [];
      const read = (at, ...envelopes) => {{
        asked.push(room.since);
        room.takeNewer(envelopes.toReversed(), {{ newest: envelopes.at(-1)?.id ?? null, next: null, at }});
      }};
      read(0, made(1, 1), made(9, 2));
      read(60_000, made(9, 2));
      read(130_000, made(9, 2));
      read(190_000);
      read(250_000, made(200, 3));
      read(310_000);
      result = asked.map(({{ after, overlap }}) => [after ? Number(after.slice(10)) : null, overlap ?? null]);""")
    assert result == [[None, None], [2, "true"], [2, "true"], [2, None], [2, None], [3, "true"]]


async def test_what_is_older_than_the_pages_that_were_read_is_left_to_them(script: Script) -> None:
    result = await script(f"""{ROOM}
      const room = new Room("k14");
      const numbers = ({{ messages }}) => messages.map((one) => Number(one.id.slice(10)));
      const ends = {{ newest: id(9, 9), next: id(5, 5), at: 0 }};
      result = [
        numbers(room.takeNewer([made(9, 9), made(5, 5)], ends)),
        numbers(room.takeNewer([made(9, 9), made(6, 6), made(5, 5), made(4, 4)], {{ ...ends, next: null }})),
        numbers(room.take([made(3, 3), made(7, 7)], "live")),
        numbers(room.takeOlder([made(4, 4), made(3, 3)], null)),
      ];""")
    assert result == [[5, 9], [6], [7], [3, 4]]


async def test_a_client_that_runs_for_long_stays_small(script: Script) -> None:
    result = await script(f"""{ROOM}
      const room = new Room("k14");
      room.takeNewer([made(0, 0)], {{ newest: id(0, 0), next: null, at: 0 }});
      let count = 0;
      const take = (number) => room.take([made(number, number)], "live");
      for (let number = 1; number <= 100_000; number++) count += take(number).messages.length;
      const again = [1, 50_000, 100_000].map(take).map(({{ messages, repeats }}) => [messages.length, repeats.length]);
      result = [count, again, room.older > id(80_000, 0)];""")
    assert result == [100_000, [[0, 0], [0, 0], [0, 1]], True]


async def test_what_fails_is_known_from_the_answers_and_asked_for_once_in_a_while(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await script("""
      const ana = await Person.join("ana", "k15");
      await ana.say("k15", "all is well");
      const well = { ...ana.chat.health };
      let isDown = true;
      const error = (status, body) => new Response(JSON.stringify(body), { status });
      const seen = watchFetch((route) => {
        if (!isDown) return null;
        if (route === "health") return error(503, { status: "unhealthy", storage: "unavailable", webpubsub: "ok" });
        return error(503, { type: "error", code: "unavailable", message: "Try again.", id: "e-1" });
      });
      await ana.chat.join("k15-b").catch(() => {});
      await until(() => ana.chat.health.storage === "failing");
      const failing = { ...ana.chat.health };
      const asked = () => seen.filter(({ route }) => route === "health").length;
      const first = asked();
      await ana.chat.readOlder("k15").catch(() => {});
      await ana.chat.join("k15-c").catch(() => {});
      isDown = false;
      await ana.chat.join("k15-d");
      result = { well, failing, first, then: asked(), healed: ana.chat.health };""")
    reason = "Storage does not answer the app."
    assert result == {
        "well": {"app": "ok", "service": "ok", "storage": "ok"},
        "failing": {"app": "ok", "service": "ok", "storage": "failing", "reason": reason, "errorId": "e-1"},
        "first": 1,
        "then": 1,
        "healed": {"app": "ok", "service": "ok", "storage": "ok"},
    }


async def test_who_is_here_is_told_of_the_room_that_is_looked_at(script: Script) -> None:
    result = await script("""
      const [ana, ben] = [await Person.join("ana", "k16-a"), await Person.join("ben", "k16-b")];
      await ana.chat.join("k16-b");
      const lists = (room) => ana.of("people").filter(([, name]) => name === room).map(([people]) => people);
      const of = (room) => lists(room).map((people) => people.map(({ userId }) => userId));
      await until(() => of("k16-a").length);
      const before = of("k16-b");
      ana.chat.focus("k16-b");
      await until(() => of("k16-b").at(-1)?.join() === "ana,ben");
      ben.chat.typing("k16-b");
      await until(() => ana.of("typing").length);
      ben.chat.stop();
      await until(() => of("k16-b").at(-1).join() === "ana");
      result = [before, ana.of("typing")];""")
    assert result == [[], [["ben", "k16-b"]]]


FIVE_HUNDRED = """
      let seed = 19;
      Math.random = () => ((seed = (seed * 48271) % 2147483647) - 1) / 2147483646;
      const real = setTimeout;
      // No reading by the minute.
      globalThis.setTimeout = (call, wait, ...rest) => real(call, wait < 45_000 ? wait : 2 ** 30, ...rest);
      const clients = Array.from({ length: 500 }, (_, number) => {
        const client = { userId: `k18-${number}`, waits: [], isConnected: false };
        const status = ({ state, retryAt }) => {
          client.isConnected = state === "connected";
          if (state === "waiting") client.waits.push(retryAt - Date.now());
        };
        const who = { rooms: [`k18-${number % 20}`], userId: client.userId };
        return Object.assign(client, { chat: new ChatClient(tools.api, who, { status }) });
      });
      for (let from = 0; from < 500; from += 50) {
        for (const { chat } of clients.slice(from, from + 50)) chat.start();
        await until(() => clients.slice(from, from + 50).every(({ isConnected }) => isConnected));
      }
      for (const client of clients) client.waits = [];
      const seen = watchFetch();
      await inject({ fault: "cut_connections" });
      await until(() => clients.every(({ waits }) => waits.length));
      await until(() => clients.every(({ isConnected }) => isConnected));
      const count = (route, userId) => seen.filter((one) => one.route === route && one.userId === userId).length;
      const isIn = (second) => ({ waits }) => Math.floor(Math.max(0, waits[0]) / 1000) === second;
      result = {
        seconds: [0, 1, 2, 3].map((second) => clients.filter(isIn(second)).length),
        firstTwo: Math.max(...clients.map(({ waits }) => waits[0] + (waits[1] ?? 0))),
        extra: clients.filter(({ userId, waits }) => count("messages", userId) > waits.length).length,
        routes: [...new Set(seen.map(({ route }) => route))].sort(),
      };"""


async def test_five_hundred_clients_that_lose_their_line_at_once_come_back_spread_out_and_read_once(
    azurite: Azurite, tmp_path: Path
) -> None:
    # Nobody is told who comes and goes: that would be most of the work.
    async with running_system(azurite, system_events=frozenset({"connect"})) as system:
        result = await run_script(tmp_path, system, FIVE_HUNDRED)
    assert sum(result["seconds"]) == 500
    assert max(result["seconds"]) < 200
    assert result["firstTwo"] <= 12_000
    assert result["extra"] == 0
    assert result["routes"] == ["messages", "negotiate"]
