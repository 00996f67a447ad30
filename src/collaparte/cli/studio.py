"""``collaparte studio``: a music stand that listens, in the browser."""

from __future__ import annotations

import click

from collaparte.cli.door import Command

PORT = 8765


@click.command(
    cls=Command,
    examples=("collaparte studio", "collaparte studio --host 0.0.0.0 --token 'a long secret' --no-browser"),
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="Where to listen; 0: any free port."
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser; print the address only.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where else to listen: needs --token."
)
@click.option("--token", metavar="SECRET", help="What a browser must know to be let in (at least 12 characters).")
def studio(port: int, no_browser: bool, host: str, token: str | None) -> None:
    """Open the studio in a browser: library, score, rehearsal, review.

    It listens on this machine alone. With --host and --token a tablet on the music stand can open it, too: whoever
    knows the token can play here. Stop with Ctrl-C.
    """
    from collaparte.studio.safety import Door

    door = Door(host, token)
    from collaparte.studio.serve import serve

    serve(door, port, browser=not no_browser, say=lambda place: click.echo(f"The studio is at {place}"))
