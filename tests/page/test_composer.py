"""Where a person writes: what is wrong is said there, and nothing that was written is lost."""

from __future__ import annotations

import pytest
from playwright.async_api import FilePayload, expect

from tests.e2e.conftest import System
from tests.page.conftest import OpenTab

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_message_is_counted_from_four_fifths_of_the_limit_and_stays_when_it_is_too_long(
    join: OpenTab, system: System
) -> None:
    ana = await join("k1", "ana")
    text, size, problem = (ana.page.locator(f"#{name}") for name in ("text", "size", "problem"))
    await text.fill("x" * 52_000)
    await expect(size).to_be_hidden()
    await text.fill("ä" * 27_000)  # two bytes each
    await expect(size).to_have_text("54,000 of 65,536 bytes")
    await text.fill("x" * 70_000)
    await expect(size).to_have_text("Too long: 70,000 of 65,536 bytes")
    await text.press("Enter")
    await expect(problem).to_have_text("Too long: 70,000 of 65,536 bytes")
    assert len(await text.input_value()) == 70_000
    await text.fill("short")
    await expect(problem).to_be_empty()
    await text.press("Enter")
    await expect(ana.page.locator(".own .badge.stored")).to_be_attached()
    assert [message["data"] for message in await system.history("k1")] == ["short"]


async def test_json_that_is_none_is_not_sent_and_the_place_is_shown(join: OpenTab, system: System) -> None:
    ana = await join("k2", "ana")
    text, problem = ana.page.locator("#text"), ana.page.locator("#problem")
    await ana.page.click("#json")
    await expect(ana.page.locator("#composer")).to_have_class("as-json")
    await ana.write('{"tea": "assam",\n "cake": maybe}')
    await expect(problem).to_have_text("Not JSON: “m” stands at line 2, column 10, where a value should be.")
    assert await text.evaluate("(text) => text.value.slice(text.selectionStart, text.selectionEnd)") == "m"
    assert await text.get_attribute("aria-invalid") == "true"
    await ana.page.keyboard.type('"')  # in place of what was selected
    await expect(problem).to_contain_text("has no end")
    await text.fill('{"cake": true}')
    await expect(problem).to_be_empty()
    await text.press("Enter")
    await expect(ana.page.locator(".own .badge.stored")).to_be_attached()
    await ana.page.click("#json")
    await expect(ana.page.locator("#composer")).not_to_have_class("as-json")
    assert [message["data"] for message in await system.history("k2")] == [{"cake": True}]


async def test_a_file_that_is_not_an_image_is_named_at_the_composer(join: OpenTab) -> None:
    ana = await join("k3", "ana")
    text = FilePayload(name="image.png", mimeType="image/png", buffer=b"not an image")
    await ana.page.set_input_files("#file", [text])
    await expect(ana.page.locator("#problem")).to_have_text("This file isn’t an image.")
    assert await ana.page.locator("#messages > *").count() == 0


LAID_OUT = {
    '{"a":12345678901234567890,"b":[1.00,{},[]]}': (
        '{\n  "a": 12345678901234567890,\n  "b": [\n    1.00,\n    {},\n    []\n  ]\n}'
    ),
    ' "a\\u0020b" ': '"a\\u0020b"',
    "-0.0e+00": "-0.0e+00",
}
NOT_JSON = {
    "": "the text ends at line 1, column 1, where a value",
    "{": "the text ends at line 1, column 2, where a name in double quotes or “}”",
    "[1,]": "“]” stands at line 1, column 4, where a value",
    "[1 2]": "“2” stands at line 1, column 4, where “,” or “]”",
    '{"a" 1}': "“1” stands at line 1, column 6, where “:”",
    '{"a":1,}': "“}” stands at line 1, column 8, where a name in double quotes",
    "01": "“1” stands at line 1, column 2, where the end",
    "[}": "“}” stands at line 1, column 2, where a value or “]”",
    '"\\x"': "the text in quotes at line 1, column 1 has no end",
    '["a\n"]': "the text in quotes at line 1, column 2 has no end",
}
# What JSON.parse takes and refuses, by texts that are made of its characters.
AS_JSON_PARSE = """({ problemOf, layOut }) => {
  const differences = [];
  let state = 7;
  const random = (limit) => (state = (state * 48271) % 2147483647) % limit;
  for (let i = 0; i < 20000; i += 1) {
    const text = Array.from({ length: random(9) }, () => '{}[],:"a1.e-+ \\\\ntrufalse0'[random(25)]).join("");
    let value;
    try { value = [JSON.parse(text)]; } catch { value = null; }
    if ((value === null) !== (problemOf(text) !== null)) differences.push(text);
    if (value && JSON.stringify(JSON.parse(layOut(text, 1e6))) !== JSON.stringify(value[0])) differences.push(text);
  }
  return differences;
}"""


async def test_json_is_laid_out_and_judged_as_the_browser_reads_it(join: OpenTab) -> None:
    tab = await join("k4", "ana")

    async def ask(expression: str, argument: object = None) -> object:
        return await tab.page.evaluate(f"(one) => import('./timeline/json.js').then({expression})", argument)

    for text, laid_out in LAID_OUT.items():
        assert await ask("({ layOut }) => layOut(one, 1e6)", text) == laid_out
    for text, message in NOT_JSON.items():
        assert message in str(await ask("({ problemOf }) => problemOf(one).message", text))
    assert await ask(AS_JSON_PARSE) == []
    # A thousand brackets do not make a million blanks.
    assert await ask("({ layOut }) => layOut('['.repeat(30000) + ']'.repeat(30000), 1e9).length < 4e6")
