"""`vermilion signer`: the keys in a process of their own."""

from __future__ import annotations

import click


@click.command()
def signer() -> None:
    """Hold the keys for the other services, and serve VERMILION_SIGNER_SOCKET until told to stop."""
    from registry.settings import Settings
    from registry.signer import serve_signer
    from signing.apart import conceal

    conceal()
    serve_signer(Settings())
