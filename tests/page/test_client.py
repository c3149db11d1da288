"""The client of the page, used by scripts in Node: rooms, private rooms, JSON, and changes."""

from __future__ import annotations

from typing import Any

import pytest

import chat.policy
from tests.page.scripts import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


async def test_the_only_room_is_not_exchanged_for_another_when_it_may_not_be_joined_any_more(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda user_id, _: user_id != "k23-out")
    result = await script("""
      globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
      const ana = await Person.join("ana", "k23");
      ana.chat.userId = "k23-out"; // as if the rule had changed
      const now = performance.now.bind(performance);
      performance.now = () => now() + 11_000;
      document.dispatchEvent(new Event("visibilitychange"));
      await until(() => ana.of("refused").length);
      ana.chat.start();
      await until(() => ana.status === "refused");
      result = [ana.of("refused")[0][0], ana.of("status").at(-1)[0].code];""")
    assert result == ["k23", "not_a_member"]


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
    others: list[Any] = [None, 1, None, [1], {"messages": []}, {"messages": [0]}, {"data": None}, {"data": 1}]
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
