"""The page's files: what the page is told, and what happens if it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.demo import DemoFiles
from chat.settings import Settings, SettingsError

SETTINGS = Settings.from_env(
    {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "WebPubSubConnectionString": "Endpoint=https://x.webpubsub.azure.com;AccessKey=k;",
        "CLIENT_AUTH": "anonymous",
    }
)
TAG = '<html lang="de" class="mine" data-client-auth="" data-default-room="" data-max-message-bytes="">'


def test_a_page_whose_tag_has_other_attributes_is_told_the_settings_too(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(TAG)
    page = DemoFiles(tmp_path, SETTINGS).get("https://app/api/demo/", "").body.decode()
    assert page.startswith('<html lang="de" class="mine" data-client-auth="anonymous" data-default-room="lobby" ')


@pytest.mark.parametrize("text", [None, "<html>"], ids=["there is no page", "it cannot be told the settings"])
def test_a_page_that_cannot_be_served_is_a_setting_to_mend(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "index.html").write_text(text)
    with pytest.raises(SettingsError, match="DEMO_PAGE: set it to false"):
        DemoFiles(tmp_path, SETTINGS)
