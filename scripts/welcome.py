"""Say where the app will answer and what to do next; `make run` and `make demo` print it before they start."""

from __future__ import annotations

import sys

from config import InvalidSettings, Settings


def text(settings: Settings) -> str:
    """Return the address and the next step."""
    host = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
    address = f"http://{host}:{settings.port}"
    best = f"{address}/api/best-window?region={settings.default_region}&duration_hours=4"
    return "\n".join(
        (
            "",
            f"  Halfhour   {address}/",
            f"  Next       open it and press New job, or ask: curl '{best}'",
            "  Stop       Ctrl-C",
            "",
        )
    )


def main() -> int:
    """Print the text; return 1 with the reason if the settings cannot be used."""
    try:
        print(text(Settings.from_env()), flush=True)
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
