"""The client of the page, used by scripts in Node: what fails is sent again, and what was missed is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import chat.policy
from chat.backends.service import Service
from chat.messaging.delivery import Delivery
from local.azurite import Azurite
from tests.e2e.conftest import System, running_system
from tests.page.scripts import Script, run_script
from webpubsub_handler import EventErrorResponse

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


async def test_what_is_stored_and_was_told_nobody_is_sent_again_though_its_sender_read_it(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver, attempts = Delivery.deliver, iter(range(4))  # as often as the service tries

    async def die(self: Delivery, stored: Any, broadcast: Any) -> Any:
        # As a process that is killed after it stored the row: nothing is broadcast, and nothing recorded.
        is_dying = b"kept" in broadcast.body and next(attempts, None) is not None
        return EventErrorResponse(503, "Try again.") if is_dying else await deliver(self, stored, broadcast)

    monkeypatch.setattr(Delivery, "deliver", die)
    result = await script("""
      const [ana, ben] = [await Person.join("ana", "k90"), await Person.join("ben", "k90")];
      const kept = ana.chat.send("k90", "text", "kept");
      await until(() => kept.state === "unconfirmed");
      await ana.cut();
      await ben.hears("k90", "kept");
      await ana.settled(kept);
      result = [ana.texts("k90", "missed"), ben.texts("k90", "live"), ana.texts("k90", "live"), ana.chat.unsent];""")
    assert result == [["kept"], ["kept"], [], []]


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
      globalThis.setInterval = () => 0; // not by the next beat
      const ana = await Person.join("ana", "k22");
      skipWaits(4_000, 4_000);
      WebSocket.prototype.send = () => {};
      document.dispatchEvent(new Event("visibilitychange"));
      await until(() => ana.status === "waiting");
      result = ana.of("status").at(-1)[0].reason;""")
    assert result == "The connection went silent."


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


async def test_a_client_that_was_away_too_long_starts_over_with_the_newest_page(script: Script) -> None:
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
      const said = { type: "message", time: "2026-11-26T20:00:00Z", from: "ben", dataType: "text", data: "" };
      const made = (second, number) => ({ ...said, id: id(second, number) });
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


async def test_failing_parts_are_known_from_the_answers_and_checked_from_time_to_time(
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


async def test_the_people_of_the_room_that_is_shown_are_listed(script: Script) -> None:
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
