"""How things are done, as one tree of texts: the guide, and what each plugin says of itself.

The texts are those that people read. How a part is chosen or shown is not known here.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from canary.config import Config
from canary_extras import pages
from canary_extras.capabilities import short_name


def tree(config: Config) -> dict[str, Any]:
    """`{"core": {page: skill}, "<plugin>": {"overview": skill}}`."""
    guide = {
        page.name.partition("/")[2]: _skill(page.title, page.summary, page.text)
        for page in pages.all_pages().values()
        if page.name.startswith("guide/")
    }
    found: dict[str, Any] = {"core": guide}
    for info in config.plugins.plugins():
        if (
            info.state == "active"
            and short_name(info.name) != "core"
            and (skill := _overview(info.distribution))
        ):
            found[short_name(info.name)] = {"overview": skill}
    return found


def _overview(distribution: str) -> dict[str, str] | None:
    """The description that a distribution was installed with."""
    try:
        data = metadata.metadata(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    text = str(data.get_payload() or data.get("Description") or "")  # type: ignore[attr-defined] # older headers hold it
    return _skill(distribution, str(data.get("Summary") or ""), text) if text.strip() else None  # type: ignore[attr-defined] # the same


def _skill(title: str, summary: str, text: str) -> dict[str, str]:
    return {"title": title, "summary": summary, "text": text}
